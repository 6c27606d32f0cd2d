internal import Dispatch
internal import Foundation
internal import Synchronization

/// The threads, each with a connection, that do everything but commits, one call at a time.
///
/// A call that finds the server gone fails, and with it all that wait: else each of them would wait for a connection
/// of its own to be refused.
final class PostgresSessions: Sendable {
  enum Kind: Sendable {
    /// Claims, heartbeats and the like: few, small, and what the cluster waits for.
    case urgentWrite
    /// A node that does not get these in time may serve nothing.
    case urgentRead
    case load
    case journal
    case write

    var isUrgent: Bool { self == .urgentWrite || self == .urgentRead }
    /// It may be done again; of a write its sender is to know.
    var isRead: Bool { self == .urgentRead || self == .load || self == .journal }
  }

  /// A call that waits.
  private struct Job: Sendable {
    let kind: Kind
    let run: @Sendable (PostgresConnection) -> JobEnd
    let fail: @Sendable (StoreError) -> Void
  }

  private enum JobEnd {
    case done
    /// Nobody was told yet, and the connection is of no more use.
    case lost(PostgresFailure)
  }

  private struct State {
    var urgent: [Job] = []
    var waiting: [Job] = []
    /// Of `waiting`, those before are taken.
    var start = 0
    var underWay = 0
    /// Calls that run and are not urgent.
    var unhurried = 0
    var journalsUnderWay = 0
    var sleepers = 0
    var isClosing = false
    var running: Int
    var closers: [UnsafeContinuation<Void, Never>] = []
  }

  private let settings: PostgresConfiguration
  private let history: PostgresHistory
  private let counters: PostgresCounters
  private let state: Mutex<State>
  private let wake = DispatchSemaphore(value: 0)

  init(_ settings: PostgresConfiguration, _ history: PostgresHistory, _ counters: PostgresCounters) {
    self.settings = settings
    self.history = history
    self.counters = counters
    state = Mutex(State(running: settings.sessions))
    for number in 0..<settings.sessions {
      let thread = Thread { [self] in work() }
      thread.name = "store-session-\(number)"
      thread.start()
    }
  }

  /// Calls that run or wait.
  var depth: Int { state.withLock { $0.underWay } }

  // MARK: Calling

  /// Runs `body` on one of the connections; the caller's thread goes on.
  func call<Value: Sendable>(
    _ kind: Kind, _ body: @escaping @Sendable (PostgresConnection) throws -> Value
  ) async throws(StoreError) -> Value {
    let result: Result<Value, StoreError> = await withUnsafeContinuation { continuation in
      let job = Job(kind: kind) { [counters] connection in
        do {
          let value = try body(connection)
          if !kind.isRead { counters.countWrite() }
          self.leave(kind)
          continuation.resume(returning: .success(value))
        } catch {
          if let failure = error as? PostgresFailure, failure.spoilsConnection { return .lost(failure) }
          self.leave(kind)
          continuation.resume(returning: .failure(StoreError(postgres: error)))
        }
        return .done
      } fail: { error in
        self.leave(kind)
        continuation.resume(returning: .failure(error))
      }
      if let error = admit(job) { continuation.resume(returning: .failure(error)) }
    }
    return try result.get()
  }

  /// - Returns: why not.
  private func admit(_ job: Job) -> StoreError? {
    state.withLock { state in
      guard !state.isClosing else { return .closed }
      if !job.kind.isUrgent {
        guard state.underWay < settings.callQueue else { return Self.full(state.underWay) }
      }
      if job.kind == .journal {
        guard state.journalsUnderWay < settings.journalReadQueue else { return Self.full(state.journalsUnderWay) }
        state.journalsUnderWay += 1
      }
      state.underWay += 1
      if job.kind.isUrgent { state.urgent.append(job) } else { state.waiting.append(job) }
      if state.sleepers > 0 {
        state.sleepers -= 1
        wake.signal()
      }
      return nil
    }
  }

  private static func full(_ count: Int) -> StoreError {
    .unavailable("too much is waiting for the database (\(count) calls)")
  }

