public import RoomCore

/// What the store said about slots and nodes at one moment.
public struct StoreReading: Sendable, Equatable {
  /// One node's heartbeat. Gateways own nothing and write none.
  public struct Heartbeat: Sendable, Equatable {
    public let node: NodeID
    public let name: String
    /// By the store's clock, at the moment of the reading.
    public let age: Duration

    public init(node: NodeID, name: String, age: Duration) {
      self.node = node
      self.name = name
      self.age = age
    }
  }

  /// Before the reading was sent to the store: it knows of all that was committed until then.
  public let startedAt: MonotonicTime
  public let slots: [SlotRecord]
  /// In the order of the nodes' ids.
  public let heartbeats: [Heartbeat]

  public init(startedAt: MonotonicTime, slots: [SlotRecord], heartbeats: [Heartbeat]) {
    self.startedAt = startedAt
    self.slots = slots
    self.heartbeats = heartbeats.sorted { $0.node < $1.node }
  }

  subscript(node: NodeID) -> Heartbeat? {
    let position = heartbeats.partitioningIndex { $0.node >= node }
    return position < heartbeats.count && heartbeats[position].node == node ? heartbeats[position] : nil
  }
}

public enum StepDownReason: Sendable, Equatable {
  /// This node reaches `reached` of `fresh` nodes that have a fresh heartbeat, itself included.
  case minority(reached: Int, fresh: Int)
  /// A later life runs under this node's name.
  case superseded
}

/// What a `SlotGovernor` asks of its shell.
public enum SlotDirective: Sendable, Equatable {
  /// Claim in the store, and report with `claimEnded`. There is one claim at a time.
  case claim([SlotClaim])
  /// Stop taking operations for the slot, commit, snapshot, release it in the store, tell `to`; report with
  /// `handOffEnded`.
  case handOff(SlotRecord, to: NodeID)
  /// Stop serving these, commit, and release them in the store. They are no longer held.
  case release([SlotRecord])
  /// Drop all rooms of the slot, up to the epoch at which it was held, without a word to the store: somebody else owns it.
  case lost(Slot, at: Epoch)
  /// Serve nothing any more. What was held may be released in the store, if that can be reached; so the others need not
  /// wait. They are no longer held.
  case stepDown(StepDownReason, [SlotRecord])
  /// The drain is over: nothing is held, and this node may leave.
  case drained
}
