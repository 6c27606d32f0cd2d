internal import GRDB
internal import GRDBSQLite
internal import RoomCore

/// The writing connection with its prepared statements. Lives on the writer's thread and is used only there.
///
/// It remembers where the rooms it has seen end, so that a commit costs one insert and no search. That memory is
/// dropped whenever a transaction is rolled back, and whenever another connection has written (`PRAGMA data_version`,
/// read under the write lock); beneath it stands the index that lets no position be taken twice. Slots are not
/// remembered: each transaction reads them.
final class SQLiteSession {
  struct KnownRoom {
    let id: Int64
    let slot: Int
    var head: Int64
  }

  static let mostKnownRooms = 100_000

  let connection: OpaquePointer
  private let commitFault: (@Sendable (_ commit: () -> Int32) -> Int32)?
  private var statements: [SQLiteStatement] = []
  /// Those of records, by their text.
  private var recordStatements: [String: SQLiteStatement] = [:]
  private var rooms: [RoomID: KnownRoom] = [:]
  private var dataVersion: Int64 = -1
  /// Epochs by slot, as read in this transaction.
  private var epochs: [Int: Int64] = [:]

  private let beginStatement: SQLiteStatement
  private let commitStatement: SQLiteStatement
  private let rollbackStatement: SQLiteStatement
  private let markStatement: SQLiteStatement
  private let keepStatement: SQLiteStatement
  private let undoStatement: SQLiteStatement
  private let readVersion: SQLiteStatement
  private let readSlot: SQLiteStatement
  private let claimSlot: SQLiteStatement
  private let releaseSlot: SQLiteStatement
  private let findRoom: SQLiteStatement
  private let insertRoom: SQLiteStatement
  private let insertRow: SQLiteStatement
  private let readRow: SQLiteStatement
  private let deleteRow: SQLiteStatement
  private let setTimer: SQLiteStatement
  private let clearTimer: SQLiteStatement
  private let insertReport: SQLiteStatement
  private let readTime: SQLiteStatement
  private let saveSnapshot: SQLiteStatement
  private let updateOldest: SQLiteStatement
  private let deleteRoomParts: [SQLiteStatement]
  private let refreshNode: SQLiteStatement
  private let deleteOldNodes: SQLiteStatement
  private let deleteNode: SQLiteStatement
  private let touchProbe: SQLiteStatement

