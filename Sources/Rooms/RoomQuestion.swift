public import RoomCore

/// What is asked of a room by somebody who has no session in it, and vouches for the participant.
public struct RoomQuestion<Command: RoomCommand>: Sendable {
  /// Nil: only how things stand.
  public let operation: Operation<Command>?

  public init(_ operation: Operation<Command>? = nil) { self.operation = operation }
}

/// What a room answers to it.
public enum RoomReply: Sendable, Equatable {
  /// The operation is done, or was before, and stands at this position; the state as the snapshots have it, which may be
  /// a later one.
  case stands(at: SequenceNumber, state: [UInt8])
  case refused(RefusalNotice)
  /// The room cannot be read from the store, or is not served here any more. What was asked for may have been done: it is
  /// to be asked again under the same name.
  case unavailable
}