  private func leave(_ kind: Kind) {
    state.withLock { state in
      state.underWay -= 1
      if kind == .journal { state.journalsUnderWay -= 1 }
    }
  }

  /// Lets the threads finish what waits, and waits for them.
  func close() async {
    await withUnsafeContinuation { continuation in
      let isClosed = state.withLock { state in
        guard state.running > 0 else { return true }
        state.closers.append(continuation)
        beginClosing(&state)
        return false
      }
      if isClosed { continuation.resume() }
    }
  }

  /// The same without waiting.
  func stop() { state.withLock { beginClosing(&$0) } }

  private func beginClosing(_ state: inout State) {
    state.isClosing = true
    for _ in 0..<state.sleepers { wake.signal() }
    state.sleepers = 0
  }

  // MARK: The threads' side

  /// Nil when there will be none.
  ///
  /// - Parameter last: what the thread has done before.
  private func next(after last: Kind?) -> Job? {
    if let last, !last.isUrgent { state.withLock { $0.unhurried -= 1 } }
    while true {
      let (job, isEnd) = state.withLock { state -> (Job?, Bool) in
        if let job = take(from: &state) { return (job, false) }
        if state.isClosing { return (nil, true) }
        state.sleepers += 1
        return (nil, false)
      }
      if let job { return job }
      if isEnd { return nil }
      wake.wait()
    }
  }

  private func take(from state: inout State) -> Job? {
    if !state.urgent.isEmpty { return state.urgent.removeFirst() }
    // One thread is always there for what the cluster waits for: others may wait for locks, one another's or of a process
    // that stands still.
    guard state.start < state.waiting.count, state.unhurried < max(1, settings.sessions - 1) else { return nil }
    state.unhurried += 1
    defer {
      state.start += 1
      // Moved together now and then, not with each call.
      if state.start > 64, state.start * 2 > state.waiting.count {
        state.waiting.removeFirst(state.start)
        state.start = 0
      }
    }
    return state.waiting[state.start]
  }

  private func work() {
    var connection: PostgresConnection?
    var last: Kind?
    while let job = next(after: last) {
      last = job.kind
      if connection?.isSound != true || connection?.timeline != history.timeline {
        connection = nil
        do throws(StoreError) {
          connection = try connect()
        } catch {
          failAll(after: job, error.blamingNobody)
          continue
        }
      }
      guard let sound = connection, case .lost(let failure) = job.run(sound) else { continue }
      connection = nil
      // What was sent may have been done.
      let error = failure.storeError.blamingNobody
      guard job.kind.isRead else {
        job.fail(error)
        continue
      }
      do throws(StoreError) {
        let again = try connect()
        connection = again
        if case .lost(let failure) = job.run(again) {
          connection = nil
          job.fail(failure.storeError.blamingNobody)
        }
      } catch {
        failAll(after: job, error.blamingNobody)
      }
    }
    let closers = state.withLock { state in
      state.running -= 1
      guard state.running == 0 else { return [UnsafeContinuation<Void, Never>]() }
      defer { state.closers = [] }
      return state.closers
    }
    connection = nil
    for closer in closers { closer.resume() }
  }

  private func connect() throws(StoreError) -> PostgresConnection {
    let (connection, greeting) = try PostgresDatabase.connect(settings)
    try history.look(at: greeting, on: connection)
    do {
      // Here plans are made for the values at hand: a page of rooms is not a search for one.
      try connection.run("SET plan_cache_mode = auto; SET enable_seqscan = on")
    } catch {
      throw StoreError(postgres: error)
    }
    return connection
  }

  private func failAll(after job: Job, _ error: StoreError) {
    let others = state.withLock { state in
      defer {
        state.urgent = []
        state.waiting = []
        state.start = 0
      }
      return state.urgent + state.waiting[state.start...]
    }
    for job in [job] + others { job.fail(error) }
  }
}

extension PostgresCounters {
  fileprivate func countWrite() { values.withLock { $0.transactions += 1 } }
}
