public import RoomCore

/// What a file has of one room, as it stands there: nothing of it was checked.
public struct InspectedRoom: Sendable {
  public let name: String
  public let slot: Int64
  /// The present epoch of that slot; nil if there is no such slot.
  public let slotEpoch: Epoch?
  public let snapshot: Snapshot?
  public let timer: Timer?

  public struct Snapshot: Sendable {
    public let sequence: SequenceNumber
    public let text: [UInt8]
  }

  public struct Timer: Sendable {
    public let due: Timestamp
    public let slot: Int64
  }
}

/// One row of a room's journal, likewise.
public struct InspectedRow: Sendable {
  public let first: SequenceNumber
  public let count: Int64
  public let slot: Int64
  public let epoch: Epoch
  public let at: Timestamp
  public let text: [UInt8]

  public var last: SequenceNumber { first.advanced(by: Int(clamping: count)).advanced(by: -1) }
}

/// Looks at one room.
public protocol RoomInspector: Sendable {
  init(_ room: InspectedRoom)
  /// Called for each row in the order of positions; the next row is read after it has returned.
  mutating func visit(_ row: InspectedRow)
}
