import JSONText
import Ordering
import RoomCore

/// `{splitType, amounts? | percentages? | shares? | splitDetails?}`: the first three are objects from participant to
/// number, the last an array of `{participantId, amount | percentage | shares}`, as the order's state has it.
struct SplitFields {
  private enum SplitType {
    case equal, itemized, custom, percentage, shares
  }

  /// One number per participant, as an object gives it or as `splitDetails` does.
  private struct Numbers {
    var named: [ParticipantID: DecimalNumber]?
    var detailed: [ParticipantID: DecimalNumber] = [:]
  }

  private static let code = WireError.Code.invalidSplit

  private var type: SplitType?
  private var amounts = Numbers()
  private var percentages = Numbers()
  private var weights = Numbers()
  /// Nil without `splitDetails`.
  private var detailCount: Int?
  private var seen = SeenKeys()

  private init() {}

  /// Reads the rest of an object.
  static func read(from reader: inout JSONReader) throws(WireError) -> OrderCommand.SplitRequest {
    var fields = SplitFields()
    while let key = try reader.nextField() { try fields.readField(key, from: &reader) }
    return try fields.request()
  }

  private mutating func readField(_ key: JSONKey, from reader: inout JSONReader) throws(WireError) {
    switch key {
    case "splitType":
      try seen.note(0, "data.splitType", Self.code)
      let rule: StaticString = "'equal', 'itemized', 'custom', 'percentage' or 'shares'"
      guard let word = try reader.word("data.splitType", Self.code, rule) else { return }
      switch word {
      case "equal": type = .equal
      case "itemized": type = .itemized
      case "custom": type = .custom
      case "percentage": type = .percentage
      case "shares": type = .shares
      default: throw WireError(Self.code, "data.splitType must be \(rule)")
      }
    case "amounts":
      try seen.note(1, "data.amounts", Self.code)
      amounts.named = try Self.numbers("data.amounts", &reader)
    case "percentages":
      try seen.note(2, "data.percentages", Self.code)
      percentages.named = try Self.numbers("data.percentages", &reader)
    case "shares":
      try seen.note(3, "data.shares", Self.code)
      weights.named = try Self.numbers("data.shares", &reader)
    case "splitDetails":
      try seen.note(4, "data.splitDetails", Self.code)
      try readDetails(from: &reader)
    default: try reader.skipValue()
    }
  }

  private static func numbers(
    _ field: StaticString, _ reader: inout JSONReader
  ) throws(WireError) -> [ParticipantID: DecimalNumber]? {
    guard try reader.enterObject(field, code, "an object from participant to number") else { return nil }
    var numbers: [ParticipantID: DecimalNumber] = [:]
    while let key = try reader.nextField() {
      let id: String
      do { id = try key.string() } catch { throw WireError(error) }
      try JSONReader.check(participantID: id, field, code)
      guard let number = try reader.number(field, code) else {
        throw WireError(code, "\(field) must give each participant a number")
      }
      guard numbers.updateValue(number, forKey: ParticipantID(id)) == nil else {
        throw WireError(code, "\(field) names a participant twice")
      }
    }
    return numbers
  }

  private mutating func readDetails(from reader: inout JSONReader) throws(WireError) {
    guard try reader.enterArray("data.splitDetails", Self.code) else { return }
    var participants: Set<ParticipantID> = []
    while try reader.nextValue() {
      let participant = try readDetail(from: &reader)
      guard participants.insert(participant).inserted else {
        throw WireError(Self.code, "data.splitDetails names a participant twice")
      }
    }
    detailCount = participants.count
  }

  private mutating func readDetail(from reader: inout JSONReader) throws(WireError) -> ParticipantID {
    let rule: StaticString = "data.splitDetails must hold objects {participantId, amount | percentage | shares}"
    guard try reader.kind() == .object, try reader.enterObject("data.splitDetails", Self.code) else {
      throw WireError(Self.code, "\(rule)")
    }
    var participant: ParticipantID?
    var amount: DecimalNumber?
    var percentage: DecimalNumber?
    var weight: DecimalNumber?
    var seen = SeenKeys()
    while let key = try reader.nextField() {
      switch key {
      case "participantId":
        try seen.note(0, "data.splitDetails.participantId", Self.code)
        participant = try reader.participantID("data.splitDetails.participantId", Self.code)
      case "amount":
        try seen.note(1, "data.splitDetails.amount", Self.code)
        amount = try reader.number("data.splitDetails.amount", Self.code)
      case "percentage":
        try seen.note(2, "data.splitDetails.percentage", Self.code)
        percentage = try reader.number("data.splitDetails.percentage", Self.code)
      case "shares", "share":
        try seen.note(3, "data.splitDetails.shares", Self.code)
        weight = try reader.number("data.splitDetails.shares", Self.code)
      default: try reader.skipValue()
      }
    }
    guard let participant else { throw WireError(Self.code, "\(rule)") }
    amounts.detailed[participant] = amount
    percentages.detailed[participant] = percentage
    weights.detailed[participant] = weight
    return participant
  }

  private func request() throws(WireError) -> OrderCommand.SplitRequest {
    guard let type else { throw WireError(Self.code, "data.splitType is missing") }
    switch type {
    case .equal: return .equal
    case .itemized: return .itemized
    case .custom: return .custom(try only(amounts, "data.amounts"))
    case .percentage: return .percentage(try only(percentages, "data.percentages"))
    case .shares: return .shares(try only(weights, "data.shares"))
    }
  }

  private func only(_ numbers: Numbers, _ field: StaticString) throws(WireError) -> [ParticipantID: DecimalNumber] {
    switch (numbers.named, detailCount) {
    case (let named?, nil): return named
    case (nil, let count?):
      guard numbers.detailed.count == count else {
        throw WireError(Self.code, "data.splitDetails must give each participant what data.splitType asks for")
      }
      return numbers.detailed
    case (.some, .some): throw WireError(Self.code, "\(field) and data.splitDetails cannot be given together")
    case (nil, nil): throw WireError(Self.code, "\(field) is missing")
    }
  }
}
