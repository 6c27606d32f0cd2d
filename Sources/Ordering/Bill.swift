import RoomCore

/// What an order costs, line by line: `total = items + tax + delivery + tip − discount`.
public struct Bill: Sendable, Equatable {
  /// The most that any order may come to, whatever its limits say: 10^15 minor units. So far below the range of 64 bits
  /// that no sum of lines overflows, and below 2^53, so that a client's floating-point number holds a total exactly.
  public static let ceiling = Money(minorUnits: 1_000_000_000_000_000)

  public let items: Money
  public let tax: Money
  public let delivery: Money
  public let tip: Money
  /// As taken. A discount is taken off the items and is worth at most what they cost, so that neither the total nor
  /// anybody's share is ever negative; it is not lost by that: it counts in full again once the items cost more.
  public let discount: Money

  public init(items: Money, charges: Charges) {
    self.items = items
    tax = charges.tax.amount
    delivery = charges.delivery.amount
    tip = charges.tip.amount
    discount = min(charges.discount.amount, items)
  }

  public var total: Money { items + tax + delivery + tip - discount }
}

extension CollaborativeOrder {
  public var itemsTotal: Money { items.reduce(.zero) { $0 + $1.total } }
  public var bill: Bill { Bill(items: itemsTotal, charges: charges) }
  public var total: Money { bill.total }
}

// MARK: - Shares

extension OrderLogic {
  /// What each participant owes as things stand, in joining order; the frozen shares of an order that is finalized.
  ///
  /// Each line of the bill is divided once, by its own rule. The items follow the split: equal parts, basis points,
  /// weights, or what each participant's own items cost. A charge is either the same for everybody, or proportional:
  /// then it follows the items. Lines under the same rule are added up before they are divided, so that rounding
  /// happens once per rule: an equal split of 100.00 and 5.00 tax among three is 35.00 each, not 35.01, 35.00 and 34.99.
  /// Custom amounts say themselves what everybody pays of the whole.
  ///
  /// The items of somebody who is no longer there are the owner's; on their return they are their own again. Where
  /// nobody's items cost anything, proportional charges are divided equally. An equal discount takes from nobody more
  /// than they pay.
  ///
  /// - Throws: `invalid_split` if custom amounts do not add up to the total, or if nobody is there to pay.
  public static func previewShares(of order: CollaborativeOrder) throws(OrderRejection) -> [Share] {
    if let frozen = order.shares { return frozen }
    guard !order.participants.isEmpty else { throw OrderRejection(.invalidSplit, "the order has no participants") }
    let amounts: [Money]
    if case .custom(let parts) = order.split {
      try order.requireTotal(ofCustom: parts)
      amounts = order.participants.map { parts[$0.id] ?? .zero }
    } else {
      amounts = divide(order.bill, among: order.weights, charges: order.charges)
    }
    return zip(order.participants, amounts).map { participant, amount in
      Share(participant: participant.id, name: participant.name, amount: amount)
    }
  }

  private static func divide(_ bill: Bill, among weights: [Int64], charges: Charges) -> [Money] {
    guard weights.contains(where: { $0 != weights[0] }) else { return Apportionment.divide(bill.total, by: weights) }
    var following = bill.items
    var equal = Money.zero
    for (amount, charge) in [(bill.tax, charges.tax), (bill.delivery, charges.delivery), (bill.tip, charges.tip)] {
      switch charge.allocation {
      case .proportional: following += amount
      case .equal: equal += amount
      }
    }
    if charges.discount.allocation == .proportional { following -= bill.discount }
    var amounts = Apportionment.divide(following, by: weights)
    amounts = zip(amounts, Apportionment.divide(equal, by: weights.map { _ in 1 })).map { $0 + $1 }
    if charges.discount.allocation == .equal {
      amounts = zip(amounts, Apportionment.take(bill.discount, equallyFrom: amounts)).map { $0 - $1 }
    }
    return amounts
  }
}

extension CollaborativeOrder {
  /// The participants' parts of the items, in joining order; of no meaning for custom amounts.
  fileprivate var weights: [Int64] {
    switch split {
    case .equal, .custom: participants.map { _ in 1 }
    case .itemized: itemCosts
    case .percentage(let parts), .shares(let parts): participants.map { Int64(parts[$0.id] ?? 0) }
    }
  }

  /// What each participant's items cost.
  private var itemCosts: [Int64] {
    var indices: [ParticipantID: Int] = [:]
    for (index, participant) in participants.enumerated() { indices[participant.id] = index }
    var costs = participants.map { _ in Int64(0) }
    for item in items {
      guard let index = indices[item.addedBy] ?? indices[owner] else { continue }
      costs[index] += item.total.minorUnits
    }
    return costs
  }

  /// - Throws: `invalid_split`, naming the difference.
  func requireTotal(ofCustom parts: [ParticipantID: Money]) throws(OrderRejection) {
    let sum = parts.values.reduce(Money.zero) { sum, part in
      let (result, overflow) = sum.minorUnits.addingReportingOverflow(part.minorUnits)
      return Money(minorUnits: overflow ? .max : result)
    }
    let total = self.total
    guard sum != total else { return }
    let difference = currency.text(of: sum < total ? total - sum : sum - total)
    throw OrderRejection(
      .invalidSplit,
      "custom amounts must add up to the total of \(currency.text(of: total)); they come to \(difference) "
        + (sum < total ? "less" : "more"))
  }
}
