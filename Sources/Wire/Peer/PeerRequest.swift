public import RoomCore

/// What a session asks of its room. A session's number is its gateway's; no number is used twice.
public enum PeerRequest: Sendable, Equatable {
  case open(PeerOpening)
  case operation(PeerOperation)
  /// A message that is passed on to everybody in the room and kept nowhere.
  case relay(session: UInt64, participant: ParticipantID, text: [UInt8])
  /// The session lost messages and wants the whole state.
  case resync(session: UInt64)
  case close(session: UInt64)

  public var session: UInt64 {
    switch self {
    case .open(let opening): opening.session
    case .operation(let operation): operation.session
    case .relay(let session, _, _), .resync(let session), .close(let session): session
    }
  }
}

public struct PeerOpening: Sendable, Equatable {
  public var session: UInt64
  /// Whom the session acts for, if that is known.
  public var participant: ParticipantID?
  public var dialect: Dialect
  /// The last position that the client has seen, if it wants to go on from there.
  public var since: SequenceNumber?
  /// Whom rooms count for that the session begins; nil if a token vouches for the client.
  public var address: String?
  /// The session was open at another owner, or an earlier life of this one; its client has noticed nothing.
  public var isRehomed: Bool
  /// The last position that was delivered to the client of a session that is re-homed.
  public var lastSeen: SequenceNumber?

  public init(
    session: UInt64, participant: ParticipantID?, dialect: Dialect, since: SequenceNumber?, address: String?,
    isRehomed: Bool = false, lastSeen: SequenceNumber? = nil
  ) {
    self.session = session
    self.participant = participant
    self.dialect = dialect
    self.since = since
    self.address = address
    self.isRehomed = isRehomed
    self.lastSeen = lastSeen
  }
}

public struct PeerOperation: Sendable, Equatable {
  public var session: UInt64
  /// Counts the operations of the session, so that the owner can say up to which one it has answered.
  public var number: UInt64
  /// The operation's name if the client gave it one, and so expects an answer under it.
  public var opId: String?
  /// Under which the room remembers the operation.
  public var id: OperationID
  public var after: SequenceNumber
  /// As `PeerCommand` writes it.
  public var command: [UInt8]

  public init(
    session: UInt64, number: UInt64, opId: String?, id: OperationID, after: SequenceNumber, command: [UInt8]
  ) {
    self.session = session
    self.number = number
    self.opId = opId
    self.id = id
    self.after = after
    self.command = command
  }
}

/// What is asked of a room without a session in it.
public struct PeerQuestion: Sendable, Equatable {
  public struct Operation: Sendable, Equatable {
    /// Under which the room remembers it.
    public var id: OperationID
    public var after: SequenceNumber
    /// As `PeerCommand` writes it.
    public var command: [UInt8]

    public init(id: OperationID, after: SequenceNumber, command: [UInt8]) {
      self.id = id
      self.after = after
      self.command = command
    }
  }

  /// Nil: only how things stand.
  public var operation: Operation?

  public init(_ operation: Operation?) { self.operation = operation }
}

/// A command that goes from process to process. What is read is the very command that was written.
public protocol PeerCommand: RoomCommand {
  func write(to writer: inout BinaryWriter)
  static func read(from reader: inout BinaryReader) throws(BinaryError) -> Self
}

extension PeerCommand {
  public var peerBytes: [UInt8] {
    var writer = BinaryWriter()
    write(to: &writer)
    return writer.bytes
  }

  /// Nothing may be left over: what is not understood as a whole must not be done in part.
  public init(peerBytes: [UInt8]) throws(BinaryError) {
    var reader = BinaryReader(peerBytes)
    self = try Self.read(from: &reader)
    try reader.end()
  }
}
