internal import Dispatch
internal import Foundation
internal import GRDB
internal import GRDBSQLite
internal import RoomCore
internal import Synchronization

/// The thread that writes.
///
/// While one transaction is on its way to the disk, the next one gathers: whatever is queued when the thread comes
/// back goes into one transaction, with one fsync for all of it. So nobody waits on purpose, and the busier the store,
/// the more share an fsync. The commits that a lane hands in before it next comes to what is posted to it are one
/// gathering: the thread is not woken for the first of them, only to find the second one alone in the next transaction.
///
/// Saved before told: outcomes are posted after COMMIT has returned, one post for each lane.
///
/// Of an error it asks three things (`SQLiteFailure`). May it be about one entry? Then only that one fails, and the
/// transaction is done again without it. Is it certain that nothing was written? Then all fail,
/// nobody is blamed, and all may be sent again; else all are unknown. May the connection be spoilt? Then everything is
/// closed and opened anew, before the outcomes are told, so that whoever reloads reads what the file holds.
final class SQLiteWriter: Sendable {
  typealias Completion = @Sendable (CommitOutcome) -> Void

  private enum Work: Sendable {
    case commit(RoomCommit, Completion)
    case write(any SQLiteWrite)

    var bytes: Int {
      switch self {
      case .commit(let commit, _): commit.text.count
      case .write(let write): write.bytes
      }
    }

    var isCommit: Bool {
      if case .commit = self { true } else { false }
    }

    /// Claims, timers and the like are few, and the ones that end a jam may be among them.
    var mayBeRefused: Bool { isCommit || bytes > 0 }
  }

  private struct Queue {
    var waiting: [Work] = []
    /// How many of them may be taken; behind them is what lanes are still gathering.
    var gathered = 0
    /// The lanes that have been posted the end of their gathering.
    var gathering: Set<ObjectIdentifier> = []
    var bytes = 0
    var isAsleep = false
    var isClosing = false
    /// Resumed when all is closed.
    var closers: [UnsafeContinuation<Void, Never>] = []
    var isClosed = false
  }

  private let settings: SQLiteConfiguration
  private let queue = Mutex(Queue())
  private let wake = DispatchSemaphore(value: 0)
  private let counters = Mutex(StoreStatistics())
  let readers: SQLiteReaders
  private let lock: FileLock

