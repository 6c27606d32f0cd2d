import Dispatch
import Synchronization

/// Holds the threads that come by while it is shut.
final class Gate: Sendable {
  private let state = Mutex((isShut: false, waiting: 0))
  private let semaphore = DispatchSemaphore(value: 0)

  var waiting: Int { state.withLock { $0.waiting } }

  func shut() { state.withLock { $0.isShut = true } }

  func open() {
    let waiting = state.withLock { state in
      defer { state = (isShut: false, waiting: 0) }
      return state.waiting
    }
    for _ in 0..<waiting { semaphore.signal() }
  }

  @Sendable func pass() {
    let mustWait = state.withLock { state in
      if state.isShut { state.waiting += 1 }
      return state.isShut
    }
    if mustWait { semaphore.wait() }
  }

  /// As a fault of COMMIT: holds the transaction back while shut.
  @Sendable func hold(_ commit: () -> Int32) -> Int32 {
    pass()
    return commit()
  }
}

/// Waits for what another thread is about to do.
func until(_ condition: () async throws -> Bool) async rethrows {
  while try await !condition() { await Task.yield() }
}
