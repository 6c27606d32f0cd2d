public import RoomCore

/// What a room has to say at once, in order, to the sessions of one gateway. All of it was durable before.
public struct PeerOutput: Sendable, Equatable {
  public enum Item: Sendable, Equatable {
    /// To every live session of its dialect.
    case broadcast(at: SequenceNumber, full: [UInt8]?, delta: [UInt8]?)
    /// To every live session of the delta dialect; kept nowhere.
    case transient([UInt8])
    case direct(session: UInt64, [UInt8])
    /// The whole state at `head`. The session is live from here on. Nil text: nothing to tell yet.
    case sync(session: UInt64, head: SequenceNumber, [UInt8]?)
    /// Goes on from where the client was: live from here on, but what comes for it waits until its history went out. Nil
    /// text: the client is not to notice.
    case resuming(session: UInt64, head: SequenceNumber, [UInt8]?)
    /// A long one comes in parts, of which only the last is marked so.
    case history(session: UInt64, [[UInt8]], isLast: Bool)
    /// Of the session's operations that wait for an answer, the first so many have had theirs, durably if they were
    /// applied.
    case settled(session: UInt64, count: UInt64)
    /// Whom the session acts for from now on.
    case bound(session: UInt64, ParticipantID)
    /// The room does not serve any more; every session must open again, here or elsewhere.
    case ended(PeerEnding)
  }

  public let room: RoomID
  public let epoch: Epoch
  public let items: [Item]

  public init(room: RoomID, epoch: Epoch, items: [Item]) {
    self.room = room
    self.epoch = epoch
    self.items = items
  }
}

/// Why a room stopped serving.
public enum PeerEnding: UInt8, Sendable {
  /// The node stops, or another one owns the slot.
  case moved = 1
  /// The room cannot be read from the store.
  case unavailable = 2
  /// There is no memory for one more room.
  case crowded = 3
}

/// A room's state, asked for once.
public enum PeerReading: Sendable, Equatable {
  case state([UInt8])
  /// Nothing has ever happened there.
  case empty
  case unavailable
  case crowded
  /// The node does not serve the room.
  case notOwner(PeerOwner)
}

/// What a room answers to a question.
public enum PeerReply: Sendable, Equatable {
  /// What was asked for is done, and stands at this position; the state as the snapshots have it.
  case stands(at: SequenceNumber, state: [UInt8])
  case refused(code: String, message: String, isRetryable: Bool)
  case unavailable
  /// The node does not serve the room.
  case notOwner(PeerOwner)
}
