import JSONText
import Ordering
import RoomCore
import Rooms
import Store
import StoreTesting
import Synchronization
import Testing
import Wire

/// Files that are whole, and files in which one thing is not.
@Suite(.timeLimit(.minutes(1)))
struct VerificationTests {
  let file: TemporaryFile
  let lunch = room("lunch")

  init() throws { file = try TemporaryFile() }

  func open(_ mode: SQLiteConfiguration.Mode = .exclusive) async throws -> SQLiteStore {
    try await SQLiteStore.open(SQLiteConfiguration(path: file.path, history: "first", mode: mode))
  }

  /// What is wrong with the file.
  func findings(only room: RoomID? = nil) async throws -> [String] {
    let store = try await open(.readOnly)
    let found = Mutex<[String]>([])
    var verification = StoreVerification<OrderLogic>(store) { line in found.withLock { $0.append(line) } }
    try await verification.run(only: room)
    await store.close()
    let lines = found.withLock { $0 }
    #expect(verification.findings == lines.count)
    return lines
  }

  /// An order of five commits: two events, then one each. The snapshot, if any, stands at 4 of 6.
  func serve(_ room: RoomID, with writer: Writer, snapshot: Bool = true) async throws {
    var machine = RoomMachine<OrderLogic>(room: room)
    let (asha, ben) = (ParticipantID("asha"), ParticipantID("ben"))
    let commands: [(ParticipantID, OrderCommand)] = [
      (asha, .join(OrderCommand.Join(name: "Asha", tenant: "t", circle: "c"))),
      (ben, .join(OrderCommand.Join(name: "Ben", tenant: "t", circle: "c"))),
      (ben, .addItem(OrderCommand.NewItem(id: "i", dishName: "Dal", dishType: .veg, quantity: 2, price: 9))),
      (asha, .updateQuantity(id: "i", quantity: 3)),
      (ben, .ready(true)),
    ]
    for (index, (participant, command)) in commands.enumerated() {
      let operation = Operation(
        id: OperationID(participant: participant, value: "\(index)"), after: machine.head, command: command)
      let now = Timestamp(millis: 1_700_000_000_000 + Int64(index) * 1000)
      guard case .accepted(let records) = machine.decide(operation, context: TenantContext(), now: now) else {
        Issue.record("\(command) is not accepted")
        return
      }
      for record in records { machine.apply(record) }
      machine.settle()
      let due = OrderLogic.timerDue(machine.state)
      let outcome = await writer.commit(
        room, records[0].sequence.number, count: records.count,
        text: String(decoding: JournalText.write(records), as: UTF8.self), at: now.millis,
        timer: index == 0 ? due.map { .set($0) } ?? .keep : .keep)
      #expect(outcome == .committed)
      if snapshot, machine.head == SequenceNumber(4) {
        #expect(try await writer.save(room, at: 4, text: String(decoding: machine.snapshot(), as: UTF8.self)))
      }
    }
  }

  func write(snapshot: Bool = true) async throws {
    let store = try await open()
    var writer = Writer(store)
    // A slot that has changed hands, so that an older epoch is still an epoch.
    try await writer.claim(lunch)
    try await writer.claim(lunch)
    try await serve(lunch, with: writer, snapshot: snapshot)
    await store.close()
  }

  @Test(arguments: [true, false])
  func aWholeFileIsClean(snapshot: Bool) async throws {
    try await write(snapshot: snapshot)
    #expect(try await findings() == [])
    #expect(try await findings(only: lunch) == [])
  }

  @Test func aFileIsCleanWhileAServerHasIt() async throws {
    let store = try await open()
    var writer = Writer(store)
    try await writer.claim(Slot.all)
    for number in 0..<20 { try await serve(room("room-\(number)"), with: writer, snapshot: number % 2 == 0) }
    #expect(try await findings() == [])
    await store.close()
  }

  @Test func aTrimmedJournalIsClean() async throws {
    let store = try await open()
    var writer = Writer(store)
    try await writer.claim(lunch)
    try await serve(lunch, with: writer)
    #expect(try await store.trimJournal(before: Timestamp(millis: .max), in: writer.epochs, limit: 9) == 3)
    await store.close()
    #expect(try await findings() == [])
    // The first row that is left goes as well.
    try RawDatabase(file.path).query("DELETE FROM journal WHERE first = 5")
    #expect(try await findings() == ["room lunch: the journal begins at 6, and nothing covers what comes before"])
  }

