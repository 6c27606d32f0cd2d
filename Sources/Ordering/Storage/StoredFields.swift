import JSONText
import RoomCore

/// The words in which journal and snapshots are written. Keys are never renamed or given another meaning; new fields
/// are optional, and unknown ones are passed over, so that neighbouring versions can read one another.
/// Amounts are minor units (`…Minor`), moments and spans are milliseconds.
extension JSONReader {
  /// A value that `what` must have.
  func required<Value>(_ value: Value?, _ what: StaticString, _ key: StaticString) throws(JSONError) -> Value {
    guard let value else { throw failure("\(what) has no '\(key)'") }
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

  /// A value that may be absent, or null, which is the same.
  mutating func optional<Value>(
    _ read: (inout JSONReader) throws(JSONError) -> Value
  ) throws(JSONError) -> Value? {
    try null() ? nil : try read(&self)
  }
}

extension JSONWriter {
  mutating func field(_ key: StaticString, _ value: Money) { field(key, value.minorUnits) }
  mutating func field(_ key: StaticString, _ value: Timestamp) { field(key, value.millis) }
  mutating func field(_ key: StaticString, _ value: ParticipantID) { field(key, value.value) }

  mutating func field(_ key: StaticString, _ value: Timestamp?) {
    if let value { field(key, value) }
  }

  mutating func field(_ key: StaticString, _ value: some Storable) {
    self.key(key)
    value.write(to: &self)
  }

  mutating func field<Element: Storable>(_ key: StaticString, _ values: [Element]) {
    self.key(key)
    beginArray()
    for value in values { value.write(to: &self) }
    endArray()
  }
}

extension Array where Element: Storable {
  static func read(from reader: inout JSONReader) throws(JSONError) -> [Element] {
    var values: [Element] = []
    try reader.beginArray()
    while try reader.nextElement() { values.append(try Element.read(from: &reader)) }
    return values
  }
}
