import JSONText
import RoomCore

extension Decision {
  func updateSplit(_ request: OrderCommand.SplitRequest) throws(OrderRejection) -> [OrderEvent] {
    try requireUnlocked()
    let split = try OrderLogic.split(request, of: order)
    return split == order.split ? [.unchanged] : [.splitUpdated(split)]
  }
}

extension OrderLogic {
  /// The split that a request asks for, if it fits the order as it stands.
  ///
  /// Custom amounts may be left out and given later; until then, and whenever the order has changed so that they no
  /// longer add up, there are no shares and the order cannot be finalized.
  public static func split(
    _ request: OrderCommand.SplitRequest, of order: CollaborativeOrder
  ) throws(OrderRejection) -> Split {
    switch request {
    case .equal: return .equal
    case .itemized: return .itemized
    case .custom(let amounts):
      let total = order.total
      let parts = try parts(amounts, of: order, "data.amounts") { number throws(OrderRejection) in
        try order.currency.amount(number, "each of data.amounts", atMost: total, else: .invalidSplit)
      }
      if !parts.isEmpty { try order.requireTotal(ofCustom: parts) }
      return .custom(parts)
    case .percentage(let percents):
      let parts = try parts(percents, of: order, "data.percentages") { number throws(OrderRejection) in
        try whole(
          number, digits: 2, in: 0...wholeBill,
          "each of data.percentages must be from 0 to 100, with at most 2 decimals")
      }
      let sum = parts.values.reduce(0, +)
      guard sum == wholeBill else {
        throw OrderRejection(
          .invalidSplit, "data.percentages must add up to 100; they come to \(decimalText(Int64(sum), digits: 2))")
      }
      return .percentage(parts)
    case .shares(let weights):
      let parts = try parts(weights, of: order, "data.shares") { number throws(OrderRejection) in
        try whole(
          number, digits: 0, in: 0...maxWeight, "each of data.shares must be a whole number from 0 to \(maxWeight)")
      }
      guard parts.values.contains(where: { $0 > 0 }) else {
        throw OrderRejection(.invalidSplit, "one of data.shares must be above 0")
      }
      return .shares(parts)
    }
  }

  /// In basis points.
  private static let wholeBill = 10_000
  private static let maxWeight = 1_000_000

  private static func parts<Part>(
    _ numbers: [ParticipantID: DecimalNumber], of order: CollaborativeOrder, _ field: String,
    _ part: (DecimalNumber) throws(OrderRejection) -> Part
  ) throws(OrderRejection) -> [ParticipantID: Part] {
    var rest = numbers
    var parts: [ParticipantID: Part] = [:]
    for participant in order.participants {
      guard let number = rest.removeValue(forKey: participant.id) else { continue }
      parts[participant.id] = try part(number)
    }
    guard rest.isEmpty else {
      throw OrderRejection(.invalidSplit, "\(field) may name participants of this order only")
    }
    return parts
  }

  private static func whole(
    _ number: DecimalNumber, digits: Int, in range: ClosedRange<Int>, _ rule: String
  ) throws(OrderRejection) -> Int {
    guard let value = number.scaled(byDigits: digits), range.contains(Int(value)) else {
      throw OrderRejection(.invalidSplit, rule)
    }
    return Int(value)
  }
}

extension Split {
  /// Gives one participant's part to another, so that the parts of the others, and their sum, stay as they are.
  mutating func movePart(of leaver: ParticipantID, to heir: ParticipantID) {
    guard leaver != heir else { return }
    switch self {
    case .equal, .itemized: break
    case .custom(var parts):
      guard let part = parts.removeValue(forKey: leaver) else { return }
      parts[heir, default: .zero] += part
      self = .custom(parts)
    case .percentage(var parts):
      guard let part = parts.removeValue(forKey: leaver) else { return }
      parts[heir, default: 0] += part
      self = .percentage(parts)
    case .shares(var parts):
      guard let part = parts.removeValue(forKey: leaver) else { return }
      parts[heir, default: 0] += part
      self = .shares(parts)
    }
  }
}
