internal import RoomCore

/// The writes that are no commits. Each is fenced like a commit: it holds a lock on its slots, at their epochs, until what
/// it wrote is there.
enum PostgresWrites {
  // MARK: Ownership

  /// Locks in the order of slots, as commits do, so that nobody waits for one who waits for him.
  private static let claim = PostgresStatement(
    "claim",
    """
    WITH held AS MATERIALIZED (
      SELECT s.slot FROM slots s JOIN unnest($1::int4[], $2::int8[]) AS w(slot, epoch)
        ON s.slot = w.slot AND s.epoch = w.epoch
      ORDER BY s.slot FOR UPDATE OF s
    )
    UPDATE slots s SET epoch = s.epoch + 1, owner = $3 FROM held h WHERE s.slot = h.slot RETURNING s.slot, s.epoch
    """)

  static func claim(
    _ claims: [SlotClaim], for node: NodeID, on connection: PostgresConnection
  ) throws -> [Slot: Epoch] {
    var parameters = PostgresParameters()
    parameters.add(claims.map { Int32($0.slot.number) })
    parameters.add(claims.map(\.expected.number))
    parameters.add(node.name)
    let result = try connection.run(claim, parameters)
    return result.rows.reduce(into: [:]) { $0[Slot(result.int($1, 0))] = Epoch(result.int64($1, 1)) }
  }

  private static let release = PostgresStatement(
    "release",
    """
    WITH held AS MATERIALIZED (
      SELECT s.slot FROM slots s JOIN unnest($1::int4[], $2::int8[]) AS w(slot, epoch)
        ON s.slot = w.slot AND s.epoch = w.epoch
      ORDER BY s.slot FOR UPDATE OF s
    )
    UPDATE slots s SET owner = NULL FROM held h WHERE s.slot = h.slot
    """)

  static func release(_ slots: [Slot: Epoch], on connection: PostgresConnection) throws {
    var parameters = PostgresParameters()
    parameters.add(slots)
    _ = try connection.run(release, parameters)
  }

  // MARK: Nodes

  private static let beat = PostgresStatement(
    "beat",
    """
    WITH old AS (DELETE FROM nodes WHERE heartbeat < clock_timestamp() - interval '7 days' AND node <> $1)
    INSERT INTO nodes (node, address, pid, heartbeat) VALUES ($1, $2, $3, clock_timestamp())
    ON CONFLICT (node) DO UPDATE SET address = excluded.address, pid = excluded.pid, heartbeat = excluded.heartbeat
    RETURNING (extract(epoch FROM heartbeat) * 1000000)::int8
    """)

  static func beat(
    _ node: NodeID, address: String, pid: Int32, on connection: PostgresConnection
  ) throws -> PostgresHistory.Beat {
    var parameters = PostgresParameters()
    parameters.add(node.name)
    parameters.add(address)
    parameters.add(pid)
    return PostgresHistory.Beat(node: node, writtenAt: try connection.run(beat, parameters).int64(0, 0))
  }

  private static let forget = PostgresStatement("forget", "DELETE FROM nodes WHERE node = $1")

  static func forget(_ node: NodeID, on connection: PostgresConnection) throws {
    var parameters = PostgresParameters()
    parameters.add(node.name)
    _ = try connection.run(forget, parameters)
  }

  // MARK: Rooms

  /// What a fenced statement about one room found: whether the slot was at the epoch, and the room.
  private struct Finding {
    let isLive: Bool
    let slot: Int64?
    let head: Int64

    init(_ result: PostgresResult) {
      isLive = result.bool(0, 0)
      slot = result.optional(0, 1)
      head = result.int64(0, 2)
    }

    /// - Returns: false if the epoch is not the present one.
    /// - Throws: if the room is not there, or is in another slot.
    func check(_ room: RoomID, in wanted: Slot) throws(StoreError) -> Bool {
      guard isLive else { return false }
      guard let slot else { throw .refused("there is no room \(room)") }
      guard slot == wanted.number else { throw .refused("room \(room) is in slot \(slot), not \(wanted)") }
      return true
    }
  }

  /// The beginning of a fenced statement about one room: slot, epoch and name are its first parameters.
  private static let fence = """
    WITH live AS MATERIALIZED (SELECT slot FROM slots WHERE slot = $1 AND epoch = $2 FOR SHARE),
    found AS MATERIALIZED (
      SELECT r.id, r.slot, \(PostgresSchema.head(of: "r.id")) AS head FROM rooms r WHERE r.name = $3)
    """
  private static let finding = """
    SELECT (SELECT count(*) FROM live), (SELECT slot FROM found), (SELECT head FROM found)
    """

  private static func fenced(_ slot: Slot, _ epoch: Epoch, _ room: RoomID) -> PostgresParameters {
    var parameters = PostgresParameters()
    parameters.add(Int32(slot.number))
    parameters.add(epoch.number)
    parameters.add(room.name)
    return parameters
  }

