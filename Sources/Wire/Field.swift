import JSONText
import RoomCore

/// Reads fields of a message. Each function says which field it reads and which error it is if the value is not what
/// the field takes; `null` counts as absent.
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

  mutating func skipValue() throws(WireError) {
    try strictly { reader throws(JSONError) in try reader.skip() }
  }

  mutating func nextField() throws(WireError) -> JSONKey? {
    try strictly { reader throws(JSONError) in try reader.nextKey() }
  }

  /// Whether a value of the right kind is next; false after passing over null.
  private mutating func isPresent(
    _ kind: Kind, _ field: StaticString, _ code: WireError.Code, _ rule: StaticString
  ) throws(WireError) -> Bool {
    let found = try self.kind()
    if found == kind { return true }
    guard found == .null else { throw WireError(code, "\(field) must be \(rule)") }
    try skipValue()
    return false
  }

  mutating func text(
    _ field: StaticString, _ code: WireError.Code, _ rule: StaticString = "a string"
  ) throws(WireError) -> String? {
    guard try isPresent(.string, field, code, rule) else { return nil }
    return try strictly { reader throws(JSONError) in try reader.string() }
  }

  mutating func number(_ field: StaticString, _ code: WireError.Code) throws(WireError) -> DecimalNumber? {
    guard try isPresent(.number, field, code, "a number") else { return nil }
    return try strictly { reader throws(JSONError) in try reader.number() }
  }

  /// An integer that is not negative.
  mutating func count(_ field: StaticString, _ code: WireError.Code) throws(WireError) -> Int64? {
    guard let number = try number(field, code) else { return nil }
    guard let integer = number.integer, integer >= 0 else {
      throw WireError(code, "\(field) must be an integer that is not negative")
    }
    return integer
  }

  mutating func flag(_ field: StaticString, _ code: WireError.Code) throws(WireError) -> Bool? {
    guard try isPresent(.bool, field, code, "true or false") else { return nil }
    return try strictly { reader throws(JSONError) in try reader.bool() }
  }

  /// A string out of a few; `rule` names them.
  mutating func word(
    _ field: StaticString, _ code: WireError.Code, _ rule: StaticString
  ) throws(WireError) -> JSONKey? {
    guard try isPresent(.string, field, code, rule) else { return nil }
    return try strictly { reader throws(JSONError) in try reader.keyword() }
  }

  mutating func participantID(
    _ field: StaticString, _ code: WireError.Code
  ) throws(WireError) -> ParticipantID? {
    guard let id = try text(field, code) else { return nil }
    try Self.check(participantID: id, field, code)
    return ParticipantID(id)
  }

  static func check(
    participantID id: String, _ field: StaticString, _ code: WireError.Code
  ) throws(WireError) {
    guard (1...200).contains(id.utf8.count), !id.holdsControlCharacter else {
      throw WireError(code, "\(field) must have 1 to 200 bytes and no control characters")
    }
  }

  /// Steps into an object; false after passing over null.
  mutating func enterObject(
    _ field: StaticString, _ code: WireError.Code, _ rule: StaticString = "an object"
  ) throws(WireError) -> Bool {
    guard try isPresent(.object, field, code, rule) else { return false }
    try strictly { reader throws(JSONError) in try reader.beginObject() }
    return true
  }

  /// Steps into an array; false after passing over null.
  mutating func enterArray(_ field: StaticString, _ code: WireError.Code) throws(WireError) -> Bool {
    guard try isPresent(.array, field, code, "an array") else { return false }
    try strictly { reader throws(JSONError) in try reader.beginArray() }
    return true
  }

  mutating func nextValue() throws(WireError) -> Bool {
    try strictly { reader throws(JSONError) in try reader.nextElement() }
  }
}

extension String {
  /// Whether a C0 or C1 control character, or DEL, is in the string.
  var holdsControlCharacter: Bool {
    var copy = self
    return copy.withUTF8 { text in
      var previous: UInt8 = 0
      for byte in text {
        if byte < 0x20 || byte == 0x7F || (previous == 0xC2 && byte < 0xA0) { return true }
        previous = byte
      }
      return false
    }
  }
}

/// The known keys that an object has had. A second one of the same name is an error: which of them counts would
/// depend on who reads it.
struct SeenKeys {
  private var bits: UInt32 = 0

  mutating func note(_ index: UInt32, _ field: StaticString, _ code: WireError.Code) throws(WireError) {
    let bit = UInt32(1) << index
    guard bits & bit == 0 else { throw WireError(code, "\(field) is given twice") }
    bits |= bit
  }
}
