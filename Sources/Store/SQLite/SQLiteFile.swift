internal import Foundation
internal import GRDB
internal import GRDBSQLite
internal import RoomCore

/// Opens the file and makes sure that it is the one that was meant.
enum SQLiteFile {
  /// A pool whose writing connection waits for the disk at each commit. The file is made if it is not there.
  static func open(_ settings: SQLiteConfiguration) throws(StoreError) -> DatabasePool {
    var configuration = Configuration()
    configuration.label = "store"
    // A ROLLBACK that fails is for the writer to judge, not a reason to crash.
    configuration.allowsUnsafeTransactions = true
    configuration.readonly = settings.mode == .readOnly
    configuration.maximumReaderCount = settings.readers
    let tries = max(1, settings.busyTimeout / .microseconds(300))
    // SQLite's own back-off grows to 100 ms and starves whoever writes less often; short naps of one length are fair.
    configuration.busyMode = .callback { count in
      usleep(300)
      return Double(count) < tries
    }
    configuration.prepareDatabase { database in
      try checkApplication(database, path: settings.path)
    }
    do {
      let pool = try DatabasePool(path: settings.path, configuration: configuration)
      if settings.mode != .readOnly {
        try pool.writeWithoutTransaction { database in
          try setUpWriter(database.connection, settings)
        }
      }
      return pool
    } catch {
      switch StoreError(error) {
      case .unavailable(let reason): throw .unavailable("\(settings.path): \(reason)")
      case .corrupt(let reason): throw .corrupt("\(settings.path): \(reason)")
      case let other: throw other
      }
    }
  }

  /// A pool for the file that was open before, after an error that left its state in doubt.
  static func reopen(_ settings: SQLiteConfiguration, as identity: StoreIdentity) throws(StoreError) -> DatabasePool {
    guard FileManager.default.fileExists(atPath: settings.path) else {
      throw .unavailable("\(settings.path) is not there any more")
    }
    let pool = try open(settings)
    do {
      try pool.writeWithoutTransaction { database in
        guard try Self.identity(database.connection, settings) == identity else {
          throw StoreError.unavailable("\(settings.path) is not the store that was opened")
        }
        // What a failed fsync left in the log may be in the page cache alone, and counts as written there: no later
        // fsync of the log saves it. So it goes into the file proper before anybody reads it.
        try executeSQL("PRAGMA wal_checkpoint(PASSIVE)", on: database.connection)
      }
    } catch {
      throw StoreError(error)
    }
    return pool
  }

  /// Before anything is written, WAL mode included: is this ours, or new?
  private static func checkApplication(_ database: Database, path: String) throws {
    let connection = try database.connection
    // In this order: another process may be making the file, and does both in one transaction.
    let tables = try number("SELECT count(*) FROM sqlite_schema", on: connection)
    let application = try number("PRAGMA application_id", on: connection)
    guard application == SQLiteSchema.applicationID || (application == 0 && tables == 0) else {
      throw StoreError.refused("\(path) is a SQLite file, but not a Stonepot store")
    }
  }

  private static func setUpWriter(_ connection: OpaquePointer, _ settings: SQLiteConfiguration) throws {
    // DatabasePool leaves NORMAL behind, with which a commit may be lost when the machine stops.
    try executeSQL("PRAGMA synchronous = FULL", on: connection)
    guard try number("PRAGMA synchronous", on: connection) == 2 else {
      throw StoreError.refused("\(settings.path): SQLite does not take synchronous = FULL")
    }
    sqlite3_limit(connection, SQLITE_LIMIT_LENGTH, settings.maxTextBytes)
    if let sql = settings.setUpSQL { try executeSQL(sql, on: connection) }
  }

  // MARK: Schema

