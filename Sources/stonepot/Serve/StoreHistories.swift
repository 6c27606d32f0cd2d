import Synchronization

/// Passes on that the store has a new history. What comes before anybody listens is kept.
final class StoreHistories: Sendable {
  private struct State {
    var latest: String?
    var listener: (@Sendable (String) -> Void)?
  }

  private let state = Mutex(State())

  /// Called on a thread of the store.
  func tell(_ history: String) {
    let listener = state.withLock { state in
      state.latest = history
      return state.listener
    }
    listener?(history)
  }

  func listen(_ body: @escaping @Sendable (String) -> Void) {
    let latest = state.withLock { state in
      state.listener = body
      return state.latest
    }
    if let latest { body(latest) }
  }
}
