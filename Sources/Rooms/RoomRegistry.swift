public import Logging
import Metrics
public import RoomCore
public import Store
import Synchronization

/// The rooms of this node: makes one when it is asked for, and forgets it when it has left memory.
///
/// A room that nobody asks for costs nothing but its rows in the store.
public final class RoomRegistry<Voice: RoomVoice>: Sendable {
  public typealias Logic = Voice.Logic

  fileprivate struct Warm {
    let room: Room<Voice>
    let task: Task<Void, Never>
  }

  struct State {
    fileprivate var voice: Voice
    fileprivate var warm = RoomTable<Warm>()
    /// Rooms that were replaced while they were still saving their snapshot.
    fileprivate var leaving: [ObjectIdentifier: Task<Void, Never>] = [:]
    /// Rooms that are being deleted from the store.
    var deletions: [RoomID: Task<Void, Never>] = [:]
    /// Where the last look for ended rooms stopped, if it did not see them all.
    var lastCleaned: RoomID?
    /// Where the last look for due timers ended, if it did not see them all.
    var lastDue: DueTimer?
    var isStopping = false
  }

  let state: Mutex<State>
  let store: any RoomStore
  let settings: RoomSettings
  let time: any TimeSource
  private let lanes: [any RoomLane]
  let ownership: SlotOwnership
  private let witness: any OwnershipWitness
  private let contexts: TenantContexts<Logic.Context>
  private let reported: @Sendable (RoomID) -> Void
  let logger: Logger
  let metrics = RoomMetrics()
  let memory: MemoryBudget
  private let creations: CreationLimits
  /// When rooms were last asked to leave for want of memory, in milliseconds.
  let relievedAt = Atomic<Int64>(.min)
  /// What the clock said at the last look, in milliseconds.
  let lookedAt = Atomic<Int64>(.min)
  private let warmMeter = Meter(label: "stonepot_rooms_warm")

  /// - Parameters:
  ///   - reported: told of rooms that have written a report, on their lanes; must not block.
  ///   - contexts: what tenants say now; asked at each decision.
  public init(
    store: any RoomStore, voice: Voice, settings: RoomSettings, time: any TimeSource, lanes: [any RoomLane],
    ownership: SlotOwnership, witness: any OwnershipWitness = SoleOwner(), logger: Logger,
    reported: @escaping @Sendable (RoomID) -> Void = { _ in },
    contexts: TenantContexts<Logic.Context>
  ) {
    precondition(!lanes.isEmpty, "rooms need a lane to run on")
    self.store = store
    state = Mutex(State(voice: voice))
    self.settings = settings
    self.time = time
    self.lanes = lanes
    self.ownership = ownership
    self.witness = witness
    self.contexts = contexts
    self.reported = reported
    self.logger = logger
    memory = MemoryBudget(limitBytes: settings.memoryBytes)
    creations = CreationLimits(
      perAddressAndHour: settings.addressRoomsPerHour, perTenantAndHour: settings.tenantRoomsPerHour)
  }

  /// Hands a request to its room, loading the room if need be. Requests of one session keep their order.
  public func send(
    _ request: RoomRequest<Logic.Command>, to id: RoomID, from subscriber: any RoomSubscriber
  ) -> Admission {
    switch offer(.request(request, from: subscriber), to: id) {
    case .taken: return .taken
    case .full:
      metrics.overloads.increment()
      return .full
    case .ended(let ending):
      subscriber.deliver(RoomOutput(epoch: .zero, items: [.ended(ending)]))
      return .taken
    }
  }

  /// Whether a session in this room would find it in memory, or memory for it.
  public func canOpen(_ id: RoomID) -> Bool {
    guard memory.isExhausted else { return true }
    relieveMemory()
    return state.withLock { $0.warm[id] != nil }
  }

  /// Whether the room's slot is this node's.
  public func serves(_ id: RoomID) -> Bool { ownership.epoch(of: Slot(of: id)) != nil }

  /// The room's state, once, for whoever has no session in it.
  public func read(_ id: RoomID) async -> RoomReading {
    await withUnsafeContinuation { continuation in read(id) { continuation.resume(returning: $0) } }
  }

