internal import RoomCore

/// The statement that commits, and the one that looks at what it did not do.
///
/// All commits of a group are one statement outside of any transaction block: there is one round trip, and a client
/// that freezes holds no locks. Its snapshot is taken when it begins, before it has any lock. What it may rely on:
///
/// - `live` locks the slots' rows and, if it had to wait for a claim, sees the slot as the claim left it. A slot counts
///   only at the epoch of the commit itself: joined by slot alone, a commit that was decided at an epoch that was lost
///   and won back would be let in.
/// - A claim waits for these locks, so whatever was let in is there before the new owner's epoch is. The new owner's
///   first statement begins after its claim, and its snapshot has all of that.
/// - Only the slot's owner writes to a room, one commit after another, so the snapshot shows where the room ends: with one
///   exception. When a connection is lost in the middle of a commit, its statement may still be under way in the server
///   while the same commit is sent again. The unique keys of `rooms` and `journal` let the second one wait for the
///   first one and then do nothing; the entry is looked at anew, in a statement that sees what the first one wrote.
enum PostgresCommits {
  /// Gives a row for each entry that was not added: its place, and whether its slot was at its epoch.
  private static let add = PostgresStatement(
    "add",
    """
    WITH live AS MATERIALIZED (
      SELECT s.slot, s.epoch FROM slots s JOIN unnest($1::int4[], $2::int8[]) AS w(slot, epoch)
        ON s.slot = w.slot AND s.epoch = w.epoch
      ORDER BY s.slot FOR SHARE OF s
    ), sent AS MATERIALIZED (
      SELECT w.*, l.slot IS NOT NULL AS is_live, r.id, r.slot AS home, r.head
      FROM unnest(
        $3::text[], $4::int4[], $5::int8[], $6::int8[], $7::int8[], $8::int8[], $9::text[], $10::int4[], $11::int8[]
      ) WITH ORDINALITY AS w(name, slot, epoch, first, count, at, text, change, due, place)
      LEFT JOIN live l ON l.slot = w.slot AND l.epoch = w.epoch
      LEFT JOIN LATERAL (
        SELECT r.id, r.slot, \(PostgresSchema.head(of: "r.id")) AS head FROM rooms r WHERE r.name = w.name LIMIT 1
      ) r ON true
    ), made AS (
      INSERT INTO rooms (name, slot)
      SELECT name, slot FROM sent WHERE is_live AND id IS NULL AND first = 1 ORDER BY name
      ON CONFLICT (name) DO NOTHING RETURNING id, name
    ), fitting AS MATERIALIZED (
      SELECT coalesce(s.id, m.id) AS room, s.* FROM sent s LEFT JOIN made m ON m.name = s.name
      WHERE s.is_live AND (m.id IS NOT NULL OR s.home = s.slot AND s.first = s.head + 1)
    ), added AS (
      INSERT INTO journal (room, first, count, epoch, at, slot, text)
      SELECT room, first, count, epoch, at, slot, text FROM fitting ORDER BY room
      ON CONFLICT (room, first) DO NOTHING RETURNING room
    ), timed AS (
      INSERT INTO timers (room, due, slot)
      SELECT f.room, f.due, f.slot FROM fitting f JOIN added a ON a.room = f.room WHERE f.change = 1 ORDER BY f.room
      ON CONFLICT (room) DO UPDATE SET due = excluded.due WHERE timers.due <> excluded.due
    ), untimed AS (
      DELETE FROM timers WHERE room IN (
        SELECT f.room FROM fitting f JOIN added a ON a.room = f.room WHERE f.change = 2)
    ), reported AS (
      INSERT INTO outbox (room, sequence, at, text)
      SELECT f.name, w.sequence, f.at, w.text
      FROM unnest($12::int8[], $13::int8[], $14::text[]) WITH ORDINALITY AS w(place, sequence, text, number)
      JOIN fitting f ON f.place = w.place JOIN added a ON a.room = f.room ORDER BY w.number
    )
    SELECT s.place, s.is_live::int4 FROM sent s
    LEFT JOIN (fitting f JOIN added a ON a.room = f.room) ON f.place = s.place
    WHERE f.place IS NULL
    """)

