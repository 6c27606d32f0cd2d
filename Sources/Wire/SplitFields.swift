import JSONText
import Ordering
import RoomCore

/// `{splitType, amounts? | percentages? | shares? | splitDetails?}`: the first three are objects from participant to
/// number, the last an array of `{participantId, amount | percentage | shares}`, as the order's state has it.
struct SplitFields {
  private enum SplitType: String, CaseIterable, FieldValue {
    case equal, itemized, custom, percentage, shares
  }

  private typealias Numbers = [ParticipantID: DecimalNumber]

  private var type = Field<SplitType>("splitType", .invalidSplit)
  private var amounts = Field<Numbers>("amounts", .invalidSplit)
  private var percentages = Field<Numbers>("percentages", .invalidSplit)
  private var weights = Field<Numbers>("shares", .invalidSplit)
  private var details = Field<SplitDetails>("splitDetails", .invalidSplit)

  private init() {}

  /// Reads the rest of an object.
  static func read(from reader: inout JSONReader) throws(WireError) -> SplitFields {
    var fields = SplitFields()
    while let key = try reader.nextField() { try fields.read(key, from: &reader) }
    return fields
  }

  private mutating func read(_ key: JSONKey, from reader: inout JSONReader) throws(WireError) {
    switch key {
    case type: try type.read(from: &reader)
    case amounts: try amounts.read(from: &reader)
    case percentages: try percentages.read(from: &reader)
    case weights: try weights.read(from: &reader)
    case details: try details.read(from: &reader)
    default: try reader.skipValue()
    }
  }

  func request() throws(WireError) -> OrderCommand.SplitRequest {
    switch try type.required() {
    case .equal: .equal
    case .itemized: .itemized
    case .custom: .custom(try numbers(amounts, details.value?.amounts))
    case .percentage: .percentage(try numbers(percentages, details.value?.percentages))
    case .shares: .shares(try numbers(weights, details.value?.weights))
    }
  }

  private func numbers(_ named: Field<Numbers>, _ detailed: Numbers?) throws(WireError) -> Numbers {
    guard let detailed else { return try named.required() }
    guard named.value == nil else { throw named.failure("and data.splitDetails cannot be given together") }
    guard detailed.count == details.value?.participants.count else {
      throw details.failure("must give each participant what data.splitType asks for")
    }
    return detailed
  }
}

extension [ParticipantID: DecimalNumber]: FieldValue {
  static var rule: String { "an object that gives each participant, once, a number" }

  static func read(_ kind: JSONReader.Kind, from reader: inout JSONReader) throws(WireError) -> Self? {
    guard case .object = kind else { return nil }
    var numbers: Self = [:]
    try reader.enterObject()
    while let key = try reader.nextField() {
      let id = try reader.strictly { _ throws(JSONError) in ParticipantID(try key.string()) }
      guard let number = try DecimalNumber.read(reader.kind(), from: &reader),
        numbers.updateValue(number, forKey: id) == nil
      else { return nil }
    }
    return numbers
  }
}

private struct SplitDetails: FieldValue {
  static let rule = "an array of {participantId, amount | percentage | shares}, each participant once"

  var participants: Set<ParticipantID> = []
  var amounts: [ParticipantID: DecimalNumber] = [:]
  var percentages: [ParticipantID: DecimalNumber] = [:]
  var weights: [ParticipantID: DecimalNumber] = [:]

  static func read(_ kind: JSONReader.Kind, from reader: inout JSONReader) throws(WireError) -> SplitDetails? {
    guard case .array = kind else { return nil }
    var details = SplitDetails()
    try reader.strictly { reader throws(JSONError) in try reader.beginArray() }
    while try reader.strictly({ reader throws(JSONError) in try reader.nextElement() }) {
      guard try reader.kind() == .object, try details.readDetail(from: &reader) else { return nil }
    }
    return details
  }

  /// - Returns: false if the participant had one already.
  private mutating func readDetail(from reader: inout JSONReader) throws(WireError) -> Bool {
    var participant = Field<ParticipantID>("participantId", .invalidSplit)
    var amount = Field<DecimalNumber>("amount", .invalidSplit)
    var percentage = Field<DecimalNumber>("percentage", .invalidSplit)
    var weight = Field<DecimalNumber>("shares", .invalidSplit)
    try reader.enterObject()
    while let key = try reader.nextField() {
      switch key {
      case participant: try participant.read(from: &reader)
      case amount: try amount.read(from: &reader)
      case percentage: try percentage.read(from: &reader)
      case weight, "share": try weight.read(from: &reader)
      default: try reader.skipValue()
      }
    }
    let id = try participant.required()
    amounts[id] = amount.value
    percentages[id] = percentage.value
    weights[id] = weight.value
    return participants.insert(id).inserted
  }
}
