package import RoomCore
package import Store
internal import Synchronization

/// A store that does as it is told: passes calls on to another, holds commits back, refuses them, or forgets to say
/// what became of them.
package final class FaultyStore: RoomStore {
  package enum CommitBehaviour: Sendable {
    case pass
    /// Kept, in order, until the behaviour is changed or `releaseOne` is called.
    case hold
    /// Not passed on; told this.
    case answer(CommitOutcome)
    /// Passed on; whatever comes of it, told this.
    case writeAndAnswer(CommitOutcome)
  }

  private struct State {
    var behaviour = CommitBehaviour.pass
    var held: [Held] = []
    var submitted = 0
    var readError: StoreError?
    var journalGate: (@Sendable () async -> Void)?
    var writeError: StoreError?
  }

  private struct Held: Sendable {
    let commit: RoomCommit
    let completion: @Sendable (CommitOutcome) -> Void
  }

  private let inner: any RoomStore
  private let state = Mutex(State())

  package init(_ inner: any RoomStore) { self.inner = inner }

  // MARK: Telling it what to do

  /// What becomes of commits from now on. Those held back are treated so first, in order.
  package var behaviour: CommitBehaviour {
    get { state.withLock { $0.behaviour } }
    set {
      let held = state.withLock { state in
        state.behaviour = newValue
        if case .hold = newValue { return [Held]() }
        defer { state.held = [] }
        return state.held
      }
      for held in held { treat(held.commit, as: newValue, held.completion) }
    }
  }

  /// Lets the longest held commit go, as `behaviour` says.
  ///
  /// - Returns: false if none is held.
  @discardableResult
  package func releaseOne(as behaviour: CommitBehaviour = .pass) -> Bool {
    let held = state.withLock { $0.held.isEmpty ? nil : $0.held.removeFirst() }
    guard let held else { return false }
    treat(held.commit, as: behaviour, held.completion)
    return true
  }

  package var heldCommits: [RoomCommit] { state.withLock { $0.held.map(\.commit) } }
  /// All commits that were handed in, whatever became of them.
  package var submittedCommits: Int { state.withLock { $0.submitted } }

  /// Waited for by each reading of a journal.
  package var journalGate: (@Sendable () async -> Void)? {
    get { state.withLock { $0.journalGate } }
    set { state.withLock { $0.journalGate = newValue } }
  }

  /// Thrown by `load`, `journal`, `rooms`, `slots`, `nodes` and `dueTimers` until it is nil again.
  package var readError: StoreError? {
    get { state.withLock { $0.readError } }
    set { state.withLock { $0.readError = newValue } }
  }

  /// Thrown by all writes but commits, and by the health check, until it is nil again.
  package var writeError: StoreError? {
    get { state.withLock { $0.writeError } }
    set { state.withLock { $0.writeError = newValue } }
  }

  // MARK: The store

  package var identity: StoreIdentity { inner.identity }
  package var statistics: StoreStatistics { inner.statistics }

  package func commit(_ commit: RoomCommit, completion: @escaping @Sendable (CommitOutcome) -> Void) {
    let behaviour: CommitBehaviour? = state.withLock { state in
      state.submitted += 1
      guard case .hold = state.behaviour else { return state.behaviour }
      state.held.append(Held(commit: commit, completion: completion))
      return nil
    }
    if let behaviour { treat(commit, as: behaviour, completion) }
  }

  private func treat(
    _ commit: RoomCommit, as behaviour: CommitBehaviour, _ completion: @escaping @Sendable (CommitOutcome) -> Void
  ) {
    switch behaviour {
    case .pass, .hold: inner.commit(commit, completion: completion)
    case .answer(let outcome): commit.lane.post { completion(outcome) }
    case .writeAndAnswer(let outcome): inner.commit(commit) { _ in completion(outcome) }
    }
  }

  private func read() throws(StoreError) {
    if let error = readError { throw error }
  }

  private func write() throws(StoreError) {
    if let error = writeError { throw error }
  }

  package func claim(_ claims: [SlotClaim], for node: NodeID) async throws(StoreError) -> [Slot: Epoch] {
    try write()
    return try await inner.claim(claims, for: node)
  }

  package func release(_ slots: [Slot: Epoch]) async throws(StoreError) {
    try write()
    try await inner.release(slots)
  }

  package func slots() async throws(StoreError) -> [SlotRecord] {
    try read()
    return try await inner.slots()
  }

  package func beat(_ node: NodeID, address: String, pid: Int32) async throws(StoreError) {
    try write()
    try await inner.beat(node, address: address, pid: pid)
  }

  package func nodes() async throws(StoreError) -> [NodeRecord] {
    try read()
    return try await inner.nodes()
  }

  package func forget(_ node: NodeID) async throws(StoreError) {
    try write()
    try await inner.forget(node)
  }

  package func load(_ room: RoomID) async throws(StoreError) -> StoredRoom? {
    try read()
    return try await inner.load(room)
  }

  package func journal(
    of room: RoomID, after: SequenceNumber, through: SequenceNumber
  ) async throws(StoreError) -> [JournalRow]? {
    try read()
    await state.withLock { $0.journalGate }?()
    return try await inner.journal(of: room, after: after, through: through)
  }

  package func saveSnapshot(
    _ snapshot: RoomSnapshot, slot: Slot, epoch: Epoch
  ) async throws(StoreError) -> Bool {
    try write()
    return try await inner.saveSnapshot(snapshot, slot: slot, epoch: epoch)
  }

  package func trimJournal(
    before time: Timestamp, in slots: [Slot: Epoch], limit: Int
  ) async throws(StoreError) -> Int {
    try write()
    return try await inner.trimJournal(before: time, in: slots, limit: limit)
  }

  package func deleteRoom(
    _ room: RoomID, endingAt head: SequenceNumber, slot: Slot, epoch: Epoch
  ) async throws(StoreError) -> Bool {
    try write()
    return try await inner.deleteRoom(room, endingAt: head, slot: slot, epoch: epoch)
  }

  package func dueTimers(
    at now: Timestamp, in slots: [Slot: Epoch], after: DueTimer?, limit: Int
  ) async throws(StoreError) -> [DueTimer] {
    try read()
    return try await inner.dueTimers(at: now, in: slots, after: after, limit: limit)
  }

  package func setTimer(
    _ due: Timestamp?, of room: RoomID, slot: Slot, epoch: Epoch
  ) async throws(StoreError) -> Bool {
    try write()
    return try await inner.setTimer(due, of: room, slot: slot, epoch: epoch)
  }

  package func rooms(after: RoomID?, limit: Int) async throws(StoreError) -> [RoomSummary] {
    try read()
    return try await inner.rooms(after: after, limit: limit)
  }

  package func importRoom(
    _ room: RoomID, _ content: StoredRoom, timer: Timestamp?
  ) async throws(StoreError) {
    try write()
    try await inner.importRoom(room, content, timer: timer)
  }

  package func checkHealth() async throws(StoreError) {
    try write()
    try await inner.checkHealth()
  }

  package func close() async { await inner.close() }
}
