internal import RoomCore

/// One step of the schema. A step that was released is never edited: the next one is added.
struct SQLiteMigration: Sendable {
  let number: Int
  let sql: String
}

enum SQLiteSchema {
  /// `SPOT` in ASCII: what `file` and the sqlite3 shell say about the file, and how ours is known from another's.
  static let applicationID: Int64 = 0x5350_4F54
  /// What the events, columns and frames of this program need; a later program raises it once all nodes can follow.
  static let featureLevel = 1

  /// `journal` is a rowid table with an index beside it: rows go to the end, and only the index's small pages are
  /// touched at random. Clustering by (room, first) rewrites a page of text for each row: three to five times the work.
  ///
  /// A room's head is not stored but read off its last row: an update for each commit would cost another page.
  static let migrations = [
    SQLiteMigration(
      number: 1,
      sql: """
        CREATE TABLE slots (
          slot INTEGER PRIMARY KEY,
          epoch INTEGER NOT NULL,
          owner TEXT
        );
        WITH RECURSIVE every(slot) AS (SELECT 0 UNION ALL SELECT slot + 1 FROM every WHERE slot + 1 < \(Slot.count))
        INSERT INTO slots (slot, epoch) SELECT slot, 0 FROM every;

        CREATE TABLE rooms (
          id INTEGER PRIMARY KEY,
          name TEXT NOT NULL UNIQUE,
          slot INTEGER NOT NULL REFERENCES slots
        );

        CREATE TABLE journal (
          id INTEGER PRIMARY KEY,
          room INTEGER NOT NULL,
          first INTEGER NOT NULL,
          count INTEGER NOT NULL,
          slot INTEGER NOT NULL,
          epoch INTEGER NOT NULL,
          at INTEGER NOT NULL,
          text TEXT NOT NULL
        );
        CREATE UNIQUE INDEX journal_by_room ON journal (room, first);

        CREATE TABLE snapshots (
          room INTEGER PRIMARY KEY,
          sequence INTEGER NOT NULL,
          at INTEGER NOT NULL,
          text TEXT NOT NULL
        );

        CREATE TABLE timers (
          room INTEGER PRIMARY KEY,
          slot INTEGER NOT NULL,
          due INTEGER NOT NULL
        );
        CREATE INDEX timers_by_due ON timers (due, slot);
        """),
    // `oldest` is the time of the oldest row of the journal that the snapshot covers, and NULL if there is none: it
    // leads to the rooms whose journal can be trimmed, however many others there are.
    SQLiteMigration(
      number: 2,
      sql: """
        ALTER TABLE snapshots ADD COLUMN oldest INTEGER;
        UPDATE snapshots SET oldest = (\(oldestCovered(room: "snapshots.room", through: "snapshots.sequence")));
        CREATE INDEX snapshots_by_oldest ON snapshots (oldest) WHERE oldest IS NOT NULL;
        """),
    // `heartbeat` in milliseconds since 1970, by the clock of the machine that all processes on the file share.
    SQLiteMigration(
      number: 3,
      sql: """
        CREATE TABLE nodes (
          node TEXT PRIMARY KEY,
          address TEXT NOT NULL,
          pid INTEGER NOT NULL,
          heartbeat INTEGER NOT NULL
        ) WITHOUT ROWID;
        """),
    // What rooms have reported and nobody has dealt with yet; in the order in which it was written.
    SQLiteMigration(
      number: 4,
      sql: """
        CREATE TABLE outbox (
          id INTEGER PRIMARY KEY AUTOINCREMENT,
          room TEXT NOT NULL,
          sequence INTEGER NOT NULL,
          at INTEGER NOT NULL,
          text TEXT NOT NULL
        );
        CREATE INDEX outbox_by_room ON outbox (room, id);
        """),
  ]

  /// The value of `snapshots.oldest` for a room's snapshot.
  static func oldestCovered(room: String, through sequence: String) -> String {
    """
    SELECT CASE WHEN j.first + j.count - 1 <= \(sequence) THEN j.at END
    FROM journal j WHERE j.room = \(room) ORDER BY j.first LIMIT 1
    """
  }

  /// The machine's clock in milliseconds since 1970.
  static let now = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"

  /// How long a node is remembered that says nothing.
  static let nodeRetentionMillis = 7 * 86_400_000

  /// Made before the first step, as the steps are counted in it.
  static let meta = "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
}
