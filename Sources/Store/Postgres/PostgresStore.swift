public import RoomCore
internal import Synchronization

/// Rooms in a PostgreSQL database: the store of several machines.
///
/// Commits go through one thread of the process (`PostgresWriter`), everything else through a few others
/// (`PostgresSessions`), each with a connection of its own. A read is one statement that begins after the call: it sees
/// all that was committed by then.
///
/// What a commit is told is on disk is on the disk of the server, and of those standbys that the server waits for. A
/// failover to a standby that it did not wait for loses commits: name it in `synchronous_standby_names`. The store then
/// notices (`PostgresHistory`), but cannot bring them back.
public final class PostgresStore: RoomStore {
  private let settings: PostgresConfiguration
  private let writer: PostgresWriter
  private let sessions: PostgresSessions

  private init(_ settings: PostgresConfiguration, _ writer: PostgresWriter) {
    self.settings = settings
    self.writer = writer
    sessions = PostgresSessions(settings, writer.history, writer.counters)
  }

  deinit {
    writer.stop()
    sessions.stop()
  }

  /// Connects, and makes the schema if it is not there. Several processes may do so at once.
  ///
  /// - Throws: `.refused` if the server is a hot standby, or the store is another's: another cluster's, a newer
  ///   program's.
  public static func open(_ configuration: PostgresConfiguration) async throws(StoreError) -> PostgresStore {
    PostgresStore(configuration, try await PostgresWriter.open(configuration).get())
  }

  /// Its history may change while the store is open: see `PostgresConfiguration.historyChanged`.
  public var identity: StoreIdentity { writer.history.identity }

  public var statistics: StoreStatistics {
    var statistics = writer.counters.values.withLock { $0 }
    (statistics.queueDepth, statistics.queueBytes) = writer.depth
    statistics.readDepth = sessions.depth
    return statistics
  }

  public func close() async {
    await writer.close()
    await sessions.close()
  }

  /// Runs `body` on a connection that other calls may have after it.
  func records<Value: Sendable>(
    _ kind: PostgresSessions.Kind, _ body: @escaping @Sendable (PostgresConnection, PostgresHistory) throws -> Value
  ) async throws(StoreError) -> Value {
    let history = writer.history
    return try await sessions.call(kind) { try body($0, history) }
  }

  // MARK: Ownership

  public func claim(_ claims: [SlotClaim], for node: NodeID) async throws(StoreError) -> [Slot: Epoch] {
    let history = writer.history
    return try await sessions.call(.urgentWrite) { connection in
      try history.claim(on: connection) { try PostgresWrites.claim(claims, for: node, on: connection) }
    }
  }

  public func release(_ slots: [Slot: Epoch]) async throws(StoreError) {
    try await sessions.call(.urgentWrite) { try PostgresWrites.release(slots, on: $0) }
  }

  public func slots() async throws(StoreError) -> [SlotRecord] {
    try await sessions.call(.urgentRead) { try PostgresReads.slots(from: $0) }
  }

  // MARK: Nodes

  public func beat(_ node: NodeID, address: String, pid: Int32) async throws(StoreError) {
    let history = writer.history
    try await sessions.call(.urgentWrite) { connection in
      try history.beat(on: connection) {
        try PostgresWrites.beat(node, address: address, pid: pid, on: connection)
      }
      if let present = try PostgresDatabase.history(connection) { history.look(at: present) }
    }
  }

  public func nodes() async throws(StoreError) -> [NodeRecord] {
    try await sessions.call(.urgentRead) { try PostgresReads.nodes(from: $0) }
  }

  public func forget(_ node: NodeID) async throws(StoreError) {
    try await sessions.call(.urgentWrite) { try PostgresWrites.forget(node, on: $0) }
  }

  // MARK: Rooms

  public func commit(_ commit: RoomCommit, completion: @escaping @Sendable (CommitOutcome) -> Void) {
    writer.submit(commit, completion: completion)
  }

  public func load(_ room: RoomID) async throws(StoreError) -> StoredRoom? {
    try await sessions.call(.load) { try PostgresReads.load(room, from: $0) }
  }

  public func journal(
    of room: RoomID, after: SequenceNumber, through: SequenceNumber
  ) async throws(StoreError) -> [JournalRow]? {
    try await sessions.call(.journal) { try PostgresReads.journal(of: room, after: after, through: through, from: $0) }
  }

  public func saveSnapshot(
    _ snapshot: RoomSnapshot, slot: Slot, epoch: Epoch
  ) async throws(StoreError) -> Bool {
    try checkSize(snapshot.text)
    return try await sessions.call(.write) {
      try PostgresWrites.save(snapshot, slot: slot, epoch: epoch, on: $0)
    }
  }

  public func trimJournal(
    before time: Timestamp, in slots: [Slot: Epoch], limit: Int
  ) async throws(StoreError) -> Int {
    var deleted = 0
    while deleted < limit {
      let most = min(limit - deleted, Self.rowsPerDelete)
      let count = try await sessions.call(.write) {
        try PostgresWrites.trim(before: time, in: slots, limit: most, on: $0)
      }
      deleted += count
      if count < most { break }
    }
    return deleted
  }

  /// So that claims need not wait for a long clean-up.
  private static let rowsPerDelete = 500

  public func deleteRoom(
    _ room: RoomID, endingAt head: SequenceNumber, slot: Slot, epoch: Epoch
  ) async throws(StoreError) -> Bool {
    try await sessions.call(.write) {
      try PostgresWrites.delete(room, endingAt: head, slot: slot, epoch: epoch, on: $0)
    }
  }

  // MARK: Timers

  public func dueTimers(
    at now: Timestamp, in slots: [Slot: Epoch], after: DueTimer?, limit: Int
  ) async throws(StoreError) -> [DueTimer] {
    try await sessions.call(.load) {
      try PostgresReads.dueTimers(at: now, in: slots, after: after, limit: limit, from: $0)
    }
  }

  public func setTimer(
    _ due: Timestamp?, of room: RoomID, slot: Slot, epoch: Epoch
  ) async throws(StoreError) -> Bool {
    try await sessions.call(.write) {
      try PostgresWrites.set(timer: due, of: room, slot: slot, epoch: epoch, on: $0)
    }
  }

  // MARK: Looking in

  public func rooms(after: RoomID?, limit: Int) async throws(StoreError) -> [RoomSummary] {
    try await sessions.call(.load) { try PostgresReads.rooms(after: after, limit: limit, from: $0) }
  }

  public func importRoom(
    _ room: RoomID, _ content: StoredRoom, timer: Timestamp?
  ) async throws(StoreError) {
    if let problem = content.problem {
      throw .refused("room \(room) cannot be imported: \(problem)")
    }
    if let snapshot = content.snapshot { try checkSize(snapshot.text) }
    for row in content.journal { try checkSize(row.text) }
    try await sessions.call(.write) { try PostgresWrites.importRoom(room, content, timer: timer, on: $0) }
  }

  public func checkHealth() async throws(StoreError) {
    try await sessions.call(.urgentWrite) { try PostgresWrites.writeProbe(on: $0) }
  }

  private func checkSize(_ text: [UInt8]) throws(StoreError) {
    guard text.count <= settings.maxTextBytes else {
      throw .refused("the store cannot hold this: \(text.count) bytes in one text")
    }
  }
}
