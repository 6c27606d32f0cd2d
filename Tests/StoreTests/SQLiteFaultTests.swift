import Foundation
import GRDBSQLite
import RoomCore
import StoreTesting
import Synchronization
import Testing

@testable import Store

/// What becomes of commits when the disk, the file or a neighbour does not do its part.
struct SQLiteFaultTests {
  let file: TemporaryFile
  let a = room("a")

  init() throws { file = try TemporaryFile() }

  func open(
    _ mode: SQLiteConfiguration.Mode = .exclusive, _ change: (inout SQLiteConfiguration) -> Void = { _ in }
  ) async throws -> SQLiteStore {
    var configuration = SQLiteConfiguration(path: file.path, history: "first", mode: mode)
    change(&configuration)
    return try await SQLiteStore.open(configuration)
  }

  func isUnavailable(_ outcome: CommitOutcome) -> Bool {
    if case .failed(.unavailable) = outcome { true } else { false }
  }

  // MARK: Waiting for the disk

  @Test func everyCommitWaitsForTheDisk() async throws {
    let fault = CommitFault()
    let store = try await open { $0.commitFault = fault.run }
    #expect(try await store.writerPragma("synchronous") == 2)
    fault.set(.fail(CommitFault.fsync))
    await #expect(throws: StoreError.self) { try await store.checkHealth() }
    fault.set(.none)
    #expect(try await store.writerPragma("synchronous") == 2)
    #expect(store.statistics.reconnects == 1)
    await store.close()
    let shared = try await open(.shared)
    #expect(try await shared.writerPragma("synchronous") == 2)
    await shared.close()
  }

  @Test func aFailedFsyncLeavesTheOutcomeUnknownAndTheConnectionIsMadeAnew() async throws {
    let fault = CommitFault()
    let store = try await open { $0.commitFault = fault.run }
    var writer = Writer(store)
    try await writer.claim(a)
    #expect(await writer.commit(a, 1) == .committed)

    fault.set(.fail(CommitFault.fsync))
    guard case .unknown(.unavailable) = await writer.commit(a, 2) else {
      Issue.record("the outcome is not unknown")
      return
    }
    #expect(store.statistics.reconnects == 1)
    #expect(try await store.load(a)?.head == SequenceNumber(1))

    fault.set(.writeAndFail(CommitFault.fsync))
    guard case .unknown(.unavailable) = await writer.commit(a, 2) else {
      Issue.record("the outcome is not unknown")
      return
    }
    #expect(store.statistics.reconnects == 2)
    #expect(try await store.load(a)?.head == SequenceNumber(2))

    fault.set(.none)
    #expect(await writer.commit(a, 2) == .committed)
    #expect(await writer.commit(a, 3) == .committed)
    #expect(try await store.load(a)?.journal.count == 3)
    #expect(store.statistics.unknown == 2)
    await store.close()
  }

  /// After a failed fsync the log may be whole in memory and not on disk, where no later fsync writes it again.
  @Test func whatIsReadAfterAFailedFsyncIsInTheFileProper() async throws {
    let fault = CommitFault()
    let store = try await open { $0.commitFault = fault.run }
    var writer = Writer(store)
    try await writer.claim(a)
    #expect(try await store.load(a) == nil)
    fault.set(.writeAndFail(CommitFault.fsync))
    guard case .unknown(.unavailable) = await writer.commit(a, 1) else {
      Issue.record("the outcome is not unknown")
      return
    }
    #expect(try await store.load(a)?.head == SequenceNumber(1))
    #expect(try RawDatabase(file.path, withoutLog: true).query("SELECT first FROM journal") == ["1"])
    await store.close()
  }

  @Test func aFileThatWentAwayIsNotReplacedByAnother() async throws {
    let other = SQLiteConfiguration(path: file.directory + "/other.sqlite", history: "other")
    try await SQLiteStore.open(other).close()
    let path = file.path
    let mustGo = Atomic(true)
    let store = try await open {
      $0.commitFault = { commit in
        guard mustGo.load(ordering: .sequentiallyConsistent) else { return commit() }
        for end in ["", "-wal", "-shm"] { rename(path + end, path + ".away" + end) }
        return CommitFault.fsync
      }
    }
    mustGo.store(false, ordering: .sequentiallyConsistent)
    var writer = Writer(store)
    try await writer.claim(a)
    #expect(await writer.commit(a, 1) == .committed)
    mustGo.store(true, ordering: .sequentiallyConsistent)
    guard case .unknown = await writer.commit(a, 2) else {
      Issue.record("the outcome is not unknown")
      return
    }
    mustGo.store(false, ordering: .sequentiallyConsistent)
    #expect(isUnavailable(await writer.commit(a, 2)))
    #expect(!FileManager.default.fileExists(atPath: path), "an empty file was made")
    await #expect {
      try await store.load(a)
    } throws: { ($0 as? StoreError)?.concernsContent == false }

