/// How a PostgreSQL store is opened.
public struct PostgresConfiguration: Sendable {
  /// As libpq takes it: `postgres://user@host:port/database?…`, or `postgres:///database?host=/directory` for a socket.
  /// What it says of keepalives and timeouts wins over what is set here. Several hosts need
  /// `target_session_attrs=primary`.
  public var url: String
  /// Must be what the store was made with.
  public var cluster: String
  /// Used when the store is new, and when it needs a new history: a random string, made by the caller. If the process
  /// needs more than one, a number is put behind it.
  public var history: String
  /// Whether to make the schema, or bring it up to what this program knows, and to give the store a new history where
  /// that is due. Whoever only looks in leaves all as it is.
  public var migrates = true
  /// Called on one of the store's threads when the store has a new history while it is open: what clients know, and
  /// rooms in memory, may lie beyond what the store holds. The identity that is given is the store's from now on.
  public var historyChanged: (@Sendable (StoreIdentity) -> Void)?

  /// Only commits wait for the writer, and one statement is one transaction.
  public var bounds = GroupBounds()
  /// The largest text of one commit or snapshot, 64 MiB by default.
  public var maxTextBytes = 64 << 20
  /// How long a commit of unknown outcome is sent again, 10 s by default; so long its rooms stand still. Longer rides
  /// out a restart or a failover; shorter tells clients sooner.
  public var patience = Duration.seconds(10)
  /// How long to wait for the answer to one statement before the connection is given up, 5 s by default. Longer bears
  /// with a slow disk; shorter finds a dead server sooner.
  public var answerTimeout = Duration.seconds(5)
  /// How long to wait for a connection, 3 s by default; libpq counts whole seconds, at least two.
  public var connectTimeout = Duration.seconds(3)
  /// How long a statement may wait for a lock, 2 s by default: claims wait for commits under way, and those are short.
  public var lockTimeout = Duration.seconds(2)
  /// Connections for everything but commits, 4 by default; each costs a process of the server.
  public var sessions = 4
  /// Most calls under way on them, those waiting included, 65 536 by default; beyond that they fail at once and may be
  /// retried.
  public var callQueue = 65_536
  /// The same for reads of a journal alone, 1024 by default: rooms that are loaded must not wait for ever behind
  /// clients that catch up and can be given the state instead.
  public var journalReadQueue = 1024

  /// The schema of the records.
  public var records: [RecordMigration] = []
  /// Steps of the schema beyond the released ones, in tests.
  public var extraMigrations: [(number: Int, sql: String)] = []

  public init(url: String, cluster: String = "stonepot", history: String) {
    self.url = url
    self.cluster = cluster
    self.history = history
  }

  var migrations: [PostgresMigration] {
    PostgresSchema.migrations + extraMigrations.map { PostgresMigration(number: $0.number, sql: $0.sql) }
  }
}
