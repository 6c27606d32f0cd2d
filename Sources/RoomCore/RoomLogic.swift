public import JSONText

/// What a room is about: a pure state machine that never meets a clock, a socket or a disk.
///
/// `decide` looks at a command and answers with the events that it causes, or refuses it. `evolve` applies one event.
/// Everything that `evolve` needs is in the event: replaying a journal must give the same state on every node and in
/// every later version, whatever the tenant's settings say by then. Settings reach only `decide`.
public protocol RoomLogic: Sendable {
  associatedtype State: Storable
  associatedtype Command: RoomCommand
  associatedtype Event: Storable
  /// What the tenant says at the moment of a decision.
  associatedtype Context: Sendable
  associatedtype Rejection: RoomRejection

  /// The state of a room in which nothing has happened yet.
  static func initialState(of room: RoomID) -> State

  /// Decides a command against a state.
  ///
  /// - Parameters:
  ///   - participant: who sent it.
  ///   - moment: the time, and the position that the first event would get.
  /// - Returns: the events that the command causes, in order. A command that is accepted but changes nothing returns
  ///   an event that says so, so that its retry is recognised; the empty list is for answers that can never change
  ///   again (a repeated `finalize`).
  /// - Throws: the reason for which nothing changes.
  static func decide(
    _ command: Command, by participant: ParticipantID, state: State, context: Context, at moment: Moment
  ) throws(Rejection) -> [Event]

  /// Applies one event to a state. Total: it must accept every event that any version has ever written.
  static func evolve(_ state: inout State, applying record: Recorded<Event>)

  /// When the room wants its timer: the earliest moment at which it may cause an event. Nil: never.
  static func timerDue(_ state: State) -> Timestamp?

  /// What the timer causes at this moment; empty if its time has not come.
  static func timerEvents(_ state: State, at moment: Moment) -> [Event]

  /// Whether nothing can ever happen to the room again. Such a room wants no timer, and is deleted after a time.
  static func hasEnded(_ state: State) -> Bool

  /// Whether an event is there only to remember that its operation was accepted: all was so already.
  static func changesNothing(_ event: Event) -> Bool

  /// Whether others than the room's clients are to hear of an event.
  ///
  /// - Parameter state: the state right after it.
  static func isReported(_ event: Event, in state: State) -> Bool

  /// Whether somebody takes part in the room.
  static func includes(_ participant: ParticipantID, in state: State) -> Bool

  /// Who takes part in the room, in an order that stays.
  static func participants(in state: State) -> [ParticipantID]

  /// Whose room it is; nil while it is nobody's.
  static func tenant(of state: State) -> String?

  /// About how many bytes of memory the state takes. Asked after each turn, so it must not cost much.
  static func weightBytes(of state: State) -> Int
}

extension RoomLogic {
  /// No event is.
  public static func isReported(_ event: Event, in state: State) -> Bool { false }
}

/// The time of a decision and the position of the first event that it would cause.
public struct Moment: Sendable, Equatable {
  public let now: Timestamp
  public let sequence: SequenceNumber

  public init(now: Timestamp, sequence: SequenceNumber) {
    self.now = now
    self.sequence = sequence
  }
}

/// A request to change a room.
public protocol RoomCommand: Sendable {
  /// About how many bytes of memory it takes while it waits.
  var sizeBytes: Int { get }

  /// Feeds whatever tells this command from another one; a retry of the same command feeds the same.
  func fingerprint(into hasher: inout StableHasher)
}

/// Why a room refused a command. It changed nothing.
public protocol RoomRejection: Error, Equatable {
  /// A stable word for programs: `item_not_found`.
  var code: String { get }
  /// A sentence for people, which names the field and the rule.
  var message: String { get }
}

/// A value that the journal and the snapshots hold, as JSON text that later versions must still be able to read.
public protocol Storable: Sendable {
  func write(to writer: inout JSONWriter)
  static func read(from reader: inout JSONReader) throws(JSONError) -> Self
}

/// An event where the journal has it: what happened, at which position, when, and because of which operation.
public struct Recorded<Event: Sendable>: Sendable {
  public let sequence: SequenceNumber
  public let at: Timestamp
  /// Nil for what the room's own timer caused.
  public let cause: Cause?
  public let event: Event

  public init(sequence: SequenceNumber, at: Timestamp, cause: Cause?, event: Event) {
    self.sequence = sequence
    self.at = at
    self.cause = cause
    self.event = event
  }

  public var participant: ParticipantID? { cause?.operation.participant }
}

/// The operation behind an event, with the fingerprint that tells its retry from an impostor.
public struct Cause: Sendable, Hashable {
  public let operation: OperationID
  public let fingerprint: UInt64

  public init(operation: OperationID, fingerprint: UInt64) {
    self.operation = operation
    self.fingerprint = fingerprint
  }
}

/// A command under its name, as it travels to the room.
public struct Operation<Command: RoomCommand>: Sendable {
  public let id: OperationID
  /// The last position that the sender had seen when it first sent this operation; the end of all positions, if its
  /// name was made only now, so that it cannot have been sent before.
  public let after: SequenceNumber
  public let command: Command

  public init(id: OperationID, after: SequenceNumber, command: Command) {
    self.id = id
    self.after = after
    self.command = command
  }

  var isFirst: Bool { after == SequenceNumber(.max) }

  var fingerprint: UInt64 {
    var hasher = StableHasher()
    command.fingerprint(into: &hasher)
    return hasher.finish()
  }
}
