import JSONText
import Logging
import Metrics
public import RoomCore
public import Store
import Synchronization

/// A room that is in memory: the only writer of its journal, and the only one who knows its state.
///
/// Everything happens in `run()`, one turn after the other: take what waits in the mailbox, decide each request against
/// the machine and apply what follows to it, commit all events of the turn at once, and only then let the turn's outputs
/// go — broadcasts, acknowledgements, refusals, syncs and readings alike. So nobody ever sees what is not on disk, and
/// a turn that could not be committed was never seen: the machine is rolled back, or loaded anew where it is not known
/// what is on disk, and the turn is decided once more without changing anything.
///
/// The actor is pinned to a lane, in the product an event loop; its turns then cost what plain calls cost.
public actor Room<Voice: RoomVoice> {
  public typealias Logic = Voice.Logic
  typealias Machine = RoomMachine<Logic>
  typealias Mail = Mailbox<Logic.Command>.Mail

  nonisolated public let id: RoomID
  nonisolated let mailbox: Mailbox<Logic.Command>
  nonisolated private let executor: UnownedSerialExecutor
  nonisolated public var unownedExecutor: UnownedSerialExecutor { executor }

  nonisolated let slot: Slot
  nonisolated let epoch: Epoch
  let environment: RoomEnvironment<Voice>
  /// Keeps the executor alive.
  private let lane: any RoomLane

  var sessions = SessionTable()
  /// The turn in hand. It and the machine are kept here, and all that works on them is synchronous, so that the task of a
  /// room that waits holds next to nothing: what lies across an `await` would stay in memory for as long as the room does.
  private var turn: Turn<Logic>
  private var machine: Machine
  private var undo: Undo?
  /// What the store has as the room's timer.
  private var armed: Timestamp?
  private var snapshotAt: SequenceNumber = .zero
  /// A snapshot that failed is not tried again before as many events as lie between two.
  private var snapshotTriedAt: SequenceNumber = .zero
  private var isSavingSnapshot = false
  /// What the room has last counted in the memory of all.
  private var weight = MemoryBudget.emptyRoomBytes
  /// What would be free if the room left memory; 0 while it has clients.
  nonisolated let idleWeight = Atomic<Int>(0)
  /// When all are told who is there, in milliseconds since 1970; 0: they know.
  nonisolated let presenceDue = Atomic<Int64>(0)
  /// Set by whoever asks the room to leave before its time, until it is clear that it stays.
  nonisolated let isAskedToLeave = Atomic<Bool>(false)

  /// What a turn that could not be committed is undone and decided again with.
  private struct Undo {
    let mails: [Mail]
    let machine: Machine.Checkpoint
    let sessions: SessionTable
  }

  init(id: RoomID, epoch: Epoch, lane: any RoomLane, environment: RoomEnvironment<Voice>) {
    self.id = id
    self.slot = Slot(of: id)
    self.epoch = epoch
    self.lane = lane
    self.environment = environment
    executor = lane.asUnownedSerialExecutor()
    let now = environment.time.now()
    mailbox = Mailbox(
      capacity: environment.settings.mailboxCapacity, capacityBytes: environment.settings.mailboxBytes, now: now)
    environment.memory.change(by: weight)
    machine = Machine(room: id, windowCapacity: environment.settings.dedupCapacity)
    turn = Turn(now: now)
  }

  /// Loads the room and serves it until it is told to stop, has nothing to do any more, or may not go on.
  func run() async {
    guard await loadOrEnd(refusal: .storeUnavailable) else { return }
    repeat { await mailbox.wait() } while await takeTurn()
  }

  /// - Returns: whether the room goes on.
  private func takeTurn() async -> Bool {
    let tenant = Logic.tenant(of: machine.state)
    if environment.contexts.known(tenant) == nil { await environment.contexts.fetch(tenant) }
    guard beginTurn() else {
      end(.moved, refusal: .storeUnavailable)
      return false
    }
    var isProven = false
    if let commit = turnCommit() {
      switch conclude(commit, await outcome(of: commit)) {
      case .committed: isProven = true
      case .refused(let notice, let isJournalKnown):
        if let creator = turn.creator, isJournalKnown { environment.creations.giveBack(creator) }
        if !isJournalKnown {
          guard await loadOrEnd(refusal: notice) else { return false }
        }
        decideAgain(because: notice, isJournalKnown: isJournalKnown)
      case .deposed:
        putBackTurn()
        depose()
        return false
      }
    }
    if !isProven, await !mayAnswer() { return false }
    undo = nil
    machine.settle()
    publish()
    if turn.timerWasDue, await !keepTimer() {
      depose()
      return false
    }
    saveSnapshotIfDue()
    weigh()
    if wantsToLeave, await retire() { return false }
    // What was said need not stay in memory until the next turn.
    turn = Turn(now: turn.now)
    return true
  }

  // MARK: - Deciding

  /// - Returns: false if the room may not go on.
  private func beginTurn() -> Bool {
    var mails = mailbox.take(limit: environment.settings.turnLimit)
    if mails.contains(where: { $0.isDeposition }) {
      mailbox.putBack(mails)
      return false
    }
    let (machineBefore, sessionsBefore) = (machine.checkpoint, sessions)
    turn = Turn(now: max(environment.time.now(), machine.clock), tenant: Logic.tenant(of: machine.state))
    let undecided = decide(mails, on: &machine, in: &turn)
    mailbox.putBack(undecided)
    mails.removeLast(undecided.count)
    undo = Undo(mails: mails, machine: machineBefore, sessions: sessionsBefore)
    return true
  }

  /// Decides the turn that was not committed once more, without changing anything.
  private func decideAgain(because notice: RefusalNotice, isJournalKnown: Bool) {
    guard let undo else { preconditionFailure("there is no turn to decide again") }
    sessions = undo.sessions
    turn = turn.again(because: notice, at: max(environment.time.now(), turn.now))
    if isJournalKnown {
      machine.rollBack(to: undo.machine)
    } else if machine.head != undo.machine.head {
      tellEveryoneTheState()
    }
    let undecided = decide(undo.mails, on: &machine, in: &turn)
    mailbox.putBack(undecided)
    self.undo = Undo(
      mails: undo.mails.dropLast(undecided.count), machine: undo.machine, sessions: undo.sessions)
  }

  private func weigh() {
    let before = weight
    weight =
      MemoryBudget.emptyRoomBytes + machine.weightBytes + sessions.entries.count * MemoryBudget.sessionBytes
    if weight != before { environment.memory.change(by: weight - before) }
    if turn.mayPassivate { isAskedToLeave.store(false, ordering: .relaxed) }
    idleWeight.store(sessions.isEmpty ? weight : 0, ordering: .relaxed)
  }

  private func putBackTurn() {
    guard let undo = undo.take() else { preconditionFailure("there is no turn to put back") }
    sessions = undo.sessions
    mailbox.putBack(undo.mails)
  }

  // MARK: - Loading

  /// - Parameter refusal: what operations are told if there is no machine.
  /// - Returns: whether there is one.
  private func loadOrEnd(refusal: RefusalNotice) async -> Bool {
    do throws(StoreError) {
      let stored = try await environment.store.load(id)
      if let fault = adopt(stored) { end(because: fault, refusal: refusal) } else { return true }
    } catch {
      end(because: .store(error), refusal: refusal)
    }
    return false
  }

  /// - Returns: why the machine could not be made of it.
  private func adopt(_ stored: StoredRoom?) -> RoomFault? {
    environment.metrics.loads.increment()
    let capacity = environment.settings.dedupCapacity
    do throws(RoomFault) {
      machine =
        if let stored {
          try Machine(room: id, stored: stored, windowCapacity: capacity)
        } else {
          Machine(room: id, windowCapacity: capacity)
        }
    } catch {
      return error
    }
    armed = stored?.timer
    snapshotAt = stored?.snapshot?.sequence ?? .zero
    snapshotTriedAt = snapshotAt
    return nil
  }

  private func end(because fault: RoomFault, refusal: RefusalNotice) {
    environment.logger.error("room cannot be loaded", metadata: ["room": "\(id)", "reason": "\(fault.message)"])
    if undo != nil { putBackTurn() }
    end(.unavailable, refusal: refusal)
  }

  // MARK: - Committing

  private enum TurnOutcome {
    case committed
    /// The turn's events are not in the journal; or, if it is not known, they may be.
    case refused(RefusalNotice, isJournalKnown: Bool)
    /// Another node owns the slot.
    case deposed
  }

  /// What the turn writes, if anything.
  private func turnCommit() -> RoomCommit? {
    guard let first = turn.records.first else { return nil }
    return RoomCommit(
      room: id, slot: slot, epoch: epoch, first: first.sequence, count: turn.records.count,
      text: JournalText.write(turn.records), at: first.at, timer: timerChange(to: turn.timerDue), reports: turn.reports,
      lane: lane)
  }

  /// Whether a turn that has written nothing may be seen. What is written proves that the slot is this node's; what is only
  /// said is of a state that another node may have changed, if this one was cut off or stopped for a while.
  private func mayAnswer() async -> Bool {
    guard turn.saysAnything, turn.isInDoubt || !environment.witness.isFresh else { return true }
    switch await environment.witness.confirm(slot, at: epoch) {
    case true?: return true
    case false?:
      putBackTurn()
      depose()
    case nil:
      putBackTurn()
      end(.unavailable)
    }
    return false
  }

  /// Straight from the lane to the store and back, without the detour by the common pool of a nonisolated function.
  private func outcome(of commit: RoomCommit) async -> CommitOutcome {
    await withUnsafeContinuation { continuation in
      environment.store.commit(commit) { continuation.resume(returning: $0) }
    }
  }

  private func conclude(_ commit: RoomCommit, _ outcome: CommitOutcome) -> TurnOutcome {
    switch outcome {
    case .committed:
      switch commit.timer {
      case .keep: break
      case .set(let due): armed = due
      case .clear: armed = nil
      }
      if !commit.reports.isEmpty { environment.reported(id) }
      return .committed
    case .stale: return .deposed
    case .conflict:
      environment.logger.error("the journal is not as this node left it", metadata: ["room": "\(id)"])
      return .refused(.outcomeUnknown, isJournalKnown: false)
    case .failed(let error):
      environment.logger.warning("commit failed", metadata: ["room": "\(id)", "reason": "\(error.message)"])
      return .refused(error.concernsContent ? .unstorable : .storeUnavailable, isJournalKnown: true)
    case .unknown(let error):
      environment.logger.warning("commit in doubt", metadata: ["room": "\(id)", "reason": "\(error.message)"])
      return .refused(.outcomeUnknown, isJournalKnown: false)
    }
  }

  // MARK: - Publishing

  /// Sessions have come from another owner, and others may still: who is there is told when they have had the time.
  func presenceIsDue() {
    let due = environment.time.now().advanced(by: environment.settings.presenceAfterMove).millis
    if presenceDue.load(ordering: .relaxed) == 0 { presenceDue.store(due, ordering: .relaxed) }
  }

  private func publish() {
    for subscriber in turn.subscribers {
      let items = turn.items(for: subscriber)
      if !items.isEmpty { subscriber.deliver(RoomOutput(epoch: epoch, items: items)) }
    }
    for (answer, reading) in turn.readings { answer(reading) }
    for (answer, reply) in turn.replies { answer(reply) }
    for catchUp in turn.catchUps { Task { await self.readHistory(for: catchUp) } }
    environment.metrics.events.increment(by: turn.records.count)
  }

  /// Reads what a client missed, beside `run()`, so that a long absence of one does not hold up the others.
  private func readHistory(for catchUp: CatchUp<Logic>) async {
    var texts: [[UInt8]]?
    do {
      texts = try await history(for: catchUp)
    } catch {
      environment.logger.warning("history cannot be read", metadata: ["room": "\(id)", "reason": "\(error)"])
    }
    if let texts {
      catchUp.subscriber.deliver(RoomOutput(epoch: epoch, items: [.history(catchUp.session, texts)]))
    } else {
      _ = mailbox.offer(.request(.resync(catchUp.session), from: catchUp.subscriber), now: environment.time.now())
    }
  }

  private func history(for catchUp: CatchUp<Logic>) async throws -> [[UInt8]]? {
    let rows = try await environment.store.journal(of: id, after: catchUp.since, through: catchUp.head)
    guard let rows else { return nil }
    var texts: [[UInt8]] = []
    var expected = catchUp.since.next
    for row in rows {
      let records: [Recorded<Logic.Event>] = try JournalText.read(row.text, from: row.first)
      for record in records where expected <= record.sequence && record.sequence <= catchUp.head {
        guard record.sequence == expected else { return nil }
        expected = expected.next
        let text = environment.voice.announcement(of: record, state: catchUp.state, online: [], in: .delta)
        if let text { texts.append(text) }
      }
    }
    return expected == catchUp.head.next ? texts : nil
  }

  /// The journal is not where the clients left it: a commit was written after all, or somebody else wrote.
  private func tellEveryoneTheState() {
    for (session, entry) in sessions.entries {
      turn.say(sync(for: session, in: entry.dialect, of: machine, in: &turn), to: entry.subscriber)
    }
  }

  // MARK: - Timers and snapshots

  /// The timer in the store is a lower bound: it is moved only when the room wants to be woken earlier, so that an
  /// order whose idle limit moves with each change does not write its timer with each change.
  private func timerChange(to due: Timestamp?) -> TimerChange {
    guard let due else { return armed == nil ? .keep : .clear }
    if let armed, armed <= due { return .keep }
    return .set(due)
  }

  /// - Returns: whether the slot is still this node's.
  private func keepTimer() async -> Bool {
    let due = Logic.timerDue(machine.state)
    guard due != armed else { return true }
    do throws(StoreError) {
      guard try await environment.store.setTimer(due, of: id, slot: slot, epoch: epoch) else { return false }
      armed = due
    } catch {
      environment.logger.warning("timer not moved", metadata: ["room": "\(id)", "reason": "\(error.message)"])
      // It may have been moved after all, so that whatever the next commit wants has to be written.
      armed = Timestamp(millis: .max)
    }
    return true
  }

  private func saveSnapshotIfDue() {
    let interval = Int64(environment.settings.snapshotInterval)
    guard !isSavingSnapshot, machine.head.number - snapshotTriedAt.number >= interval else { return }
    isSavingSnapshot = true
    snapshotTriedAt = machine.head
    let snapshot = snapshot()
    Task {
      await self.save(snapshot)
      self.isSavingSnapshot = false
    }
  }

  private func save(_ snapshot: RoomSnapshot) async {
    do throws(StoreError) {
      if try await environment.store.saveSnapshot(snapshot, slot: slot, epoch: epoch) {
        snapshotAt = max(snapshotAt, snapshot.sequence)
        environment.metrics.snapshots.increment()
      } else {
        environment.deposed(slot, epoch)
      }
    } catch {
      environment.logger.warning("snapshot not saved", metadata: ["room": "\(id)", "reason": "\(error.message)"])
    }
  }

  // MARK: - Ending

  /// A room in which nothing ever happened and nobody is: a stranger looked in and left.
  private var isVacant: Bool { machine.head == .zero && sessions.isEmpty }

  private var wantsToLeave: Bool { turn.isLast || (turn.mayPassivate && sessions.isEmpty) || isVacant }

  /// Leaves memory, if nothing has come in meanwhile; a stopping room leaves anyway.
  private func retire() async -> Bool {
    guard turn.isLast || mailbox.closeIfEmpty() else { return false }
    if turn.isLast {
      refuseWaiting(.moved, .storeUnavailable)
      dismissSessions(.moved)
    }
    let unsaved = machine.head.number - snapshotAt.number
    if unsaved > (turn.isMove ? environment.settings.replayedAfterMove : 0) { await save(snapshot()) }
    leave()
    return true
  }

  private func snapshot() -> RoomSnapshot {
    RoomSnapshot(room: id, sequence: machine.head, text: machine.snapshot())
  }

  /// Another node owns the slot.
  private func depose() {
    environment.deposed(slot, epoch)
    end(.moved)
  }

  private func end(_ ending: RoomEnding, refusal: RefusalNotice = .storeUnavailable) {
    refuseWaiting(ending, refusal)
    dismissSessions(ending)
    leave()
  }

  private func leave() {
    environment.memory.change(by: -weight)
    idleWeight.store(0, ordering: .relaxed)
    environment.retired(self)
  }

  private func dismissSessions(_ ending: RoomEnding) {
    for subscriber in sessions.subscribers {
      subscriber.deliver(RoomOutput(epoch: epoch, items: [.ended(ending)]))
    }
  }

  /// Closes the mailbox and answers what was in it.
  private func refuseWaiting(_ ending: RoomEnding, _ refusal: RefusalNotice) {
    for mail in mailbox.close() {
      switch mail {
      // Sent again at the next owner.
      case .request(.operation, let subscriber) where subscriber.keepsOperations: break
      case .request(.operation(_, let session, let opId), let subscriber):
        let text = environment.voice.refusal(refusal.naming(opId), now: environment.time.now())
        subscriber.deliver(RoomOutput(epoch: epoch, items: [.direct(session, text)]))
      case .request(.open, let subscriber):
        subscriber.deliver(RoomOutput(epoch: epoch, items: [.ended(ending)]))
      case .read(let answer): answer(.unavailable)
      case .ask(_, let answer): answer(.unavailable)
      case .request, .timer, .passivate, .presence, .stop, .depose: break
      }
    }
  }
}

/// Why a room cannot be served.
public enum RoomFault: Error {
  case store(StoreError)
  case unreadable(String)

  public var message: String {
    switch self {
    case .store(let error): error.message
    case .unreadable(let reason): "what the store has of the room cannot be read: \(reason)"
    }
  }
}