  @Test func anImportedRoomIsCleanAndStaysSo() async throws {
    try await write()
    var store = try await open()
    let content = try #require(try await store.load(lunch))
    await store.close()
    let other = try VerificationTests()
    store = try await other.open()
    try await store.importRoom(lunch, content, timer: content.timer)
    await store.close()
    #expect(try await other.findings() == [])
    store = try await other.open()
    var writer = Writer(store)
    try await writer.claim(lunch)
    await writer.commit(lunch, 7, text: #"[{"at":1800000000000,"event":{"type":"unchanged"}}]"#, at: 1_800_000_000_000)
    await store.close()
    #expect(try await other.findings() == [])
  }

  @Test func aRoomThatIsNotThereIsNoFinding() async throws {
    try await write()
    await #expect(throws: StoreError.refused("there is no room supper")) { try await findings(only: room("supper")) }
  }

  struct Damage: CustomTestStringConvertible, Sendable {
    let sql: String
    /// What each finding about the room begins with.
    let findings: [String]
    var testDescription: String { sql }

    init(_ sql: String, _ findings: String...) {
      self.sql = sql
      self.findings = findings
    }
  }

  @Test(
    "damage of each kind is found",
    arguments: [
      Damage(
        "DELETE FROM journal WHERE first = 3", "the journal has a gap: it goes from 2 to 4"),
      Damage(
        "DELETE FROM journal WHERE first = 5", "the journal has a gap: it goes from 4 to 6"),
      Damage("UPDATE journal SET first = -1 WHERE first = 1", "the journal begins at -1", "the journal has a gap"),
      Damage(
        """
        DROP INDEX journal_by_room;
        INSERT INTO journal (room, first, count, slot, epoch, at, text)
          SELECT room, first, count, slot, epoch, at, text FROM journal WHERE first = 4;
        """, "the journal has positions twice: a row ends at 4, and the next begins at 4"),
      Damage(
        "UPDATE journal SET count = 3 WHERE first = 1", "the row at 1 says that it has 3 events, and has 2",
        "the journal has positions twice: a row ends at 3, and the next begins at 3"),
      Damage(
        "UPDATE journal SET count = 0 WHERE first = 6", "the row at 6 has 0 events",
        "the row at 6 says that it has 0 events, and has 1"),
      Damage("UPDATE journal SET epoch = 1 WHERE first = 5", "epochs go back: the row at 5 is of 1, after 2"),
      Damage(
        "UPDATE journal SET epoch = 3 WHERE first = 6", "the row at 6 is of epoch 3, which the slot has not reached"),
      Damage("UPDATE journal SET at = 5 WHERE first = 4", "time goes back: the row at 4 is of 5ms"),
      Damage("UPDATE journal SET slot = 7 WHERE first = 4", "the row at 4 is in slot 7"),
      Damage("UPDATE journal SET text = substr(text, 2) WHERE first = 4", "the row at 4 cannot be read: an array was"),
      Damage(
        #"UPDATE journal SET text = replace(text, 'ready_changed', 'ready_chanted') WHERE first = 6"#,
        "the row at 6 cannot be read: 'ready_chanted' is no type of event"),
      Damage("UPDATE journal SET text = replace(text, 'Dal', 'Dosa') WHERE first = 4", "its snapshot at 4 is not what"),
      Damage(
        "UPDATE snapshots SET text = replace(text, 'Ben', 'Bob')", "its snapshot at 4 is not what the journal gives"),
      Damage("UPDATE snapshots SET text = '{'", "its snapshot cannot be read: "),
      Damage("UPDATE snapshots SET sequence = 5", "its snapshot at 5 says that it is at 4"),
      Damage(
        "DELETE FROM journal WHERE first > 2", "its snapshot at 4 lies beyond the journal, which ends at 2"),
      Damage("DELETE FROM journal; DELETE FROM snapshots", "it has neither a snapshot nor a journal"),
      Damage("DELETE FROM timers", "it has no timer, and wants to be woken at 1700086404000ms"),
      Damage("UPDATE timers SET due = due * 2", "its timer is at 3400172800000ms, and it wants to be woken at"),
      Damage("UPDATE timers SET slot = 3", "its timer is in slot 3"),
      Damage(
        "UPDATE rooms SET slot = 3; UPDATE journal SET slot = 3; UPDATE timers SET slot = 3",
        "it is in slot 3, and its name belongs into", "the row at 1 is of epoch 2, which the slot has not reached",
        "the row at 3 is of epoch 2", "the row at 4 is of epoch 2", "the row at 5 is of epoch 2",
        "the row at 6 is of epoch 2"),
    ])
  func finds(_ damage: Damage) async throws {
    try await write()
    let raw = try RawDatabase(file.path)
    for statement in damage.sql.split(separator: ";") { try raw.query(String(statement)) }
    let found = try await findings()
    #expect(found.count == damage.findings.count, "\(found)")
    for (finding, expected) in zip(found, damage.findings) {
      #expect(finding.hasPrefix("room lunch: " + expected))
    }
  }

  @Test func aTimerOfAnOrderThatHasEndedIsFound() async throws {
    let store = try await open()
    var writer = Writer(store)
    try await writer.claim(lunch)
    try await serve(lunch, with: writer, snapshot: false)
    let end = #"[{"at":1800000000000,"event":{"type":"order_cancelled"}}]"#
    await writer.commit(lunch, 7, text: end, at: 1_800_000_000_000)
    await store.close()
    #expect(try await findings() == ["room lunch: its timer is at 1700086400000ms, and it never wants to be woken"])
  }

  @Test func aNameThatIsNoneIsFound() async throws {
    try await write()
    try RawDatabase(file.path).query("UPDATE rooms SET name = 'a room'")
    #expect(try await findings() == ["room a room: its name is no name of a room"])
  }

  @Test func whatBelongsToNoRoomIsFound() async throws {
    try await write()
    let raw = try RawDatabase(file.path)
    let key = try #require(try raw.query("SELECT id FROM rooms").first)
    try raw.query("DELETE FROM rooms")
    #expect(
      try await findings()
        == ["journal", "snapshots", "timers"].map {
          "the file: \($0): there is something of a room \(key), which does not exist"
        })
  }

  /// "SQLite's own check": an index that lies.
  @Test func aDamagedPageIsFound() async throws {
    try await write()
    let raw = try RawDatabase(file.path)
    // The root of the journal's index becomes that of the timers': the counts no longer agree.
    for statement in [
      "PRAGMA writable_schema = ON",
      "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'timers_by_due') "
        + "WHERE name = 'journal_by_room'",
    ] {
      try raw.query(statement)
    }
    let found = try await findings()
    #expect(found.contains { $0.hasPrefix("the file: ") }, "\(found)")
  }
}
