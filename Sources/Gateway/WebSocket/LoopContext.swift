import NIOCore
import RoomCore
import Rooms

/// What the connections of one event loop share: the sessions by room, the flush at the end of a tick, and the look for
/// the dead. Touched on its loop only.
final class LoopContext {
  private let loop: any EventLoop
  let settings: GatewaySettings
  private var sessions: [RoomID: [SessionNumber: RoomSession]] = [:]
  private var connections: [ObjectIdentifier: WebSocketConnection] = [:]
  private var unflushed: [WebSocketConnection] = []

  init(loop: any EventLoop, settings: GatewaySettings) {
    self.loop = loop
    self.settings = settings
  }

  // MARK: - Connections

  func add(_ connection: WebSocketConnection) { connections[ObjectIdentifier(connection)] = connection }

  func remove(_ connection: WebSocketConnection) { connections[ObjectIdentifier(connection)] = nil }

  /// Flushes the connection once the work of this tick is done, so that all it sends goes out with one system call.
  func flushLater(_ connection: WebSocketConnection) {
    unflushed.append(connection)
    guard unflushed.count == 1 else { return }
    loop.assumeIsolated().execute {
      let connections = self.unflushed
      self.unflushed.removeAll(keepingCapacity: true)
      for connection in connections { connection.flush() }
    }
  }

  func sweep(now: NIODeadline) {
    for connection in Array(connections.values) { connection.sweep(now: now) }
  }

  /// Closes all connections, one after the other, and says when that is done.
  func goAway(perSecond rate: Int, within limit: TimeAmount, whenDone: @escaping () -> Void) {
    let all = Array(connections.values)
    let pause = TimeAmount.nanoseconds(
      min(1_000_000_000 / Int64(max(1, rate)), limit.nanoseconds / Int64(max(1, all.count))))
    for (number, connection) in all.enumerated() {
      loop.assumeIsolated().scheduleTask(in: pause * number) { connection.goAway() }
    }
    loop.assumeIsolated().scheduleTask(in: pause * all.count) { whenDone() }
  }

  // MARK: - Sessions

  func add(_ session: RoomSession) { sessions[session.room, default: [:]][session.number] = session }

  func remove(_ session: RoomSession) {
    sessions[session.room]?[session.number] = nil
    if sessions[session.room]?.isEmpty == true { sessions[session.room] = nil }
  }

  /// Session by session, so that each socket is written and flushed while what belongs to it is at hand.
  func deliver(_ items: [FramedItem], by owner: Int, to room: RoomID) {
    guard let members = sessions[room] else { return }
    for session in members.values { session.deliver(items, by: owner) }
  }
}
