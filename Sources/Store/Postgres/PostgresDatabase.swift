internal import RoomCore

/// Opens the database and makes sure that it is the one that was meant.
enum PostgresDatabase {
  /// What the database says of itself.
  struct Greeting {
    let identity: StoreIdentity
    /// Of the server's write-ahead log: it gets a new one whenever a standby is promoted or a backup is restored.
    let timeline: Int64
    /// The one that was noted when the history was last looked at.
    let notedTimeline: Int64
  }

  /// A connection that writes wait for the disk on, to the database that the settings mean.
  ///
  /// - Parameter migrating: whether to make the schema, or bring it up to what this program knows.
  static func connect(
    _ settings: PostgresConfiguration, migrating: Bool = false
  ) throws(StoreError) -> (PostgresConnection, Greeting) {
    do {
      let connection = try PostgresConnection(settings)
      try setUp(connection, settings)
      if migrating { try migrate(connection, settings) }
      let greeting = try greeting(connection, settings)
      connection.timeline = greeting.timeline
      return (connection, greeting)
    } catch {
      throw StoreError(postgres: error)
    }
  }

  private static func setUp(_ connection: PostgresConnection, _ settings: PostgresConfiguration) throws {
    guard try connection.run("SELECT pg_is_in_recovery()::int").asText(0) == "0" else {
      throw StoreError.refused(
        "the server is a hot standby, which takes no writes and may lag behind; name the primary")
    }
    // A claim must see what the commits wrote that it waited for, and a commit waits for the disk. Plans are made once,
    // and go by the indexes: tables that are empty when a plan is made grow later.
    try connection.run(
      """
      SET search_path = \(PostgresSchema.name);
      SET synchronous_commit = on;
      SET default_transaction_isolation = 'read committed';
      SET plan_cache_mode = force_generic_plan;
      SET enable_seqscan = off;
      SET jit = off;
      SET statement_timeout = 0;
      SET idle_in_transaction_session_timeout = \(settings.answerTimeout.clampedMillis);
      SET lock_timeout = \(settings.lockTimeout.clampedMillis)
      """)
  }

  // MARK: Schema

  private static func migrate(_ connection: PostgresConnection, _ settings: PostgresConfiguration) throws {
    if try isCurrent(connection, settings) { return }
    // Several nodes may start at once: one migrates, the others wait for it, however long.
    let answerTimeout = connection.answerTimeout
    connection.answerTimeout = max(answerTimeout, .seconds(60))
    defer { connection.answerTimeout = answerTimeout }
    try connection.run("SET lock_timeout = 0")
    var isDone = false
    while !isDone {
      isDone = try connection.transaction { try step(connection, settings) }
    }
    try connection.run("SET lock_timeout = \(settings.lockTimeout.clampedMillis)")
  }

  private static func isCurrent(_ connection: PostgresConnection, _ settings: PostgresConfiguration) throws -> Bool {
    guard try connection.run("SELECT to_regclass('\(PostgresSchema.name).meta')").asText(0) != nil else {
      return false
    }
    return try schemaVersion(connection) == settings.migrations.last?.number
      && settings.records.last.map { try recordsVersion(connection) == $0.number } ?? true
  }

  private static func recordsVersion(_ connection: PostgresConnection) throws -> Int {
    try meta("records_version", on: connection).flatMap { Int($0) } ?? 0
  }

  /// Takes the next step of the records' schema, within the caller's transaction.
  ///
  /// - Returns: false if there is none.
  private static func migrateRecords(
    _ connection: PostgresConnection, _ settings: PostgresConfiguration
  ) throws -> Bool {
    let version = try recordsVersion(connection)
    try StoreLabel.check(records: version, known: settings.records, place: "the store")
    guard let next = settings.records.first(where: { $0.number == version + 1 }) else { return false }
    try connection.run(next.sql)
    try setMeta("records_version", "\(next.number)", on: connection)
    return true
  }

