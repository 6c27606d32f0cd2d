import GRDBSQLite
import RoomCore
import Store
import StoreTesting
import Testing

@Suite("Records beside the rooms", .timeLimit(.minutes(1)))
struct RecordStoreTests {
  enum Engine: String, CaseIterable, Sendable { case sqlite, postgres }

  private struct Mine: Error {}

  private static let things = RecordMigration(
    number: 1, sql: "CREATE TABLE things (id int8 PRIMARY KEY, name text, count int8)")

  /// Where a store is, which is gone with this.
  private struct Place {
    private let file: TemporaryFile?
    private let url: String

    init(_ engine: Engine) async throws {
      file = engine == .sqlite ? try TemporaryFile() : nil
      url = engine == .postgres ? try await PostgresServer.shared().makeDatabase() : ""
    }

    func open(_ records: [RecordMigration]) async throws -> any RoomStore & RecordStore {
      if let file {
        var configuration = SQLiteConfiguration(path: file.path, history: "history")
        configuration.records = records
        return try await SQLiteStore.open(configuration)
      }
      var configuration = PostgresConfiguration(url: url, history: "history")
      configuration.records = records
      return try await PostgresStore.open(configuration)
    }
  }

  @Test("what is written is read, and what throws writes nothing and says why", arguments: Engine.allCases)
  func transactions(engine: Engine) async throws {
    let place = try await Place(engine)
    let store = try await place.open([Self.things])
    let texts = ["", "a", "😀'\"\\", String(repeating: "x", count: 100_000)]
    try await store.writeRecords { records in
      for (number, text) in texts.enumerated() {
        try records.run("INSERT INTO things VALUES ($1, $2, $3)", RecordValue(number), .text(text), .null)
      }
      try records.run("INSERT INTO things VALUES ($1, $2, $3)", 9, nil, .integer(.min))
    }
    await #expect(throws: Mine.self) {
      try await store.writeRecords { records in
        try records.run("DELETE FROM things")
        throw Mine()
      }
    }
    await #expect(throws: StoreError.refused("mine")) {
      try await store.writeRecords { records in
        try records.run("DELETE FROM things")
        throw StoreError.refused("mine")
      }
    }
    await #expect(throws: StoreError.self) { _ = try await store.writeRecords { try $0.run("nonsense") } }
    let rows = try await store.readRecords { try $0.run("SELECT id, name, count FROM things ORDER BY id") }
    let expected = texts.enumerated().map { RecordRow([RecordValue($0), .text($1), .null]) }
    #expect(rows == expected + [RecordRow([9, nil, .integer(.min)])])
    let many = (1...12).map { "$\($0)" }.joined(separator: ", ")
    let twelfth = try await store.readRecords { records in
      try records.run(
        "SELECT id FROM things WHERE id IN (\(many))", (1...11).map { _ in RecordValue(-1) } + [9])
    }
    #expect(twelfth == [RecordRow([9])])
    await store.close()
  }

  @Test("two who add to the same number lose nothing", arguments: Engine.allCases)
  func counting(engine: Engine) async throws {
    let place = try await Place(engine)
    let store = try await place.open([Self.things])
    _ = try await store.writeRecords { try $0.run("INSERT INTO things VALUES (1, 'n', 0)") }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<25 {
            try await store.writeRecords { records in
              let count = try records.run("SELECT count FROM things WHERE id = 1")[0].integer(0)
              try records.run("UPDATE things SET count = $1 WHERE id = 1", .integer(count + 1))
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try await store.readRecords { try $0.run("SELECT count FROM things")[0].integer(0) } == 200)
    await store.close()
  }

  @Test("records are brought up step by step, and those of a newer program are refused", arguments: Engine.allCases)
  func migrations(engine: Engine) async throws {
    let place = try await Place(engine)
    let more = RecordMigration(number: 2, sql: "ALTER TABLE things ADD COLUMN extra text; CREATE TABLE more (id int8)")
    let broken = RecordMigration(number: 3, sql: "CREATE TABLE half (id int8); nonsense")
    try await place.open([]).close()
    try await place.open([Self.things]).close()
    await #expect(throws: StoreError.self) { _ = try await place.open([Self.things, more, broken]) }
    let store = try await place.open([Self.things, more])
    #expect(try await store.readRecords { try $0.run("SELECT extra FROM things") }.isEmpty)
    await #expect(throws: StoreError.self) { try await store.readRecords { try $0.run("SELECT 1 FROM half") } }
    await store.close()
    await #expect {
      _ = try await place.open([Self.things])
    } throws: { error in
      guard case .refused(let message) = error as? StoreError else { return false }
      return message.contains("version 2") && message.contains("no further than 1")
    }
    // A program that knows no records leaves them alone.
    try await place.open([]).close()
  }

  @Test("a reason counts only if what it was found in is there: else the disk is what failed")
  func failedCommit() async throws {
    let file = try TemporaryFile()
    let fault = CommitFault()
    var configuration = SQLiteConfiguration(path: file.path, history: "history")
    configuration.records = [Self.things]
    configuration.commitFault = fault.run
    let store = try await SQLiteStore.open(configuration)
    fault.set(.fail(SQLITE_FULL))
    await #expect {
      try await store.writeRecords { _ in throw Mine() }
    } throws: { error in
      if case .unavailable = error as? StoreError { true } else { false }
    }
    fault.set(.none)
    await #expect(throws: Mine.self) { try await store.writeRecords { _ in throw Mine() } }
    await store.close()
  }
}
