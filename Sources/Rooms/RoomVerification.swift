import JSONText
public import RoomCore
public import Store

/// Checks what a store has of one room: that its journal goes on without a gap and can be read, that its snapshot says
/// what the journal says, that it will be woken in time.
///
/// Two machines are carried along as the rows pass by, one from the room's first event and one from its snapshot. They
/// must agree where the snapshot stands. Rows that the snapshot covers are deleted after a time; then only the second
/// machine is left.
public struct RoomVerification<Logic: RoomLogic>: RoomInspector {
  public private(set) var findings: [String] = []
  /// How many events were seen.
  public private(set) var eventCount: Int64 = 0
  public var name: String { room.name }

  private typealias Machine = RoomMachine<Logic>

  private let room: InspectedRoom
  /// As it was read.
  private let snapshot: Machine?
  private var fromStart: Machine?
  private var fromSnapshot: Machine?
  private var last: InspectedRow?

  public init(_ room: InspectedRoom) {
    self.room = room
    guard let id = RoomID(room.name) else {
      snapshot = nil
      findings.append("its name is no name of a room")
      return
    }
    fromStart = Machine(room: id)
    do throws(JSONError) {
      snapshot = try room.snapshot.map { stored throws(JSONError) in try Machine(room: id, snapshot: stored.text) }
    } catch {
      snapshot = nil
      findings.append("its snapshot cannot be read: \(error)")
    }
    fromSnapshot = snapshot
    checkPlace(of: id)
  }

  private mutating func checkPlace(of id: RoomID) {
    let slot = Slot(of: id).number
    if room.slot != slot { findings.append("it is in slot \(room.slot), and its name belongs into \(slot)") }
    if let timer = room.timer, timer.slot != room.slot {
      findings.append("its timer is in slot \(timer.slot), and the room in \(room.slot)")
    }
    if let snapshot, let stored = room.snapshot, snapshot.head != stored.sequence {
      findings.append("its snapshot at \(stored.sequence) says that it is at \(snapshot.head)")
      fromSnapshot = nil
    }
  }

  // MARK: - Rows

  public mutating func visit(_ row: InspectedRow) {
    if row.count < 1 { findings.append("the row at \(row.first) has \(row.count) events") }
    checkPosition(of: row)
    checkOrigin(of: row)
    replay(row)
    eventCount += max(row.count, 0)
    last = row
  }

  private mutating func checkPosition(of row: InspectedRow) {
    guard let last else {
      let start = room.snapshot?.sequence ?? .zero
      if row.first <= .zero || row.first > start.next {
        findings.append("the journal begins at \(row.first), and nothing covers what comes before")
      }
      return
    }
    if row.first > last.last.next {
      findings.append("the journal has a gap: it goes from \(last.last) to \(row.first)")
    } else if row.first < last.last.next {
      findings.append(
        "the journal has positions twice: a row ends at \(last.last), and the next begins at \(row.first)")
    }
  }

  private mutating func checkOrigin(of row: InspectedRow) {
    if row.slot != room.slot {
      findings.append("the row at \(row.first) is in slot \(row.slot), and the room in \(room.slot)")
    }
    if let last, row.epoch < last.epoch {
      findings.append("epochs go back: the row at \(row.first) is of \(row.epoch), after \(last.epoch)")
    }
    if let epoch = room.slotEpoch, row.epoch > epoch {
      findings.append(
        "the row at \(row.first) is of epoch \(row.epoch), which the slot has not reached: it is at \(epoch)")
    }
    if let last, row.at < last.at {
      findings.append("time goes back: the row at \(row.first) is of \(row.at), after \(last.at)")
    }
  }

  private mutating func replay(_ row: InspectedRow) {
    let records: [Recorded<Logic.Event>]
    do throws(JSONError) {
      records = try JournalText.read(row.text, from: row.first)
    } catch {
      findings.append("the row at \(row.first) cannot be read: \(error)")
      // What follows is replayed by nobody, and needs no finding of its own.
      return
    }
    if Int64(records.count) != row.count {
      findings.append("the row at \(row.first) says that it has \(row.count) events, and has \(records.count)")
    }
    for record in records {
      Self.apply(record, to: &fromStart)
      Self.apply(record, to: &fromSnapshot)
      compareWithSnapshot(after: record)
    }
    fromStart?.settle()
    fromSnapshot?.settle()
  }