  /// - Returns: whether there was nothing to do.
  private static func step(_ connection: PostgresConnection, _ settings: PostgresConfiguration) throws -> Bool {
    try connection.run("SELECT pg_advisory_xact_lock(\(PostgresSchema.lock))")
    try connection.run("CREATE SCHEMA IF NOT EXISTS \(PostgresSchema.name); \(PostgresSchema.meta)")
    let version = try schemaVersion(connection)
    if version > 0 { try check(connection, settings) }
    guard let next = settings.migrations.first(where: { $0.number == version + 1 }) else {
      return try !migrateRecords(connection, settings)
    }
    try connection.run(next.sql)
    if version == 0 {
      try setMeta("cluster", settings.cluster, on: connection)
      try setMeta("slots", "\(Slot.count)", on: connection)
      try setMeta("history", settings.history, on: connection)
      try setMeta("timeline", "\(try timeline(connection))", on: connection)
      try setMeta("feature_level", "\(PostgresSchema.featureLevel)", on: connection)
      try setMeta("probe", "0", on: connection)
    }
    try setMeta("schema_version", "\(next.number)", on: connection)
    return false
  }

  static func greeting(_ connection: PostgresConnection, _ settings: PostgresConfiguration) throws -> Greeting {
    guard try connection.run("SELECT to_regclass('\(PostgresSchema.name).meta')").asText(0) != nil else {
      throw StoreError.refused("the database has no Stonepot store")
    }
    try check(connection, settings)
    let version = try schemaVersion(connection)
    guard version == settings.migrations.last?.number else {
      throw StoreError.refused("the store has the older schema \(version); start a server on it once")
    }
    let identity = StoreIdentity(
      cluster: try meta("cluster", on: connection) ?? "", history: try meta("history", on: connection) ?? "")
    return Greeting(
      identity: identity, timeline: try timeline(connection),
      notedTimeline: try meta("timeline", on: connection).flatMap { Int64($0) } ?? 0)
  }

  private static func check(_ connection: PostgresConnection, _ settings: PostgresConfiguration) throws {
    let label = StoreLabel(
      place: "the store", cluster: settings.cluster, knownSchema: settings.migrations.last?.number ?? 0,
      knownFeatures: PostgresSchema.featureLevel)
    try label.check(schema: try schemaVersion(connection)) { try meta($0, on: connection) }
  }

  // MARK: History

  /// Notes which timeline was looked at, and gives the store a new history if what it holds is not all that was told.
  ///
  /// Of several nodes that find so, the first one's history is all nodes' history.
  ///
  /// - Parameter history: the new one; nil if nothing is missing.
  /// - Returns: the identity that counts from now on.
  static func note(
    _ greeting: Greeting, rewoundTo history: String?, on connection: PostgresConnection
  ) throws -> StoreIdentity {
    try connection.transaction {
      try connection.run("SELECT pg_advisory_xact_lock(\(PostgresSchema.lock))")
      if let history, try meta("history", on: connection) == greeting.identity.history {
        try setMeta("history", history, on: connection)
      }
      try setMeta("timeline", "\(greeting.timeline)", on: connection)
      return StoreIdentity(
        cluster: greeting.identity.cluster, history: try meta("history", on: connection) ?? greeting.identity.history)
    }
  }

  static func history(_ connection: PostgresConnection) throws -> String? { try meta("history", on: connection) }

  /// From the name of the present segment of the log, which every role may ask for.
  private static func timeline(_ connection: PostgresConnection) throws -> Int64 {
    let name = try connection.run("SELECT pg_walfile_name(pg_current_wal_lsn())").asText(0) ?? ""
    return Int64(name.prefix(8), radix: 16) ?? 0
  }

  // MARK: Small reads and writes

  private static func schemaVersion(_ connection: PostgresConnection) throws -> Int {
    try meta("schema_version", on: connection).flatMap { Int($0) } ?? 0
  }

  private static func meta(_ key: StaticString, on connection: PostgresConnection) throws -> String? {
    let result = try connection.run("SELECT value FROM \(PostgresSchema.name).meta WHERE key = '\(key)'")
    return result.count == 1 ? result.asText(0) : nil
  }

  private static let setMeta = PostgresStatement(
    "set_meta", "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")

  private static func setMeta(_ key: StaticString, _ value: String, on connection: PostgresConnection) throws {
    var parameters = PostgresParameters()
    parameters.add("\(key)")
    parameters.add(value)
    _ = try connection.run(setMeta, parameters)
  }
}

extension PostgresResult {
  /// The first row's column, of a statement that gave text.
  fileprivate func asText(_ column: Int32) -> String? {
    count > 0 && !isNull(0, column) ? string(0, column) : nil
  }
}

extension StoreError {
  init(postgres error: any Error) {
    switch error {
    case let error as StoreError: self = error
    case let error as PostgresFailure: self = error.storeError
    default: self = .unavailable("\(error)")
    }
  }
}
