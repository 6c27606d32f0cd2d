import RoomCore
import Store
import StoreTesting
import Synchronization

/// A store whose reads and snapshots can be held back, and whose calls can be waited for; its commits are those of the
/// `FaultyStore` inside.
final class GatedStore: RoomStore {
  enum Gate: Hashable, CaseIterable { case load, journal, snapshot, timer, deletion }

  private struct State {
    var closed: Set<Gate> = []
    var waiting: [Gate: [CheckedContinuation<Void, Never>]] = [:]
    var calls: [Gate: Int] = [:]
    var plan: [FaultyStore.CommitBehaviour] = []
  }

  let faults: FaultyStore
  private let bell: Bell
  private let state = Mutex(State())

  init(_ inner: any RoomStore, bell: Bell) {
    faults = FaultyStore(inner)
    self.bell = bell
  }

  func close(_ gate: Gate) { state.withLock { _ = $0.closed.insert(gate) } }

  func open(_ gate: Gate) {
    let waiting = state.withLock { state in
      state.closed.remove(gate)
      return state.waiting.removeValue(forKey: gate) ?? []
    }
    for continuation in waiting { continuation.resume() }
  }

  /// Lets the last one at a closed gate through, past those before it.
  func passLast(at gate: Gate) {
    let last = state.withLock { $0.waiting[gate]?.popLast() }
    last?.resume()
  }

  func waiting(at gate: Gate) -> Int { state.withLock { $0.waiting[gate]?.count ?? 0 } }
  func calls(at gate: Gate) -> Int { state.withLock { $0.calls[gate, default: 0] } }

  /// What becomes of the next commits, one by one; those after them pass.
  func plan(_ behaviours: FaultyStore.CommitBehaviour...) { state.withLock { $0.plan += behaviours } }

  var plannedCount: Int { state.withLock { $0.plan.count } }

  func forgetPlan() { state.withLock { $0.plan = [] } }

  private func pass(_ gate: Gate) async {
    await withCheckedContinuation { continuation in
      let isOpen = state.withLock { state in
        state.calls[gate, default: 0] += 1
        guard state.closed.contains(gate) else { return true }
        state.waiting[gate, default: []].append(continuation)
        return false
      }
      bell.ring()
      if isOpen { continuation.resume() }
    }
  }

  // MARK: The store

  var identity: StoreIdentity { faults.identity }
  var statistics: StoreStatistics { faults.statistics }

  func commit(_ commit: RoomCommit, completion: @escaping @Sendable (CommitOutcome) -> Void) {
    let planned = state.withLock { $0.plan.isEmpty ? nil : $0.plan.removeFirst() }
    switch planned {
    case .answer(let outcome):
      commit.lane.post { completion(outcome) }
    case .writeAndAnswer(let outcome): faults.commit(commit) { _ in completion(outcome) }
    case .pass, .hold, nil: faults.commit(commit, completion: completion)
    }
    bell.ring()
  }

  func load(_ room: RoomID) async throws(StoreError) -> StoredRoom? {
    await pass(.load)
    return try await faults.load(room)
  }

  func journal(
    of room: RoomID, after: SequenceNumber, through: SequenceNumber
  ) async throws(StoreError) -> [JournalRow]? {
    await pass(.journal)
    return try await faults.journal(of: room, after: after, through: through)
  }

  func saveSnapshot(_ snapshot: RoomSnapshot, slot: Slot, epoch: Epoch) async throws(StoreError) -> Bool {
    await pass(.snapshot)
    return try await faults.saveSnapshot(snapshot, slot: slot, epoch: epoch)
  }

  func setTimer(_ due: Timestamp?, of room: RoomID, slot: Slot, epoch: Epoch) async throws(StoreError) -> Bool {
    await pass(.timer)
    return try await faults.setTimer(due, of: room, slot: slot, epoch: epoch)
  }

  func claim(_ claims: [SlotClaim], for node: NodeID) async throws(StoreError) -> [Slot: Epoch] {
    try await faults.claim(claims, for: node)
  }

  func release(_ slots: [Slot: Epoch]) async throws(StoreError) { try await faults.release(slots) }
  func slots() async throws(StoreError) -> [SlotRecord] { try await faults.slots() }

  func beat(_ node: NodeID, address: String, pid: Int32) async throws(StoreError) {
    try await faults.beat(node, address: address, pid: pid)
  }

  func nodes() async throws(StoreError) -> [NodeRecord] { try await faults.nodes() }

  func forget(_ node: NodeID) async throws(StoreError) { try await faults.forget(node) }

  func trimJournal(before time: Timestamp, in slots: [Slot: Epoch], limit: Int) async throws(StoreError) -> Int {
    try await faults.trimJournal(before: time, in: slots, limit: limit)
  }

  func deleteRoom(
    _ room: RoomID, endingAt head: SequenceNumber, slot: Slot, epoch: Epoch
  ) async throws(StoreError) -> Bool {
    await pass(.deletion)
    return try await faults.deleteRoom(room, endingAt: head, slot: slot, epoch: epoch)
  }

  func dueTimers(
    at now: Timestamp, in slots: [Slot: Epoch], after: DueTimer?, limit: Int
  ) async throws(StoreError) -> [DueTimer] {
    try await faults.dueTimers(at: now, in: slots, after: after, limit: limit)
  }

  func rooms(after: RoomID?, limit: Int) async throws(StoreError) -> [RoomSummary] {
    try await faults.rooms(after: after, limit: limit)
  }

  func importRoom(_ room: RoomID, _ content: StoredRoom, timer: Timestamp?) async throws(StoreError) {
    try await faults.importRoom(room, content, timer: timer)
  }

  func checkHealth() async throws(StoreError) { try await faults.checkHealth() }
  func close() async { await faults.close() }
}
