/// The name of a room, unique in a deployment.
///
/// 1 to 128 bytes out of `A-Z a-z 0-9 _ - . : ~`, so that it fits a URL path segment as it is.
/// Names minted by the product carry at least 128 random bits; names chosen by a client are taken as they come.
package struct RoomID: Hashable, Sendable, Comparable, CustomStringConvertible {
  package let name: String

  /// - Returns: nil if `name` is empty, too long, or holds a byte that a room name may not hold.
  package init?(_ name: String) {
    guard (1...128).contains(name.utf8.count), name.utf8.allSatisfy(Self.isAllowed) else { return nil }
    self.name = name
  }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    case UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "~"): true
    default: false
    }
  }

  package static func < (left: RoomID, right: RoomID) -> Bool { left.name < right.name }
  package var description: String { name }
}

/// Who acts in a room: an opaque id that the directory maps to a person.
///
/// A client may give itself any id that is well-formed; what the journal has is taken as it is.
package struct ParticipantID: Hashable, Sendable, Comparable, CustomStringConvertible {
  package let value: String

  package init(_ value: String) { self.value = value }

  /// What `isWellFormed` asks for, in words.
  package static let form = "1 to \(maxBytes) bytes without control characters"
  private static let maxBytes = 200
  package var isWellFormed: Bool { value.isName(maxBytes: Self.maxBytes) }

  package static func < (left: ParticipantID, right: ParticipantID) -> Bool { left.value < right.value }
  package var description: String { value }
}

/// The name of one operation: its sender, and a string that the sender never uses for another operation.
///
/// A retry carries the same name, on whichever connection, gateway or node it arrives.
package struct OperationID: Hashable, Sendable, CustomStringConvertible {
  package let participant: ParticipantID
  package let value: String

  package init(participant: ParticipantID, value: String) {
    self.participant = participant
    self.value = value
  }

  package var description: String { "\(participant)/\(value)" }
}

/// The position of an event in its room, from 1, without gaps. 0 is the position before the first event.
package struct SequenceNumber: Hashable, Sendable, Comparable, CustomStringConvertible {
  package let number: Int64

  package init(_ number: Int64) { self.number = number }

  package static let zero = SequenceNumber(0)
  package var next: SequenceNumber { SequenceNumber(number + 1) }
  package func advanced(by count: Int) -> SequenceNumber { SequenceNumber(number + Int64(count)) }

  package static func < (left: SequenceNumber, right: SequenceNumber) -> Bool { left.number < right.number }
  package var description: String { "\(number)" }
}

/// How often a slot has been claimed. A write made under an older epoch is refused by the store.
package struct Epoch: Hashable, Sendable, Comparable, CustomStringConvertible {
  package let number: Int64

  package init(_ number: Int64) { self.number = number }

  package static let zero = Epoch(0)
  package var next: Epoch { Epoch(number + 1) }

  package static func < (left: Epoch, right: Epoch) -> Bool { left.number < right.number }
  package var description: String { "\(number)" }
}

/// A share of all rooms: the unit of ownership.
package struct Slot: Hashable, Sendable, Comparable, CustomStringConvertible {
  package let number: Int

  /// How many slots a deployment has; written into its store when the store is made.
  package static let count = 1024

  package init(_ number: Int) {
    precondition((0..<Self.count).contains(number), "slot \(number) is outside 0..<\(Self.count)")
    self.number = number
  }

  /// The slot that a room hashes to: XXH64 of its name, modulo the number of slots.
  package init(of room: RoomID) {
    var hasher = StableHasher()
    hasher.combine(bytesOf: room.name)
    self.number = Int(hasher.finish() % UInt64(Self.count))
  }

  package static var all: [Slot] { (0..<count).map(Slot.init) }

  package static func < (left: Slot, right: Slot) -> Bool { left.number < right.number }
  package var description: String { "\(number)" }
}

/// A moment, in milliseconds since 1970-01-01T00:00:00Z without leap seconds.
package struct Timestamp: Hashable, Sendable, Comparable, CustomStringConvertible {
  package let millis: Int64

  package init(millis: Int64) { self.millis = millis }

  /// Stays at the end of time where the sum would lie beyond it.
  package func advanced(by duration: Duration) -> Timestamp {
    let span = duration.clampedMillis
    let (sum, overflow) = millis.addingReportingOverflow(span)
    return Timestamp(millis: overflow ? (span > 0 ? .max : .min) : sum)
  }

  package static func < (left: Timestamp, right: Timestamp) -> Bool { left.millis < right.millis }
  package var description: String { "\(millis)ms" }
}

extension Duration {
  /// In whole milliseconds, as many as fit.
  package var clampedMillis: Int64 {
    let (seconds, attoseconds) = components
    let (millis, overflow) = seconds.multipliedReportingOverflow(by: 1000)
    guard !overflow else { return seconds > 0 ? .max : .min }
    let (sum, sumOverflow) = millis.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
    return sumOverflow ? (seconds > 0 ? .max : .min) : sum
  }
}

extension String {
  /// Whether it has 1 to `maxBytes` bytes and no control character: C0, DEL or C1.
  package func isName(maxBytes: Int) -> Bool {
    guard (1...maxBytes).contains(utf8.count) else { return false }
    var copy = self
    return copy.withUTF8 { text in
      var previous: UInt8 = 0
      for byte in text {
        if byte < 0x20 || byte == 0x7F || (previous == 0xC2 && byte < 0xA0) { return false }
        previous = byte
      }
      return true
    }
  }
}
