internal import Dispatch
internal import Foundation
internal import GRDB
internal import GRDBSQLite
internal import RoomCore
internal import Synchronization

/// The thread that writes.
///
/// How what is written comes to share a transaction is said at `GroupQueue`.
///
/// Saved before told: outcomes are posted after COMMIT has returned, one post for each lane.
///
/// Of an error it asks three things (`SQLiteFailure`). May it be about one entry? Then only that one fails, and the
/// transaction is done again without it. Is it certain that nothing was written? Then all fail,
/// nobody is blamed, and all may be sent again; else all are unknown. May the connection be spoilt? Then everything is
/// closed and opened anew, before the outcomes are told, so that whoever reloads reads what the file holds.
final class SQLiteWriter: Sendable {
  private enum Work: GroupWork {
    case commit(RoomCommit, CommitCompletion)
    case write(any SQLiteWrite)

    var bytes: Int {
      switch self {
      case .commit(let commit, _): commit.textBytes
      case .write(let write): write.bytes
      }
    }

    var isCommit: Bool {
      if case .commit = self { true } else { false }
    }

    /// Claims, timers and the like are few, and the ones that end a jam may be among them.
    var mayBeRefused: Bool { isCommit || bytes > 0 }
  }

  private let settings: SQLiteConfiguration
  private let queue: GroupQueue<Work>
  private let counters = Mutex(StoreStatistics())
  let readers: SQLiteReaders
  private let lock: FileLock

  private init(_ settings: SQLiteConfiguration, lock: FileLock) {
    self.settings = settings
    self.lock = lock
    queue = GroupQueue(settings.bounds)
    readers = SQLiteReaders(settings)
  }

  /// Opens the file on a new thread, which goes on as the writer.
  static func open(
    _ settings: SQLiteConfiguration
  ) async -> Result<(SQLiteWriter, StoreIdentity), StoreError> {
    await withUnsafeContinuation { continuation in
      let thread = Thread {
        let opened = Result { () throws(StoreError) in
          let lock = try FileLock(
            path: settings.path + ".lock", kind: settings.mode == .exclusive ? .exclusive : .shared)
          let pool = try SQLiteFile.open(settings)
          do {
            let identity = try pool.writeWithoutTransaction { database in
              try SQLiteFile.migrate(database.connection, settings)
            }
            let loop = try Loop(SQLiteWriter(settings, lock: lock), identity, pool: pool)
            return (loop, identity)
          } catch {
            throw StoreError(error)
          }
        }
        switch opened {
        case .failure(let error):
          continuation.resume(returning: .failure(error))
        case .success((let loop, let identity)):
          continuation.resume(returning: .success((loop.writer, identity)))
          loop.run()
        }
      }
      thread.name = "store-writer"
      thread.start()
    }
  }

  var isClosing: Bool { queue.isClosing }

  var statistics: StoreStatistics {
    var statistics = counters.withLock { $0 }
    (statistics.queueDepth, statistics.queueBytes) = queue.depth
    statistics.readDepth = readers.depth
    return statistics
  }

  // MARK: Handing in

  func submit(_ commit: RoomCommit, completion: @escaping CommitCompletion) {
    let lane = commit.lane
    do throws(StoreError) {
      try queue.append(.commit(commit, completion), gatheringOn: lane)
    } catch {
      counters.withLock { $0.failed += 1 }
      lane.post { completion(.failed(error)) }
    }
  }

  /// Runs `body` in one of the writer's transactions, within a savepoint: what it writes stays only if it returns.
  func write<Value: Sendable>(
    bytes: Int = 0, _ body: @escaping @Sendable (SQLiteSession) throws -> Value
  ) async throws(StoreError) -> Value {
    let result: Result<Value, StoreError> = await withUnsafeContinuation { continuation in
      let write = PendingWrite(bytes: bytes, body: body, continuation: continuation)
      do throws(StoreError) {
        try queue.append(.write(write))
      } catch {
        continuation.resume(returning: .failure(error))
      }
    }
    return try result.get()
  }

