internal import GRDB
internal import GRDBSQLite
internal import RoomCore

/// The reads, each on a connection that stands still at one moment of the file.
enum SQLiteReads {
  static func load(_ room: RoomID, from database: Database) throws -> StoredRoom? {
    let find = try SQLiteStatement.cached(
      """
      SELECT r.id, s.sequence, s.text, t.due FROM rooms r
      LEFT JOIN snapshots s ON s.room = r.id LEFT JOIN timers t ON t.room = r.id
      WHERE r.name = ?1
      """, on: database)
    let found = try find.with(1, room.name) { () throws(SQLiteFailure) -> (Int64, RoomSnapshot?, Timestamp?)? in
      guard try find.step() else { return nil }
      return (
        find.int64(0),
        find.isNull(1)
          ? nil : RoomSnapshot(room: room, sequence: SequenceNumber(find.int64(1)), text: find.text(2)),
        find.isNull(3) ? nil : Timestamp(millis: find.int64(3))
      )
    }
    guard let (id, snapshot, timer) = found else { return nil }
    let start = snapshot?.sequence ?? .zero
    let rows = try rows(of: id, after: start, through: SequenceNumber(.max), from: database)
    let content = StoredRoom(snapshot: snapshot, journal: rows, timer: timer)
    if let problem = content.problem { throw StoreError.corrupt("room \(room): \(problem)") }
    return content
  }

  static func journal(
    of room: RoomID, after: SequenceNumber, through: SequenceNumber, from database: Database
  ) throws -> [JournalRow]? {
    // The row that reaches back to `after`, and where the room ends.
    let find = try SQLiteStatement.cached(
      """
      SELECT r.id,
        (SELECT first + count - 1 FROM journal WHERE room = r.id AND first <= ?2 ORDER BY first DESC LIMIT 1),
        max(
          coalesce((SELECT first + count - 1 FROM journal WHERE room = r.id ORDER BY first DESC LIMIT 1), 0),
          coalesce((SELECT sequence FROM snapshots WHERE room = r.id), 0))
      FROM rooms r WHERE name = ?1
      """, on: database)
    let found = try find.with(1, room.name) { () throws(SQLiteFailure) -> (Int64, Int64?, Int64)? in
      find.bind(2, after.next.number)
      guard try find.step() else { return nil }
      return (find.int64(0), find.isNull(1) ? nil : find.int64(1), find.int64(2))
    }
    guard let (id, reached, head) = found, after.number < head else { return [] }
    guard let reached, reached >= after.number else { return nil }
    let rows = try rows(of: id, after: after, through: through, from: database)
    if let problem = StoredRoom.problem(in: rows) { throw StoreError.corrupt("room \(room): \(problem)") }
    return rows
  }

  private static func rows(
    of room: Int64, after: SequenceNumber, through: SequenceNumber, from database: Database
  ) throws -> [JournalRow] {
    let statement = try SQLiteStatement.cached(
      """
      SELECT first, count, epoch, at, text FROM journal
      WHERE room = ?1 AND first <= ?3
        AND first >= coalesce((SELECT max(first) FROM journal WHERE room = ?1 AND first <= ?2), 0)
      ORDER BY first
      """, on: database)
    defer { statement.reset() }
    statement.bind(1, room)
    statement.bind(2, after.next.number)
    statement.bind(3, through.number)
    var rows: [JournalRow] = []
    while try statement.step() {
      let row = JournalRow(
        first: SequenceNumber(statement.int64(0)), count: statement.int(1), epoch: Epoch(statement.int64(2)),
        at: Timestamp(millis: statement.int64(3)), text: statement.text(4))
      // The first one found may end before.
      if row.last > after { rows.append(row) }
    }
    return rows
  }

  // MARK: Trimming

  static func trimmable(
    before time: Timestamp, in slots: [Slot: Epoch], limit: Int, from database: Database
  ) throws -> [JournalRowKey] {
    let held = try presentSlots(of: slots, from: database)
    let rooms = try SQLiteStatement.cached(
      """
      SELECT r.id, r.slot, s.sequence FROM snapshots s INDEXED BY snapshots_by_oldest CROSS JOIN rooms r ON r.id = s.room
      WHERE s.oldest < ?1 ORDER BY s.oldest
      """, on: database)
    let rows = try SQLiteStatement.cached(
      "SELECT id, first, at FROM journal WHERE room = ?1 AND first <= ?2 AND first + count - 1 <= ?2 ORDER BY first",
      on: database)
    defer { rooms.reset() }
    rooms.bind(1, time.millis)
    var found: [JournalRowKey] = []
    while found.count < limit, try rooms.step() {
      let slot = Slot(rooms.int(1))
      guard held.contains(slot) else { continue }
      let room = rooms.int64(0)
      defer { rows.reset() }
      rows.bind(1, room)
      rows.bind(2, rooms.int64(2))
      // Stops at the first row that is too young, so that what stays has no hole.
      while found.count < limit, try rows.step(), rows.int64(2) < time.millis {
        found.append(JournalRowKey(id: rows.int64(0), room: room, first: rows.int64(1), at: rows.int64(2), slot: slot))
      }
    }
    return found
  }

