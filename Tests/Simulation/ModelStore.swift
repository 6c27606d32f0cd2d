import Ordering
import RoomCore
import Store
import TestSupport

/// What a store is to a cluster: journals, snapshots, timers, slots with epochs and heartbeats, each call done at one
/// moment. It holds the cluster to its promises as well: whatever breaks one is written down.
final class ModelStore: @unchecked Sendable {
  // Unchecked: touched by the scheduler's thread only.

  struct Weather {
    var delay: ClosedRange<Int64> = 300_000...2_000_000
    /// Of 100 calls: done, or not done, and not answered as they should be.
    var failurePercent = 0
    var lostAnswerPercent = 0
    /// Processes that cannot reach it.
    var unreachable: Set<String> = []
  }

  struct Room {
    let slot: Slot
    var journal: [JournalRow] = []
    var events: [Recorded<OrderEvent>] = []
    var snapshot: RoomSnapshot?
    var timer: Timestamp?
    /// What each operation became: the positions of its events.
    var causes: [OperationID: [SequenceNumber]] = [:]
    /// How often a dish was added.
    var dishes: [String: Int] = [:]

    var head: SequenceNumber { journal.last?.last ?? .zero }
  }

  let scheduler: Scheduler
  var weather = Weather()
  var mutant: Mutant?
  private(set) var slots = Slot.all.map { SlotRecord(slot: $0, epoch: .zero, owner: nil) }
  private(set) var rooms: [RoomID: Room] = [:]
  private var heartbeats: [NodeID: (address: String, pid: Int32, at: Int64)] = [:]
  private var chance: SplitMix64

  /// Commits that were refused because their epoch was over.
  private(set) var fenced = 0
  private(set) var commits = 0
  private(set) var claims = 0
  private(set) var refusedClaims = 0
  /// Who has written under each epoch of a slot.
  private var writers: [Slot: [Epoch: NodeID]] = [:]
  var violation: (String) -> Void = { _ in }

  init(seed: UInt64, scheduler: Scheduler) {
    chance = SplitMix64(seed: seed)
    self.scheduler = scheduler
  }

  func delay() -> Int64 { Int64.random(in: weather.delay, using: &chance) }
  func happens(_ percent: Int) -> Bool { percent > 0 && chance.chance(percent, in: 100) }

  // MARK: - Ownership

  func claim(_ wanted: [SlotClaim], for node: NodeID) -> [Slot: Epoch] {
    var won: [Slot: Epoch] = [:]
    for claim in wanted {
      let row = slots[claim.slot.number]
      guard row.epoch == claim.expected else {
        refusedClaims += 1
        continue
      }
      let epoch = mutant == .claimWithoutBump && row.epoch > .zero ? row.epoch : row.epoch.next
      slots[claim.slot.number] = SlotRecord(slot: row.slot, epoch: epoch, owner: node)
      won[claim.slot] = epoch
      claims += 1
    }
    return won
  }

  func release(_ given: [Slot: Epoch]) {
    for (slot, epoch) in given where slots[slot.number].epoch == epoch {
      slots[slot.number] = SlotRecord(slot: slot, epoch: epoch, owner: nil)
    }
  }

  func isCurrent(_ slot: Slot, _ epoch: Epoch) -> Bool {
    slots[slot.number].epoch == epoch || mutant == .epochNotChecked
  }

  // MARK: - Heartbeats

  func beat(_ node: NodeID, address: String, pid: Int32) { heartbeats[node] = (address, pid, scheduler.now) }
  func forget(_ node: NodeID) { heartbeats[node] = nil }

  var nodes: [NodeRecord] {
    heartbeats.sorted { $0.key.name < $1.key.name }.map { node, beat in
      NodeRecord(node: node, address: beat.address, pid: beat.pid, age: .nanoseconds(scheduler.now - beat.at))
    }
  }

  // MARK: - Rooms

  func commit(_ commit: RoomCommit, by node: NodeID) -> CommitOutcome {
    var room = rooms[commit.room] ?? Room(slot: commit.slot)
    let row = JournalRow(
      first: commit.first, count: commit.count, epoch: commit.epoch, at: commit.at, text: commit.text)
    guard isCurrent(commit.slot, commit.epoch) else {
      fenced += 1
      return .stale
    }
    guard commit.first == room.head.next else {
      return room.journal.last == row ? .committed : .conflict
    }
    check(commit, by: node)
    room.journal.append(row)
    add(commit, to: &room)
    switch commit.timer {
    case .keep: break
    case .set(let due): room.timer = due
    case .clear: room.timer = nil
    }
    rooms[commit.room] = room
    commits += 1
    return .committed
  }

  /// One writer: whoever writes owns the slot, and under one epoch it is always the same.
  private func check(_ commit: RoomCommit, by node: NodeID) {
    let row = slots[commit.slot.number]
    if row.epoch != commit.epoch || (row.owner != nil && row.owner != node) {
      violation(
        "\(node.name) writes to \(commit.room) at \(commit.epoch), which is \(row.owner?.name ?? "nobody")'s at \(row.epoch)"
      )
    }
    let writer = writers[commit.slot]?[commit.epoch]
    if let writer, writer != node { violation("\(writer.name) and \(node.name) both write at \(commit.epoch)") }
    writers[commit.slot, default: [:]][commit.epoch] = node
  }

