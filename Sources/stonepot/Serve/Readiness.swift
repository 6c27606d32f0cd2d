import Logging
import Store
import Synchronization

/// Whether the store takes writes now, for the readiness probe: a write is tried for each question.
///
/// A disk that hangs holds the write, but no probe: after 2 s the answer is no, and stays no until the write has ended.
/// Whoever asks while one is tried waits for that one, so that probes do not pile up behind a slow disk.
final class Readiness: Sendable {
  private enum State {
    case idle
    case trying(number: Int, waiting: [CheckedContinuation<Bool, Never>])
    /// Nobody waits any more for the one that is under way.
    case late
  }

  private static let patience = Duration.seconds(2)

  private let store: any RoomStore
  private let logger: Logger
  private let state = Mutex((state: State.idle, tries: 0))

  init(of store: any RoomStore, logger: Logger) {
    self.store = store
    self.logger = logger
  }

  func isReady() async -> Bool {
    await withCheckedContinuation { continuation in
      let number: Int? = state.withLock { all in
        switch all.state {
        case .idle:
          all.tries += 1
          all.state = .trying(number: all.tries, waiting: [continuation])
          return all.tries
        case .trying(let number, var waiting):
          waiting.append(continuation)
          all.state = .trying(number: number, waiting: waiting)
          return nil
        case .late:
          continuation.resume(returning: false)
          return nil
        }
      }
      if let number { begin(number) }
    }
  }

  private func begin(_ number: Int) {
    let timer = Task {
      // Cancelled when the write ends before.
      guard (try? await Task.sleep(for: Self.patience)) != nil else { return }
      if answer(number, false, leaving: .late) {
        logger.warning("not ready", metadata: ["reason": "the store has not finished a write for \(Self.patience)"])
      }
    }
    Task {
      var isReady = true
      do throws(StoreError) {
        try await store.checkHealth()
      } catch {
        logger.warning("not ready", metadata: ["reason": "\(error.message)"])
        isReady = false
      }
      timer.cancel()
      answer(number, isReady, leaving: .idle)
    }
  }

  /// - Returns: whether anybody was waiting for it.
  @discardableResult
  private func answer(_ number: Int, _ isReady: Bool, leaving next: State) -> Bool {
    let waiting = state.withLock { all -> [CheckedContinuation<Bool, Never>] in
      switch all.state {
      case .trying(number, let waiting):
        all.state = next
        return waiting
      case .late:
        if case .idle = next { all.state = .idle }
        return []
      case .idle, .trying:
        // The timer of one that has ended.
        return []
      }
    }
    for continuation in waiting { continuation.resume(returning: isReady) }
    return !waiting.isEmpty
  }
}
