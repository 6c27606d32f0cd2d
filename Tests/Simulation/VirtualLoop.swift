import Dispatch
import NIOCore
import Synchronization

/// A process's event loop, in virtual time.
final class VirtualLoop: EventLoop, @unchecked Sendable {
  // Unchecked: touched by the scheduler's thread only.
  private let scheduler: Scheduler
  private let life: Life

  init(of life: Life, in scheduler: Scheduler) {
    self.scheduler = scheduler
    self.life = life
  }

  var inEventLoop: Bool { scheduler.isOnLoop && scheduler.life === life }

  func execute(_ task: @escaping @Sendable () -> Void) { scheduler.onLoop(of: life, task) }

  func submit<Value>(_ task: @escaping @Sendable () throws -> Value) -> EventLoopFuture<Value> {
    let promise = makePromise(of: Value.self)
    execute { promise.assumeIsolated().completeWith(Result { try task() }) }
    return promise.futureResult
  }

  func scheduleTask<Value>(
    deadline: NIODeadline, _ task: @escaping @Sendable () throws -> Value
  ) -> Scheduled<Value> {
    preconditionFailure("what is simulated must not look at the machine's clock")
  }

  func scheduleTask<Value>(
    in delay: TimeAmount, _ task: @escaping @Sendable () throws -> Value
  ) -> Scheduled<Value> {
    // Nobody waits for it, and who crashes keeps no promise.
    let promise = makePromise(of: Value.self)
    promise.fail(CancellationError())
    let isCancelled = Atomic(false)
    scheduler.onLoop(of: life, after: life.real(max(1, delay.nanoseconds))) {
      if !isCancelled.load(ordering: .relaxed) { _ = Result { try task() } }
    }
    return Scheduled(promise: promise) { isCancelled.store(true, ordering: .relaxed) }
  }

  func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) {
    queue.async { callback(nil) }
  }
}
