import Link
import NIOCore
import Ordering
import RoomCore
import Rooms
import Synchronization

/// All WebSockets of a gateway: numbers its sessions, and keeps one audience for each room that has any.
final class SessionHub: Sendable {
  let loops: [LoopHandle]
  let link: any RoomLink<OrderCommand>
  let settings: GatewaySettings
  let time: any TimeSource
  let metrics: GatewayMetrics
  /// Nil: tenants have no limits.
  let tenants: TenantLimits?
  /// Told apart from those of every other gateway and every other life of this one.
  let operationPrefix: String

  private let numbers: SessionNumbers
  private let audiences = Mutex<[RoomID: Audience]>([:])
  private let stopping = Atomic<Bool>(false)

  init(
    loops: [LoopHandle], link: any RoomLink<OrderCommand>, settings: GatewaySettings, time: any TimeSource,
    numbers: SessionNumbers, operationPrefix: String, metrics: GatewayMetrics
  ) {
    self.loops = loops
    self.link = link
    self.settings = settings
    self.time = time
    self.numbers = numbers
    self.operationPrefix = operationPrefix
    self.metrics = metrics
    tenants = TenantLimits(settings: settings)
  }

  func loopIndex(of loop: any EventLoop) -> Int {
    guard let index = loops.firstIndex(where: { $0.loop === loop }) else {
      preconditionFailure("a connection runs on a loop that is not the gateway's")
    }
    return index
  }

  func newSession() -> SessionNumber {
    numbers.next()
  }

  func enter(_ room: RoomID, loopAt index: Int) -> Audience {
    audiences.withLock { audiences in
      let audience = audiences[room] ?? Audience(room: room, loops: loops)
      audiences[room] = audience
      audience.enter(loopAt: index)
      return audience
    }
  }

  func leave(_ room: RoomID, _ audience: Audience, loopAt index: Int) {
    audiences.withLock { audiences in
      if audience.leave(loopAt: index), audiences[room] === audience { audiences[room] = nil }
    }
  }

  /// WebSockets in rooms.
  var sessionCount: Int { audiences.withLock { $0.values.reduce(0) { $0 + $1.sessionCount } } }

  var isStopping: Bool { stopping.load(ordering: .relaxed) }

  /// Takes no new sessions from now on.
  func beginStopping() { stopping.store(true, ordering: .relaxed) }

  /// Says goodbye to every connection, so that its client comes back later, and returns when it has: to a thousand in a
  /// second, or to more of them if that would take longer than `limit`. So they do not all come back elsewhere at once.
  func closeAll(within limit: Duration) async {
    await withTaskGroup { group in
      for handle in loops {
        group.addTask {
          await withUnsafeContinuation { continuation in
            handle.run { context in
              context.goAway(perSecond: 1000 / self.loops.count, within: TimeAmount(limit)) { continuation.resume() }
            }
          }
        }
      }
    }
  }
}