  /// Whether the journal has these very rows. Gives their places.
  private static let find = PostgresStatement(
    "find",
    """
    SELECT w.place FROM unnest($1::text[], $2::int4[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::text[])
      WITH ORDINALITY AS w(name, slot, epoch, first, count, at, text, place)
    JOIN LATERAL (
      SELECT 1 FROM rooms r JOIN journal j ON j.room = r.id AND j.first = w.first
      WHERE r.name = w.name AND r.slot = w.slot AND j.epoch = w.epoch AND j.count = w.count AND j.at = w.at
        AND j.text = w.text
    ) found ON true
    """)

  /// Adds commits of rooms that are all different. Of `.stale`, the caller has to say what it means.
  static func add(
    _ commits: ArraySlice<RoomCommit>, on connection: PostgresConnection
  ) throws(PostgresFailure) -> [CommitOutcome] {
    var claimed: [Slot: Set<Epoch>] = [:]
    for commit in commits { claimed[commit.slot, default: []].insert(commit.epoch) }
    let pairs = claimed.flatMap { slot, epochs in epochs.map { (slot, $0) } }
    var parameters = PostgresParameters(reserving: commits.reduce(1024) { $0 + $1.textBytes + 256 })
    parameters.add(pairs.map { Int32($0.0.number) })
    parameters.add(pairs.map(\.1.number))
    describe(commits, to: &parameters)
    parameters.add(
      commits.map { commit -> Int32 in
        switch commit.timer {
        case .keep: 0
        case .set: 1
        case .clear: 2
        }
      })
    parameters.add(
      commits.map { commit -> Int64 in
        if case .set(let due) = commit.timer { due.millis } else { 0 }
      })
    let reports = commits.enumerated().flatMap { place, commit in commit.reports.map { (place + 1, $0) } }
    parameters.add(reports.map { Int64($0.0) })
    parameters.add(reports.map(\.1.sequence.number))
    parameters.add(reports.lazy.map(\.1.text))
    let left = try connection.run(add, parameters)
    guard left.count > 0 else { return Array(repeating: .committed, count: commits.count) }

    var outcomes = [CommitOutcome](repeating: .committed, count: commits.count)
    var doubtful: [Int] = []
    for row in left.rows {
      let place = left.int(row, 0) - 1
      outcomes[place] = left.bool(row, 1) ? .conflict : .stale
      if left.bool(row, 1) { doubtful.append(place) }
    }
    let places = try self.places(of: doubtful.map { commits[commits.startIndex + $0] }[...], on: connection)
    for place in places { outcomes[doubtful[place]] = .committed }
    return outcomes
  }

  /// The places of those that the journal has.
  private static func places(
    of commits: ArraySlice<RoomCommit>, on connection: PostgresConnection
  ) throws(PostgresFailure) -> [Int] {
    guard !commits.isEmpty else { return [] }
    var parameters = PostgresParameters()
    describe(commits, to: &parameters)
    let found = try connection.run(find, parameters)
    return found.rows.map { found.int($0, 0) - 1 }
  }

  /// Whether the journal has this very commit.
  static func has(_ commit: RoomCommit, on connection: PostgresConnection) throws(PostgresFailure) -> Bool {
    try !places(of: [commit], on: connection).isEmpty
  }

  private static func describe(_ commits: ArraySlice<RoomCommit>, to parameters: inout PostgresParameters) {
    parameters.add(commits.map(\.room.name))
    parameters.add(commits.map { Int32($0.slot.number) })
    parameters.add(commits.map(\.epoch.number))
    parameters.add(commits.map(\.first.number))
    parameters.add(commits.map { Int64($0.count) })
    parameters.add(commits.map(\.at.millis))
    parameters.add(commits.lazy.map(\.text))
  }
}
