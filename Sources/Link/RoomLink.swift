public import RoomCore
public import Rooms

/// How a gateway reaches a room, wherever the room lives.
public protocol RoomLink<Command>: Sendable {
  associatedtype Command: RoomCommand

  /// Whether a room may go on at another owner. If so, sessions keep what is not settled, and send it again when they
  /// are told to open anew.
  var movesRooms: Bool { get }

  /// Opens a session in its room.
  ///
  /// - Returns: at which of the room's owners, in the order in which this link found them. Should the room have none now,
  ///   or move on, the subscriber is told `.rehoming` with a higher number, and the session opens again.
  func open(_ opening: SessionOpening, in room: RoomID, from subscriber: any RoomSubscriber) -> Int

  /// Hands a request to its room. The requests of one session arrive in the order in which they were sent; what the
  /// room has to say comes to the subscriber.
  func send(_ request: RoomRequest<Command>, to room: RoomID, from subscriber: any RoomSubscriber) -> Admission

  /// Has the room do something for whoever has no session in it. If the room moves meanwhile, the same is asked of its
  /// next owner.
  func ask(_ question: RoomQuestion<Command>, of room: RoomID) async -> RoomReply

  /// The room's state, once.
  func read(_ room: RoomID) async -> RoomReading

  /// Whether a session in the room would be opened, as far as that is known. Asked before the upgrade: a client that is
  /// refused there waits, one that is let in and closed comes back at once.
  func canOpen(_ room: RoomID) -> Bool
}

/// The link to the rooms of this process.
public struct LocalLink<Voice: RoomVoice>: RoomLink {
  @usableFromInline let registry: RoomRegistry<Voice>

  @inlinable public init(to registry: RoomRegistry<Voice>) { self.registry = registry }

  @inlinable public var movesRooms: Bool { false }

  @inlinable public func open(_ opening: SessionOpening, in room: RoomID, from subscriber: any RoomSubscriber) -> Int {
    _ = registry.send(.open(opening.valid(in: registry.history)), to: room, from: subscriber)
    return 1
  }

  @inlinable public func send(
    _ request: RoomRequest<Voice.Logic.Command>, to room: RoomID, from subscriber: any RoomSubscriber
  ) -> Admission {
    registry.send(request, to: room, from: subscriber)
  }

  @inlinable public func ask(_ question: RoomQuestion<Voice.Logic.Command>, of room: RoomID) async -> RoomReply {
    await registry.ask(question, of: room)
  }

  @inlinable public func read(_ room: RoomID) async -> RoomReading { await registry.read(room) }

  @inlinable public func canOpen(_ room: RoomID) -> Bool { registry.canOpen(room) }
}