  /// Brings the schema up to what this program knows, each step in its own transaction.
  static func migrate(_ connection: OpaquePointer, _ settings: SQLiteConfiguration) throws -> StoreIdentity {
    let migrations = settings.migrations
    while true {
      try executeSQL("BEGIN IMMEDIATE", on: connection)
      do {
        // Read within the transaction, as another process may be doing the same.
        try executeSQL(SQLiteSchema.meta, on: connection)
        let version = try schemaVersion(connection)
        if version > 0 { try check(connection, settings) }
        guard let next = migrations.first(where: { $0.number == version + 1 }) else {
          if try migrateRecords(connection, settings) {
            try executeSQL("COMMIT", on: connection)
            continue
          }
          let identity = try identity(connection, settings)
          try executeSQL("ROLLBACK", on: connection)
          return identity
        }
        try executeSQL(next.sql, on: connection)
        if version == 0 {
          try setMeta("cluster", settings.cluster, on: connection)
          try setMeta("slots", "\(Slot.count)", on: connection)
          try setMeta("history", settings.history, on: connection)
          try setMeta("feature_level", "\(SQLiteSchema.featureLevel)", on: connection)
          try setMeta("probe", "0", on: connection)
          try executeSQL("PRAGMA application_id = \(SQLiteSchema.applicationID)", on: connection)
        }
        try setMeta("schema_version", "\(next.number)", on: connection)
        try executeSQL("COMMIT", on: connection)
      } catch {
        if sqlite3_get_autocommit(connection) == 0 { try executeSQL("ROLLBACK", on: connection) }
        throw error
      }
    }
  }

  /// Takes the next step of the records' schema, within the caller's transaction.
  ///
  /// - Returns: false if there is none.
  private static func migrateRecords(_ connection: OpaquePointer, _ settings: SQLiteConfiguration) throws -> Bool {
    let version = try meta("records_version", on: connection).flatMap { Int($0) } ?? 0
    try StoreLabel.check(records: version, known: settings.records, place: settings.path)
    guard let next = settings.records.first(where: { $0.number == version + 1 }) else { return false }
    try executeSQL(next.sql, on: connection)
    try setMeta("records_version", "\(next.number)", on: connection)
    return true
  }

  /// What the file says of itself, refused if that is not what this program can work with.
  static func identity(_ connection: OpaquePointer, _ settings: SQLiteConfiguration) throws -> StoreIdentity {
    guard try number("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'", on: connection) == 1 else {
      throw StoreError.refused("\(settings.path) is empty")
    }
    try check(connection, settings)
    let version = try schemaVersion(connection)
    guard version == settings.migrations.last?.number else {
      throw StoreError.refused("\(settings.path) has the older schema \(version); start a server on it once")
    }
    return StoreIdentity(
      cluster: try meta("cluster", on: connection) ?? "", history: try meta("history", on: connection) ?? "")
  }

  private static func check(_ connection: OpaquePointer, _ settings: SQLiteConfiguration) throws {
    let label = StoreLabel(
      place: settings.path, cluster: settings.cluster, knownSchema: settings.migrations.last?.number ?? 0,
      knownFeatures: SQLiteSchema.featureLevel)
    try label.check(schema: try schemaVersion(connection)) { try meta($0, on: connection) }
  }

  // MARK: Small reads and writes

  private static func schemaVersion(_ connection: OpaquePointer) throws -> Int {
    try meta("schema_version", on: connection).flatMap { Int($0) } ?? 0
  }

  private static func meta(_ key: StaticString, on connection: OpaquePointer) throws -> String? {
    try once("SELECT value FROM meta WHERE key = '\(key)'", on: connection) { try $0.step() ? $0.string(0) : nil }
  }

  private static func setMeta(_ key: StaticString, _ value: String, on connection: OpaquePointer) throws {
    let sql = "INSERT INTO meta (key, value) VALUES ('\(key)', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1"
    try once(sql, on: connection) { try $0.run(1, value) }
  }

  static func number(_ sql: String, on connection: OpaquePointer) throws -> Int64 {
    try once(sql, on: connection) { try $0.step() ? $0.int64(0) : 0 }
  }

  private static func once<Value>(
    _ sql: String, on connection: OpaquePointer, _ body: (SQLiteStatement) throws -> Value
  ) throws -> Value {
    let statement = try SQLiteStatement(preparing: sql, on: connection)
    defer { statement.finalize() }
    return try body(statement)
  }
}

extension Database {
  /// The connection for SQLite's C interface, good only within the access that lent the database.
  var connection: OpaquePointer {
    get throws(SQLiteFailure) {
      guard let connection = sqliteConnection else {
        throw SQLiteFailure(code: SQLITE_MISUSE, message: "the connection is closed")
      }
      return connection
    }
  }
}
