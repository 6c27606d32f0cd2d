import NIOCore
import RoomCore
import Rooms
import Synchronization

/// One event loop of the gateway, with what lives on it.
struct LoopHandle: Sendable {
  let loop: any EventLoop
  private let context: NIOLoopBound<LoopContext>

  /// Called on the loop.
  init(onLoop loop: any EventLoop, settings: GatewaySettings) {
    self.loop = loop
    context = NIOLoopBound(LoopContext(loop: loop, settings: settings), eventLoop: loop)
  }

  /// What lives on the loop; only for callers that are on it.
  var onLoop: LoopContext { context.value }

  /// Runs on the loop: at once if called there, else in its next tick.
  func run(_ body: @escaping @Sendable (LoopContext) -> Void) {
    if loop.inEventLoop {
      body(context.value)
    } else {
      loop.execute { body(context.value) }
    }
  }
}

/// The gateway's ear in one room: takes what the room has to say once, and passes it to the sockets on each loop.
final class Audience: RoomSubscriber {
  private let room: RoomID
  private let loops: [LoopHandle]
  /// How many sessions each loop has in the room; loops without one are not woken.
  private let counts: Mutex<[Int]>

  init(room: RoomID, loops: [LoopHandle]) {
    self.room = room
    self.loops = loops
    counts = Mutex(Array(repeating: 0, count: loops.count))
  }

  func deliver(_ output: RoomOutput) {
    let allocator = ByteBufferAllocator()
    let items = FramedItem.framing(output.items, allocator: allocator)
    let counts = counts.withLock { $0 }
    for (index, handle) in loops.enumerated() where counts[index] > 0 {
      handle.run { context in context.deliver(items, by: output.owner, to: self.room) }
    }
  }

  var sessionCount: Int { counts.withLock { $0.reduce(0, +) } }

  func enter(loopAt index: Int) {
    counts.withLock { $0[index] += 1 }
  }

  /// - Returns: whether nobody is left.
  func leave(loopAt index: Int) -> Bool {
    counts.withLock { counts in
      counts[index] -= 1
      return counts.allSatisfy { $0 == 0 }
    }
  }
}
