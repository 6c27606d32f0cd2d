import Foundation
import RoomCore
import Store
import StoreTesting
import Testing

/// Which files are opened, by whom, and which are not.
struct SQLiteOpeningTests {
  let file: TemporaryFile
  var path: String { file.path }

  init() throws { file = try TemporaryFile() }

  func open(
    _ mode: SQLiteConfiguration.Mode = .exclusive, _ change: (inout SQLiteConfiguration) -> Void = { _ in }
  ) async throws -> SQLiteStore {
    var configuration = SQLiteConfiguration(path: path, history: "first", mode: mode)
    change(&configuration)
    return try await SQLiteStore.open(configuration)
  }

  func expectRefused(
    _ words: String..., mode: SQLiteConfiguration.Mode = .exclusive,
    _ change: (inout SQLiteConfiguration) -> Void = { _ in }, sourceLocation: SourceLocation = #_sourceLocation
  ) async {
    await #expect(sourceLocation: sourceLocation) {
      try await open(mode, change).close()
    } throws: { error in
      guard case .refused(let message) = error as? StoreError else { return false }
      return words.allSatisfy(message.contains)
    }
  }

  @Test func aNewFileIsWhatItWasMadeAs() async throws {
    let store = try await open { $0.cluster = "kitchen" }
    #expect(store.identity == StoreIdentity(cluster: "kitchen", history: "first"))
    await store.close()
    let again = try await open {
      $0.cluster = "kitchen"
      $0.history = "another"
    }
    #expect(again.identity == store.identity, "the history of a file that exists is its own")
    await again.close()
  }

  @Test(
    arguments: [
      (3_040_001, true), (3_050_006, true), (3_051_002, true), (3_051_003, false), (3_052_000, false),
      (4_000_000, false),
    ])
  func librariesThatMayDamageASharedFileAreKnown(version: Int, hasBug: Bool) throws {
    #expect(SQLiteStore.hasWALResetBug(version) == hasBug)
    #expect(try RawDatabase(path).query("SELECT sqlite_version()") == [SQLiteStore.libraryVersion])
  }

  @Test func textIsReadableWithTheShell() async throws {
    let store = try await open()
    var writer = Writer(store)
    try await writer.claim(room("a"))
    await writer.commit(room("a"), 1, text: "[{\"dish\":\"डोसा\"}]")
    let raw = try RawDatabase(path)
    #expect(try raw.query("SELECT typeof(text) || text FROM journal") == ["text[{\"dish\":\"डोसा\"}]"])
    #expect(try raw.query("SELECT j.text FROM journal j JOIN rooms r ON r.id = j.room WHERE r.name = 'a'").count == 1)
    await store.close()
  }

  // MARK: Who has it

  @Test func aSecondOpenerIsRefusedAndToldWhoHasTheFile() async throws {
    let first = try await open()
    await expectRefused("\(getpid())", path)
    await expectRefused("\(getpid())", mode: .shared)
    try await first.checkHealth()
    await first.close()
    try await open().close()
  }

  @Test func severalShareAFileIfAllSaySo() async throws {
    let (first, second) = (try await open(.shared), try await open(.shared))
    await expectRefused("\(getpid())")
    await first.close()
    await expectRefused("\(getpid())")
    await second.close()
    try await open().close()
  }

  @Test func severalMayMakeTheSameNewFileAtOnce() async throws {
    let histories = try await withThrowingTaskGroup(of: String.self) { group in
      for number in 0..<6 {
        group.addTask {
          let store = try await open(.shared) { $0.history = "\(number)" }
          defer { print("history \(store.identity.history)") }
          try await store.checkHealth()
          await store.close()
          return store.identity.history
        }
      }
      return try await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(histories.count == 1)
  }

  @Test func lookingInWorksWhileAServerWritesAndAfterwards() async throws {
    await #expect(throws: StoreError.self) { try await open(.readOnly) }
    #expect(!FileManager.default.fileExists(atPath: path), "looking in made a file")
    let store = try await open()
    var writer = Writer(store)
    let a = room("a")
    try await writer.claim(a)
    let reader = try await open(.readOnly)
    #expect(reader.identity == store.identity)
    for number in 1...Int64(20) {
      #expect(await writer.commit(a, number) == .committed)
      #expect(try await reader.load(a)?.head == SequenceNumber(number))
    }
    #expect(try await reader.rooms(after: nil, limit: 9).count == 1)
    guard case .failed(.refused) = await reader.commit(writer.makeCommit(a, 21)) else {
      Issue.record("a reader took a commit")
      return
    }
    await #expect(throws: StoreError.self) { try await reader.claim([], for: NodeID("b")) }
    await #expect(throws: StoreError.self) { try await reader.checkHealth() }
    #expect(await writer.commit(a, 21) == .committed)
    await store.close()
    #expect(try await reader.load(a)?.head == SequenceNumber(21))
    await reader.close()
    await #expect(throws: StoreError.closed) { try await reader.load(a) }
    let later = try await open(.readOnly)
    #expect(try await later.load(a)?.head == SequenceNumber(21))
    try await open().close()
    await later.close()
  }

  // MARK: What it is

  @Test func anothersFileIsRefusedAndLeftAsItIs() async throws {
    try await open { $0.cluster = "kitchen" }.close()
    await expectRefused("kitchen", "stonepot")
    await expectRefused("kitchen", "stonepot", mode: .readOnly)
    try RawDatabase(path).query("UPDATE meta SET value = '512' WHERE key = 'slots'")
    await expectRefused("512", "1024") { $0.cluster = "kitchen" }

    let other = file.directory + "/other.sqlite"
    try RawDatabase(other).query("CREATE TABLE recipes (name TEXT)")
    let before = try Data(contentsOf: URL(fileURLWithPath: other))
    await expectRefused("not a Stonepot store") { $0.path = other }
    await expectRefused("not a Stonepot store", mode: .readOnly) { $0.path = other }
    #expect(try Data(contentsOf: URL(fileURLWithPath: other)) == before)

    let letter = file.directory + "/letter.txt"
    try String(repeating: "Dear sir or madam, ", count: 1000).write(toFile: letter, atomically: true, encoding: .utf8)
    await #expect {
      try await open { $0.path = letter }
    } throws: { error in
      if case StoreError.corrupt = error { true } else { false }
    }
  }

  @Test func anOlderFileIsBroughtUpAndANewerOneRefused() async throws {
    let old = try await open()
    var writer = Writer(old)
    try await writer.claim(room("a"))
    await writer.commit(room("a"), 1)
    await old.close()

    let step = (number: 5, sql: "CREATE TABLE extra (x); INSERT INTO extra VALUES (7)")
    await expectRefused("older schema 4", mode: .readOnly) { $0.extraMigrations = [step] }
    let new = try await open { $0.extraMigrations = [step] }
    #expect(try await new.load(room("a"))?.head == SequenceNumber(1))
    await new.close()
    #expect(try RawDatabase(path).query("SELECT x FROM extra") == ["7"])
    #expect(try RawDatabase(path).query("SELECT value FROM meta WHERE key = 'schema_version'") == ["5"])

    await expectRefused("schema 5", "newer program")
    await expectRefused("schema 5", "newer program", mode: .readOnly)
  }

  /// A file of the first schema knows of no oldest rows; the step counts them.
  @Test func aFileOfTheFirstSchemaIsBroughtUpAndTrimmedAsBefore() async throws {
    let old = try await open()
    var writer = Writer(old)
    let (a, b) = (room("a"), room("b"))
    try await writer.claim(a, b)
    for number in 1...Int64(4) { await writer.commit(a, number) }
    await writer.commit(b, 1, count: 2)
    #expect(try await writer.save(a, at: 3))
    #expect(try await writer.save(b, at: 1))
    await old.close()
    let raw = try RawDatabase(path)
    for sql in [
      "DROP INDEX snapshots_by_oldest", "ALTER TABLE snapshots DROP COLUMN oldest", "DROP TABLE nodes",
      "DROP TABLE outbox",
      "UPDATE meta SET value = '1' WHERE key = 'schema_version'",
    ] { try raw.query(sql) }

    await expectRefused("older schema 1", mode: .readOnly)
    let new = try await open()
    #expect(try raw.query("SELECT oldest FROM snapshots ORDER BY room") == ["1000", "NULL"])
    let trimmed = try await new.trimJournal(before: Timestamp(millis: 2500), in: writer.epochs, limit: 100)
    #expect(trimmed == 2)
    #expect(try await new.trimJournal(before: Timestamp(millis: .max), in: writer.epochs, limit: 100) == 1)
    #expect(try await new.load(a)?.head == SequenceNumber(4))
    await new.close()
  }

  @Test func aStepThatFailsLeavesTheSchemaBeforeIt() async throws {
    let steps = [(number: 4, sql: "CREATE TABLE good (x)"), (number: 5, sql: "CREATE TABLE half (x); nonsense")]
    await #expect(throws: StoreError.self) { try await open { $0.extraMigrations = steps } }
    #expect(try RawDatabase(path).query("SELECT value FROM meta WHERE key = 'schema_version'") == ["4"])
    #expect(try RawDatabase(path).query("SELECT count(*) FROM sqlite_schema WHERE name = 'half'") == ["0"])
    try await open { $0.extraMigrations = Array(steps[..<1]) }.close()
  }

  @Test func aDirectoryThatCannotBeWrittenIsSaidSo() async throws {
    // Not even root makes files in /sys.
    for directory in ["/sys", file.directory + "/missing"] {
      await #expect {
        try await open { $0.path = directory + "/rooms.sqlite" }
      } throws: { error in
        guard case .unavailable(let message) = error as? StoreError else { return false }
        return message.contains(directory)
      }
    }
  }
}
