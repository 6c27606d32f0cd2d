public import RoomCore
import Synchronization

/// One client connection, numbered by the process that holds its socket; no number is used twice.
public struct SessionNumber: Hashable, Sendable, CustomStringConvertible {
  public let number: UInt64

  public init(_ number: UInt64) { self.number = number }

  public var description: String { "session \(number)" }
}

/// What a connection asks of its room. The requests of one session arrive in the order in which they were made.
public enum RoomRequest<Command: RoomCommand>: Sendable {
  case open(SessionOpening)
  /// - Parameter opId: the operation's name if the client gave it one, and so expects an answer under it.
  case operation(Operation<Command>, session: SessionNumber, opId: String?)
  /// A message that is passed on to everybody in the room and kept nowhere.
  case relay([UInt8], by: ParticipantID, session: SessionNumber)
  /// The session lost messages on its way out and wants the whole state instead.
  case resync(SessionNumber)
  case close(SessionNumber)
}

public struct SessionOpening: Sendable {
  public let session: SessionNumber
  /// Whom the session acts for, if its token says so; else it becomes whoever its first accepted operation names.
  public let participant: ParticipantID?
  public let dialect: Dialect
  /// The last position that the client has seen, if it wants to go on from there.
  public let since: SequenceNumber?
  /// In which history of the store it has seen that; nil if it does not say.
  public let history: String?
  /// Whom rooms count for that the session begins; nil if a token vouches for the client.
  public let address: String?
  /// The last position that went out to the client, if the session was open at another owner before. The client is not
  /// to notice that it has moved: it gets what it missed and no word more.
  public let rehomedAt: SequenceNumber?

  public init(
    session: SessionNumber, participant: ParticipantID?, dialect: Dialect, since: SequenceNumber?,
    history: String? = nil, address: String? = nil, rehomedAt: SequenceNumber? = nil
  ) {
    self.session = session
    self.participant = participant
    self.dialect = dialect
    self.since = since
    self.history = history
    self.address = address
    self.rehomedAt = rehomedAt
  }

  /// The same for a room of a store with this history: what was seen in another one is worth nothing.
  public func valid(in history: String?) -> SessionOpening {
    guard since != nil, let own = self.history, own != history else { return self }
    return SessionOpening(
      session: session, participant: participant, dialect: dialect, since: nil, address: address,
      rehomedAt: rehomedAt)
  }
}

/// What a room has to say at once, in order. All of it was durable before it left the room.
public struct RoomOutput: Sendable {
  public enum Item: Sendable {
    /// To every live session of its dialect.
    case broadcast(at: SequenceNumber, full: [UInt8]?, delta: [UInt8]?)
    /// To every live session of the delta dialect; kept nowhere.
    case transient([UInt8])
    case direct(SessionNumber, [UInt8])
    /// The whole state at `head`. The session is live from here on. Nil text: nothing to tell yet.
    case sync(SessionNumber, head: SequenceNumber, [UInt8]?)
    /// Goes on from where the client was: the session is live from here on, but what comes for it has to wait until its
    /// `history`, which is being read, went out. Nil text: the client is not to notice.
    case resuming(SessionNumber, head: SequenceNumber, [UInt8]?)
    case history(SessionNumber, [[UInt8]])
    /// Of the session's operations that wait for an answer, the first so many have had theirs. To a subscriber that asks
    /// for it, behind all else that the answers are.
    case settled(SessionNumber, count: Int)
    /// Whom the session acts for from now on. To a subscriber that asks for it.
    case bound(SessionNumber, ParticipantID)
    /// The room's mailbox had no place for an operation: the so manieth that the session has sent since it opened at this
    /// owner. Said by links, where the sender was not told at once.
    case overflowed(SessionNumber, ordinal: UInt64)
    /// The room is looked for elsewhere: each session opens again, and sends again what was not settled. Said by links,
    /// never by rooms, with the number of the owner's place among those that the room has had.
    case rehoming(Int)
    /// The room does not serve any more; every session must open again, here or elsewhere.
    case ended(RoomEnding)
  }

  public let epoch: Epoch
  public let items: [Item]
  /// Which of the room's owners says it, in the order in which a link found them; 0 where rooms do not move, or if the
  /// link itself says it.
  public let owner: Int

  public init(epoch: Epoch, items: [Item], owner: Int = 0) {
    self.epoch = epoch
    self.items = items
    self.owner = owner
  }
}

/// Why a room stopped serving, or does not begin to.
public enum RoomEnding: Error, Equatable {
  /// The node stops, or another one owns the slot.
  case moved
  /// The room cannot be read from the store.
  case unavailable
  /// There is no memory for one more room.
  case crowded
}

/// Where a room's output goes: one for each gateway that has sessions in it.
public protocol RoomSubscriber: AnyObject, Sendable {
  /// Called on the room's lane; must not block.
  func deliver(_ output: RoomOutput)

  /// Whether it keeps operations until they are settled and sends them again at the room's next owner. A room that ends
  /// does not refuse them then.
  var keepsOperations: Bool { get }
}

extension RoomSubscriber {
  public var keepsOperations: Bool { false }
}

/// Numbers the sessions of one process: those of its own sockets, and those that gateways open over links.
public final class SessionNumbers: Sendable {
  private let last = Atomic<UInt64>(0)

  public init() {}

  public func next() -> SessionNumber { SessionNumber(last.wrappingAdd(1, ordering: .relaxed).newValue) }
}

/// Whether a request was taken.
public enum Admission: Sendable, Equatable {
  case taken
  /// Too much is waiting.
  case full
}
