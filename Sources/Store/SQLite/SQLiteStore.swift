internal import Dispatch
internal import GRDB
internal import GRDBSQLite
public import RoomCore
internal import Synchronization

/// Rooms in one SQLite file: the embedded store of one machine, for one process or for several of a cluster.
///
/// Writes go through one thread of the process (`SQLiteWriter`), reads through a pool of read-only connections, each
/// read in a transaction of its own that begins after the call: it sees all that was committed by then.
///
/// Takes part in nothing but its file: `PATH`, `PATH-wal`, `PATH-shm` and the lock `PATH.lock`. It must lie on a local
/// disk; the write-ahead log does not work over a network file system.
public final class SQLiteStore: RoomStore {
  public let identity: StoreIdentity
  private let access: Access

  private enum Access {
    case writer(SQLiteWriter)
    case readOnly(ReadOnlyFile)
  }

  private init(identity: StoreIdentity, access: Access) {
    self.identity = identity
    self.access = access
  }

  deinit {
    if case .writer(let writer) = access { writer.stop() }
  }

  /// Opens the file, and makes it if it is not there.
  ///
  /// - Throws: `.refused` if the file is another's: another process's, another cluster's, a newer program's.
  public static func open(_ configuration: SQLiteConfiguration) async throws(StoreError) -> SQLiteStore {
    guard configuration.mode == .readOnly else {
      let (writer, identity) = try await SQLiteWriter.open(configuration).get()
      return SQLiteStore(identity: identity, access: .writer(writer))
    }
    let opened: Result<(DatabasePool, StoreIdentity), StoreError> = await withUnsafeContinuation { continuation in
      DispatchQueue.global().async {
        let result = Result { () throws(StoreError) -> (DatabasePool, StoreIdentity) in
          let pool = try SQLiteFile.open(configuration)
          do {
            return (pool, try pool.read { try SQLiteFile.identity($0.connection, configuration) })
          } catch {
            throw StoreError(error)
          }
        }
        continuation.resume(returning: result)
      }
    }
    let (pool, identity) = try opened.get()
    return SQLiteStore(identity: identity, access: .readOnly(ReadOnlyFile(pool, configuration)))
  }

  /// The library that this process has loaded.
  public static var libraryVersion: String { String(cString: sqlite3_libversion()) }

  /// Whether the library may damage a file on which two connections write or make a checkpoint in the same instant, as
  /// those of several processes do.
  ///
  /// Source: https://www.sqlite.org/wal.html#walresetbug
  public static var mayDamageSharedFiles: Bool { hasWALResetBug(Int(sqlite3_libversion_number())) }

  /// - Parameter version: as SQLite counts: 3051003 is 3.51.3, the first one without the bug.
  public static func hasWALResetBug(_ version: Int) -> Bool { version < 3_051_003 }

  public var statistics: StoreStatistics {
    switch access {
    case .writer(let writer): return writer.statistics
    case .readOnly(let file):
      var statistics = StoreStatistics()
      statistics.readDepth = file.readers.depth
      return statistics
    }
  }

  /// A setting of the connection that writes, as SQLite gives it; for tests.
  func writerPragma(_ name: StaticString) async throws(StoreError) -> Int64 {
    try await write { try SQLiteFile.number("PRAGMA \(name)", on: $0.connection) }
  }

  public func close() async {
    switch access {
    case .writer(let writer):
      await writer.close()
    case .readOnly(let file):
      await withUnsafeContinuation { continuation in
        DispatchQueue.global().async {
          file.close()
          continuation.resume()
        }
      }
    }
  }

  // MARK: Ownership

  public func claim(_ claims: [SlotClaim], for node: NodeID) async throws(StoreError) -> [Slot: Epoch] {
    try await write { try $0.claim(claims, for: node) }
  }

  public func release(_ slots: [Slot: Epoch]) async throws(StoreError) {
    try await write { session in
      for (slot, epoch) in slots { try session.release(slot, epoch) }
    }
  }

