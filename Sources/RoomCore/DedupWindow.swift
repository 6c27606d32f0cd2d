public import JSONText

/// The operations that a room remembers, so that a retry is answered and not applied again.
///
/// Why a bounded window is enough: an operation says `after`, the last position its sender had seen when it first sent
/// it. If it was ever applied, then at a position beyond `after`. The window holds every operation applied above its
/// floor. So an operation with `after` at or above the floor that the window does not know was never applied, and one
/// with `after` below the floor cannot be told and must be refused.
public struct DedupWindow: Sendable, Equatable {
  public enum Verdict: Equatable, Sendable {
    /// Never applied.
    case new
    /// Applied before; its last event has this position.
    case applied(at: SequenceNumber)
    /// The name was used for another payload.
    case conflict
    /// Too old to tell.
    case expired
  }

  private struct Entry: Sendable, Equatable {
    let fingerprint: UInt64
    var sequence: SequenceNumber
  }

  /// Every operation applied at a position above this is in the window.
  public private(set) var floor: SequenceNumber
  private var entries: [OperationID: Entry] = [:]
  /// In the order of their positions; the front is forgotten first.
  private var order: [OperationID] = []
  private var firstLive = 0

  /// How many operations a room remembers by default. More costs about 150 bytes of memory each in a busy room and as
  /// much in its snapshots; fewer makes a client that was away for that many operations resend in vain.
  public static let defaultCapacity = 512
  private let capacity: Int

  public init(capacity: Int = DedupWindow.defaultCapacity, floor: SequenceNumber = .zero) {
    precondition(capacity > 0, "a window of \(capacity) operations remembers nothing")
    self.capacity = capacity
    self.floor = floor
  }

  var count: Int { entries.count }

  /// About how many bytes of memory it takes.
  var weightBytes: Int { count * Self.entryBytes }

  /// An operation with names of ordinary length, its place in the table and in the order.
  public static let entryBytes = 150

  public func check(_ cause: Cause, after: SequenceNumber) -> Verdict {
    if let entry = entries[cause.operation] {
      return entry.fingerprint == cause.fingerprint ? .applied(at: entry.sequence) : .conflict
    }
    return after < floor ? .expired : .new
  }

  /// Remembers that an operation caused the event at `sequence`. An operation with several events is recorded at each.
  public mutating func record(_ cause: Cause, at sequence: SequenceNumber) {
    if entries[cause.operation] != nil {
      entries[cause.operation]?.sequence = sequence
      return
    }
    entries[cause.operation] = Entry(fingerprint: cause.fingerprint, sequence: sequence)
    order.append(cause.operation)
  }

  /// Forgets the oldest operations beyond the capacity. Not before what was recorded is final: what was forgotten does
  /// not come back.
  public mutating func trim() {
    while entries.count > capacity, let forgotten = entries.removeValue(forKey: order[firstLive]) {
      floor = max(floor, forgotten.sequence)
      firstLive += 1
    }
    if firstLive > capacity {
      order.removeFirst(firstLive)
      firstLive = 0
    }
  }

  /// Forgets the operations that were recorded after a position: they were not applied after all.
  public mutating func forget(after head: SequenceNumber) {
    while let last = order.last, let entry = entries[last], entry.sequence > head {
      entries[last] = nil
      order.removeLast()
    }
  }
}

extension DedupWindow {
  /// `{"floor":n,"operations":[["participant","operation","fingerprint as hex",sequence],…]}`, oldest first.
  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.field("floor", floor.number)
    writer.key("operations")
    writer.beginArray()
    for operation in order[firstLive...] {
      guard let entry = entries[operation] else { preconditionFailure("\(operation) is in order but not in entries") }
      writer.beginArray()
      writer.string(operation.participant.value)
      writer.string(operation.value)
      writer.string(String(entry.fingerprint, radix: 16))
      writer.integer(entry.sequence.number)
      writer.endArray()
    }
    writer.endArray()
    writer.endObject()
  }

  public static func read(
    from reader: inout JSONReader, capacity: Int
  ) throws(JSONError) -> DedupWindow {
    var floor = SequenceNumber.zero
    var remembered: [(Cause, SequenceNumber)] = []
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "floor": floor = SequenceNumber(try reader.integer())
      case "operations":
        try reader.beginArray()
        while try reader.nextElement() { remembered.append(try readOperation(from: &reader)) }
      default: try reader.skip()
      }
    }
    var window = DedupWindow(capacity: max(capacity, remembered.count), floor: floor)
    for (cause, sequence) in remembered { window.record(cause, at: sequence) }
    return window
  }

  private static func readOperation(from reader: inout JSONReader) throws(JSONError) -> (Cause, SequenceNumber) {
    var index = 0
    var participant = ""
    var name = ""
    var fingerprint: UInt64?
    var sequence = SequenceNumber.zero
    try reader.beginArray()
    while try reader.nextElement() {
      switch index {
      case 0: participant = try reader.string()
      case 1: name = try reader.string()
      case 2: fingerprint = UInt64(try reader.string(), radix: 16)
      case 3: sequence = SequenceNumber(try reader.integer())
      default: try reader.skip()
      }
      index += 1
    }
    guard let fingerprint else { throw reader.failure("a fingerprint is a hexadecimal number") }
    let operation = OperationID(participant: ParticipantID(participant), value: name)
    return (Cause(operation: operation, fingerprint: fingerprint), sequence)
  }
}