  /// A snapshot's own time and `oldest`. The first is that of the row that it reaches to, or of the snapshot before.
  private static func snapshotTimes(room: String, sequence: String) -> String {
    """
    coalesce((
      SELECT at FROM (
        SELECT * FROM (
          SELECT first, at FROM journal WHERE room = \(room) AND first <= \(sequence) ORDER BY first DESC LIMIT 1) AS row
        UNION ALL SELECT sequence, at FROM snapshots WHERE room = \(room) AND sequence <= \(sequence)
      ) AS known ORDER BY first DESC LIMIT 1), 0),
    \(PostgresSchema.oldestCovered(room: room, through: sequence))
    """
  }

  private static let saveSnapshot = PostgresStatement(
    "save_snapshot",
    """
    \(fence),
    saved AS (
      INSERT INTO snapshots (room, sequence, at, oldest, text)
      SELECT f.id, $4::int8, \(snapshotTimes(room: "f.id", sequence: "$4::int8")), $5
      FROM found f JOIN live l ON l.slot = f.slot WHERE f.head >= $4::int8
      ON CONFLICT (room) DO UPDATE
      SET sequence = excluded.sequence, at = excluded.at, oldest = excluded.oldest, text = excluded.text
      WHERE excluded.sequence >= snapshots.sequence
    )
    \(finding)
    """)

  static func save(
    _ snapshot: RoomSnapshot, slot: Slot, epoch: Epoch, on connection: PostgresConnection
  ) throws -> Bool {
    var parameters = fenced(slot, epoch, snapshot.room)
    parameters.add(snapshot.sequence.number)
    parameters.add(snapshot.text)
    let finding = Finding(try connection.run(saveSnapshot, parameters))
    guard try finding.check(snapshot.room, in: slot) else { return false }
    guard snapshot.sequence.number <= finding.head else {
      throw StoreError.refused(
        "the snapshot of room \(snapshot.room) at \(snapshot.sequence) lies beyond the journal, which ends at "
          + "\(finding.head)")
    }
    return true
  }

  private static let setTimer = PostgresStatement(
    "set_timer",
    """
    \(fence),
    written AS (
      INSERT INTO timers (room, due, slot)
      SELECT f.id, $4::int8, f.slot FROM found f JOIN live l ON l.slot = f.slot WHERE $4::int8 IS NOT NULL
      ON CONFLICT (room) DO UPDATE SET due = excluded.due
    ), cleared AS (
      DELETE FROM timers
      WHERE $4::int8 IS NULL AND room IN (SELECT f.id FROM found f JOIN live l ON l.slot = f.slot)
    )
    \(finding)
    """)

  static func set(
    timer due: Timestamp?, of room: RoomID, slot: Slot, epoch: Epoch, on connection: PostgresConnection
  ) throws -> Bool {
    var parameters = fenced(slot, epoch, room)
    parameters.add(due?.millis)
    return try Finding(try connection.run(setTimer, parameters)).check(room, in: slot)
  }

  /// The slot alone: what comes after it in the transaction sees all that was committed before it had the lock.
  private static let lockSlot = PostgresStatement(
    "lock_slot", "SELECT 1 FROM slots WHERE slot = $1 AND epoch = $2 FOR UPDATE")

  private static let deleteRoom = PostgresStatement(
    "delete_room",
    """
    \(fence),
    target AS MATERIALIZED (SELECT f.id FROM found f JOIN live l ON l.slot = f.slot WHERE f.head = $4::int8),
    rows AS (DELETE FROM journal WHERE room IN (SELECT id FROM target)),
    snapshot AS (DELETE FROM snapshots WHERE room IN (SELECT id FROM target)),
    timer AS (DELETE FROM timers WHERE room IN (SELECT id FROM target)),
    itself AS (DELETE FROM rooms WHERE id IN (SELECT id FROM target))
    \(finding)
    """)

  static func delete(
    _ room: RoomID, endingAt head: SequenceNumber, slot: Slot, epoch: Epoch, on connection: PostgresConnection
  ) throws -> Bool {
    try connection.transaction {
      var slotAlone = PostgresParameters()
      slotAlone.add(Int32(slot.number))
      slotAlone.add(epoch.number)
      guard try connection.run(lockSlot, slotAlone).count == 1 else { return false }
      var parameters = fenced(slot, epoch, room)
      parameters.add(head.number)
      let finding = Finding(try connection.run(deleteRoom, parameters))
      guard try finding.check(room, in: slot) else { return false }
      guard finding.head == head.number else {
        throw StoreError.refused("room \(room) ends at \(finding.head), not at \(head)")
      }
      return true
    }
  }