  // MARK: Timers

  static func dueTimers(
    at now: Timestamp, in slots: [Slot: Epoch], after: DueTimer?, limit: Int, from database: Database
  ) throws -> [DueTimer] {
    let held = try presentSlots(of: slots, from: database)
    let passed = try after.map { try place(of: $0, from: database) } ?? (due: .min, slot: 0, room: 0)
    // In the order of the index.
    let statement = try SQLiteStatement.cached(
      """
      SELECT t.slot, t.due, r.name FROM timers t INDEXED BY timers_by_due CROSS JOIN rooms r ON r.id = t.room
      WHERE t.due <= ?1 AND (t.due, t.slot, t.room) > (?2, ?3, ?4) ORDER BY t.due, t.slot, t.room
      """, on: database)
    defer { statement.reset() }
    statement.bind(1, now.millis)
    statement.bind(2, passed.due)
    statement.bind(3, passed.slot)
    statement.bind(4, passed.room)
    var timers: [DueTimer] = []
    while timers.count < limit, try statement.step() {
      guard held.contains(Slot(statement.int(0))) else { continue }
      timers.append(
        DueTimer(room: try roomID(statement.string(2)), due: Timestamp(millis: statement.int64(1))))
    }
    return timers
  }

  /// Where a timer stands in the order of the index, whatever became of it since.
  private static func place(
    of timer: DueTimer, from database: Database
  ) throws(SQLiteFailure) -> (due: Int64, slot: Int64, room: Int64) {
    let find = try SQLiteStatement.cached("SELECT slot, id FROM rooms WHERE name = ?1", on: database)
    return try find.with(1, timer.room.name) { () throws(SQLiteFailure) in
      try find.step() ? (timer.due.millis, find.int64(0), find.int64(1)) : (timer.due.millis, 0, 0)
    }
  }

  /// Those of `slots` that are at the epochs given.
  private static func presentSlots(of slots: [Slot: Epoch], from database: Database) throws -> Set<Slot> {
    guard !slots.isEmpty else { return [] }
    let statement = try SQLiteStatement.cached("SELECT slot, epoch FROM slots", on: database)
    defer { statement.reset() }
    var present: Set<Slot> = []
    while try statement.step() {
      let slot = Slot(statement.int(0))
      if slots[slot] == Epoch(statement.int64(1)) { present.insert(slot) }
    }
    return present
  }

  // MARK: Ownership

  static func slots(from database: Database) throws -> [SlotRecord] {
    let statement = try SQLiteStatement.cached("SELECT slot, epoch, owner FROM slots ORDER BY slot", on: database)
    defer { statement.reset() }
    var records: [SlotRecord] = []
    records.reserveCapacity(Slot.count)
    while try statement.step() {
      records.append(
        SlotRecord(
          slot: Slot(statement.int(0)), epoch: Epoch(statement.int64(1)),
          owner: statement.isNull(2) ? nil : NodeID(statement.string(2))))
    }
    return records
  }

  // MARK: Nodes

  static func nodes(from database: Database) throws -> [NodeRecord] {
    // All ages are of one moment: outside of a subquery, the clock would be read anew for each row.
    let statement = try SQLiteStatement.cached(
      "SELECT node, address, pid, max(0, (SELECT \(SQLiteSchema.now)) - heartbeat) FROM nodes ORDER BY node",
      on: database)
    defer { statement.reset() }
    var nodes: [NodeRecord] = []
    while try statement.step() {
      nodes.append(
        NodeRecord(
          node: NodeID(statement.string(0)), address: statement.string(1),
          pid: Int32(truncatingIfNeeded: statement.int64(2)), age: .milliseconds(statement.int64(3))))
    }
    return nodes
  }

  // MARK: Looking in

  static func rooms(after: RoomID?, limit: Int, from database: Database) throws -> [RoomSummary] {
    let statement = try SQLiteStatement.cached(
      """
      SELECT r.name, r.slot, s.sequence, s.at, j.first + j.count - 1, j.at
      FROM rooms r LEFT JOIN snapshots s ON s.room = r.id
      LEFT JOIN journal j ON j.room = r.id AND j.first = (SELECT max(first) FROM journal WHERE room = r.id)
      WHERE r.name > ?1 ORDER BY r.name LIMIT ?2
      """, on: database)
    return try statement.with(1, after?.name ?? "") { () throws(SQLiteFailure) in
      statement.bind(2, limit)
      var rooms: [RoomSummary] = []
      while try statement.step() {
        rooms.append(
          RoomSummary(
            room: try roomID(statement.string(0)), slot: Slot(statement.int(1)),
            head: SequenceNumber(max(statement.int64(2), statement.int64(4))),
            snapshot: statement.isNull(2) ? nil : SequenceNumber(statement.int64(2)),
            updatedAt: Timestamp(millis: max(statement.int64(3), statement.int64(5)))))
      }
      return rooms
    }
  }

  private static func roomID(_ name: String) throws(SQLiteFailure) -> RoomID {
    guard let room = RoomID(name) else {
      throw SQLiteFailure(code: SQLITE_CORRUPT, message: "\"\(name)\" is no name of a room")
    }
    return room
  }
}
