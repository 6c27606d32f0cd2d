import Foundation
import RoomCore
import Store
import StoreTesting
import Synchronization
import Testing

/// What becomes of commits and claims when they meet one another, or the server goes away in the middle of them.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct PostgresFaultTests {
  let server: PostgresServer
  let url: String
  let a = room("a")

  init() async throws {
    server = try await PostgresServer.shared()
    url = try server.makeDatabase()
  }

  /// With times so long that none of them is what ends a test.
  func open(
    _ url: String? = nil, _ change: (inout PostgresConfiguration) -> Void = { _ in }
  ) async throws -> PostgresStore {
    var configuration = PostgresConfiguration(url: url ?? self.url, history: "first")
    configuration.patience = .seconds(100)
    configuration.answerTimeout = .seconds(100)
    configuration.lockTimeout = .seconds(100)
    change(&configuration)
    return try await PostgresStore.open(configuration)
  }

  /// Sees what the stores' connections are doing.
  struct Watcher {
    let raw: RawPostgres

    init(_ url: String) throws { raw = try RawPostgres(url) }

    /// The server's processes that wait for something of this kind.
    func waiting(for kind: String = "Lock", in statement: String = "") throws -> [String] {
      try raw.query(
        """
        SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'stonepot'
        AND (wait_event_type = '\(kind)' OR wait_event = '\(kind)') AND query LIKE '%\(statement)%'
        """)
    }

    /// Waits for one, other than `known`.
    func waitsNow(for kind: String = "Lock", in statement: String = "", otherThan known: String = "") async throws
      -> String
    {
      while true {
        if let pid = try waiting(for: kind, in: statement).first(where: { $0 != known }) { return pid }
        try Task.checkCancellation()
        await Task.yield()
      }
    }

    func kill(_ pid: String) throws {
      #expect(try raw.query("SELECT pg_terminate_backend(\(pid), 60000)") == ["t"])
    }

    func killAll() throws {
      try raw.query(
        """
        SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'stonepot'
        """)
    }
  }

  /// Keeps a slot locked as a claim under way would.
  func lockSlot(of room: RoomID) throws -> RawPostgres {
    let raw = try RawPostgres(url)
    try raw.query("BEGIN")
    try raw.query("SELECT 1 FROM slots WHERE slot = \(Slot(of: room)) FOR UPDATE")
    return raw
  }

  /// Makes each commit stop, its locks held, for as long as the connection that is returned keeps the advisory lock 7.
  func holdInserts() throws -> RawPostgres {
    let raw = try RawPostgres(url)
    try raw.query(
      """
      CREATE FUNCTION stonepot.hold() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN new; END'
      """)
    try raw.query("CREATE TRIGGER hold BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION stonepot.hold()")
    try raw.query("SELECT pg_advisory_lock(7)")
    return raw
  }

  func isUnavailable(_ outcome: CommitOutcome) -> Bool {
    if case .failed(.unavailable) = outcome { true } else { false }
  }

  func isUnknown(_ outcome: CommitOutcome) -> Bool {
    if case .unknown(.unavailable) = outcome { true } else { false }
  }

  // MARK: Connections that are lost

  @Test func aCommitWhoseConnectionIsKilledBeforeItWroteIsSentAgain() async throws {
    let store = try await open()
    var writer = Writer(store)
    try await writer.claim(a)
    let watcher = try Watcher(url)
    let blocker = try lockSlot(of: a)
    async let outcome = writer.commit(a, 1, timer: .set(Timestamp(millis: 5)))
    let first = try await watcher.waitsNow()
    try watcher.kill(first)
    _ = try await watcher.waitsNow(otherThan: first)
    try blocker.query("ROLLBACK")
    #expect(await outcome == .committed)
    #expect(try await store.load(a)?.journalTexts == [Writer.text(a, 1)])
    #expect(try await store.load(a)?.timer == Timestamp(millis: 5))
    #expect(store.statistics.reconnects == 1)
    await store.close()
  }

  /// The server has written the commit and waits for a standby that never comes: so the answer is still under way.
  @Test func aCommitWhoseConnectionIsKilledAfterItWroteIsFoundAndWrittenOnce() async throws {
    let server = try await PostgresServer()
    let url = try server.makeDatabase()
    let store = try await open(url)
    let rooms = (0..<5).map { room("room-\($0)") }
    var writer = Writer(store)
    try await writer.claim(Set(rooms.map(Slot.init(of:))))
    #expect(await writer.commit(rooms[0], 1) == .committed)
    let watcher = try Watcher(url)
    func setStandbys(_ names: String) async throws {
      try watcher.raw.query("ALTER SYSTEM SET synchronous_standby_names = '\(names)'")
      try watcher.raw.query("SELECT pg_reload_conf()")
      try await eventually { try RawPostgres(url).query("SHOW synchronous_standby_names") == [names] }
    }
    try await setStandbys("nobody")
    let outcomes = try await withThrowingTaskGroup(of: CommitOutcome.self) { group in
      for room in rooms {
        group.addTask { [writer] in await writer.commit(room, room == rooms[0] ? 2 : 1, count: 2) }
      }
      let first = try await watcher.waitsNow(for: "SyncRep")
      #expect(try watcher.raw.query("SELECT count(*) FROM journal") == ["1"], "others saw it before it was safe")
      try watcher.kill(first)
      #expect(try watcher.raw.query("SELECT count(*) > 1 FROM journal") == ["t"], "it was not written")
      // The repetition waits for the standby as well, although it wrote nothing.
      _ = try await watcher.waitsNow(for: "SyncRep", otherThan: first)
      try await setStandbys("")
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(outcomes == Array(repeating: .committed, count: 5))
    for room in rooms {
      let texts =
        room == rooms[0] ? [Writer.text(room, 1), Writer.text(room, 2, count: 2)] : [Writer.text(room, 1, count: 2)]
      #expect(try await store.load(room)?.journalTexts == texts)
    }
    #expect(store.statistics.reconnects >= 1)
    await store.close()
  }

  @Test func aCommitThatIsStaleOnlyWhenItIsSentAgainIsUnknown() async throws {
    let store = try await open()
    var writer = Writer(store)
    try await writer.claim(a)
    let watcher = try Watcher(url)
    let blocker = try lockSlot(of: a)
    async let outcome = writer.commit(a, 1)
    let first = try await watcher.waitsNow()
    try watcher.kill(first)
    _ = try await watcher.waitsNow(otherThan: first)
    try blocker.query("UPDATE slots SET epoch = epoch + 1 WHERE slot = \(Slot(of: a))")
    try blocker.query("COMMIT")
    #expect(isUnknown(await outcome))
    #expect(try await store.load(a) == nil)
    #expect(await writer.commit(a, 1) == .stale)
    await store.close()
  }

  @Test func aCallThatFindsItsConnectionDeadConnectsAnew() async throws {
    let store = try await open()
    var writer = Writer(store)
    try await writer.claim(a)
    #expect(await writer.commit(a, 1) == .committed)
    for number in 2...Int64(6) {
      try Watcher(url).killAll()
      #expect(try await store.load(a)?.head == SequenceNumber(number - 1))
      #expect(await writer.commit(a, number) == .committed)
      #expect(try await writer.save(a, at: number))
    }
    await store.close()
  }

  /// As a machine that loses its power, again and again.
  @Test func aServerThatStopsUnderLoadLosesNothingThatWasTold() async throws {
    let server = try await PostgresServer()
    let store = try await open(server.makeDatabase())
    let rooms = (0..<16).map { room("room-\($0)") }
    var writer = Writer(store)
    try await writer.claim(Slot.all)
    let told = try await withThrowingTaskGroup(of: (RoomID, [String]).self) { group in
      for room in rooms {
        group.addTask { [writer] in
          var told: [String] = []
          while told.count < 120 {
            let next = Int64(told.count + 1)
            let outcome = await writer.commit(room, next)
            // The store has patience for longer than the server is away.
            #expect(outcome == .committed)
            guard outcome == .committed else { break }
            told.append(Writer.text(room, next))
          }
          return (room, told)
        }
      }
      for stop in 1...3 {
        try await eventually { store.statistics.committed >= stop * 400 }
        await server.stop()
        try await server.start()
      }
      return try await group.reduce(into: [RoomID: [String]]()) { $0[$1.0] = $1.1 }
    }
    for room in rooms {
      let content = try await store.load(room)
      #expect(content?.problem == nil)
      #expect(content?.journalTexts == told[room])
    }
    #expect(store.statistics.reconnects >= 3)
    await store.close()
  }

  @Test func whoeverWaitsForAServerThatStaysAwayIsToldSo() async throws {
    let server = try await PostgresServer()
    let url = try server.makeDatabase()
    let store = try await open(url) { $0.patience = .milliseconds(100) }
    var writer = Writer(store)
    try await writer.claim(Slot.all)
    let raw = try RawPostgres(url)
    try raw.query("SELECT pg_advisory_lock(7)")
    try raw.query(
      """
      CREATE FUNCTION stonepot.hold() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN new; END'
      """)
    try raw.query("CREATE TRIGGER hold BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION stonepot.hold()")
    let watcher = try Watcher(url)
    let commits = [writer.makeCommit(a, 1), writer.makeCommit(room("b"), 1)]
    async let sent = store.commit(commits[0])
    _ = try await watcher.waitsNow()
    async let waiting = store.commit(commits[1])
    try await eventually { store.statistics.queueDepth > 0 }
    await server.stop()
    #expect(isUnknown(await sent))
    #expect(isUnavailable(await waiting))
    #expect(isUnavailable(await writer.commit(a, 1)))
    await #expect {
      try await store.load(a)
    } throws: { ($0 as? StoreError)?.concernsContent == false }
    await #expect(throws: StoreError.self) { try await store.checkHealth() }
    try await server.start()
    #expect(try await store.load(a) == nil)
    #expect(await writer.commit(a, 1) == .committed)
    try await store.checkHealth()
    await store.close()
  }

  // MARK: Claims and commits

  @Test func aClaimWaitsForTheCommitsUnderWayAndItsOwnerSeesThem() async throws {
    let (old, new) = (try await open(), try await open())
    var (deposed, owner) = (Writer(old, "old"), Writer(new, "new"))
    try await deposed.claim(a)
    let watcher = try Watcher(url)
    let gate = try holdInserts()
    async let outcome = deposed.commit(a, 1)
    let committing = try await watcher.waitsNow(in: "INSERT INTO journal")
    let (node, claims) = (owner.node, [SlotClaim(slot: Slot(of: a), expected: Epoch(1))])
    async let claim = new.claim(claims, for: node)
    _ = try await watcher.waitsNow(in: "UPDATE slots", otherThan: committing)
    #expect(try watcher.waiting(in: "INSERT INTO journal") == [committing])
    try gate.query("SELECT pg_advisory_unlock(7)")
    #expect(try await claim == [Slot(of: a): Epoch(2)])
    owner.epochs[Slot(of: a)] = Epoch(2)
    #expect(try await new.load(a)?.journalTexts == [Writer.text(a, 1)])
    #expect(await outcome == .committed)
    #expect(await deposed.commit(a, 2) == .stale)
    #expect(await owner.commit(a, 2) == .committed)
    for store in [old, new] { await store.close() }
  }

  /// 1: the slot is lost while the commit waits for its lock. 2: it is lost and won back, so that its owner is the same.
  @Test(arguments: [1, 2])
  func aCommitThatWaitedForClaimsIsStale(claims: Int) async throws {
    let store = try await open()
    let (b, other) = (room("b"), room("other"))
    var writer = Writer(store)
    try await writer.claim(a, b, other)
    #expect(Set([a, b, other].map(Slot.init(of:))).count == 3)
    #expect(await writer.commit(a, 1) == .committed)
    let watcher = try Watcher(url)
    let claimant = try lockSlot(of: a)
    async let outcomes = together([writer.makeCommit(a, 2), writer.makeCommit(b, 1)], by: store)
    _ = try await watcher.waitsNow()
    for _ in 0..<claims { try claimant.query("UPDATE slots SET epoch = epoch + 1 WHERE slot = \(Slot(of: a))") }
    try claimant.query("COMMIT")
    #expect(await outcomes == [.stale, .committed])
    #expect(try await store.load(a)?.head == SequenceNumber(1))
    #expect(await writer.commit(a, 2, epoch: Epoch(Int64(1 + claims))) == .committed)
    await store.close()
  }

  /// Hands commits in at one time, through one lane.
  func together(_ commits: [RoomCommit], by store: PostgresStore) async -> [CommitOutcome] {
    let outcomes = Mutex([CommitOutcome?](repeating: nil, count: commits.count))
    await withUnsafeContinuation { continuation in
      commits[0].lane.post {
        for (index, commit) in commits.enumerated() {
          store.commit(commit) { outcome in
            let isLast = outcomes.withLock { outcomes in
              outcomes[index] = outcome
              return !outcomes.contains(nil)
            }
            if isLast { continuation.resume() }
          }
        }
      }
    }
    return outcomes.withLock { $0.compactMap { $0 } }
  }

  @Test func aClaimThatIsNotGivenItsLockInTimeClaimsNothing() async throws {
    let store = try await open { $0.lockTimeout = .milliseconds(30) }
    let blocker = try lockSlot(of: a)
    let claims = Slot.all.map { SlotClaim(slot: $0, expected: .zero) }
    await #expect {
      try await store.claim(claims, for: NodeID("a"))
    } throws: { error in
      if case StoreError.unavailable = error { true } else { false }
    }
    try blocker.query("ROLLBACK")
    #expect(try await store.slots().allSatisfy { $0.epoch == .zero && $0.owner == nil })
    #expect(try await store.claim(claims, for: NodeID("a")).count == Slot.count)
    await store.close()
  }

  // MARK: One bad commit

  @Test func aCommitThatCannotBeStoredHarmsItsOwnRoomOnly() async throws {
    let store = try await open { $0.maxTextBytes = 10_000 }
    try RawPostgres(url).query("ALTER TABLE journal ADD CHECK (text NOT LIKE '%poison%')")
    let rooms = (0..<40).map { room("room-\($0)") }
    var writer = Writer(store)
    try await writer.claim(Slot.all)
    let commits = rooms.enumerated().map { index, room in
      let text =
        switch index % 10 {
        case 3: String(repeating: "x", count: 20_000)
        case 5: "\"no text: \0\""
        case 7: "\"poison\""
        default: "\"good\""
        }
      return writer.makeCommit(room, 1, text: text, timer: .set(Timestamp(millis: 1)))
    }
    let outcomes = await together(commits, by: store)
    for (index, room) in rooms.enumerated() {
      let content = try await store.load(room)
      if [3, 5, 7].contains(index % 10) {
        guard case .failed(.refused) = outcomes[index] else {
          Issue.record("room \(index) was told \(outcomes[index])")
          continue
        }
        #expect(content == nil, "half a commit stayed")
        #expect(await writer.commit(room, 1, text: "\"good\"") == .committed)
      } else {
        #expect(outcomes[index] == .committed)
        #expect(content?.head == SequenceNumber(1) && content?.timer != nil)
      }
    }
    #expect(store.statistics.reconnects == 0)
    await store.close()
  }

  @Test func aRoomThatCommitsTwiceAtOnceIsWrittenInOrder() async throws {
    let store = try await open()
    var writer = Writer(store)
    try await writer.claim(a)
    let commits = (1...Int64(3)).map { writer.makeCommit(a, $0, timer: .set(Timestamp(millis: $0))) }
    #expect(await together(commits, by: store) == Array(repeating: .committed, count: 3))
    #expect(try await store.load(a)?.journal.count == 3)
    #expect(try await store.load(a)?.timer == Timestamp(millis: 3))
    await store.close()
  }

  @Test func whatTheClusterWaitsForDoesNotWaitForOtherCalls() async throws {
    let store = try await open()
    var writer = Writer(store)
    try await writer.claim(a)
    #expect(await writer.commit(a, 1) == .committed)
    let raw = try RawPostgres(url)
    try raw.query("BEGIN")
    try raw.query("SELECT 1 FROM slots FOR UPDATE")
    let epoch = writer.epoch(a)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          _ = try await store.setTimer(Timestamp(millis: 1), of: a, slot: Slot(of: a), epoch: epoch)
        }
      }
      let watcher = try Watcher(url)
      try await eventually { try watcher.waiting().count >= 3 }
      try await store.beat(NodeID("n"), address: "", pid: 1)
      _ = try await store.slots()
      #expect(try watcher.waiting().count == 3)
      try raw.query("COMMIT")
      try await group.waitForAll()
    }
    await store.close()
  }
}

/// Waits for what something else is about to do, for as long as the test may run.
func eventually(_ condition: () async throws -> Bool) async throws {
  while try await !condition() {
    try Task.checkCancellation()
    await Task.yield()
  }
}