  /// `oldest` is counted anew for all rooms that were looked at, so that one whose snapshot was saved at the same time is
  /// not looked at again and again.
  private static let trim = PostgresStatement(
    "trim",
    """
    WITH live AS MATERIALIZED (
      SELECT s.slot FROM slots s JOIN unnest($1::int4[], $2::int8[]) AS w(slot, epoch)
        ON s.slot = w.slot AND s.epoch = w.epoch
      ORDER BY s.slot FOR SHARE OF s
    ), old AS MATERIALIZED (
      SELECT r.id, s.sequence, s.oldest, (
        SELECT min(j.first) FROM journal j WHERE j.room = r.id AND j.at >= $3::int8) AS young
      FROM snapshots s JOIN rooms r ON r.id = s.room JOIN live l ON l.slot = r.slot
      WHERE s.oldest < $3::int8 ORDER BY s.oldest LIMIT $4::int8
    ), chosen AS MATERIALIZED (
      SELECT o.id, j.first FROM old o CROSS JOIN LATERAL (
        SELECT j.first FROM journal j
        WHERE j.room = o.id AND j.first <= o.sequence AND j.first - 1 + j.count <= o.sequence
          AND (o.young IS NULL OR j.first < o.young)
        ORDER BY j.first LIMIT $4::int8
      ) j ORDER BY o.oldest, o.id, j.first LIMIT $4::int8
    ), gone AS (
      DELETE FROM journal j USING chosen c WHERE j.room = c.id AND j.first = c.first RETURNING j.room
    ), noted AS (
      UPDATE snapshots s
      SET oldest = \(PostgresSchema.oldestCovered(room: "s.room", above: "t.top", through: "s.sequence"))
      FROM (
        SELECT o.id, coalesce(max(c.first), 0) AS top FROM old o LEFT JOIN chosen c ON c.id = o.id GROUP BY o.id
      ) t WHERE s.room = t.id
    )
    SELECT count(*) FROM gone
    """)

  /// - Returns: how many rows were deleted; fewer than `limit` when there are no more.
  static func trim(
    before time: Timestamp, in slots: [Slot: Epoch], limit: Int, on connection: PostgresConnection
  ) throws -> Int {
    var parameters = PostgresParameters()
    parameters.add(slots)
    parameters.add(time.millis)
    parameters.add(Int64(limit))
    return try connection.run(trim, parameters).int(0, 0)
  }

  // MARK: Import

  private static let makeRoom = PostgresStatement(
    "make_room",
    "INSERT INTO rooms (name, slot) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING id")
  private static let presentEpoch = PostgresStatement("epoch", "SELECT epoch FROM slots WHERE slot = $1 FOR SHARE")
  private static let insertRows = PostgresStatement(
    "insert_rows",
    """
    INSERT INTO journal (room, first, count, epoch, at, slot, text)
    SELECT $1, w.first, w.count, w.epoch, w.at, $2, w.text
    FROM unnest($3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::text[]) AS w(first, count, epoch, at, text)
    """)

  private static let insertSnapshot = PostgresStatement(
    "insert_snapshot",
    """
    INSERT INTO snapshots (room, sequence, at, oldest, text)
    SELECT $1::int8, $2::int8, \(snapshotTimes(room: "$1::int8", sequence: "$2::int8")), $3
    """)

  static func importRoom(
    _ room: RoomID, _ content: StoredRoom, timer: Timestamp?, on connection: PostgresConnection
  ) throws {
    let slot = Slot(of: room)
    try connection.transaction {
      var slotAlone = PostgresParameters()
      slotAlone.add(Int32(slot.number))
      let found = try connection.run(presentEpoch, slotAlone)
      guard found.count == 1 else { throw StoreError.corrupt("there is no slot \(slot)") }
      let present = Epoch(found.int64(0, 0))

      var parameters = PostgresParameters()
      parameters.add(room.name)
      parameters.add(Int32(slot.number))
      let made = try connection.run(makeRoom, parameters)
      guard made.count == 1 else { throw StoreError.refused("room \(room) exists already") }

      parameters = PostgresParameters()
      parameters.add(made.int64(0, 0))
      parameters.add(Int32(slot.number))
      parameters.add(content.journal.map(\.first.number))
      parameters.add(content.journal.map { Int64($0.count) })
      // Epochs count the claims of one store: those of another may lie beyond what this one has reached, and the epochs
      // of a room's rows never go back.
      parameters.add(content.journal.map { min($0.epoch, present).number })
      parameters.add(content.journal.map(\.at.millis))
      parameters.add(content.journal.lazy.map(\.text))
      _ = try connection.run(insertRows, parameters)

      if let snapshot = content.snapshot {
        parameters = PostgresParameters()
        parameters.add(made.int64(0, 0))
        parameters.add(snapshot.sequence.number)
        parameters.add(snapshot.text)
        _ = try connection.run(insertSnapshot, parameters)
      }
      if let timer { _ = try set(timer: timer, of: room, slot: slot, epoch: present, on: connection) }
    }
  }

  // MARK: Health

  private static let touchProbe = PostgresStatement(
    "touch_probe", "UPDATE meta SET value = (value::int8 + 1)::text WHERE key = 'probe'")

  static func writeProbe(on connection: PostgresConnection) throws { _ = try connection.run(touchProbe) }
}
