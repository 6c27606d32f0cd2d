internal import RoomCore

/// The reads, each one statement, so that it sees one moment.
enum PostgresReads {
  // MARK: Rooms

  /// First the room itself, then its rows.
  private static let load = PostgresStatement(
    "load",
    """
    WITH found AS MATERIALIZED (
      SELECT r.id, s.sequence, s.text, t.due FROM rooms r
      LEFT JOIN snapshots s ON s.room = r.id LEFT JOIN timers t ON t.room = r.id
      WHERE r.name = $1
    )
    SELECT 0 AS kind, f.sequence AS first, NULL::int8 AS count, NULL::int8 AS epoch, f.due AS at, f.text FROM found f
    UNION ALL
    SELECT 1, j.first, j.count, j.epoch, j.at, j.text FROM found f JOIN journal j ON j.room = f.id
    WHERE j.first >= coalesce((
      SELECT b.first FROM journal b WHERE b.room = f.id AND b.first <= coalesce(f.sequence, 0) + 1
      ORDER BY b.first DESC LIMIT 1), 0)
    ORDER BY kind, first
    """)

  static func load(_ room: RoomID, from connection: PostgresConnection) throws -> StoredRoom? {
    var parameters = PostgresParameters()
    parameters.add(room.name)
    let result = try connection.run(load, parameters)
    guard result.count > 0 else { return nil }
    let snapshot = result.optional(0, 1).map {
      RoomSnapshot(room: room, sequence: SequenceNumber($0), text: result.text(0, 5))
    }
    let content = StoredRoom(
      snapshot: snapshot, journal: rows(of: result, after: snapshot?.sequence ?? .zero),
      timer: result.optional(0, 4).map { Timestamp(millis: $0) })
    if let problem = content.problem { throw StoreError.corrupt("room \(room): \(problem)") }
    return content
  }

  /// The rows behind the one that describes the room.
  private static func rows(of result: PostgresResult, after: SequenceNumber) -> [JournalRow] {
    result.rows.dropFirst().compactMap { row in
      let found = JournalRow(
        first: SequenceNumber(result.int64(row, 1)), count: result.int(row, 2), epoch: Epoch(result.int64(row, 3)),
        at: Timestamp(millis: result.int64(row, 4)), text: result.text(row, 5))
      // The first one found may end before.
      return found.last > after ? found : nil
    }
  }

  /// First where the row ends that reaches back, and where the room ends; then the rows.
  private static let journal = PostgresStatement(
    "journal",
    """
    WITH found AS MATERIALIZED (
      SELECT r.id, \(PostgresSchema.head(of: "r.id")) AS head, (
        SELECT b.first - 1 + b.count FROM journal b WHERE b.room = r.id AND b.first <= $2
        ORDER BY b.first DESC LIMIT 1) AS reached
      FROM rooms r WHERE r.name = $1
    )
    SELECT 0 AS kind, f.reached AS first, f.head AS count, NULL::int8 AS epoch, NULL::int8 AS at, NULL::text AS text
    FROM found f
    UNION ALL
    SELECT 1, j.first, j.count, j.epoch, j.at, j.text FROM found f JOIN journal j ON j.room = f.id
    WHERE f.head >= $2 AND j.first <= $3 AND j.first >= coalesce((
      SELECT b.first FROM journal b WHERE b.room = f.id AND b.first <= $2 ORDER BY b.first DESC LIMIT 1), 0)
    ORDER BY kind, first
    """)

  static func journal(
    of room: RoomID, after: SequenceNumber, through: SequenceNumber, from connection: PostgresConnection
  ) throws -> [JournalRow]? {
    var parameters = PostgresParameters()
    parameters.add(room.name)
    parameters.add(after.next.number)
    parameters.add(through.number)
    let result = try connection.run(journal, parameters)
    guard result.count > 0, after.number < result.int64(0, 2) else { return [] }
    guard let reached = result.optional(0, 1), reached >= after.number else { return nil }
    let rows = rows(of: result, after: after)
    if let problem = StoredRoom.problem(in: rows) { throw StoreError.corrupt("room \(room): \(problem)") }
    return rows
  }

  private static let rooms = PostgresStatement(
    "rooms",
    """
    SELECT r.name, r.slot, s.sequence, s.at, j.last, j.at FROM rooms r
    LEFT JOIN snapshots s ON s.room = r.id
    LEFT JOIN LATERAL (
      SELECT j.first - 1 + j.count AS last, j.at FROM journal j WHERE j.room = r.id ORDER BY j.first DESC LIMIT 1
    ) j ON true
    WHERE r.name > $1 ORDER BY r.name LIMIT $2
    """)