    #expect(rename(other.path, path) == 0)
    #expect(isUnavailable(await writer.commit(a, 2)), "nobody is to blame for it")
    #expect(try RawDatabase(path).query("SELECT count(*) FROM journal") == ["0"])

    for end in ["", "-wal"] { rename(path + ".away" + end, path + end) }
    #expect(await writer.commit(a, 2) == .committed)
    #expect(try await store.load(a)?.head == SequenceNumber(2))
    await store.close()
  }

  @Test(arguments: [SQLITE_FULL, SQLITE_BUSY])
  func aCommitThatCertainlyFailedMayBeSentAgain(code: Int32) async throws {
    let fault = CommitFault()
    let store = try await open { $0.commitFault = fault.run }
    var writer = Writer(store)
    try await writer.claim(a)
    fault.set(.fail(code))
    #expect(isUnavailable(await writer.commit(a, 1)))
    #expect(try await store.load(a) == nil)
    fault.set(.none)
    #expect(await writer.commit(a, 1) == .committed)
    #expect(store.statistics.reconnects == 0)
    await store.close()
  }

  // MARK: A full disk

  @Test func aFullDiskFailsCommitsAndKeepsWhatItHas() async throws {
    try await open().close()
    let store = try await open { $0.setUpSQL = "PRAGMA max_page_count = 120" }
    let rooms = (0..<8).map { room("room-\($0)") }
    var writer = Writer(store)
    try await writer.claim(Set(rooms.map(Slot.init(of:))))
    var heads = [RoomID: Int64]()
    var refused = 0
    for number in 1...Int64(1000) where refused < 3 * rooms.count {
      for room in rooms where heads[room, default: 0] == number - 1 {
        let outcome = await writer.commit(room, number, text: String(repeating: "x", count: 3000))
        if outcome == .committed {
          heads[room] = number
        } else {
          #expect(isUnavailable(outcome))
          refused += 1
        }
      }
      if heads.values.allSatisfy({ $0 < number }) { break }
    }
    #expect(refused > 0, "the disk was never full")
    for room in rooms { #expect(try await store.load(room)?.head.number == heads[room]) }
    await store.close()

    let roomy = try await open()
    writer = Writer(roomy)
    try await writer.claim(Set(rooms.map(Slot.init(of:))))
    for room in rooms {
      #expect(await writer.commit(room, (heads[room] ?? 0) + 1) == .committed)
    }
    await roomy.close()
  }

  // MARK: One bad commit

  @Test func aCommitThatCannotBeStoredHarmsItsOwnRoomOnly() async throws {
    try await open().close()
    // The trigger stands for whatever else is wrong with a single row.
    let store = try await open {
      $0.maxTextBytes = 10_000
      $0.setUpSQL = """
        CREATE TEMP TRIGGER IF NOT EXISTS planted AFTER INSERT ON main.journal WHEN new.text LIKE '%poison%'
        BEGIN SELECT RAISE(ABORT, 'planted'); END
        """
    }
    let rooms = (0..<30).map { room("room-\($0)") }
    var writer = Writer(store)
    try await writer.claim(Slot.all)
    let outcomes = await withTaskGroup(of: (Int, CommitOutcome).self) { group in
      for (index, room) in rooms.enumerated() {
        let text =
          switch index % 10 {
          case 3: String(repeating: "x", count: 20_000)
          case 7: "\"poison\""
          default: "\"good\""
          }
        group.addTask { [writer] in
          (index, await writer.commit(room, 1, text: text, timer: .set(Timestamp(millis: 1))))
        }
      }
      return await group.reduce(into: [Int: CommitOutcome]()) { $0[$1.0] = $1.1 }
    }
    for (index, room) in rooms.enumerated() {
      let isGood = index % 10 != 3 && index % 10 != 7
      let content = try await store.load(room)
      if isGood {
        #expect(outcomes[index] == .committed)
        #expect(content?.head == SequenceNumber(1) && content?.timer != nil)
      } else {
        guard case .failed(.refused) = outcomes[index] else {
          Issue.record("room \(index): \(String(describing: outcomes[index]))")
          continue
        }
        #expect(content == nil, "half a commit stayed")
        #expect(await writer.commit(room, 1, text: "\"good\"") == .committed)
      }
    }
    let snapshot = RoomSnapshot(room: rooms[0], sequence: SequenceNumber(1), text: Array(repeating: 65, count: 20_000))
    await #expect(throws: StoreError.self) {
      try await store.saveSnapshot(snapshot, slot: Slot(of: rooms[0]), epoch: Epoch(1))
    }
    #expect(store.statistics.reconnects == 0)
    await store.close()
  }

  /// What two rooms are told whose commits, at `first`, go into one transaction.
  func commitTogether(
    _ rooms: [(room: RoomID, first: Int64, text: String)], by writer: Writer, behind gate: Gate
  ) async -> [CommitOutcome] {
    gate.shut()
    let blocker = Task { await writer.commit(room("blocker"), 1) }
    await until { gate.waiting == 1 }
    return await withTaskGroup(of: (Int, CommitOutcome).self) { group in
      for (index, entry) in rooms.enumerated() {
        group.addTask { (index, await writer.commit(entry.room, entry.first, text: entry.text)) }
        await until { writer.store.statistics.queueDepth == index + 1 }
      }
      // Behind the end of their gathering: what is still gathered is left for the transaction after the next.
      await withUnsafeContinuation { continuation in writer.lane.post { continuation.resume() } }
      gate.open()
      #expect(await blocker.value == .committed)
      return await group.reduce(into: Array(repeating: .stale, count: rooms.count)) { $0[$1.0] = $1.1 }
    }
  }

  @Test func aDamagedPageHarmsTheRoomsThatAreOnIt() async throws {
    let rooms = (0..<9).map { room("room-\($0)") }
    let first = try await open()
    var writer = Writer(first)
    try await writer.claim(Slot.all)
    // A page for each.
    for room in rooms { #expect(await writer.commit(room, 1, text: String(repeating: "x", count: 3000)) == .committed) }
    await first.close()
    let raw = try RawDatabase(file.path)
    let root = try #require(Int(try raw.query("SELECT rootpage FROM sqlite_schema WHERE name = 'journal'")[0]))
    let pageSize = try #require(Int(try raw.query("PRAGMA page_size")[0]))
    let handle = try #require(FileHandle(forUpdatingAtPath: file.path))
    func page(_ number: Int) throws -> [UInt8] {
      try handle.seek(toOffset: UInt64((number - 1) * pageSize))
      return [UInt8](try #require(try handle.read(upToCount: pageSize)))
    }
    // https://www.sqlite.org/fileformat2.html#b_tree_pages: an interior page's cells begin with the page to their left.
    let interior = try page(root)
    try #require(interior[0] == 5)
    let cell = Int(interior[12]) << 8 | Int(interior[13])
    let leaf = interior[cell..<cell + 4].reduce(0) { $0 << 8 | Int($1) }
    try #require(try page(leaf)[0] == 13)
    try handle.seek(toOffset: UInt64((leaf - 1) * pageSize))
    try handle.write(contentsOf: Data(repeating: 0xEE, count: pageSize))
    try handle.close()

    let gate = Gate()
    let store = try await open { $0.commitFault = gate.hold }
    writer = Writer(store)
    try await writer.claim(Slot.all)
    let outcomes = await commitTogether(
      [(rooms[7], 2, "\"good\""), (rooms[0], 2, "\"bad\""), (rooms[8], 2, "\"good\"")], by: writer, behind: gate)
    #expect(outcomes[0] == .committed)
    guard case .failed(.corrupt) = outcomes[1] else {
      Issue.record("a damaged room was told \(outcomes[1])")
      return
    }
    #expect(outcomes[2] == .committed)
    #expect(try await store.load(rooms[8])?.head == SequenceNumber(2))
    #expect(store.statistics.reconnects == 0)
    await store.close()
  }

  /// No error of one row does that with this schema; if one did, the rest must not be written outside a transaction.
  @Test func anErrorThatEndsTheTransactionHarmsItsOwnRoomOnly() async throws {
    try await open().close()
    let gate = Gate()
    let store = try await open {
      $0.commitFault = gate.hold
      $0.setUpSQL = """
        CREATE TEMP TRIGGER IF NOT EXISTS planted AFTER INSERT ON main.rooms WHEN new.name = 'poison'
        BEGIN SELECT RAISE(ROLLBACK, 'planted'); END
        """
    }
    let rooms = [room("one"), room("poison"), room("two")]
    var writer = Writer(store)
    try await writer.claim(Slot.all)
    let outcomes = await commitTogether(rooms.map { ($0, 1, "\"text\"") }, by: writer, behind: gate)
    #expect(outcomes[0] == .committed && outcomes[2] == .committed)
    guard case .failed(.refused) = outcomes[1] else {
      Issue.record("the one to blame was told \(outcomes[1])")
      return
    }
    for (room, head) in zip(rooms, [1, nil, 1] as [Int64?]) {
      #expect(try await store.load(room)?.head.number == head)
    }
    // The claim, the blocker, and the two at once.
    #expect(store.statistics.transactions == 3)
    await store.close()
  }

  // MARK: Too much at once

  @Test func aJamRefusesWhatHoldsTextAndTakesTheRest() async throws {
    let gate = Gate()
    let store = try await open {
      $0.bounds.queueBytes = 100
      $0.commitFault = gate.hold
    }
    var writer = Writer(store)
    try await writer.claim(Slot.all)
    #expect(await writer.commit(a, 1) == .committed)
    let (small, large) = (
      writer.makeCommit(a, 2), writer.makeCommit(room("b"), 1, text: String(repeating: "x", count: 100))
    )
    gate.shut()
    async let first = store.commit(small)
    await until { gate.waiting == 1 }
    async let second = store.commit(large)
    await until { store.statistics.queueDepth == 1 }
    await #expect {
      try await writer.save(a, at: 1)
    } throws: { ($0 as? StoreError)?.concernsContent == false }
    #expect(isUnavailable(await writer.commit(room("c"), 1)))
    async let health: Void = store.checkHealth()
    await until { store.statistics.queueDepth == 2 }
    gate.open()
    #expect(await first == .committed)
    #expect(await second == .committed)
    try await health
    #expect(try await writer.save(a, at: 1))
    await store.close()
  }

  @Test func theQueueHasABoundAndSaysSo() async throws {
    let gate = DispatchSemaphore(value: 0)
    let isShut = Atomic(false)
    let isWaiting = Atomic(false)
    let store = try await open {
      $0.bounds.queueRows = 3
      $0.bounds.groupRows = 1
      $0.commitFault = { commit in
        if isShut.load(ordering: .sequentiallyConsistent) {
          isWaiting.store(true, ordering: .sequentiallyConsistent)
          gate.wait()
        }
        return commit()
      }
    }
    let rooms = (0..<12).map { room("room-\($0)") }
    var writer = Writer(store)
    try await writer.claim(Slot.all)
    isShut.store(true, ordering: .sequentiallyConsistent)
    let outcomes = await withTaskGroup(of: CommitOutcome.self) { group in
      for (index, room) in rooms.enumerated() {
        group.addTask { [writer] in await writer.commit(room, 1) }
        guard index == 0 else { continue }
        while !isWaiting.load(ordering: .sequentiallyConsistent) { await Task.yield() }
      }
      // Those beyond the bound are answered while the writer stands still: one is with it, three wait.
      var outcomes: [CommitOutcome] = []
      while outcomes.count < 8, let outcome = await group.next() { outcomes.append(outcome) }
      #expect(outcomes.allSatisfy(isUnavailable))
      #expect(store.statistics.queueDepth == 3)
      isShut.store(false, ordering: .sequentiallyConsistent)
      for _ in rooms { gate.signal() }
      return await group.reduce(into: outcomes) { $0.append($1) }
    }
    #expect(outcomes.count == 12)
    #expect(outcomes.count { $0 == .committed } == 4)
    #expect(store.statistics.queueDepth == 0 && store.statistics.queueBytes == 0)
    #expect(store.statistics.largestGroup == 1)
    await store.close()
  }

  // MARK: Neighbours and damage

  @Test func aNeighbourThatKeepsTheWriteLockMakesTheStoreUnavailableForAsLong() async throws {
    let store = try await open(.shared) { $0.busyTimeout = .milliseconds(20) }
    var writer = Writer(store)
    try await writer.claim(a)
    let neighbour = try RawDatabase(file.path)
    try neighbour.query("BEGIN IMMEDIATE")
    #expect(isUnavailable(await writer.commit(a, 1)))
    await #expect(throws: StoreError.self) { try await store.checkHealth() }
    #expect(try await store.load(a) == nil)
    try neighbour.query("ROLLBACK")
    #expect(await writer.commit(a, 1) == .committed)
    await store.close()
  }

  @Test func aDamagedPageIsSaidToBeDamaged() async throws {
    let store = try await open()
    var writer = Writer(store)
    try await writer.claim(a)
    for number in 1...Int64(100) { await writer.commit(a, number, text: String(repeating: "x", count: 1000)) }
    await store.close()
    let raw = try RawDatabase(file.path)
    let root = try #require(Int(try raw.query("SELECT rootpage FROM sqlite_schema WHERE name = 'journal'")[0]))
    let pageSize = try #require(Int(try raw.query("PRAGMA page_size")[0]))
    let handle = try #require(FileHandle(forWritingAtPath: file.path))
    try handle.seek(toOffset: UInt64((root - 1) * pageSize))
    try handle.write(contentsOf: Data(repeating: 0xEE, count: pageSize))
    try handle.close()

    let damaged = try await open()
    await #expect {
      try await damaged.load(a)
    } throws: { error in
      if case StoreError.corrupt = error { true } else { false }
    }
    writer = Writer(damaged)
    try await writer.claim(a)
    guard case .failed(.corrupt) = await writer.commit(a, 101) else {
      Issue.record("a damaged journal took a commit")
      return
    }
    await damaged.close()
  }

  @Test func aHoleInTheJournalIsSaidToBeDamage() async throws {
    let store = try await open()
    var writer = Writer(store)
    try await writer.claim(a)
    for number in 1...Int64(5) { await writer.commit(a, number) }
    try RawDatabase(file.path).query("DELETE FROM journal WHERE first = 3")
    await #expect {
      try await store.load(a)
    } throws: { error in
      if case StoreError.corrupt = error { true } else { false }
    }
    await store.close()
  }

  /// The memory of where rooms end is no source of truth.
  @Test func whatAnotherConnectionWroteIsSeenBeforeTheNextCommit() async throws {
    let store = try await open()
    var writer = Writer(store)
    try await writer.claim(a)
    #expect(await writer.commit(a, 1) == .committed)
    let raw = try RawDatabase(file.path)
    try raw.query(
      """
      INSERT INTO journal (room, first, count, slot, epoch, at, text)
      SELECT room, 2, 1, slot, epoch, at, '"foreign"' FROM journal
      """)
    #expect(await writer.commit(a, 2) == .conflict)
    #expect(await writer.commit(a, 3) == .committed)
    try raw.query("UPDATE slots SET epoch = epoch + 1")
    #expect(await writer.commit(a, 4) == .stale)
    await store.close()
  }
}