  public func slots() async throws(StoreError) -> [SlotRecord] {
    try await read { try SQLiteReads.slots(from: $0) }
  }

  // MARK: Nodes

  public func beat(_ node: NodeID, address: String, pid: Int32) async throws(StoreError) {
    try await write { try $0.beat(node, address: address, pid: pid) }
  }

  public func nodes() async throws(StoreError) -> [NodeRecord] {
    try await read { try SQLiteReads.nodes(from: $0) }
  }

  public func forget(_ node: NodeID) async throws(StoreError) {
    try await write { try $0.forget(node) }
  }

  // MARK: Rooms

  public func commit(_ commit: RoomCommit, completion: @escaping @Sendable (CommitOutcome) -> Void) {
    switch access {
    case .writer(let writer): writer.submit(commit, completion: completion)
    case .readOnly: commit.lane.post { completion(.failed(Self.readOnlyRefusal)) }
    }
  }

  public func load(_ room: RoomID) async throws(StoreError) -> StoredRoom? {
    try await read { try SQLiteReads.load(room, from: $0) }
  }

  public func journal(
    of room: RoomID, after: SequenceNumber, through: SequenceNumber
  ) async throws(StoreError) -> [JournalRow]? {
    try await read(.journal) { try SQLiteReads.journal(of: room, after: after, through: through, from: $0) }
  }

  public func saveSnapshot(
    _ snapshot: RoomSnapshot, slot: Slot, epoch: Epoch
  ) async throws(StoreError) -> Bool {
    try await write(bytes: snapshot.text.count) { session in
      guard try session.isPresent(slot, epoch) else { return false }
      let known = try Self.room(snapshot.room, in: slot, session)
      guard snapshot.sequence.number <= known.head else {
        throw StoreError.refused(
          "the snapshot of room \(snapshot.room) at \(snapshot.sequence) lies beyond the journal, which ends at "
            + "\(known.head)")
      }
      try session.save(snapshot, room: known.id)
      return true
    }
  }

  public func trimJournal(
    before time: Timestamp, in slots: [Slot: Epoch], limit: Int
  ) async throws(StoreError) -> Int {
    // Found by a reader, as the search may be long, and checked again by the writer.
    let rows = try await read { try SQLiteReads.trimmable(before: time, in: slots, limit: limit, from: $0) }
    var deleted = 0
    var rest = rows[...]
    while !rest.isEmpty {
      let some = Array(rest.prefix(Self.rowsPerDelete))
      rest = rest.dropFirst(Self.rowsPerDelete)
      deleted += try await write { session in
        var count = 0
        var rooms: Set<Int64> = []
        for row in some {
          guard let epoch = slots[row.slot], try session.isPresent(row.slot, epoch) else { continue }
          if try session.delete(row) {
            count += 1
            rooms.insert(row.room)
          }
        }
        for room in rooms { try session.noteOldest(of: room) }
        return count
      }
    }
    return deleted
  }

  /// So that commits need not wait for a long clean-up.
  private static let rowsPerDelete = 500

  public func deleteRoom(
    _ room: RoomID, endingAt head: SequenceNumber, slot: Slot, epoch: Epoch
  ) async throws(StoreError) -> Bool {
    try await write { session in
      guard try session.isPresent(slot, epoch) else { return false }
      let known = try Self.room(room, in: slot, session)
      guard known.head == head.number else {
        throw StoreError.refused("room \(room) ends at \(known.head), not at \(head)")
      }
      try session.delete(room, known)
      return true
    }
  }

  // MARK: Timers

  public func dueTimers(
    at now: Timestamp, in slots: [Slot: Epoch], after: DueTimer?, limit: Int
  ) async throws(StoreError) -> [DueTimer] {
    try await read { try SQLiteReads.dueTimers(at: now, in: slots, after: after, limit: limit, from: $0) }
  }

