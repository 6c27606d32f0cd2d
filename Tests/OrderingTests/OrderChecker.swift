import Ordering
import RoomCore

/// What must hold of every order, whatever was done to it. Knows nothing of how the rules are written.
struct OrderChecker {
  /// - Returns: the first promise that is broken.
  static func fault(in order: CollaborativeOrder) -> String? {
    let ids = Set(order.participants.map(\.id))
    if ids.count != order.participants.count { return "a participant is there twice" }
    if !ids.isEmpty, !ids.contains(order.owner) { return "the owner \(order.owner) is not there" }
    if Set(order.items.map(\.id)).count != order.items.count { return "an item is there twice" }
    if !order.items.allSatisfy({ (1...99).contains($0.quantity) && $0.price >= .zero }) { return "a wrong item" }
    if !order.undoable.keys.allSatisfy(ids.contains) { return "somebody who left could undo" }
    return faultInLimits(of: order) ?? faultInSplit(of: order, ids) ?? faultInShares(of: order)
  }

  private static func faultInLimits(of order: CollaborativeOrder) -> String? {
    if order.items.count > order.limits.maxItems { return "too many items" }
    if order.participants.count > order.limits.maxParticipants { return "too many participants" }
    if let limit = order.limits.maxTotal, order.total > limit { return "a total above the limit" }
    return nil
  }

  private static func faultInSplit(of order: CollaborativeOrder, _ ids: Set<ParticipantID>) -> String? {
    let named: [ParticipantID]
    switch order.split {
    case .equal, .itemized: named = []
    case .custom(let parts): named = Array(parts.keys)
    case .percentage(let parts):
      named = Array(parts.keys)
      if parts.values.reduce(0, +) != 10_000 { return "percentages of \(parts.values)" }
    case .shares(let parts):
      named = Array(parts.keys)
      if parts.values.allSatisfy({ $0 == 0 }) { return "shares of nothing" }
    }
    let mayPay = ids.isEmpty ? [order.owner] : ids
    return named.allSatisfy(mayPay.contains) ? nil : "a part of the bill is nobody's"
  }

  private static func faultInShares(of order: CollaborativeOrder) -> String? {
    var items: Int64 = 0
    for item in order.items { items += item.price.minorUnits * Int64(item.quantity) }
    let charges = order.charges
    let total =
      items + charges.tax.amount.minorUnits + charges.delivery.amount.minorUnits + charges.tip.amount.minorUnits
      - min(charges.discount.amount.minorUnits, items)
    if order.total.minorUnits != total { return "a total of \(order.total.minorUnits), not \(total)" }

    guard let shares = try? OrderLogic.previewShares(of: order) else {
      if order.participants.isEmpty { return nil }
      guard case .custom(let parts) = order.split else { return "no shares" }
      return parts.values.reduce(0) { $0 + $1.minorUnits } == total ? "no shares of what adds up" : nil
    }
    let amounts = shares.map(\.amount.minorUnits)
    if shares.map(\.participant) != order.participants.map(\.id) { return "shares of others" }
    if amounts.reduce(0, +) != total { return "shares of \(amounts), not \(total)" }
    if amounts.contains(where: { $0 < 0 }) { return "a negative share in \(amounts)" }
    if order.split == .equal, let least = amounts.min(), let most = amounts.max(), most - least > 1 {
      return "unequal shares \(amounts)"
    }
    return order.split == .itemized ? faultInItemized(amounts, of: order) : nil
  }

  /// Without charges everybody pays for exactly what they added.
  private static func faultInItemized(_ amounts: [Int64], of order: CollaborativeOrder) -> String? {
    let charges = [order.charges.tax, order.charges.delivery, order.charges.tip, order.charges.discount]
    guard order.itemsTotal > .zero, charges.allSatisfy({ $0.amount == .zero }) else { return nil }
    for (participant, amount) in zip(order.participants, amounts) {
      var own: Int64 = 0
      for item in order.items {
        let payer = order.participants.contains { $0.id == item.addedBy } ? item.addedBy : order.owner
        if payer == participant.id { own += item.total.minorUnits }
      }
      if own != amount { return "\(participant.id) pays \(amount), not \(own)" }
    }
    return nil
  }
}
