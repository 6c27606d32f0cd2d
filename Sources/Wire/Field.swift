import JSONText
import Ordering
import RoomCore

/// A field of an object in a client's message: its name, the error that a wrong value is, and the value once it was read.
/// `null` counts as absent.
///
/// Errors say the whole path, `data.tax.amount`. Each object knows its own fields only: what is around it is put in front
/// when an error passes through, so that nothing is composed where nothing is wrong.
struct Field<Value> {
  let name: StaticString
  private let code: WireError.Code
  var value: Value?
  /// Whether the field is there, be it null.
  private(set) var isGiven = false

  init(_ name: StaticString, _ code: WireError.Code = .invalidMessage) {
    self.name = name
    self.code = code
  }

  /// A field is what a `switch` over keys compares with: `case dishName:`.
  @inline(__always)
  static func ~= (field: Field, key: JSONKey) -> Bool { field.name ~= key }

  /// Notes that the field is there. A second one is an error: which of them counts would depend on who reads it.
  mutating func note() throws(WireError) {
    guard !isGiven else { throw failure("is given twice") }
    isGiven = true
  }

  @inline(__always)
  func required() throws(WireError) -> Value {
    guard let value else { throw failure("is missing") }
    return value
  }

  @inline(__always)
  func failure(_ complaint: String) -> WireError { WireError(code, about: name, complaint) }
}

extension Field where Value: FieldValue {
  mutating func read(from reader: inout JSONReader) throws(WireError) {
    try note()
    let kind = try reader.kind()
    if case .null = kind { return try reader.skipValue() }
    do throws(WireError) {
      value = try Value.read(kind, from: &reader)
    } catch {
      throw error.inside(name)
    }
    if value == nil { throw failure("must be \(Value.rule)") }
  }
}

/// What a field may hold.
protocol FieldValue {
  /// What the value must be, for errors: `a string`.
  static var rule: String { get }

  /// Reads a value that is not null.
  ///
  /// - Returns: nil if it breaks the rule.
  /// - Throws: `invalid_json`, or what is wrong with a field inside the value.
  static func read(_ kind: JSONReader.Kind, from reader: inout JSONReader) throws(WireError) -> Self?
}

extension String: FieldValue {
  static var rule: String { "a string" }

  static func read(_ kind: JSONReader.Kind, from reader: inout JSONReader) throws(WireError) -> String? {
    guard case .string = kind else { return nil }
    return try reader.strictly { reader throws(JSONError) in try reader.string() }
  }
}

extension Bool: FieldValue {
  static var rule: String { "true or false" }

  static func read(_ kind: JSONReader.Kind, from reader: inout JSONReader) throws(WireError) -> Bool? {
    guard case .bool = kind else { return nil }
    return try reader.strictly { reader throws(JSONError) in try reader.bool() }
  }
}

extension DecimalNumber: FieldValue {
  static var rule: String { "a number" }

  static func read(_ kind: JSONReader.Kind, from reader: inout JSONReader) throws(WireError) -> DecimalNumber? {
    guard case .number = kind else { return nil }
    var text = reader
    let number = try reader.strictly { reader throws(JSONError) in try reader.number() }
    // `-0` is within no range: it would pass for 0, which removes an item or makes it free.
    guard number == 0 else { return number }
    let digits = try text.strictly { text throws(JSONError) in try text.verbatim() }
    return digits.first == UInt8(ascii: "-") ? .beyondRange : number
  }
}

/// A position, a count, a moment.
extension Int64: FieldValue {
  static var rule: String { "an integer from 0 to \(Int64.max)" }

  static func read(_ kind: JSONReader.Kind, from reader: inout JSONReader) throws(WireError) -> Int64? {
    guard let integer = try DecimalNumber.read(kind, from: &reader)?.integer, integer >= 0 else { return nil }
    return integer
  }
}

extension ParticipantID: FieldValue {
  static var rule: String { "a string of \(form)" }

  static func read(_ kind: JSONReader.Kind, from reader: inout JSONReader) throws(WireError) -> ParticipantID? {
    guard let id = try String.read(kind, from: &reader).map({ ParticipantID($0) }), id.isWellFormed else { return nil }
    return id
  }
}

/// A word out of a few.
extension FieldValue where Self: RawRepresentable<String> & CaseIterable {
  static var rule: String { "one of " + allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ") }

  static func read(_ kind: JSONReader.Kind, from reader: inout JSONReader) throws(WireError) -> Self? {
    try String.read(kind, from: &reader).flatMap { Self(rawValue: $0) }
  }
}

extension DishType: FieldValue {}
extension EditingRule: FieldValue {}
extension Allocation: FieldValue {}
extension Placement: FieldValue {}

extension JSONReader {
  /// A step whose failure means that the text is no JSON.
  @inline(__always)
  mutating func strictly<Value>(
    _ step: (inout JSONReader) throws(JSONError) -> Value
  ) throws(WireError) -> Value {
    do { return try step(&self) } catch { throw Self.noJSON(error) }
  }

  /// Kept out of line, so that the way without errors stays short.
  @inline(never)
  private static func noJSON(_ error: JSONError) -> WireError { WireError(error) }

  mutating func kind() throws(WireError) -> Kind {
    try strictly { reader throws(JSONError) in try reader.peek() }
  }

  mutating func isAtObject() throws(WireError) -> Bool { if case .object = try kind() { true } else { false } }

  mutating func skipValue() throws(WireError) {
    try strictly { reader throws(JSONError) in try reader.skip() }
  }

  mutating func enterObject() throws(WireError) {
    try strictly { reader throws(JSONError) in try reader.beginObject() }
  }

  mutating func nextField() throws(WireError) -> JSONKey? {
    try strictly { reader throws(JSONError) in try reader.nextKey() }
  }
}
