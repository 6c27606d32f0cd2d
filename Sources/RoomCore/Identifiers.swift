/// The name of a room, unique in a deployment.
///
/// 1 to 128 bytes out of `A-Z a-z 0-9 _ - . : ~`, so that it fits a URL path segment as it is.
/// Clients choose the names; they are taken as they come.
public struct RoomID: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let name: String

  /// - Returns: nil if `name` is empty, too long, or holds a byte that a room name may not hold.
  public init?(_ name: String) {
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

  public static func < (left: RoomID, right: RoomID) -> Bool { left.name < right.name }
  public var description: String { name }
}

/// Who acts in a room: an opaque id.
///
/// A client may give itself any id that is well-formed; what the journal has is taken as it is.
public struct ParticipantID: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let value: String

  public init(_ value: String) { self.value = value }

  /// What `isWellFormed` asks for, in words.
  public static let form = "1 to \(maxBytes) bytes without control characters"
  private static let maxBytes = 200
  public var isWellFormed: Bool { value.isName(maxBytes: Self.maxBytes) }

  public static func < (left: ParticipantID, right: ParticipantID) -> Bool { left.value < right.value }
  public var description: String { value }
}

/// The name of one operation: its sender, and a string that the sender never uses for another operation.
///
/// A retry carries the same name, on whichever connection, gateway or node it arrives.
public struct OperationID: Hashable, Sendable, CustomStringConvertible {
  public let participant: ParticipantID
  public let value: String

  public init(participant: ParticipantID, value: String) {
    self.participant = participant
    self.value = value
  }

  public var description: String { "\(participant)/\(value)" }
}

/// The position of an event in its room, from 1, without gaps. 0 is the position before the first event.
public struct SequenceNumber: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let number: Int64

  public init(_ number: Int64) { self.number = number }

  public static let zero = SequenceNumber(0)
  public var next: SequenceNumber { advanced(by: 1) }

  /// Stays at the end of all positions where the sum would lie beyond it. No room gets there, but a damaged file says
  /// what it likes.
  public func advanced(by count: Int) -> SequenceNumber {
    let (sum, overflow) = number.addingReportingOverflow(Int64(count))
    return SequenceNumber(overflow ? (count > 0 ? .max : .min) : sum)
  }

  public static func < (left: SequenceNumber, right: SequenceNumber) -> Bool { left.number < right.number }
  public var description: String { "\(number)" }
}

/// How often a slot has been claimed. A write made under an older epoch is refused by the store.
public struct Epoch: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let number: Int64

  public init(_ number: Int64) { self.number = number }

  public static let zero = Epoch(0)
  public var next: Epoch { Epoch(number + 1) }

  public static func < (left: Epoch, right: Epoch) -> Bool { left.number < right.number }
  public var description: String { "\(number)" }
}

/// A share of all rooms: the unit of ownership.
public struct Slot: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let number: Int

  /// How many slots a deployment has; written into its store when the store is made.
  public static let count = 1024

  public init(_ number: Int) {
    precondition((0..<Self.count).contains(number), "slot \(number) is outside 0..<\(Self.count)")
    self.number = number
  }

  /// The slot that a room hashes to: XXH64 of its name, modulo the number of slots.
  public init(of room: RoomID) {
    var hasher = StableHasher()
    hasher.combine(bytesOf: room.name)
    self.number = Int(hasher.finish() % UInt64(Self.count))
  }

  public static var all: [Slot] { (0..<count).map(Slot.init) }

  public static func < (left: Slot, right: Slot) -> Bool { left.number < right.number }
  public var description: String { "\(number)" }
}

/// One life of a node process: a restart gets a new one.
public struct NodeID: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let name: String

  public init(_ name: String) { self.name = name }

  public static func < (left: NodeID, right: NodeID) -> Bool { left.name < right.name }
  public var description: String { name }
}

/// A claim that is to be made of a slot.
public struct SlotClaim: Hashable, Sendable {
  public let slot: Slot
  /// The epoch at which the claimant last saw the slot, and at which it must still stand.
  public let expected: Epoch

  public init(slot: Slot, expected: Epoch) {
    self.slot = slot
    self.expected = expected
  }
}

/// Who owns a slot at an epoch; nobody, if it was given up.
public struct SlotRecord: Hashable, Sendable {
  public let slot: Slot
  public let epoch: Epoch
  public let owner: NodeID?

  public init(slot: Slot, epoch: Epoch, owner: NodeID?) {
    self.slot = slot
    self.epoch = epoch
    self.owner = owner
  }
}

/// A moment, in milliseconds since 1970-01-01T00:00:00Z without leap seconds.
public struct Timestamp: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let millis: Int64

  public init(millis: Int64) { self.millis = millis }

  /// Stays at the end of time where the sum would lie beyond it.
  public func advanced(by duration: Duration) -> Timestamp {
    let span = duration.clampedMillis
    let (sum, overflow) = millis.addingReportingOverflow(span)
    return Timestamp(millis: overflow ? (span > 0 ? .max : .min) : sum)
  }

  public static func < (left: Timestamp, right: Timestamp) -> Bool { left.millis < right.millis }
  public var description: String { "\(millis)ms" }
}

extension Duration {
  /// In whole milliseconds, as many as fit.
  public var clampedMillis: Int64 {
    let (seconds, attoseconds) = components
    let (millis, overflow) = seconds.multipliedReportingOverflow(by: 1000)
    guard !overflow else { return seconds > 0 ? .max : .min }
    let (sum, sumOverflow) = millis.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
    return sumOverflow ? (seconds > 0 ? .max : .min) : sum
  }
}

extension String {
  /// Whether it has 1 to `maxBytes` bytes and no control character: C0, DEL or C1.
  public func isName(maxBytes: Int) -> Bool {
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
