internal import GRDB
public import RoomCore

/// Reads for whoever doubts the file. They trust nothing that the others rely on: no name, no position, no slot.
extension SQLiteStore {
  /// What SQLite itself finds wrong with the file, and what in it belongs to no room.
  public func inspectFile() async throws(StoreError) -> [String] {
    try await read { database in
      var problems = try Self.column("PRAGMA quick_check(\(Self.mostProblems))", from: database).filter { $0 != "ok" }
      for table in ["journal", "snapshots", "timers"] {
        let strays = "SELECT DISTINCT room FROM \(table) WHERE room NOT IN (SELECT id FROM rooms)"
        problems += try Self.column("\(strays) LIMIT \(Self.mostProblems)", from: database).map { room in
          "\(table): there is something of a room \(room), which does not exist"
        }
      }
      return problems
    }
  }

  private static let mostProblems = 100

  /// The numbers under which rooms are kept, beginning after `key`.
  public func roomKeys(after key: Int64, limit: Int) async throws(StoreError) -> [Int64] {
    try await read { database in
      let statement = try SQLiteStatement.cached(
        "SELECT id FROM rooms WHERE id > ?1 ORDER BY id LIMIT ?2", on: database)
      defer { statement.reset() }
      statement.bind(1, key)
      statement.bind(2, limit)
      var keys: [Int64] = []
      while try statement.step() { keys.append(statement.int64(0)) }
      return keys
    }
  }

  public func roomKey(of room: RoomID) async throws(StoreError) -> Int64? {
    try await read { database in
      let find = try SQLiteStatement.cached("SELECT id FROM rooms WHERE name = ?1", on: database)
      return try find.with(1, room.name) { () throws(SQLiteFailure) in try find.step() ? find.int64(0) : nil }
    }
  }

  /// Shows a room to an inspector, all of it as it is at one moment; nil if the room is not there any more.
  public func inspect<Inspector: RoomInspector>(
    _ key: Int64, with inspector: Inspector.Type
  ) async throws(StoreError) -> Inspector? {
    try await read { database in
      guard let room = try Self.inspectedRoom(key, from: database) else { return nil }
      var inspector = Inspector(room)
      let rows = try SQLiteStatement.cached(
        "SELECT first, count, slot, epoch, at, text FROM journal WHERE room = ?1 ORDER BY first, id", on: database)
      defer { rows.reset() }
      rows.bind(1, key)
      while try rows.step() {
        inspector.visit(
          InspectedRow(
            first: SequenceNumber(rows.int64(0)), count: rows.int64(1), slot: rows.int64(2),
            epoch: Epoch(rows.int64(3)), at: Timestamp(millis: rows.int64(4)), text: rows.text(5)))
      }
      return inspector
    }
  }

  private static func inspectedRoom(_ key: Int64, from database: Database) throws -> InspectedRoom? {
    let find = try SQLiteStatement.cached(
      """
      SELECT r.name, r.slot, o.epoch, s.sequence, s.text, t.due, t.slot FROM rooms r
      LEFT JOIN slots o ON o.slot = r.slot
      LEFT JOIN snapshots s ON s.room = r.id LEFT JOIN timers t ON t.room = r.id
      WHERE r.id = ?1
      """, on: database)
    defer { find.reset() }
    find.bind(1, key)
    guard try find.step() else { return nil }
    let snapshot =
      find.isNull(3)
      ? nil : InspectedRoom.Snapshot(sequence: SequenceNumber(find.int64(3)), text: find.text(4))
    let timer =
      find.isNull(5) ? nil : InspectedRoom.Timer(due: Timestamp(millis: find.int64(5)), slot: find.int64(6))
    return InspectedRoom(
      name: find.string(0), slot: find.int64(1), slotEpoch: find.isNull(2) ? nil : Epoch(find.int64(2)),
      snapshot: snapshot, timer: timer)
  }

  private static func column(_ sql: String, from database: Database) throws -> [String] {
    let statement = try SQLiteStatement(preparing: sql, on: database.connection)
    defer { statement.finalize() }
    var values: [String] = []
    while try statement.step() { values.append(statement.string(0)) }
    return values
  }
}