  /// Exactly once: no operation has events in two commits.
  private func add(_ commit: RoomCommit, to room: inout Room) {
    do {
      let records: [Recorded<OrderEvent>] = try JournalText.read(commit.text, from: commit.first)
      var new: [OperationID: [SequenceNumber]] = [:]
      for record in records {
        room.events.append(record)
        if case .itemAdded(let item, _) = record.event { room.dishes[item.dishName, default: 0] += 1 }
        if let cause = record.cause { new[cause.operation, default: []].append(record.sequence) }
      }
      for (operation, positions) in new {
        if let earlier = room.causes[operation] {
          violation("\(operation) is applied at \(earlier) and at \(positions) of \(commit.room)")
        }
        room.causes[operation] = positions
      }
    } catch {
      violation("the journal of \(commit.room) cannot be read: \(error)")
    }
  }

  func load(_ id: RoomID) -> StoredRoom? {
    guard let room = rooms[id] else { return nil }
    if mutant == .dedupForgotten {
      return StoredRoom(snapshot: nil, journal: room.journal.map(Self.withoutCauses), timer: room.timer)
    }
    let rows = room.journal.filter { $0.last > (room.snapshot?.sequence ?? .zero) }
    return StoredRoom(snapshot: room.snapshot, journal: rows, timer: room.timer)
  }

  private static func withoutCauses(_ row: JournalRow) -> JournalRow {
    do {
      let records: [Recorded<OrderEvent>] = try JournalText.read(row.text, from: row.first)
      let bare = records.map { Recorded(sequence: $0.sequence, at: $0.at, cause: nil, event: $0.event) }
      return JournalRow(
        first: row.first, count: row.count, epoch: row.epoch, at: row.at, text: JournalText.write(bare))
    } catch {
      preconditionFailure("a journal that was read before cannot be read: \(error)")
    }
  }

  func journal(of id: RoomID, after: SequenceNumber, through: SequenceNumber) -> [JournalRow] {
    rooms[id]?.journal.filter { $0.last > after && $0.first <= through } ?? []
  }

  func saveSnapshot(_ snapshot: RoomSnapshot, _ slot: Slot, _ epoch: Epoch) throws(StoreError) -> Bool {
    guard isCurrent(slot, epoch) else { return false }
    guard let room = rooms[snapshot.room], room.slot == slot, room.head >= snapshot.sequence else {
      throw .refused("the room ends before the snapshot")
    }
    if snapshot.sequence > (room.snapshot?.sequence ?? .zero) { rooms[snapshot.room]?.snapshot = snapshot }
    return true
  }

  func dueTimers(at now: Timestamp, in owned: [Slot: Epoch], after: DueTimer?, limit: Int) -> [DueTimer] {
    let due = rooms.compactMap { id, room -> DueTimer? in
      guard let timer = room.timer, timer <= now, let epoch = owned[room.slot], isCurrent(room.slot, epoch) else {
        return nil
      }
      return DueTimer(room: id, due: timer)
    }
    let sorted = due.sorted { ($0.due, $0.room) < ($1.due, $1.room) }
    return Array(
      sorted.filter { timer in after.map { ($0.due, $0.room) < (timer.due, timer.room) } ?? true }.prefix(limit))
  }

  func setTimer(_ due: Timestamp?, of id: RoomID, _ slot: Slot, _ epoch: Epoch) throws(StoreError) -> Bool {
    guard isCurrent(slot, epoch) else { return false }
    guard rooms[id] != nil else { throw .refused("there is no room \(id)") }
    rooms[id]?.timer = due
    return true
  }
}

/// One process's way to the store. What was sent arrives, whatever becomes of the process; what comes back waits for it.
final class StoreClient: RoomStore, @unchecked Sendable {
  // Unchecked: touched by the scheduler's thread only.
  let identity = StoreIdentity(cluster: "simulation", history: "simulated")
  private let store: ModelStore
  private let life: Life
  private let node: NodeID
  /// When the last commit arrives: one overtakes no other.
  private var arrivesAt: Int64 = 0

  init(_ store: ModelStore, for node: NodeID, life: Life) {
    self.store = store
    self.node = node
    self.life = life
  }

  var statistics: StoreStatistics { StoreStatistics() }

  private var scheduler: Scheduler { store.scheduler }
  private var isCutOff: Bool { store.weather.unreachable.contains(life.name) }
  private static let timeout: Int64 = 500_000_000

