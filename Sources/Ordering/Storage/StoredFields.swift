import JSONText
import RoomCore

/// The words in which journal and snapshots are written. Keys are never renamed or given another meaning; new fields
/// are optional, null being absent, and unknown ones are passed over, so that neighbouring versions can read one another.
/// Amounts are minor units (`…Minor`), moments and spans are milliseconds.
extension JSONReader {
  /// A value that must have been there, in the object that was just read.
  func required<Value>(_ value: Value?, _ key: StaticString) throws(JSONError) -> Value {
    guard let value else { throw failure("'\(key)' is missing") }
    return value
  }

  /// A word out of an enumeration.
  mutating func word<Words: RawRepresentable<String>>(of words: Words.Type) throws(JSONError) -> Words {
    let word = try string()
    guard let value = Words(rawValue: word) else { throw failure("'\(word)' is no \(words)") }
    return value
  }

  mutating func int() throws(JSONError) -> Int { Int(try integer()) }
  mutating func money() throws(JSONError) -> Money { Money(minorUnits: try integer()) }
  mutating func timestamp() throws(JSONError) -> Timestamp { Timestamp(millis: try integer()) }
  mutating func participantID() throws(JSONError) -> ParticipantID { ParticipantID(try string()) }
}

extension JSONWriter {
  mutating func field(_ key: StaticString, _ value: Money) { field(key, value.minorUnits) }
  mutating func field(_ key: StaticString, _ value: Timestamp) { field(key, value.millis) }
  mutating func field(_ key: StaticString, _ value: ParticipantID) { field(key, value.value) }

  mutating func field(_ key: StaticString, _ value: Timestamp?) {
    if let value { field(key, value) }
  }
}