  static func rooms(after: RoomID?, limit: Int, from connection: PostgresConnection) throws -> [RoomSummary] {
    var parameters = PostgresParameters()
    parameters.add(after?.name ?? "")
    parameters.add(Int64(limit))
    let result = try connection.run(rooms, parameters)
    return try result.rows.map { row in
      RoomSummary(
        room: try roomID(result.string(row, 0)), slot: Slot(result.int(row, 1)),
        head: SequenceNumber(max(result.int64(row, 2), result.int64(row, 4))),
        snapshot: result.optional(row, 2).map { SequenceNumber($0) },
        updatedAt: Timestamp(millis: max(result.int64(row, 3), result.int64(row, 5))))
    }
  }

  private static func roomID(_ name: String) throws(StoreError) -> RoomID {
    guard let room = RoomID(name) else { throw .corrupt("\"\(name)\" is no name of a room") }
    return room
  }

  // MARK: Timers

  private static let dueTimers = PostgresStatement(
    "due_timers",
    """
    WITH held AS MATERIALIZED (
      SELECT s.slot FROM slots s JOIN unnest($1::int4[], $2::int8[]) AS w(slot, epoch)
        ON s.slot = w.slot AND s.epoch = w.epoch
    )
    SELECT r.name, t.due FROM timers t JOIN held h ON h.slot = t.slot JOIN rooms r ON r.id = t.room
    WHERE t.due <= $3 AND t.due >= $4 AND (t.due, t.slot, t.room) > (
      $4, coalesce((SELECT slot FROM rooms WHERE name = $5), 0), coalesce((SELECT id FROM rooms WHERE name = $5), 0))
    ORDER BY t.due, t.slot, t.room LIMIT $6
    """)

  static func dueTimers(
    at now: Timestamp, in slots: [Slot: Epoch], after: DueTimer?, limit: Int, from connection: PostgresConnection
  ) throws -> [DueTimer] {
    var parameters = PostgresParameters()
    parameters.add(slots)
    parameters.add(now.millis)
    parameters.add(after?.due.millis ?? .min)
    parameters.add(after?.room.name)
    parameters.add(Int64(limit))
    let result = try connection.run(dueTimers, parameters)
    return try result.rows.map { row in
      DueTimer(room: try roomID(result.string(row, 0)), due: Timestamp(millis: result.int64(row, 1)))
    }
  }

  // MARK: Ownership and nodes

  private static let slots = PostgresStatement("slots", "SELECT slot, epoch, owner FROM slots ORDER BY slot")

  static func slots(from connection: PostgresConnection) throws -> [SlotRecord] {
    let result = try connection.run(slots)
    return result.rows.map { row in
      SlotRecord(
        slot: Slot(result.int(row, 0)), epoch: Epoch(result.int64(row, 1)),
        owner: result.isNull(row, 2) ? nil : NodeID(result.string(row, 2)))
    }
  }

  /// All ages are of one moment.
  private static let nodes = PostgresStatement(
    "nodes",
    """
    SELECT node, address, pid, (greatest(0, extract(epoch FROM statement_timestamp() - heartbeat)) * 1000000)::int8
    FROM nodes ORDER BY node
    """)

  static func nodes(from connection: PostgresConnection) throws -> [NodeRecord] {
    let result = try connection.run(nodes)
    return result.rows.map { row in
      NodeRecord(
        node: NodeID(result.string(row, 0)), address: result.string(row, 1),
        pid: Int32(truncatingIfNeeded: result.int64(row, 2)), age: .microseconds(result.int64(row, 3)))
    }
  }

  private static let hasBeat = PostgresStatement(
    "has_beat", "SELECT FROM nodes WHERE node = $1 AND (extract(epoch FROM heartbeat) * 1000000)::int8 >= $2")

  /// Whether the heartbeat is there, or a later one.
  static func has(_ beat: PostgresHistory.Beat, on connection: PostgresConnection) throws -> Bool {
    var parameters = PostgresParameters()
    parameters.add(beat.node.name)
    parameters.add(beat.writtenAt)
    return try connection.run(hasBeat, parameters).count > 0
  }
}

extension PostgresParameters {
  /// Two arrays of one length.
  mutating func add(_ slots: [Slot: Epoch]) {
    let pairs = Array(slots)
    add(pairs.map { Int32($0.key.number) })
    add(pairs.map(\.value.number))
  }
}