  /// Lets the writer finish what it has and close.
  func close() async { await queue.close() }

  /// The same without waiting.
  func stop() { queue.stop() }

  // MARK: The thread's side

  /// What the thread alone touches.
  private final class Loop {
    let writer: SQLiteWriter
    private let identity: StoreIdentity
    /// Nil after an error that spoilt the connection, until it could be made anew.
    private var session: SQLiteSession?
    private var pool: DatabasePool?
    private let clock = ContinuousClock()

    init(_ writer: SQLiteWriter, _ identity: StoreIdentity, pool: DatabasePool) throws {
      self.writer = writer
      self.identity = identity
      try adopt(pool)
    }

    func run() {
      while let work = writer.queue.next() { perform(work) }
      shutDown(checkpoint: writer.settings.mode == .exclusive ? "TRUNCATE" : "PASSIVE")
      writer.lock.release()
      writer.queue.closed()
    }

    // MARK: One transaction

    /// How a transaction ended.
    private enum End {
      case done
      /// Nothing was written, because of the entry at `place` if that is known. An unsound connection may still be in
      /// the transaction.
      case failed(SQLiteFailure, place: Int?, isSound: Bool)
      case unknown(SQLiteFailure)
    }

    private func perform(_ work: [Work]) {
      let started = clock.now
      var outcomes = [CommitOutcome](repeating: .committed, count: work.count)
      do throws(StoreError) {
        try reconnectIfNeeded()
      } catch {
        finish(work, without: [:], allFailed: .failed(error), error: error)
        return
      }
      // Entries that cannot be stored, by their places: the transaction is done again without each one it stumbles on.
      var refused: [Int: StoreError] = [:]
      var end: End
      while true {
        end = onConnection { transact(work, without: refused, in: $0, outcomes: &outcomes) }
        guard case .failed(let failure, let place?, isSound: true) = end, failure.concernsOneEntry else { break }
        refused[place] = failure.storeError
      }
      let elapsed = clock.now - started
      switch end {
      case .done:
        writer.counters.withLock { $0.count(transactionOf: work.count(where: \.isCommit), took: elapsed) }
        finish(work, without: refused, outcomes: outcomes, error: nil)
      case .failed(let failure, _, let isSound):
        if failure.spoilsConnection || !isSound { disconnect() }
        var error = failure.storeError.blamingNobody
        if failure.primaryCode == SQLITE_BUSY, let pid = WriteLockHolder.pid(of: writer.settings.path) {
          error = .unavailable("the process \(pid) holds the file's write lock (\(failure.message))")
        }
        finish(work, without: refused, allFailed: .failed(error), error: error)
      case .unknown(let failure):
        disconnect()
        let error = failure.storeError.blamingNobody
        finish(work, without: refused, allFailed: .unknown(error), error: error)
      }
    }

    private func transact(
      _ work: [Work], without refused: [Int: StoreError], in session: SQLiteSession, outcomes: inout [CommitOutcome]
    ) -> End {
      var place: Int?
      do throws(SQLiteFailure) {
        try session.begin()
        for (index, item) in work.enumerated() where refused[index] == nil {
          place = index
          switch item {
          case .commit(let commit, _): outcomes[index] = try session.add(commit)
          case .write(let write): try write.run(session)
          }
        }
      } catch {
        return .failed(error, place: place, isSound: rollBack(session))
      }
      do throws(SQLiteFailure) {
        try session.commit()
        return .done
      } catch {
        let isSound = rollBack(session)
        return error.leavesCommitUndone ? .failed(error, place: nil, isSound: isSound) : .unknown(error)
      }
    }

    /// - Returns: whether the connection is out of the transaction.
    private func rollBack(_ session: SQLiteSession) -> Bool {
      do throws(SQLiteFailure) {
        try session.rollback()
        return true
      } catch {
        return false
      }
    }

    // MARK: Telling