  init(
    _ connection: OpaquePointer, commitFault: (@Sendable (_ commit: () -> Int32) -> Int32)?
  ) throws(SQLiteFailure) {
    var prepared: [SQLiteStatement] = []
    func prepare(_ sql: String) throws(SQLiteFailure) -> SQLiteStatement {
      let statement = try SQLiteStatement(preparing: sql, on: connection)
      prepared.append(statement)
      return statement
    }
    self.connection = connection
    self.commitFault = commitFault
    do throws(SQLiteFailure) {
      beginStatement = try prepare("BEGIN IMMEDIATE")
      commitStatement = try prepare("COMMIT")
      rollbackStatement = try prepare("ROLLBACK")
      markStatement = try prepare("SAVEPOINT entry")
      keepStatement = try prepare("RELEASE entry")
      undoStatement = try prepare("ROLLBACK TO entry")
      readVersion = try prepare("PRAGMA data_version")
      readSlot = try prepare("SELECT epoch FROM slots WHERE slot = ?1")
      claimSlot = try prepare("UPDATE slots SET epoch = epoch + 1, owner = ?1 WHERE slot = ?2 AND epoch = ?3")
      releaseSlot = try prepare("UPDATE slots SET owner = NULL WHERE slot = ?1 AND epoch = ?2")
      findRoom = try prepare(
        """
        SELECT id, slot, max(
          coalesce((SELECT first + count - 1 FROM journal WHERE room = r.id ORDER BY first DESC LIMIT 1), 0),
          coalesce((SELECT sequence FROM snapshots WHERE room = r.id), 0))
        FROM rooms r WHERE name = ?1
        """)
      insertRoom = try prepare("INSERT INTO rooms (name, slot) VALUES (?1, ?2)")
      insertRow = try prepare(
        "INSERT INTO journal (room, first, count, slot, epoch, at, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
      readRow = try prepare("SELECT count, epoch, at, text FROM journal WHERE room = ?1 AND first = ?2")
      deleteRow = try prepare(
        """
        DELETE FROM journal WHERE id = ?1 AND room = ?2 AND first = ?3 AND at = ?4
        AND first + count - 1 <= (SELECT sequence FROM snapshots WHERE room = ?2)
        """)
      setTimer = try prepare(
        """
        INSERT INTO timers (room, slot, due) VALUES (?1, ?2, ?3)
        ON CONFLICT (room) DO UPDATE SET due = excluded.due WHERE due != excluded.due
        """)
      clearTimer = try prepare("DELETE FROM timers WHERE room = ?1")
      insertReport = try prepare("INSERT INTO outbox (room, sequence, at, text) VALUES (?1, ?2, ?3, ?4)")
      readTime = try prepare(
        """
        SELECT at FROM (
          SELECT * FROM (SELECT first, at FROM journal WHERE room = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1)
          UNION ALL SELECT sequence, at FROM snapshots WHERE room = ?1 AND sequence <= ?2)
        ORDER BY first DESC LIMIT 1
        """)
      saveSnapshot = try prepare(
        """
        INSERT INTO snapshots (room, sequence, at, text, oldest)
        VALUES (?1, ?2, ?3, ?4, (\(SQLiteSchema.oldestCovered(room: "?1", through: "?2"))))
        ON CONFLICT (room) DO UPDATE
        SET sequence = excluded.sequence, at = excluded.at, text = excluded.text, oldest = excluded.oldest
        WHERE excluded.sequence >= sequence
        """)
      updateOldest = try prepare(
        """
        UPDATE snapshots
        SET oldest = (\(SQLiteSchema.oldestCovered(room: "snapshots.room", through: "snapshots.sequence")))
        WHERE room = ?1
        """)
      deleteRoomParts = [
        try prepare("DELETE FROM journal WHERE room = ?1"), try prepare("DELETE FROM snapshots WHERE room = ?1"),
        try prepare("DELETE FROM timers WHERE room = ?1"), try prepare("DELETE FROM rooms WHERE id = ?1"),
      ]
      refreshNode = try prepare(
        """
        INSERT INTO nodes (node, address, pid, heartbeat) VALUES (?1, ?2, ?3, \(SQLiteSchema.now))
        ON CONFLICT (node) DO UPDATE
        SET address = excluded.address, pid = excluded.pid, heartbeat = excluded.heartbeat
        """)
      deleteOldNodes = try prepare(
        "DELETE FROM nodes WHERE heartbeat < \(SQLiteSchema.now) - \(SQLiteSchema.nodeRetentionMillis)")
      deleteNode = try prepare("DELETE FROM nodes WHERE node = ?1")
      touchProbe = try prepare("UPDATE meta SET value = value + 1 WHERE key = 'probe'")
    } catch {
      for statement in prepared { statement.finalize() }
      throw error
    }
    statements = prepared
  }

  /// To be called before the connection is closed; the session is not used afterwards.
  func finish() {
    for statement in statements { statement.finalize() }
    for statement in recordStatements.values { statement.finalize() }
    statements = []
    recordStatements = [:]
  }

  // MARK: Records

  func recordStatement(_ sql: String) throws(SQLiteFailure) -> SQLiteStatement {
    if let known = recordStatements[sql] { return known }
    let statement = try SQLiteStatement(preparing: SQLiteRecords.translated(sql), on: connection)
    recordStatements[sql] = statement
    return statement
  }

  // MARK: Transactions

  func begin() throws(SQLiteFailure) {
    epochs.removeAll(keepingCapacity: true)
    try beginStatement.run()
    defer { readVersion.reset() }
    let version = try readVersion.step() ? readVersion.int64(0) : -1
    if version != dataVersion || rooms.count > Self.mostKnownRooms {
      rooms.removeAll()
      dataVersion = version
    }
  }

  func commit() throws(SQLiteFailure) {
    guard let commitFault else { return try commitStatement.run() }
    let code = commitFault {
      defer { commitStatement.reset() }
      let code = sqlite3_step(commitStatement.pointer)
      return code == SQLITE_DONE ? SQLITE_OK : code
    }
    guard code == SQLITE_OK else { throw SQLiteFailure(code: code, message: "injected by a test") }
  }

  /// - Throws: if the transaction may still be open; the session is then of no more use.
  func rollback() throws(SQLiteFailure) {
    rooms.removeAll()
    // Some errors have rolled it back already.
    guard sqlite3_get_autocommit(connection) == 0 else { return }
    try rollbackStatement.run()
  }

  /// What `body` writes stays only if it returns; the transaction goes on even if it throws a `StoreError`.
  ///
  /// - Throws: SQLite's errors, after which the transaction is to be rolled back.
  func entry<Value>(_ body: () throws -> Value) throws(SQLiteFailure) -> Result<Value, StoreError> {
    try markStatement.run()
    do {
      let value = try body()
      try keepStatement.run()
      return .success(value)
    } catch let failure as SQLiteFailure {
      throw failure
    } catch {
      rooms.removeAll()
      epochs.removeAll(keepingCapacity: true)
      try undoStatement.run()
      try keepStatement.run()
      return .failure(StoreError(error))
    }
  }

  // MARK: Ownership

  func isPresent(_ slot: Slot, _ epoch: Epoch) throws(SQLiteFailure) -> Bool {
    try self.epoch(of: slot) == epoch
  }

  /// Zero, if there is no such slot.
  func epoch(of slot: Slot) throws(SQLiteFailure) -> Epoch {
    if let known = epochs[slot.number] { return Epoch(known) }
    readSlot.bind(1, slot.number)
    defer { readSlot.reset() }
    guard try readSlot.step() else { return .zero }
    epochs[slot.number] = readSlot.int64(0)
    return Epoch(readSlot.int64(0))
  }

  func claim(_ claims: [SlotClaim], for node: NodeID) throws(SQLiteFailure) -> [Slot: Epoch] {
    var won: [Slot: Epoch] = [:]
    for claim in claims {
      epochs[claim.slot.number] = nil
      claimSlot.bind(2, claim.slot.number)
      claimSlot.bind(3, claim.expected.number)
      try claimSlot.run(1, node.name)
      if sqlite3_changes(connection) == 1 { won[claim.slot] = claim.expected.next }
    }
    return won
  }

  func release(_ slot: Slot, _ epoch: Epoch) throws(SQLiteFailure) {
    releaseSlot.bind(1, slot.number)
    releaseSlot.bind(2, epoch.number)
    try releaseSlot.run()
  }

  // MARK: Nodes

  func beat(_ node: NodeID, address: String, pid: Int32) throws(SQLiteFailure) {
    try refreshNode.with(1, node.name) { () throws(SQLiteFailure) in
      refreshNode.bind(3, Int64(pid))
      try refreshNode.run(2, address)
    }
    try deleteOldNodes.run()
  }

  func forget(_ node: NodeID) throws(SQLiteFailure) {
    try deleteNode.run(1, node.name)
  }

  // MARK: Rooms

  /// Adds a commit, or says why not. May leave half of it behind when it throws.
  func add(_ commit: RoomCommit) throws(SQLiteFailure) -> CommitOutcome {
    guard try isPresent(commit.slot, commit.epoch) else { return .stale }
    let first = commit.first.number
    let known: KnownRoom
    if let room = try room(commit.room) {
      known = room
    } else {
      guard first == 1 else { return .conflict }
      known = try makeRoom(commit.room, slot: commit.slot)
    }
    guard known.slot == commit.slot.number else { return .conflict }
    guard first == known.head + 1 else {
      return try holds(commit, in: known.id) ? .committed : .conflict
    }
    try insert(
      JournalRow(first: commit.first, count: commit.count, epoch: commit.epoch, at: commit.at, text: commit.text),
      room: known.id, slot: commit.slot)
    switch commit.timer {
    case .keep: break
    case .set(let due): try set(timer: due, room: known.id, slot: commit.slot)
    case .clear: try set(timer: nil, room: known.id, slot: commit.slot)
    }
    for report in commit.reports { try insert(report, of: commit.room, at: commit.at) }
    rooms[commit.room] = KnownRoom(id: known.id, slot: known.slot, head: commit.last.number)
    return .committed
  }

  private func insert(_ report: RoomReport, of room: RoomID, at time: Timestamp) throws(SQLiteFailure) {
    try insertReport.with(1, room.name) { () throws(SQLiteFailure) in
      insertReport.bind(2, report.sequence.number)
      insertReport.bind(3, time.millis)
      try insertReport.run(4, text: report.text)
    }
  }

  /// Whether the journal has this very commit already: its sender was not told, and asks again.
  private func holds(_ commit: RoomCommit, in room: Int64) throws(SQLiteFailure) -> Bool {
    readRow.bind(1, room)
    readRow.bind(2, commit.first.number)
    defer { readRow.reset() }
    guard try readRow.step() else { return false }
    return readRow.int(0) == commit.count && readRow.int64(1) == commit.epoch.number
      && readRow.int64(2) == commit.at.millis && readRow.bytes(3).elementsEqual(commit.text)
  }

  func room(_ room: RoomID) throws(SQLiteFailure) -> KnownRoom? {
    if let known = rooms[room] { return known }
    let found = try findRoom.with(1, room.name) { () throws(SQLiteFailure) -> KnownRoom? in
      guard try findRoom.step() else { return nil }
      return KnownRoom(id: findRoom.int64(0), slot: findRoom.int(1), head: findRoom.int64(2))
    }
    if let found { rooms[room] = found }
    return found
  }

  func makeRoom(_ room: RoomID, slot: Slot) throws(SQLiteFailure) -> KnownRoom {
    insertRoom.bind(2, slot.number)
    try insertRoom.run(1, room.name)
    return KnownRoom(id: sqlite3_last_insert_rowid(connection), slot: slot.number, head: 0)
  }

  func insert(_ row: JournalRow, room: Int64, slot: Slot) throws(SQLiteFailure) {
    insertRow.bind(1, room)
    insertRow.bind(2, row.first.number)
    insertRow.bind(3, row.count)
    insertRow.bind(4, slot.number)
    insertRow.bind(5, row.epoch.number)
    insertRow.bind(6, row.at.millis)
    try insertRow.run(7, text: row.text)
  }

  func set(timer due: Timestamp?, room: Int64, slot: Slot) throws(SQLiteFailure) {
    guard let due else {
      clearTimer.bind(1, room)
      return try clearTimer.run()
    }
    setTimer.bind(1, room)
    setTimer.bind(2, slot.number)
    setTimer.bind(3, due.millis)
    try setTimer.run()
  }

  /// Saves a snapshot that lies within the room's journal.
  func save(_ snapshot: RoomSnapshot, room: Int64) throws(SQLiteFailure) {
    readTime.bind(1, room)
    readTime.bind(2, snapshot.sequence.number)
    defer { readTime.reset() }
    let millis = try readTime.step() ? readTime.int64(0) : 0
    saveSnapshot.bind(1, room)
    saveSnapshot.bind(2, snapshot.sequence.number)
    saveSnapshot.bind(3, millis)
    try saveSnapshot.run(4, text: snapshot.text)
  }

  /// - Returns: whether the row was there and is covered by the room's snapshot.
  func delete(_ row: JournalRowKey) throws(SQLiteFailure) -> Bool {
    deleteRow.bind(1, row.id)
    deleteRow.bind(2, row.room)
    deleteRow.bind(3, row.first)
    deleteRow.bind(4, row.at)
    try deleteRow.run()
    return sqlite3_changes(connection) == 1
  }

  /// To be called when rows of a room were deleted that its snapshot covers.
  func noteOldest(of room: Int64) throws(SQLiteFailure) {
    updateOldest.bind(1, room)
    try updateOldest.run()
  }

  func delete(_ room: RoomID, _ known: KnownRoom) throws(SQLiteFailure) {
    rooms[room] = nil
    for statement in deleteRoomParts {
      statement.bind(1, known.id)
      try statement.run()
    }
  }

  func writeProbe() throws(SQLiteFailure) {
    try touchProbe.run()
  }

  func checkpoint(mode: String) throws(SQLiteFailure) {
    try executeSQL("PRAGMA wal_checkpoint(\(mode))", on: connection)
  }
}

/// Names one row of the journal, so that another row which came to have its number is not taken for it.
struct JournalRowKey: Sendable {
  let id: Int64
  let room: Int64
  let first: Int64
  let at: Int64
  let slot: Slot
}
