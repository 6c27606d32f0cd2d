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

  /// No amount that was ever stored is below zero or beyond the ceiling. One that is would overflow a sum one day.
  mutating func money() throws(JSONError) -> Money {
    let amount = Money(minorUnits: try integer())
    guard (.zero...Bill.ceiling).contains(amount) else { throw failure("an amount is out of range") }
    return amount
  }

  mutating func quantity() throws(JSONError) -> Int {
    let quantity = try int()
    guard (1...1000).contains(quantity) else { throw failure("a quantity is out of range") }
    return quantity
  }

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