  /// The same, with the answer on the room's lane, or at once.
  public func read(_ id: RoomID, answer: @escaping @Sendable (RoomReading) -> Void) {
    switch offer(.read(answer), to: id) {
    case .taken: break
    case .ended(.crowded): answer(.crowded)
    case .full, .ended: answer(.unavailable)
    }
  }

  /// Has a room do something for whoever has no session in it, or look at its state; loads it if need be. The answer
  /// comes on the room's lane, or at once.
  public func ask(
    _ question: RoomQuestion<Logic.Command>, of id: RoomID, answer: @escaping @Sendable (RoomReply) -> Void
  ) {
    switch offer(.ask(question, answer), to: id) {
    case .taken: break
    case .full:
      metrics.overloads.increment()
      answer(.refused(.overloaded))
    case .ended(.crowded): answer(.refused(.crowded))
    case .ended: answer(.unavailable)
    }
  }

  public func ask(_ question: RoomQuestion<Logic.Command>, of id: RoomID) async -> RoomReply {
    await withUnsafeContinuation { continuation in ask(question, of: id) { continuation.resume(returning: $0) } }
  }

  public var warmCount: Int { state.withLock { $0.warm.count } }

  var warmRooms: [Room<Voice>] { state.withLock { $0.warm.values.map(\.room) } }

  /// Runs `body`, which deletes the room, unless it is in memory; should it be asked for meanwhile, it waits for the end
  /// before it reads what the store has of it.
  func deleteWhileCold(_ id: RoomID, _ body: @escaping @Sendable () async -> Void) async {
    let task = state.withLock { state -> Task<Void, Never>? in
      guard !state.isStopping, state.warm[id] == nil, state.deletions[id] == nil else { return nil }
      let task = Task {
        await body()
        self.state.withLock { $0.deletions[id] = nil }
      }
      state.deletions[id] = task
      return task
    }
    await task?.value
  }

  enum Offer {
    case taken
    case full
    /// There is no room that could take it, and so none for its session.
    case ended(RoomEnding)
  }

  func offer(_ mail: Mailbox<Logic.Command>.Mail, to id: RoomID) -> Offer {
    guard mail.isWorthLoading else { return offerIfWarm(mail, to: id) }
    var known: Room<Voice>?
    while true {
      do throws(RoomEnding) {
        let room = try room(id, replacing: known, for: mail)
        switch room.mailbox.offer(mail, now: time.now()) {
        case .taken: return .taken
        case .full: return .full
        case .closed: known = room
        }
      } catch {
        if error == .crowded {
          metrics.refusedRoom(because: .memory)
          relieveMemory()
        }
        return .ended(error)
      }
    }
  }

  private func offerIfWarm(_ mail: Mailbox<Logic.Command>.Mail, to id: RoomID) -> Offer {
    let room = state.withLock { $0.warm[id]?.room }
    return room?.mailbox.offer(mail, now: time.now()) == .full ? .full : .taken
  }

  /// The room in memory, or a new one.
  ///
  /// - Parameters:
  ///   - closed: a room that took nothing any more; it may still be saving its snapshot, but all it ever committed is in
  ///     the store, so that the next one can begin.
  ///   - mail: what it is wanted for. A deadline is kept also where there is no memory for guests.
  private func room(
    _ id: RoomID, replacing closed: Room<Voice>?, for mail: Mailbox<Logic.Command>.Mail
  ) throws(RoomEnding) -> Room<Voice> {
    try state.withLock { state throws(RoomEnding) in
      if let warm = state.warm[id] {
        if warm.room !== closed { return warm.room }
        state.leaving[ObjectIdentifier(warm.room)] = warm.task
      }
      let slot = Slot(of: id)
      guard !state.isStopping, let epoch = ownership.epoch(of: slot) else { throw .moved }
      guard !memory.isExhausted || mail.isTimer else { throw .crowded }
      let lane = lanes[slot.number % lanes.count]
      let room = Room(id: id, epoch: epoch, lane: lane, environment: environment(state.voice))
      let deletion = state.deletions[id]
      let task = Task(executorPreference: lane) {
        await deletion?.value
        await room.run()
      }
      state.warm[id] = Warm(room: room, task: task)
      warmMeter.set(state.warm.count)
      return room
    }
  }