  /// Does something at the store and comes back.
  private func ask<Answer>(_ body: @escaping () throws(StoreError) -> Answer) async throws(StoreError) -> Answer {
    let result = await withUnsafeContinuation {
      (continuation: UnsafeContinuation<Boxed<Result<Answer, StoreError>>, Never>) in
      let fails = isCutOff || store.happens(store.weather.failurePercent)
      let (there, back) = (store.delay(), store.delay())
      scheduler.after(fails ? Self.timeout : there) { [self] in
        let answer: Result<Answer, StoreError>
        let isLost = !fails && (isCutOff || store.happens(store.weather.lostAnswerPercent))
        if fails {
          answer = .failure(.unavailable("it cannot be reached"))
        } else {
          let done = Result { () throws(StoreError) in try body() }
          answer = isLost ? .failure(.unavailable("its answer was lost")) : done
        }
        let boxed = Boxed(answer)
        scheduler.after(isLost ? Self.timeout : back, as: life) { continuation.resume(returning: boxed) }
      }
    }
    return try result.value.get()
  }

  /// One thread has it at a time.
  private struct Boxed<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
  }

  func commit(_ commit: RoomCommit, completion: @escaping @Sendable (CommitOutcome) -> Void) {
    let fails = isCutOff || store.happens(store.weather.failurePercent)
    arrivesAt = max(arrivesAt, scheduler.now + (fails ? Self.timeout : store.delay()))
    if store.mutant == .ackBeforeCommit { commit.lane.post { completion(.committed) } }
    scheduler.after(arrivesAt - scheduler.now) { [self] in
      let isLost = !fails && (isCutOff || store.happens(store.weather.lostAnswerPercent))
      let outcome: CommitOutcome =
        if fails {
          .failed(.unavailable("it cannot be reached"))
        } else {
          store.commit(commit, by: node)
        }
      let told: CommitOutcome =
        if !isLost {
          outcome
        } else if store.mutant == .unknownIsFailure {
          .failed(.unavailable("its answer was lost"))
        } else {
          .unknown(.unavailable("its answer was lost"))
        }
      guard store.mutant != .ackBeforeCommit else { return }
      scheduler.after(isLost ? Self.timeout : store.delay(), as: life) { commit.lane.post { completion(told) } }
    }
  }

  func claim(_ claims: [SlotClaim], for node: NodeID) async throws(StoreError) -> [Slot: Epoch] {
    try await ask { [store] () throws(StoreError) in store.claim(claims, for: node) }
  }

  func release(_ slots: [Slot: Epoch]) async throws(StoreError) {
    try await ask { [store] () throws(StoreError) in store.release(slots) }
  }

  func slots() async throws(StoreError) -> [SlotRecord] {
    try await ask { [store] () throws(StoreError) in store.slots }
  }

  func beat(_ node: NodeID, address: String, pid: Int32) async throws(StoreError) {
    try await ask { [store] () throws(StoreError) in store.beat(node, address: address, pid: pid) }
  }

  func nodes() async throws(StoreError) -> [NodeRecord] {
    try await ask { [store] () throws(StoreError) in store.nodes }
  }

  func forget(_ node: NodeID) async throws(StoreError) {
    try await ask { [store] () throws(StoreError) in store.forget(node) }
  }

  func load(_ room: RoomID) async throws(StoreError) -> StoredRoom? {
    try await ask { [store] () throws(StoreError) in store.load(room) }
  }

  func journal(
    of room: RoomID, after: SequenceNumber, through: SequenceNumber
  ) async throws(StoreError) -> [JournalRow]? {
    try await ask { [store] () throws(StoreError) in store.journal(of: room, after: after, through: through) }
  }

  func saveSnapshot(_ snapshot: RoomSnapshot, slot: Slot, epoch: Epoch) async throws(StoreError) -> Bool {
    try await ask { [store] () throws(StoreError) in try store.saveSnapshot(snapshot, slot, epoch) }
  }

  func dueTimers(
    at now: Timestamp, in slots: [Slot: Epoch], after: DueTimer?, limit: Int
  ) async throws(StoreError) -> [DueTimer] {
    try await ask { [store] () throws(StoreError) in store.dueTimers(at: now, in: slots, after: after, limit: limit) }
  }

  func setTimer(_ due: Timestamp?, of room: RoomID, slot: Slot, epoch: Epoch) async throws(StoreError) -> Bool {
    try await ask { [store] () throws(StoreError) in try store.setTimer(due, of: room, slot, epoch) }
  }

  // MARK: - What nodes do not ask for in a simulated minute

  func trimJournal(before time: Timestamp, in slots: [Slot: Epoch], limit: Int) async throws(StoreError) -> Int { 0 }

  func deleteRoom(
    _ room: RoomID, endingAt head: SequenceNumber, slot: Slot, epoch: Epoch
  ) async throws(StoreError) -> Bool { throw .refused("nothing is deleted in a simulation") }

  func rooms(after: RoomID?, limit: Int) async throws(StoreError) -> [RoomSummary] { [] }

  func importRoom(_ room: RoomID, _ content: StoredRoom, timer: Timestamp?) async throws(StoreError) {
    throw .refused("nothing is imported in a simulation")
  }

  func checkHealth() async throws(StoreError) {}
  func close() async {}
}
