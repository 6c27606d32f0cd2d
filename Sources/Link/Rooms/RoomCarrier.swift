public import RoomCore
public import Rooms

/// The way to the rooms of one node: in this process, or over a connection.
///
/// A carrier that has broken down takes everything and does nothing; whoever uses it is told by other means.
public protocol RoomCarrier<Command>: AnyObject, Sendable {
  associatedtype Command: RoomCommand

  /// The history of the store that the rooms live in; nil if that is not known.
  var history: String? { get }

  /// Hands on a request. A node that does not serve the room lets the subscriber know that the room has ended there.
  func send(_ request: RoomRequest<Command>, to room: RoomID, from subscriber: any RoomSubscriber) -> Admission

  /// Has the room do something for whoever has no session in it; nil if it is not served there, or the way is broken: it
  /// may have been done then.
  func ask(_ question: RoomQuestion<Command>, of room: RoomID) async -> RoomReply?

  /// The room's state, once; nil if it is not served there, or the way is broken.
  func read(_ room: RoomID) async -> RoomReading?

  func canOpen(_ room: RoomID) -> Bool
}

extension RoomCarrier {
  public var history: String? { nil }
}

/// The rooms of this process.
public final class LocalCarrier<Voice: RoomVoice>: RoomCarrier {
  private let registry: RoomRegistry<Voice>

  public init(to registry: RoomRegistry<Voice>) { self.registry = registry }

  public var history: String? { registry.history }

  public func send(
    _ request: RoomRequest<Voice.Logic.Command>, to room: RoomID, from subscriber: any RoomSubscriber
  ) -> Admission {
    registry.send(request, to: room, from: subscriber)
  }

  public func ask(_ question: RoomQuestion<Voice.Logic.Command>, of room: RoomID) async -> RoomReply? {
    guard registry.serves(room) else { return nil }
    return await registry.ask(question, of: room)
  }

  public func read(_ room: RoomID) async -> RoomReading? {
    guard registry.serves(room) else { return nil }
    return await registry.read(room)
  }

  public func canOpen(_ room: RoomID) -> Bool { registry.canOpen(room) }
}

/// Knows which node serves a room now, as far as this process has heard.
public protocol RouteFinder<Command>: Sendable {
  associatedtype Command: RoomCommand

  /// The way to the room's owner; nil if there is none now, or it is not known.
  func carrier(for room: RoomID) -> (any RoomCarrier<Command>)?

  /// Told by a link that a room is not where `carrier(for:)` said.
  func misled(about room: RoomID)
}

/// Runs what a link has to do later.
public protocol LinkScheduler: Sendable {
  /// Not inside this call, and one after the other.
  func run(after delay: Duration, _ body: @escaping @Sendable () -> Void)
}
