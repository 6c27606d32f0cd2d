internal import Link
package import NIOCore
import Rooms
import Store

/// An event loop as the lane of rooms: their jobs run between its reads and writes, on its thread.
package final class EventLoopLane: RoomLane {
  private let loop: any EventLoop

  package init(_ loop: any EventLoop) { self.loop = loop }

  package func checkIsolated() { loop.preconditionInEventLoop() }

  package func post(_ work: @escaping @Sendable () -> Void) { loop.execute(work) }
}

extension EventLoopLane: LinkScheduler {
  package func run(after delay: Duration, _ body: @escaping @Sendable () -> Void) {
    if delay == .zero {
      loop.execute(body)
    } else {
      loop.scheduleTask(in: TimeAmount(delay), body)
    }
  }
}