    private func finish(
      _ work: [Work], without refused: [Int: StoreError], allFailed outcome: CommitOutcome, error: StoreError
    ) {
      writer.counters.withLock { $0.failedTransactions += 1 }
      finish(work, without: refused, outcomes: work.map { _ in outcome }, error: error)
    }

    /// - Parameters:
    ///   - refused: what the entries at these places failed with, whatever became of the others.
    ///   - error: what the whole transaction failed with.
    private func finish(
      _ work: [Work], without refused: [Int: StoreError], outcomes: [CommitOutcome], error: StoreError?
    ) {
      var told = CommitOutcomes()
      for (index, item) in work.enumerated() {
        switch item {
        case .write(let write): write.finish(refused[index] ?? error)
        case .commit(let commit, let completion):
          told.add(refused[index].map { .failed($0) } ?? outcomes[index], of: commit, completion)
        }
      }
      told.tell(counting: writer.counters)
    }

    // MARK: The connection

    private func onConnection<Value>(_ body: (SQLiteSession) -> Value) -> Value {
      guard let pool, let session else { preconditionFailure("the writer has no connection") }
      return pool.writeWithoutTransaction { _ in body(session) }
    }

    private func adopt(_ pool: DatabasePool) throws {
      session = try pool.writeWithoutTransaction { database in
        try SQLiteSession(database.connection, commitFault: writer.settings.commitFault)
      }
      self.pool = pool
      writer.readers.start(pool)
    }

    private func reconnectIfNeeded() throws(StoreError) {
      guard pool == nil else { return }
      do {
        try adopt(SQLiteFile.reopen(writer.settings, as: identity))
      } catch {
        throw StoreError(error).blamingNobody
      }
      writer.counters.withLock { $0.reconnects += 1 }
    }

    private func disconnect() {
      shutDown(checkpoint: nil)
      do throws(StoreError) {
        try reconnectIfNeeded()
      } catch {
        // Tried again before the next transaction, whose senders are told why it cannot be.
      }
    }

    private func shutDown(checkpoint: String?) {
      writer.readers.stop()
      guard let pool, let session else { return }
      self.pool = nil
      self.session = nil
      pool.writeWithoutTransaction { _ in
        if let checkpoint {
          do throws(SQLiteFailure) {
            try session.checkpoint(mode: checkpoint)
          } catch {
            // All is in the write-ahead log, from which the next one to open the file takes it.
          }
        }
        session.finish()
      }
      do {
        try pool.close()
      } catch {
        // The connections close with the pool.
      }
    }
  }
}

/// A write that is not a commit, waiting for its transaction.
private protocol SQLiteWrite: Sendable {
  var bytes: Int { get }
  /// - Throws: SQLite's errors; another failure is kept for `finish`, and the transaction goes on.
  func run(_ session: SQLiteSession) throws(SQLiteFailure)
  /// - Parameter error: what the transaction failed with, or this write in it.
  func finish(_ error: StoreError?)
}

private final class PendingWrite<Value: Sendable>: SQLiteWrite {
  let bytes: Int
  private let body: @Sendable (SQLiteSession) throws -> Value
  private let continuation: UnsafeContinuation<Result<Value, StoreError>, Never>
  private let result = Mutex<Result<Value, StoreError>?>(nil)

  init(
    bytes: Int, body: @escaping @Sendable (SQLiteSession) throws -> Value,
    continuation: UnsafeContinuation<Result<Value, StoreError>, Never>
  ) {
    self.bytes = bytes
    self.body = body
    self.continuation = continuation
  }

  func run(_ session: SQLiteSession) throws(SQLiteFailure) {
    let result = try session.entry { try body(session) }
    self.result.withLock { $0 = result }
  }

  func finish(_ error: StoreError?) {
    let result = result.withLock { $0 }
    if let error {
      continuation.resume(returning: .failure(error))
    } else if let result {
      continuation.resume(returning: result)
    } else {
      preconditionFailure("a transaction ended well without one of its writes")
    }
  }
}
