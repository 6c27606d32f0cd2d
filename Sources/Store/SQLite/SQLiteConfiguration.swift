/// How a SQLite store is opened.
public struct SQLiteConfiguration: Sendable {
  /// Who else may have the file open.
  public enum Mode: Sendable {
    /// This process alone writes: a second one that opens the file so, or shared, is refused.
    case exclusive
    /// One of several processes of a cluster on one machine.
    ///
    /// SQLite before 3.51.3 may damage a file on which two connections write or checkpoint in the same instant
    /// (https://www.sqlite.org/wal.html#walresetbug). The other modes have one writing connection, which is also the
    /// only one that checkpoints; this one needs the newer library.
    case shared
    /// For looking in, whether a server runs or not: takes no lock, migrates nothing, writes nothing.
    case readOnly
  }

  public var path: String
  /// Must be what the file was made with.
  public var cluster: String
  /// Used when the file is new: a random string, made by the caller.
  public var history: String
  public var mode: Mode
  /// The schema of the records.
  public var records: [RecordMigration] = []

  public var bounds = GroupBounds()
  /// The largest text of one commit or snapshot, 64 MiB by default.
  public var maxTextBytes: Int32 = 64 << 20
  /// How long to wait for another process's write lock, 5 s by default. Longer rides out a slow neighbour; shorter
  /// tells the clients of a frozen one sooner.
  public var busyTimeout = Duration.seconds(5)
  /// Connections for reading, 4 by default; each costs up to 2 MiB of page cache.
  public var readers = 4
  /// Most reads under way, those waiting for a connection included, 65 536 by default; beyond that they fail at once
  /// and may be retried. Each costs about 1 KiB while it waits.
  public var readQueue = 65_536
  /// The same for reads of a journal alone, 1024 by default: rooms that are loaded must not wait for ever behind
  /// clients that catch up and can be given the state instead. More replays to more of them; fewer loads sooner.
  public var journalReadQueue = 1024

  /// Stands in for COMMIT in tests: is given the real one and answers with SQLite's result code.
  public var commitFault: (@Sendable (_ commit: () -> Int32) -> Int32)?
  /// Runs before each read, on the reader's queue, in tests.
  public var beforeRead: (@Sendable () -> Void)?
  /// Runs on the writing connection whenever it was made, in tests.
  public var setUpSQL: String?
  /// Steps of the schema beyond the released ones, in tests.
  public var extraMigrations: [(number: Int, sql: String)] = []

  public init(path: String, cluster: String = "stonepot", history: String, mode: Mode = .exclusive) {
    self.path = path
    self.cluster = cluster
    self.history = history
    self.mode = mode
  }

  var migrations: [SQLiteMigration] {
    SQLiteSchema.migrations + extraMigrations.map { SQLiteMigration(number: $0.number, sql: $0.sql) }
  }
}
