import Foundation
import RoomCore
import Store
import StoreTesting
import Synchronization
import Testing

/// Which databases are opened, and which are not; and what is known of their past.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct PostgresOpeningTests {
  let server: PostgresServer
  let url: String

  init() async throws {
    server = try await PostgresServer.shared()
    url = try server.makeDatabase()
  }

  func open(
    _ url: String? = nil, _ change: (inout PostgresConfiguration) -> Void = { _ in }
  ) async throws -> PostgresStore {
    var configuration = PostgresConfiguration(url: url ?? self.url, history: "first")
    change(&configuration)
    return try await PostgresStore.open(configuration)
  }

  func expectRefused(
    _ words: String..., url: String? = nil, _ change: (inout PostgresConfiguration) -> Void = { _ in },
    sourceLocation: SourceLocation = #_sourceLocation
  ) async {
    await #expect(sourceLocation: sourceLocation) {
      try await open(url, change).close()
    } throws: { error in
      guard case .refused(let message) = error as? StoreError else { return false }
      return words.allSatisfy(message.contains)
    }
  }

  @Test func anothersStoreIsRefused() async throws {
    await expectRefused("no Stonepot store") { $0.migrates = false }
    try await open { $0.cluster = "kitchen" }.close()
    await expectRefused("kitchen", "stonepot")
    let again = try await open {
      $0.cluster = "kitchen"
      $0.history = "another"
    }
    #expect(again.identity == StoreIdentity(cluster: "kitchen", history: "first"))
    await again.close()
    try RawPostgres(url).query("UPDATE meta SET value = '512' WHERE key = 'slots'")
    await expectRefused("512", "1024") { $0.cluster = "kitchen" }
  }

  @Test func severalMayMakeTheSameStoreAtOnce() async throws {
    let histories = try await withThrowingTaskGroup(of: String.self) { group in
      for number in 0..<6 {
        group.addTask {
          let store = try await open { $0.history = "\(number)" }
          try await store.checkHealth()
          await store.close()
          return store.identity.history
        }
      }
      return try await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(histories.count == 1)
  }

  @Test func anOlderStoreIsBroughtUpAndANewerOneRefused() async throws {
    try await open().close()
    let step = (number: 3, sql: "CREATE TABLE extra (x int); INSERT INTO extra VALUES (7)")
    await expectRefused("older schema 2") {
      $0.extraMigrations = [step]
      $0.migrates = false
    }
    let broken = (number: 4, sql: "CREATE TABLE half (x int); nonsense")
    await #expect(throws: StoreError.self) { try await open { $0.extraMigrations = [step, broken] } }
    let raw = try RawPostgres(url)
    #expect(try raw.query("SELECT to_regclass('stonepot.half')") == ["NULL"])
    #expect(try raw.query("SELECT x FROM extra") == ["7"])
    try await open { $0.extraMigrations = [step] }.close()
    await expectRefused("schema 3", "newer program")
  }

  @Test func aServerThatIsNotThereIsSaidToBeUnavailable() async throws {
    await #expect {
      try await open("postgres:///none?host=/nowhere")
    } throws: { error in
      guard case .unavailable(let message) = error as? StoreError else { return false }
      return message.contains("/nowhere")
    }
  }

  @Test func nodesThatSaidNothingForDaysAreForgotten() async throws {
    let store = try await open()
    for name in ["old", "older", "new"] { try await store.beat(NodeID(name), address: name, pid: 1) }
    let raw = try RawPostgres(url)
    try raw.query("UPDATE nodes SET heartbeat = heartbeat - interval '6 days' WHERE node = 'old'")
    try raw.query("UPDATE nodes SET heartbeat = heartbeat - interval '8 days' WHERE node = 'older'")
    try await store.beat(NodeID("new"), address: "new", pid: 1)
    let nodes = try await store.nodes()
    #expect(nodes.map(\.node.name) == ["new", "old"])
    #expect(nodes[1].age >= .seconds(6 * 86400))
    await store.close()
  }

  // MARK: History

  /// A new timeline, as a promoted standby begins one, is feigned by what was noted of the last.
  private func failOver(_ raw: RawPostgres) throws {
    try raw.query("UPDATE meta SET value = '0' WHERE key = 'timeline'")
    try raw.query(
      """
      SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'stonepot'
      """)
  }

  @Test func aHeartbeatIsAWitnessOfAllThatWasToldBeforeIt() async throws {
    let store = try await open()
    let (node, a) = (NodeID("node"), room("a"))
    let raw = try RawPostgres(url)
    func historyAfterFailover() async throws -> String {
      try failOver(raw)
      try await store.checkHealth()
      return store.identity.history
    }
    #expect(try await historyAfterFailover() == "first.1", "nobody can tell what was there")
    try await store.beat(node, address: "", pid: 1)
    #expect(try await historyAfterFailover() == "first.1")

    // A room that is deleted in the end, or whose journal is trimmed.
    var writer = Writer(store)
    try await writer.claim(a)
    #expect(await writer.commit(a, 1) == .committed)
    try await store.beat(node, address: "", pid: 1)
    try raw.query("DELETE FROM journal")
    #expect(try await historyAfterFailover() == "first.1")

    // What came behind the heartbeat it says nothing about.
    #expect(await writer.commit(a, 1) == .committed)
    try raw.query("DELETE FROM journal")
    #expect(try await historyAfterFailover() == "first.2")
    try await store.beat(node, address: "", pid: 1)
    try raw.query("UPDATE nodes SET heartbeat = heartbeat - interval '1 second'")
    #expect(try await historyAfterFailover() == "first.3")

    // The epoch that a claim gave may be missing though all that was committed before is there.
    #expect(await writer.commit(a, 1) == .committed)
    #expect(try await historyAfterFailover() == "first.3")
    try await writer.claim(a)
    #expect(try await historyAfterFailover() == "first.4")
    #expect(await writer.commit(a, 2) == .committed)
    #expect(try await historyAfterFailover() == "first.4")

    // It was rewound beyond the beginning of that history.
    try raw.query("UPDATE meta SET value = 'first.2' WHERE key = 'history'")
    #expect(try await historyAfterFailover() == "first.5")
    await store.close()
  }

  @Test func aStoreThatLostWhatItToldGetsANewHistoryAndAllNodesHearOfIt() async throws {
    let heard = Mutex([[String]](repeating: [], count: 2))
    try await open().close()
    let stores = try await [
      open {
        $0.history = "second"
        $0.historyChanged = { identity in heard.withLock { $0[0].append(identity.history) } }
      },
      open {
        $0.history = "third"
        $0.historyChanged = { identity in heard.withLock { $0[1].append(identity.history) } }
      },
    ]
    let a = room("a")
    var writer = Writer(stores[0])
    try await writer.claim(a)
    #expect(await writer.commit(a, 1) == .committed)
    #expect(await writer.commit(a, 2) == .committed)
    let raw = try RawPostgres(url)
    try failOver(raw)
    #expect(await writer.commit(a, 3) == .committed)
    #expect(stores.map(\.identity.history) == ["first", "first"], "nothing was lost")
    #expect(try raw.query("SELECT value FROM meta WHERE key = 'timeline'") == ["1"])

    try raw.query("DELETE FROM journal WHERE first = 3")
    try failOver(raw)
    #expect(await writer.commit(a, 3, text: "\"another\"") == .committed)
    #expect(stores[0].identity.history == "second")
    try await stores[1].beat(NodeID("b"), address: "", pid: 1)
    #expect(stores[1].identity.history == "second")
    #expect(heard.withLock { $0 } == [["second"], ["second"]])
    for store in stores { await store.close() }
  }

  @Test func theProcessThatMadeTheStoreGivesItNewHistoriesAsWell() async throws {
    let heard = Mutex<[String]>([])
    let store = try await open { $0.historyChanged = { identity in heard.withLock { $0.append(identity.history) } } }
    let a = room("a")
    var writer = Writer(store)
    let raw = try RawPostgres(url)
    for number in 1...Int64(3) {
      try await writer.claim(a)
      #expect(await writer.commit(a, 1) == .committed)
      try raw.query("DELETE FROM journal")
      try failOver(raw)
      try await store.checkHealth()
      #expect(store.identity.history == "first.\(number)")
    }
    #expect(heard.withLock { $0 } == ["first.1", "first.2", "first.3"])
    await store.close()
  }

  @Test func aHotStandbyIsRefusedAndGivesANewHistoryWhenItIsPromoted() async throws {
    let primary = try await PostgresServer()
    let url = try primary.makeDatabase()
    let name = String(url.dropFirst("postgres:///".count).prefix { $0 != "?" })
    let store = try await open(url)
    var writer = Writer(store)
    let a = room("a")
    try await writer.claim(a)
    #expect(await writer.commit(a, 1) == .committed)
    let standby = try await PostgresServer(standbyOf: primary)
    let there = standby.url(of: name)
    await expectRefused("hot standby", url: there)
    #expect(await writer.commit(a, 2) == .committed)
    await store.close()
    let raw = try RawPostgres(there)
    try await eventually { try raw.query("SELECT count(*) FROM journal") == ["2"] }
    await primary.stop()
    #expect(try raw.query("SELECT pg_promote()") == ["t"])
    let promoted = try await open(there) { $0.history = "second" }
    #expect(promoted.identity.history == "second")
    #expect(try await promoted.load(a)?.head == SequenceNumber(2))
    await promoted.close()
    let again = try await open(there) { $0.history = "third" }
    #expect(again.identity.history == "second")
    await again.close()
  }

  @Test func whatAPrimaryThatNobodyFencedAnswersCountsForNothing() async throws {
    let old = try await PostgresServer()
    let url = try old.makeDatabase()
    let name = String(url.dropFirst("postgres:///".count).prefix { $0 != "?" })
    let new = try await PostgresServer(standbyOf: old)
    let store = try await open("postgres:///\(name)?host=\(old.directory),\(new.directory)&user=stonepot")
    var writer = Writer(store)
    let a = room("a")
    try await writer.claim(a)
    #expect(await writer.commit(a, 1) == .committed)
    let rawOld = try RawPostgres(url)
    try await eventually {
      try rawOld.query("SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()") == ["1"]
    }
    let rawNew = try RawPostgres(new.url(of: name))
    #expect(try rawNew.query("SELECT first FROM journal") == ["1"])

    // Nobody can connect to the old one any more; who is connected notices nothing.
    try FileManager.default.removeItem(atPath: old.directory + "/.s.PGSQL.5432")
    #expect(try rawNew.query("SELECT pg_promote()") == ["t"])
    try rawOld.query(
      """
      SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'stonepot'
        AND query NOT LIKE '%INSERT INTO journal%'
      """)
    try await store.checkHealth()
    #expect(await writer.commit(a, 2) == .committed)
    #expect(try rawNew.query("SELECT first FROM journal ORDER BY first") == ["1", "2"])
    #expect(try rawOld.query("SELECT first FROM journal") == ["1"])
    #expect(store.identity.history == "first")
    await store.close()
  }
}
