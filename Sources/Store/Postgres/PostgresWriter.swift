internal import Dispatch
internal import Foundation
internal import RoomCore
internal import Synchronization

/// The thread that commits.
///
/// How commits come to share a statement is said at `GroupQueue`, and what the statement does at `PostgresCommits`.
///
/// Saved before told: outcomes are posted after the server has answered, which it does when the commit is on disk.
///
/// If the connection is lost while the answer is awaited, nobody knows what became of the commits: the same ones are
/// sent again over a new connection, while their rooms wait, until there is an answer or the settings' patience is at an
/// end. An answer to a repetition says less: where a slot has moved on, the first try may still have been in time.
/// If the server answers with an error, nothing was written. One that may be about an entry is hunted down by halves, so
/// that it harms its own room only.
final class PostgresWriter: Sendable {
  private struct Work: GroupWork {
    let commit: RoomCommit
    let completion: CommitCompletion

    var bytes: Int { commit.textBytes }
    var mayBeRefused: Bool { true }
  }

  private let settings: PostgresConfiguration
  private let queue: GroupQueue<Work>
  let counters: PostgresCounters
  let history: PostgresHistory

  private init(_ settings: PostgresConfiguration, _ history: PostgresHistory, _ counters: PostgresCounters) {
    self.settings = settings
    self.history = history
    self.counters = counters
    queue = GroupQueue(settings.bounds)
  }

  /// Connects on a new thread, which goes on as the writer.
  static func open(_ settings: PostgresConfiguration) async -> Result<PostgresWriter, StoreError> {
    await withUnsafeContinuation { continuation in
      let thread = Thread {
        let opened = Result { () throws(StoreError) in
          let (connection, greeting) = try PostgresDatabase.connect(settings, migrating: settings.migrates)
          let history = try PostgresHistory(settings, greeting, on: connection)
          return Loop(PostgresWriter(settings, history, PostgresCounters()), connection)
        }
        switch opened {
        case .failure(let error):
          continuation.resume(returning: .failure(error))
        case .success(let loop):
          continuation.resume(returning: .success(loop.writer))
          loop.run()
        }
      }
      thread.name = "store-writer"
      thread.start()
    }
  }

  var depth: (rows: Int, bytes: Int) { queue.depth }

  func submit(_ commit: RoomCommit, completion: @escaping CommitCompletion) {
    let lane = commit.lane
    do throws(StoreError) {
      guard commit.textBytes <= settings.maxTextBytes else {
        throw .refused("the store cannot hold this: \(commit.textBytes) bytes in one commit")
      }
      try queue.append(Work(commit: commit, completion: completion), gatheringOn: lane)
    } catch {
      counters.values.withLock { $0.failed += 1 }
      lane.post { completion(.failed(error)) }
    }
  }

  /// Lets the writer finish what it has and close.
  func close() async { await queue.close() }

  /// The same without waiting.
  func stop() { queue.stop() }

  /// What the thread alone touches.
  private final class Loop {
    let writer: PostgresWriter
    /// Nil after it was lost, until it could be made anew.
    private var connection: PostgresConnection?
    /// Whether the server was out of reach for so long that nobody is kept waiting for it any more.
    private var isDown = false
    private let clock = ContinuousClock()

    init(_ writer: PostgresWriter, _ connection: PostgresConnection) {
      self.writer = writer
      self.connection = connection
    }

    func run() {
      while let work = writer.queue.next() {
        for group in Self.groups(of: work) { perform(group) }
      }
      connection = nil
      writer.queue.closed()
    }

    /// No room twice in one statement, which would see it end in one place for both. It takes a caller that does not
    /// wait for its room's outcomes.
    private static func groups(of work: [Work]) -> [ArraySlice<Work>] {
      var groups: [ArraySlice<Work>] = []
      var start = 0
      var rooms: Set<RoomID> = []
      for (place, item) in work.enumerated() where !rooms.insert(item.commit.room).inserted {
        groups.append(work[start..<place])
        start = place
        rooms = [item.commit.room]
      }
      groups.append(work[start...])
      return groups
    }

    private func perform(_ work: ArraySlice<Work>) {
      let commits = work.map(\.commit)
      let outcomes = outcomes(
        of: commits[...], wereSent: false, until: clock.now + writer.settings.patience)
      var told = CommitOutcomes()
      for (item, outcome) in zip(work, outcomes) { told.add(outcome, of: item.commit, item.completion) }
      writer.counters.tell(told)
    }

    // MARK: One statement

    /// - Parameter wereSent: whether it is not known what became of an earlier try.
    private func outcomes(
      of commits: ArraySlice<RoomCommit>, wereSent: Bool, until deadline: ContinuousClock.Instant
    ) -> [CommitOutcome] {
      var isRepetition = wereSent
      var pause = Duration.milliseconds(20)
      while true {
        var failure: StoreError
        do throws(StoreError) {
          let connection = try connect()
          let started = clock.now
          do throws(PostgresFailure) {
            let outcomes = try writer.history.commit(commits, on: connection) { () throws(PostgresFailure) in
              try PostgresCommits.add(commits, on: connection)
            }
            writer.counters.count(transactionOf: commits.count, took: clock.now - started)
            return isRepetition ? outcomes.map(\.afterRepetition) : outcomes
          } catch {
            writer.counters.countFailure()
            if error.spoilsConnection { self.connection = nil }
            guard error.isConnectionLost else {
              if error.concernsOneEntry, commits.count > 1 {
                let middle = commits.startIndex + commits.count / 2
                return outcomes(of: commits[..<middle], wereSent: isRepetition, until: deadline)
                  + outcomes(of: commits[middle...], wereSent: isRepetition, until: deadline)
              }
              let reason = error.concernsOneEntry ? error.storeError : error.storeError.blamingNobody
              return Array(repeating: isRepetition ? .unknown(reason) : .failed(reason), count: commits.count)
            }
            isRepetition = true
            failure = error.storeError
          }
        } catch {
          failure = error.blamingNobody
        }
        guard !isDown || isRepetition, clock.now < deadline else {
          isDown = true
          return Array(repeating: isRepetition ? .unknown(failure) : .failed(failure), count: commits.count)
        }
        Thread.sleep(forTimeInterval: Double(pause.components.attoseconds) * 1e-18)
        pause = min(pause * 2, .milliseconds(500))
      }
    }

    // MARK: The connection

    private func connect() throws(StoreError) -> PostgresConnection {
      if let connection {
        if connection.isSound, connection.timeline == writer.history.timeline { return connection }
        self.connection = nil
      }
      let (connection, greeting) = try PostgresDatabase.connect(writer.settings)
      try writer.history.look(at: greeting, on: connection)
      self.connection = connection
      isDown = false
      writer.counters.countReconnect()
      return connection
    }
  }
}

extension CommitOutcome {
  /// What an answer means for a commit that had been sent before, and may have been written then.
  fileprivate var afterRepetition: CommitOutcome {
    switch self {
    case .stale: .unknown(.unavailable("the slot has a new owner, and what became of the commit was not told"))
    case .committed, .conflict, .failed, .unknown: self
    }
  }
}

/// What the store's threads count.
final class PostgresCounters: Sendable {
  let values = Mutex(StoreStatistics())

  func tell(_ outcomes: CommitOutcomes) { outcomes.tell(counting: values) }
  func count(transactionOf commits: Int, took elapsed: Duration) {
    values.withLock { $0.count(transactionOf: commits, took: elapsed) }
  }
  func countFailure() { values.withLock { $0.failedTransactions += 1 } }
  func countReconnect() { values.withLock { $0.reconnects += 1 } }
}