struct FaultyStoreTests {
  @Test func doesAsItIsTold() async throws {
    let file = try TemporaryFile()
    let store = FaultyStore(
      try await SQLiteStore.open(SQLiteConfiguration(path: file.path, history: "first")))
    let a = room("a")
    var writer = Writer(store)
    try await writer.claim(a)
    #expect(await writer.commit(a, 1) == .committed)
    store.behaviour = .answer(.stale)
    #expect(await writer.commit(a, 2) == .stale)
    store.behaviour = .writeAndAnswer(.unknown(.unavailable("lost")))
    #expect(await writer.commit(a, 2) == .unknown(.unavailable("lost")))
    #expect(try await store.load(a)?.head == SequenceNumber(2))
    store.behaviour = .hold
    async let held = writer.commit(a, 3)
    while store.heldCommits.isEmpty { await Task.yield() }
    #expect(try await store.load(a)?.head == SequenceNumber(2))
    #expect(store.releaseOne())
    #expect(await held == .committed)
    #expect(!store.releaseOne())
    store.readError = .unavailable("down")
    await #expect(throws: StoreError.unavailable("down")) { try await store.load(a) }
    store.readError = nil
    store.writeError = .unavailable("down")
    await #expect(throws: StoreError.unavailable("down")) { try await store.checkHealth() }
    #expect(store.submittedCommits == 4)
    await store.close()
  }
}