  public func setTimer(
    _ due: Timestamp?, of room: RoomID, slot: Slot, epoch: Epoch
  ) async throws(StoreError) -> Bool {
    try await write { session in
      guard try session.isPresent(slot, epoch) else { return false }
      let known = try Self.room(room, in: slot, session)
      try session.set(timer: due, room: known.id, slot: slot)
      return true
    }
  }

  // MARK: Looking in

  public func rooms(after: RoomID?, limit: Int) async throws(StoreError) -> [RoomSummary] {
    try await read { try SQLiteReads.rooms(after: after, limit: limit, from: $0) }
  }

  public func importRoom(
    _ room: RoomID, _ content: StoredRoom, timer: Timestamp?
  ) async throws(StoreError) {
    if let problem = content.problem {
      throw .refused("room \(room) cannot be imported: \(problem)")
    }
    let bytes = content.journal.reduce(content.snapshot?.text.count ?? 0) { $0 + $1.text.count }
    try await write(bytes: bytes) { session in
      guard try session.room(room) == nil else { throw StoreError.refused("room \(room) exists already") }
      let slot = Slot(of: room)
      let id = try session.makeRoom(room, slot: slot).id
      // Epochs count the claims of one store: those of another may lie beyond what this one has reached, and the epochs
      // of a room's rows never go back.
      let present = try session.epoch(of: slot)
      for row in content.journal { try session.insert(row.clamped(to: present), room: id, slot: slot) }
      if let snapshot = content.snapshot { try session.save(snapshot, room: id) }
      if let timer { try session.set(timer: timer, room: id, slot: slot) }
    }
  }

  public func checkHealth() async throws(StoreError) {
    try await write { try $0.writeProbe() }
  }

  // MARK: Getting there

  private static let readOnlyRefusal = StoreError.refused("the store was opened for reading only")

  /// A room that must be there, in the slot that the caller's epoch was checked for.
  private static func room(
    _ room: RoomID, in slot: Slot, _ session: SQLiteSession
  ) throws -> SQLiteSession.KnownRoom {
    guard let known = try session.room(room) else { throw StoreError.refused("there is no room \(room)") }
    guard known.slot == slot.number else {
      throw StoreError.refused("room \(room) is in slot \(known.slot), not \(slot)")
    }
    return known
  }

  func write<Value: Sendable>(
    bytes: Int = 0, _ body: @escaping @Sendable (SQLiteSession) throws -> Value
  ) async throws(StoreError) -> Value {
    switch access {
    case .writer(let writer): try await writer.write(bytes: bytes, body)
    case .readOnly: throw Self.readOnlyRefusal
    }
  }

  func read<Value: Sendable>(
    _ kind: SQLiteReaders.Kind = .load, _ body: @escaping @Sendable (Database) throws -> Value
  ) async throws(StoreError) -> Value {
    switch access {
    case .readOnly(let file):
      guard let result = await file.readers.read(kind, body) else { throw .closed }
      return try result.get()
    case .writer(let writer):
      if let result = await writer.readers.read(kind, body) { return try result.get() }
      // Any write makes the writer connect anew, or says why it cannot.
      try await writer.write { _ in }
      guard let result = await writer.readers.read(kind, body) else {
        throw writer.isClosing ? .closed : .unavailable("the connection is being made anew")
      }
      return try result.get()
    }
  }
}

/// A file that is only looked into.
private final class ReadOnlyFile: Sendable {
  let readers: SQLiteReaders
  private let pool: Mutex<DatabasePool?>

  init(_ pool: DatabasePool, _ configuration: SQLiteConfiguration) {
    readers = SQLiteReaders(configuration)
    readers.start(pool)
    self.pool = Mutex(pool)
  }

  func close() {
    readers.stop()
    pool.withLock { pool in
      do {
        try pool?.close()
      } catch {
        // The connections close with the pool.
      }
      pool = nil
    }
  }
}

extension JournalRow {
  fileprivate func clamped(to present: Epoch) -> JournalRow {
    JournalRow(first: first, count: count, epoch: min(epoch, present), at: at, text: text)
  }
}
