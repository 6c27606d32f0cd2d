import Dispatch
import RoomCore
import Rooms
import Synchronization

/// Rung whenever something may have changed; whoever waits for a condition looks again.
final class Bell: Sendable {
  private struct Waiter {
    let number: Int
    let condition: @Sendable () -> Bool
    let continuation: CheckedContinuation<Void, Never>
  }

  private struct State {
    var waiters: [Waiter] = []
    var count = 0
  }

  private let state = Mutex(State())

  /// Must not be called with a lock in hand that a condition takes.
  func ring() {
    let ready = state.withLock { state in
      let firstReady = state.waiters.partition { $0.condition() }
      defer { state.waiters.removeSubrange(firstReady...) }
      return Array(state.waiters[firstReady...])
    }
    for waiter in ready { waiter.continuation.resume() }
  }

  /// Returns when the condition holds, or when the test's time is over.
  func until(_ condition: @escaping @Sendable () -> Bool) async {
    let number = state.withLock { state in
      state.count += 1
      return state.count
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLock { state in
          if condition() || Task.isCancelled { return true }
          state.waiters.append(Waiter(number: number, condition: condition, continuation: continuation))
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      let waiter = state.withLock { state in
        state.waiters.firstIndex { $0.number == number }.map { state.waiters.remove(at: $0) }
      }
      waiter?.continuation.resume()
    }
  }
}

/// A lane on a serial queue. Rings after each job, so that whatever a room did can be waited for.
final class QueueLane: RoomLane {
  private let queue: DispatchQueue
  private let bell: Bell

  init(_ number: Int, bell: Bell) {
    queue = DispatchQueue(label: "lane \(number)")
    self.bell = bell
  }

  func checkIsolated() { dispatchPrecondition(condition: .onQueue(queue)) }

  func post(_ work: @escaping @Sendable () -> Void) {
    queue.async {
      work()
      self.bell.ring()
    }
  }

  /// Waits until all that was enqueued has run, and what that enqueued.
  func drain() async {
    for _ in 0..<4 {
      await withCheckedContinuation { continuation in queue.async { continuation.resume() } }
    }
  }
}

/// A time that stands until it is moved.
final class TestTime: TimeSource {
  private let present = Mutex(Timestamp(millis: 1_000_000))

  func now() -> Timestamp { present.withLock { $0 } }
  func advance(by duration: Duration) { present.withLock { $0 = $0.advanced(by: duration) } }
}

/// Lets one pass of a loop happen, and ends it where it would have slept.
struct OnePassClock: Clock {
  typealias Instant = ContinuousClock.Instant

  struct Over: Error {}

  var now: Instant { ContinuousClock().now }
  var minimumResolution: Duration { .zero }
  func sleep(until deadline: Instant, tolerance: Duration?) async throws { throw Over() }
}