  private func environment(_ voice: Voice) -> RoomEnvironment<Voice> {
    RoomEnvironment(
      store: store, voice: voice, settings: settings, time: time, contexts: contexts, logger: logger, metrics: metrics,
      memory: memory, creations: creations, witness: witness,
      reported: reported,
      deposed: { [weak self] slot, epoch in self?.depose(slot, epoch) },
      retired: { [weak self] room in self?.forget(room) })
  }

  /// The store's history id that rooms name which are loaded now.
  public var history: String { state.withLock { $0.voice.history } }

  /// The store has another past than the rooms in memory know: they end without another word to it, and whoever asks for
  /// one gets it as the store has it, with a new voice. To be called when the store says so.
  public func beginAnew(with voice: Voice) {
    let outdated = state.withLock { state in
      state.voice = voice
      return state.warm.values.map(\.room)
    }
    for room in outdated { _ = room.mailbox.offer(.depose, now: time.now()) }
  }

  // MARK: - Slots that come and go

  /// The slots are this node's, at new epochs. Rooms that it had of them under older ones end.
  public func gain(_ claimed: [Slot: Epoch]) {
    ownership.gain(claimed)
    let rooms = state.withLock { $0.warm.values(in: claimed.keys).map(\.room) }
    let outdated = rooms.filter { room in claimed[room.slot].map { $0 > room.epoch } ?? false }
    for room in outdated { _ = room.mailbox.offer(.depose, now: time.now()) }
  }

  /// Another node owns the slot: no room of it may serve any more, whether it has tried to write or not.
  public func depose(_ slot: Slot, _ epoch: Epoch) {
    ownership.lose(slot, at: epoch)
    let rooms = state.withLock { $0.warm[slot].map(\.room) }
    for room in rooms where room.epoch <= epoch { _ = room.mailbox.offer(.depose, now: time.now()) }
  }

  /// What was given up for another node to have.
  public struct HandedOff: Sendable {
    /// At which each slot was this node's.
    public let epochs: [Slot: Epoch]
    /// How many rooms were in memory; others may have to load as many.
    public let roomCount: Int
  }

  /// Gives slots up for another node to have: their rooms finish what they have taken, save a snapshot where much would
  /// be replayed, and leave. Nothing of them is written any more when this returns.
  public func handOff(_ slots: Set<Slot>) async -> HandedOff {
    var given: [Slot: Epoch] = [:]
    for slot in slots { given[slot] = ownership.epoch(of: slot) }
    for (slot, epoch) in given { ownership.lose(slot, at: epoch) }
    let (rooms, leaving) = state.withLock { state in
      (state.warm.values(in: given.keys), Array(state.leaving.values))
    }
    await finish(rooms, leaving, isMove: true)
    return HandedOff(epochs: given, roomCount: rooms.count)
  }

  /// Has rooms finish what they have taken, save a snapshot and leave; waits for them, and for those that were leaving.
  private func finish(_ rooms: [Warm], _ leaving: [Task<Void, Never>], isMove: Bool) async {
    for warm in rooms { _ = warm.room.mailbox.offer(.stop(isMove: isMove), now: time.now()) }
    for warm in rooms { await warm.task.value }
    for task in leaving { await task.value }
  }

  private func forget(_ room: Room<Voice>) {
    state.withLock { state in
      state.leaving[ObjectIdentifier(room)] = nil
      if state.warm[room.id]?.room === room { state.warm[room.id] = nil }
      warmMeter.set(state.warm.count)
    }
  }

  /// Lets every room finish what it has taken, save a snapshot and leave. Nothing is served afterwards.
  public func stop() async {
    let (rooms, leaving) = state.withLock { state in
      state.isStopping = true
      return (Array(state.warm.values), Array(state.leaving.values))
    }
    await finish(rooms, leaving, isMove: false)
  }
}
