internal import Dispatch
internal import GRDB
internal import Synchronization

/// The connections that read, and who uses them.
///
/// GRDB's pool must not be closed while it is asked for a connection: its reads and its `close` touch one variable
/// without a lock, and a read that still waits for its turn would get a connection that is closed. So each read is
/// counted here from before it asks until it has ended, and closing waits for all that were counted.
///
/// Reads that wait for a connection wait in a queue of GRDB's, which costs one thread however many they are.
final class SQLiteReaders: Sendable {
  enum Kind { case load, journal }

  private struct State {
    /// Nil while there is no sound connection, and when closed.
    var pool: DatabasePool?
    var underWay = 0
    var journalsUnderWay = 0
  }

  private enum Admission {
    case taken(DatabasePool)
    case full(Int)
    case stopped
  }

  private let settings: SQLiteConfiguration
  private let state = Mutex(State())
  /// Holds the reads under way, for whoever waits for their end.
  private let reads = DispatchGroup()

  init(_ settings: SQLiteConfiguration) { self.settings = settings }

  /// Reads that run or wait.
  var depth: Int { state.withLock { $0.underWay } }

  /// Lets reads go to a pool.
  func start(_ pool: DatabasePool) {
    state.withLock { $0.pool = pool }
  }

  /// Takes no more reads, and blocks until those taken have ended: then the pool may be closed.
  func stop() {
    state.withLock { $0.pool = nil }
    reads.wait()
  }

  /// Runs `body` on a reader's own dispatch queue; the caller's thread goes on.
  ///
  /// Not GRDB's `async` read: that one is cut off when the calling task is cancelled, and what a room reads belongs to
  /// all who are in it.
  ///
  /// - Returns: nil if there is nothing to read from now.
  func read<Value: Sendable>(
    _ kind: Kind, _ body: @escaping @Sendable (Database) throws -> Value
  ) async -> Result<Value, StoreError>? {
    await withUnsafeContinuation { continuation in
      switch admit(kind) {
      case .stopped:
        continuation.resume(returning: nil)
      case .full(let count):
        continuation.resume(returning: .failure(.unavailable("too much is waiting to be read (\(count) reads)")))
      case .taken(let pool):
        pool.asyncRead { [self] database in
          let result = Result { () throws(StoreError) in
            do {
              settings.beforeRead?()
              return try body(database.get())
            } catch {
              throw StoreError(error)
            }
          }
          // The pool itself waits until a connection that was lent is back, so what GRDB does after this is safe.
          leave(kind)
          continuation.resume(returning: result)
        }
      }
    }
  }

  private func admit(_ kind: Kind) -> Admission {
    state.withLock { state in
      guard let pool = state.pool else { return .stopped }
      guard state.underWay < settings.readQueue else { return .full(state.underWay) }
      if kind == .journal {
        guard state.journalsUnderWay < settings.journalReadQueue else { return .full(state.journalsUnderWay) }
        state.journalsUnderWay += 1
      }
      state.underWay += 1
      // Under the lock: once `stop` has taken the pool, nothing is added to what it waits for.
      reads.enter()
      return .taken(pool)
    }
  }

  private func leave(_ kind: Kind) {
    state.withLock { state in
      state.underWay -= 1
      if kind == .journal { state.journalsUnderWay -= 1 }
    }
    reads.leave()
  }
}