  /// What does not follow was found to be a gap, or was there before.
  private static func apply(_ record: Recorded<Logic.Event>, to machine: inout Machine?) {
    guard let head = machine?.head, record.sequence == head.next else { return }
    machine?.apply(record)
  }

  private mutating func compareWithSnapshot(after record: Recorded<Logic.Event>) {
    guard let snapshot, var replayed = fromStart, record.sequence == snapshot.head, replayed.head == snapshot.head
    else { return }
    replayed.settle()
    // Both as this version writes them, as the text may be of an older one.
    if replayed.snapshot() == snapshot.snapshot() {
      fromSnapshot = nil
    } else {
      findings.append("its snapshot at \(snapshot.head) is not what the journal gives")
    }
  }

  // MARK: - The end

  /// - Returns: all findings, when the last row was visited.
  public mutating func finish() -> [String] {
    let end = last?.last
    if let stored = room.snapshot {
      if let end, end < stored.sequence {
        findings.append("its snapshot at \(stored.sequence) lies beyond the journal, which ends at \(end)")
      }
      if stored.sequence < SequenceNumber(1) { findings.append("its snapshot is at \(stored.sequence)") }
    } else if last == nil {
      findings.append("it has neither a snapshot nor a journal")
      return findings
    }
    // Whose state is in doubt already has no timer that could be right or wrong.
    let head = max(end ?? .zero, room.snapshot?.sequence ?? .zero)
    if let machine = [fromStart, fromSnapshot].compactMap({ $0 }).first(where: { $0.head == head }) {
      checkTimer(of: machine)
    }
    return findings
  }

  /// The store's timer is a lower bound of the room's own.
  private mutating func checkTimer(of machine: Machine) {
    switch (Logic.timerDue(machine.state), room.timer?.due) {
    case (let wanted?, nil): findings.append("it has no timer, and wants to be woken at \(wanted)")
    case (let wanted?, let armed?) where armed > wanted:
      findings.append("its timer is at \(armed), and it wants to be woken at \(wanted)")
    case (nil, let armed?): findings.append("its timer is at \(armed), and it never wants to be woken")
    default: break
    }
  }
}

/// Checks a whole file, or one room of it, while a server runs on it or not. Rooms are visited one by one, and the rows
/// of each one by one, so the memory that this takes is that of the largest room's state.
public struct StoreVerification<Logic: RoomLogic> {
  public private(set) var rooms = 0
  public private(set) var events: Int64 = 0
  public private(set) var findings = 0
  private let store: SQLiteStore
  private let report: (String) -> Void

  /// - Parameter report: is told each finding, a line each.
  public init(_ store: SQLiteStore, report: @escaping (String) -> Void) {
    self.store = store
    self.report = report
  }

  public var summary: String { "rooms: \(rooms), events in the journal: \(events), findings: \(findings)" }

  /// - Throws: only if the store cannot be read at all; damage is a finding.
  public mutating func run(only room: RoomID? = nil) async throws(StoreError) {
    try await finding("the file") { verification throws(StoreError) in
      for problem in try await verification.store.inspectFile() { verification.found("the file: \(problem)") }
    }
    if let room {
      guard let key = try await store.roomKey(of: room) else { throw .refused("there is no room \(room)") }
      return try await check(key)
    }
    try await finding("the file") { verification throws(StoreError) in
      var last = Int64.min
      while true {
        let keys = try await verification.store.roomKeys(after: last, limit: 500)
        for key in keys { try await verification.check(key) }
        guard let end = keys.last else { return }
        last = end
      }
    }
  }

  private mutating func check(_ key: Int64) async throws(StoreError) {
    try await finding("room number \(key)") { verification throws(StoreError) in
      let inspected = try await verification.store.inspect(key, with: RoomVerification<Logic>.self)
      guard var inspected else { return }
      for finding in inspected.finish() { verification.found("room \(inspected.name): \(finding)") }
      verification.rooms += 1
      verification.events += inspected.eventCount
    }
  }

  private mutating func found(_ line: String) {
    findings += 1
    report(line)
  }

  /// Does what may come upon damage, which is then a finding about `subject`.
  private mutating func finding(
    _ subject: String, _ body: (inout StoreVerification) async throws(StoreError) -> Void
  ) async throws(StoreError) {
    do throws(StoreError) {
      try await body(&self)
    } catch {
      guard case .corrupt(let reason) = error else { throw error }
      found("\(subject): \(reason)")
    }
  }
}
