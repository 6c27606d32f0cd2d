internal import RoomCore

/// One step of the schema. A step that was released is never edited: the next one is added.
struct PostgresMigration: Sendable {
  let number: Int
  let sql: String
}

enum PostgresSchema {
  /// What the events, columns and frames of this program need; a later program raises it once all nodes can follow.
  static let featureLevel = 1

  /// `SPOT` in ASCII: whoever changes the schema holds the advisory lock of this number.
  static let lock = 0x5350_4F54

  /// All tables stand in a schema of their own, so that a database may have others.
  static let name = "stonepot"

  /// The same tables as SQLite's, for the same reasons. `journal` needs no number beside its key: PostgreSQL puts rows to
  /// the end of a table whatever its key is. Names of rooms are ordered by their bytes, as they are everywhere else.
  ///
  /// `slots` has room in its pages, so that a claim writes its new version beside the old one.
  static let migrations = [
    PostgresMigration(
      number: 1,
      sql: """
        CREATE TABLE slots (
          slot int4 PRIMARY KEY,
          epoch int8 NOT NULL,
          owner text
        ) WITH (fillfactor = 50);
        INSERT INTO slots (slot, epoch) SELECT slot, 0 FROM generate_series(0, \(Slot.count - 1)) AS every(slot);

        CREATE TABLE rooms (
          id int8 PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
          name text COLLATE "C" NOT NULL UNIQUE,
          slot int4 NOT NULL
        );

        CREATE TABLE journal (
          room int8 NOT NULL,
          first int8 NOT NULL,
          count int8 NOT NULL,
          epoch int8 NOT NULL,
          at int8 NOT NULL,
          slot int4 NOT NULL,
          text text NOT NULL,
          PRIMARY KEY (room, first)
        );

        CREATE TABLE snapshots (
          room int8 PRIMARY KEY,
          sequence int8 NOT NULL,
          at int8 NOT NULL,
          oldest int8,
          text text NOT NULL
        );
        CREATE INDEX snapshots_by_oldest ON snapshots (oldest) WHERE oldest IS NOT NULL;

        CREATE TABLE timers (
          room int8 PRIMARY KEY,
          due int8 NOT NULL,
          slot int4 NOT NULL
        );
        CREATE INDEX timers_by_due ON timers (due, slot, room);

        CREATE TABLE nodes (
          node text COLLATE "C" PRIMARY KEY,
          address text NOT NULL,
          pid int4 NOT NULL,
          heartbeat timestamptz NOT NULL
        );
        """),
    // What rooms have reported and nobody has dealt with yet; in the order in which it was written.
    PostgresMigration(
      number: 2,
      sql: """
        CREATE TABLE outbox (
          id int8 PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
          room text COLLATE "C" NOT NULL,
          sequence int8 NOT NULL,
          at int8 NOT NULL,
          text text NOT NULL
        );
        CREATE INDEX outbox_by_room ON outbox (room, id);
        """),
  ]

  /// Made before the first step, as the steps are counted in it.
  static let meta = "CREATE TABLE IF NOT EXISTS meta (key text PRIMARY KEY, value text NOT NULL)"

  /// Where a room ends. The order of the additions matters: the last position may be the last that there is.
  static func head(of room: String) -> String {
    """
    coalesce(
      (SELECT h.first - 1 + h.count FROM journal h WHERE h.room = \(room) ORDER BY h.first DESC LIMIT 1),
      (SELECT h.sequence FROM snapshots h WHERE h.room = \(room)), 0)
    """
  }

  /// The value of `snapshots.oldest`: the time of a room's oldest row above `position`, if the snapshot covers it.
  static func oldestCovered(room: String, above position: String = "0", through sequence: String) -> String {
    """
    (SELECT CASE WHEN o.first - 1 + o.count <= \(sequence) THEN o.at END
     FROM journal o WHERE o.room = \(room) AND o.first > \(position) ORDER BY o.first LIMIT 1)
    """
  }
}