  private init(_ settings: SQLiteConfiguration, lock: FileLock) {
    self.settings = settings
    self.lock = lock
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

  var isClosing: Bool { queue.withLock { $0.isClosing } }

  var statistics: StoreStatistics {
    var statistics = counters.withLock { $0 }
    queue.withLock { queue in
      statistics.queueDepth = queue.waiting.count
      statistics.queueBytes = queue.bytes
    }
    statistics.readDepth = readers.depth
    return statistics
  }

  // MARK: Handing in

  func submit(_ commit: RoomCommit, completion: @escaping Completion) {
    let lane = commit.lane
    do throws(StoreError) {
      let isFirst = try append(.commit(commit, completion)) { $0.gathering.insert(ObjectIdentifier(lane)).inserted }
      if isFirst { lane.post { self.endGathering(of: lane) } }
    } catch {
      counters.withLock { $0.failed += 1 }
      lane.post { completion(.failed(error)) }
    }
  }

  private func endGathering(of lane: any CompletionLane) {
    queue.withLock { queue in
      queue.gathering.remove(ObjectIdentifier(lane))
      release(&queue)
    }
  }

  /// Runs `body` in one of the writer's transactions, within a savepoint: what it writes stays only if it returns.
  func write<Value: Sendable>(
    bytes: Int = 0, _ body: @escaping @Sendable (SQLiteSession) throws -> Value
  ) async throws(StoreError) -> Value {
    let result: Result<Value, StoreError> = await withUnsafeContinuation { continuation in
      let write = PendingWrite(bytes: bytes, body: body, continuation: continuation)
      do throws(StoreError) {
        try append(.write(write)) { release(&$0) }
      } catch {
        continuation.resume(returning: .failure(error))
      }
    }
    return try result.get()
  }

  /// - Parameter appended: called with the lock held.
  private func append<Value>(_ work: Work, appended: (inout Queue) -> Value) throws(StoreError) -> Value {
    try queue.withLock { queue throws(StoreError) in
      guard !queue.isClosing else { throw .closed }
      let isFull = queue.waiting.count >= settings.queueRows || queue.bytes >= settings.queueBytes
      if isFull, work.mayBeRefused {
        throw .unavailable("too much is waiting to be written (\(queue.waiting.count) writes)")
      }
      queue.waiting.append(work)
      queue.bytes += work.bytes
      return appended(&queue)
    }
  }

  /// Lets the thread take all that is queued.
  private func release(_ queue: inout Queue) {
    queue.gathered = queue.waiting.count
    guard queue.isAsleep else { return }
    queue.isAsleep = false
    wake.signal()
  }

  /// Lets the writer finish what it has and close.
  func close() async {
    await withUnsafeContinuation { continuation in
      let isClosed = queue.withLock { queue in
        guard !queue.isClosed else { return true }
        queue.closers.append(continuation)
        beginClosing(&queue)
        return false
      }
      if isClosed { continuation.resume() }
    }
  }

  /// The same without waiting.
  func stop() {
    queue.withLock { beginClosing(&$0) }
  }

  private func beginClosing(_ queue: inout Queue) {
    queue.isClosing = true
    release(&queue)
  }

  // MARK: The thread's side

  /// The next transaction's work, in the order in which it came; nil when there will be none. Sleeps until there is.
  private func next() -> [Work]? {
    while true {
      let taken: [Work]? = queue.withLock { queue in
        guard queue.gathered > 0 else {
          if queue.isClosing { return nil }
          queue.isAsleep = true
          return []
        }
        return take(from: &queue)
      }
      guard let taken else { return nil }
      if !taken.isEmpty { return taken }
      wake.wait()
    }
  }

  private func take(from queue: inout Queue) -> [Work] {
    var count = 0
    var bytes = 0
    for work in queue.waiting.prefix(queue.gathered) {
      if count > 0, count >= settings.groupRows || bytes + work.bytes > settings.groupBytes { break }
      count += 1
      bytes += work.bytes
    }
    queue.bytes -= bytes
    queue.gathered -= count
    if count == queue.waiting.count {
      defer { queue.waiting = [] }
      return queue.waiting
    }
    defer { queue.waiting.removeFirst(count) }
    return Array(queue.waiting[..<count])
  }

  private func closed() {
    let closers = queue.withLock { queue in
      queue.isClosed = true
      defer { queue.closers = [] }
      return queue.closers
    }
    for closer in closers { closer.resume() }
  }

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
      while let work = writer.next() { perform(work) }
      shutDown(checkpoint: writer.settings.mode == .exclusive ? "TRUNCATE" : "PASSIVE")
      writer.lock.release()
      writer.closed()
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
        writer.counters.withLock { counters in
          counters.transactions += 1
          counters.largestGroup = max(counters.largestGroup, work.count(where: \.isCommit))
          counters.lastTransactionNanoseconds = elapsed.nanoseconds
          counters.totalTransactionNanoseconds += elapsed.nanoseconds
        }
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
      var lanes: [(lane: any CompletionLane, told: [(Completion, CommitOutcome)])] = []
      var places: [ObjectIdentifier: Int] = [:]
      var counted = StoreStatistics()
      for (index, item) in work.enumerated() {
        switch item {
        case .write(let write):
          write.finish(refused[index] ?? error)
        case .commit(let commit, let completion):
          let outcome = refused[index].map { .failed($0) } ?? outcomes[index]
          counted.count(outcome, bytes: commit.text.count)
          let place: Int
          if let known = places[ObjectIdentifier(commit.lane)] {
            place = known
          } else {
            place = lanes.count
            places[ObjectIdentifier(commit.lane)] = place
            lanes.append((commit.lane, []))
          }
          lanes[place].told.append((completion, outcome))
        }
      }
      // Before they are told, so that whoever was told finds himself counted.
      writer.counters.withLock { $0.add(counted) }
      for (lane, told) in lanes {
        lane.post {
          for (completion, outcome) in told { completion(outcome) }
        }
      }
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

extension StoreStatistics {
  fileprivate mutating func count(_ outcome: CommitOutcome, bytes: Int) {
    switch outcome {
    case .committed:
      committed += 1
      committedBytes += bytes
    case .stale: stale += 1
    case .conflict: conflicts += 1
    case .failed: failed += 1
    case .unknown: unknown += 1
    }
  }

  fileprivate mutating func add(_ other: StoreStatistics) {
    committed += other.committed
    committedBytes += other.committedBytes
    stale += other.stale
    conflicts += other.conflicts
    failed += other.failed
    unknown += other.unknown
  }
}

extension Duration {
  fileprivate var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
  }
}
