import CoreMetrics
package import Logging
package import Membership
import NIOCore
package import RoomCore
package import Rooms
package import Store
import Synchronization
package import Wire

/// A process's part in its cluster: tells and hears who is alive, claims the slots that are to be its own, hands others
/// off, and knows where every room is.
///
/// The rules are values, `Swim` and `SlotGovernor`; this is what carries out their directives. They are kept under one
/// lock and asked from whichever thread an event comes; what they want done is done after the lock is left. Gossip may
/// overtake gossip then, which it may on its way as well.
package final class ClusterAgent<Voice: RoomVoice>: Sendable where Voice.Logic.Command: PeerCommand {
  package typealias Command = Voice.Logic.Command

  /// What a process with rooms has beside what a gateway has.
  package struct Rooms: Sendable {
    let registry: RoomRegistry<Voice>
    let store: any RoomStore
    let server: RoomServer<Voice>

    package init(registry: RoomRegistry<Voice>, store: any RoomStore, server: RoomServer<Voice>) {
      self.registry = registry
      self.store = store
      self.server = server
    }
  }

  private struct State {
    var swim: Swim
    var governor: SlotGovernor?
    var lastDecision = MonotonicTime.zero
    /// Owners have changed since; news of them come in great number and are looked at together.
    var isDecisionDue = false
    var isDrained = false
    var drainWaiter: UnsafeContinuation<Void, Never>?
    var isLeaving = false
    /// A later life of this process, and who waits to hear of one.
    var successor: Member?
    var successionWaiter: UnsafeContinuation<Member?, Never>?
    /// When each member was last heard of by itself.
    var heardAt: [NodeID: MonotonicTime] = [:]
    var addresses: [PeerAddress: NodeID] = [:]
    /// Whether there was a connection to a node, and who waits for the first one.
    var hasMetNode = false
    var meetingWaiters: [UnsafeContinuation<Void, Never>] = []

    /// - Returns: who waits for it.
    mutating func endDrain() -> UnsafeContinuation<Void, Never>? {
      isDrained = true
      return drainWaiter.take()
    }
  }

  package let book: OwnerBook<Command>
  package let link: ClusterLink<Command>
  private let witness: StoreWitness?
  private let rooms: Rooms?
  private let clock: @Sendable () -> MonotonicTime
  private let alarm: any Clock<Duration>
  private let logger: Logger
  private let deadlines: Deadlines
  /// This node's, unless it drains.
  private let weight: Int
  private let state: Mutex<State>
  private let network = Mutex<(any PeerLines)?>(nil)
  private let metrics = ClusterMetrics()

  /// - Parameters:
  ///   - incarnation: the wall clock's milliseconds.
  ///   - seed: of all chance in gossip and claims.
  ///   - clock: one that runs while the process is stopped.
  ///   - alarm: what is slept on.
  package init(
    own: Member, seeds: [PeerAddress], incarnation: UInt64, seed: UInt64, deadlines: Deadlines = Deadlines(),
    book: OwnerBook<Command>, link: ClusterLink<Command>, rooms: Rooms?, witness: StoreWitness?,
    clock: @escaping @Sendable () -> MonotonicTime, alarm: any Clock<Duration> = ContinuousClock(), logger: Logger
  ) {
    self.book = book
    self.link = link
    self.rooms = rooms
    self.witness = witness
    self.clock = clock
    self.alarm = alarm
    self.logger = logger
    self.deadlines = deadlines
    weight = own.weight
    let swim = Swim(own: own, incarnation: incarnation, seeds: seeds, deadlines: deadlines, seed: seed)
    let governor =
      rooms == nil ? nil : SlotGovernor(me: own.node, name: own.name, deadlines: deadlines, seed: seed &+ 1)
    state = Mutex(State(swim: swim, governor: governor))
  }

  // MARK: - Life

  /// Takes part until the task is cancelled. The network must listen, and have this as its delegate.
  package func run(on network: any PeerLines) async {
    self.network.withLock { $0 = network }
    carryOut(state.withLock { $0.swim.start(now: clock()) })
    await withTaskGroup { group in
      group.addTask { await self.every(.milliseconds(10)) { self.tick() } }
      if let rooms {
        group.addTask { await self.every(self.deadlines.readingInterval) { await self.readStore(rooms) } }
        group.addTask { await self.every(self.deadlines.heartbeatInterval) { await self.beat(rooms) } }
      }
    }
  }

  private func every(_ interval: Duration, _ body: () async -> Void) async {
    while !Task.isCancelled {
      await body()
      do { try await alarm.sleep(for: interval) } catch { return }
    }
  }

  private func tick() {
    let now = clock()
    let directives = state.withLock { state in
      state.swim.nextWake <= now ? state.swim.tick(now: now) : []
    }
    carryOut(directives)
    decide(isDue: false)
  }

  /// Hands all slots off, and returns when nothing is held any more, or the time is over.
  package func drain(within limit: Duration) async {
    let now = clock()
    let directives = state.withLock { state -> [SwimDirective] in
      state.isLeaving = true
      state.governor?.drain(rooms: rooms?.registry.warmCount ?? 0)
      return state.swim.setWeight(0, now: now)
    }
    carryOut(directives)
    let timeout = Task {
      try await alarm.sleep(for: limit)
      self.endDrain()
    }
    decide(isDue: true)
    await withUnsafeContinuation { continuation in
      let isOver = state.withLock { state in
        if state.isDrained || state.governor == nil { return true }
        state.drainWaiter = continuation
        return false
      }
      if isOver { continuation.resume() }
    }
    timeout.cancel()
  }

  private func endDrain() { state.withLock { $0.endDrain() }?.resume() }

  /// Says goodbye to the others; nothing is claimed afterwards.
  package func leave() async {
    carryOut(state.withLock { $0.swim.leave(now: clock()) })
    guard let rooms else { return }
    do {
      try await rooms.store.forget(me)
    } catch {
      logger.warning("the store still has this node's heartbeat", metadata: ["reason": "\(error.message)"])
    }
  }

  /// Waits until a later process runs under this one's name; it must end then. For one caller.
  ///
  /// - Returns: nil if the task is cancelled.
  package func superseded() async -> Member? {
    await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        let isOver = state.withLock { state in
          if state.successor != nil || Task.isCancelled { return true }
          state.successionWaiter = continuation
          return false
        }
        if isOver { continuation.resume(returning: state.withLock { $0.successor }) }
      }
    } onCancel: {
      state.withLock { $0.successionWaiter.take() }?.resume(returning: nil)
    }
  }

  /// Waits until a node has been connected.
  package func meetNode() async {
    await withUnsafeContinuation { continuation in
      let hasMet = state.withLock { state in
        if !state.hasMetNode { state.meetingWaiters.append(continuation) }
        return state.hasMetNode
      }
      if hasMet { continuation.resume() }
    }
  }

  private func hasMetNode() {
    let waiters = state.withLock { state in
      state.hasMetNode = true
      defer { state.meetingWaiters = [] }
      return state.meetingWaiters
    }
    for waiter in waiters { waiter.resume() }
  }

  /// The registry has begun anew, since the store has a new history: sessions of this process open again in its rooms.
  package func roomsBeganAnew() {
    if let local = book.local { link.lost(local) }
  }

  /// Whether any owner is known.
  package var knowsOwners: Bool { book.slotCounts.contains { $0.key != nil && $0.value > 0 } }

  package var me: NodeID { state.withLock { $0.swim.me } }

  /// Who is there, and what each owns.
  package var report: ClusterReport {
    let slots = book.slotCounts
    let (warmRooms, remoteSessions) = (rooms?.registry.warmCount ?? 0, rooms?.server.sessionCount ?? 0)
    return state.withLock { state in
      let now = clock()
      return ClusterReport(
        me: state.swim.me,
        node: state.governor.map { governor in
          ClusterReport.Node(
            isFresh: governor.isFresh(now: now), isDraining: governor.isDraining,
            readAgo: governor.lastReadingAt.map { now - $0 }, warmRooms: warmRooms, remoteSessions: remoteSessions)
        },
        members: state.swim.view.members.map { entry in
          ClusterReport.Member(
            node: entry.record.node, name: entry.record.member.name,
            address: "\(entry.record.member.address)", isNode: entry.record.member.isNode,
            status: "\(entry.record.status)", weight: entry.record.member.weight,
            slots: slots[entry.record.node] ?? 0, heardAgo: state.heardAt[entry.record.node].map { now - $0 },
            wroteAgo: state.governor?.heartbeatAge(of: entry.record.node, now: now))
        },
        unowned: slots[nil] ?? 0, claimsMade: state.governor?.claimsMade ?? 0)
    }
  }

  // MARK: - Operators

  /// Who owns each slot, in order, as far as this process has heard.
  package var slots: [ClusterReport.Ownership] {
    state.withLock { state in
      Slot.all.map { slot in
        ClusterReport.Ownership(
          record: state.swim.ownership[slot], isPinned: state.governor?.isPinned(slot) ?? false)
      }
    }
  }

  /// Begins to hand all slots off, and claims none until `endDrain`.
  package func beginDrain() throws(OperatorRefusal) {
    let now = clock()
    let directives = try state.withLock { state throws(OperatorRefusal) -> [SwimDirective] in
      guard state.governor != nil else { throw .ownsNothing }
      guard !state.isLeaving else { throw .isLeaving }
      let me = state.swim.me
      guard state.swim.view.live.contains(where: { $0.node != me && $0.member.weight > 0 }) else { throw .isAlone }
      state.governor?.drain(rooms: rooms?.registry.warmCount ?? 0)
      return state.swim.setWeight(0, now: now)
    }
    logger.notice("hands all slots off, as an operator wishes")
    carryOut(directives)
    decide(isDue: true)
  }

  /// Takes slots again.
  package func takeSlotsAgain() throws(OperatorRefusal) {
    let now = clock()
    let directives = try state.withLock { state throws(OperatorRefusal) -> [SwimDirective] in
      guard state.governor != nil else { throw .ownsNothing }
      guard !state.isLeaving else { throw .isLeaving }
      state.governor?.endDrain()
      state.isDrained = false
      return state.swim.setWeight(weight, now: now)
    }
    logger.notice("takes slots again, as an operator wishes")
    carryOut(directives)
    decide(isDue: true)
  }

  /// Has a slot's owner hand it off to the node of this name. That it will arrive there is not said.
  package func move(_ slot: Slot, to name: String) throws(OperatorRefusal) {
    let (owner, next) = try state.withLock { state throws(OperatorRefusal) -> (NodeID, NodeID) in
      guard let next = state.swim.view.live.first(where: { $0.member.name == name }) else { throw .unknownNode(name) }
      guard next.member.weight > 0 else { throw .takesNothing(name) }
      guard let owner = state.swim.ownership.owner(of: slot) else { throw .unowned(slot) }
      return (owner, next.node)
    }
    if owner == next { return }
    if owner == me { return moveOwn(slot, to: next) }
    guard let connection = network.withLock({ $0 })?.line(to: owner) else { throw .unreachable(owner: owner) }
    connection.send(.move(slot, to: next))
  }

  private func received(move slot: Slot, to next: NodeID) {
    let isOwn = state.withLock { $0.governor?.epoch(of: slot) != nil && $0.swim.me != next }
    if isOwn { moveOwn(slot, to: next) } else { note(move: slot, to: next) }
  }

  /// The others must know of it before the slot is nobody's.
  private func moveOwn(_ slot: Slot, to next: NodeID) {
    logger.notice("hands a slot off, as an operator wishes", metadata: ["slot": "\(slot)", "to": "\(next)"])
    let others = state.withLock { state in state.swim.view.live.map(\.node).filter { $0 != state.swim.me } }
    if let network = network.withLock({ $0 }) {
      for other in others { network.line(to: other)?.send(.move(slot, to: next)) }
    }
    note(move: slot, to: next)
  }

  private func note(move slot: Slot, to next: NodeID) {
    let now = clock()
    state.withLock { $0.governor?.move(slot, to: next, now: now) }
    decide(isDue: true)
  }

  // MARK: - Gossip

  private func carryOut(_ directives: [SwimDirective]) {
    for directive in directives {
      switch directive {
      case .send(let message, let address, let node): send(message, to: address, node)
      case .changed(let record, let previous): memberChanged(record, previous)
      case .ownershipChanged(let slots): ownersChanged(slots)
      case .superseded(let member):
        let (directives, waiter) = state.withLock { state in
          state.successor = member
          return (state.governor?.supersede() ?? [], state.successionWaiter.take())
        }
        carryOut(directives)
        // There is nothing left to be handed off.
        endDrain()
        waiter?.resume(returning: member)
      }
    }
  }

  private func send(_ message: GossipMessage, to address: PeerAddress, _ node: NodeID?) {
    guard let network = network.withLock({ $0 }) else { return }
    let connection = node.flatMap { network.line(to: $0) } ?? network.line(to: address)
    if let connection {
      connection.send(.gossip(message.encode()))
    } else {
      dial(address, network)
    }
  }

  private func dial(_ address: PeerAddress, _ network: any PeerLines) {
    do {
      try network.connect(to: address)
    } catch {
      logger.error("a peer cannot be dialed: \(error)", metadata: ["address": "\(address)"])
    }
  }

  private func memberChanged(_ record: MemberRecord, _ previous: MemberStatus?) {
    if record.status != previous {
      logger.notice(
        "\(record.member.name) is \(record.status)",
        metadata: ["node": "\(record.node)", "address": "\(record.member.address)"])
    }
    // The book is told under the lock: news that came later must not be told before.
    let isAtItsAddress = state.withLock { state in
      if record.status.isLive {
        state.addresses[record.member.address] = record.node
      } else {
        state.heardAt[record.node] = nil
      }
      book.learn(record.node, isGone: !(state.swim.view[record.node]?.status.isLive ?? false))
      return state.addresses[record.member.address] == record.node
    }
    if let network = network.withLock({ $0 }) {
      if record.status.isLive {
        dial(record.member.address, network)
      } else if record.status == .left, isAtItsAddress {
        network.disconnect(from: record.member.address, reason: "the member has left")
      }
    }
    link.ownersChanged()
    decide(isDue: true)
  }

  private func ownersChanged(_ slots: [Slot]) {
    let isNew = state.withLock { state in
      state.isDecisionDue = true
      return book.learn(slots.map { state.swim.ownership[$0] })
    }
    if isNew { link.ownersChanged(in: slots) }
  }

  // MARK: - Slots

  private func decide(isDue: Bool) {
    let now = clock()
    let directives = state.withLock { state -> [SlotDirective] in
      guard isDue || state.isDecisionDue || now - state.lastDecision >= .milliseconds(100) else { return [] }
      state.lastDecision = now
      state.isDecisionDue = false
      return state.governor?.decide(view: state.swim.view, ownership: state.swim.ownership, now: now) ?? []
    }
    carryOut(directives)
  }

  private func carryOut(_ directives: [SlotDirective]) {
    guard let rooms else { return }
    for directive in directives {
      switch directive {
      case .claim(let claims): Task { await claim(claims, rooms) }
      case .handOff(let record, let next): Task { await handOff(record, to: next, rooms) }
      case .release(let records): Task { await release(records, rooms) }
      case .lost(let slot, let epoch):
        metrics.lost.increment()
        rooms.registry.depose(slot, epoch)
      case .stepDown(let reason, let records):
        logger.error("this node serves nothing any more: \(reason)", metadata: ["slots": "\(records.count)"])
        metrics.stepDowns.increment()
        Task { await stepDown(records, rooms) }
      case .drained:
        // Unless an operator has ended it meanwhile.
        state.withLock { $0.governor?.isDraining == true ? $0.endDrain() : nil }?.resume()
      }
    }
  }

  private func claim(_ claims: [SlotClaim], _ rooms: Rooms) async {
    metrics.claims.increment(by: claims.count)
    var won: [Slot: Epoch] = [:]
    do throws(StoreError) {
      won = try await rooms.store.claim(claims, for: me)
    } catch {
      logger.warning("slots cannot be claimed", metadata: ["reason": "\(error.message)"])
    }
    let now = clock()
    // Under one lock: a step-down that comes behind must find the slots gained, and a decision must not find them claimed
    // and not announced.
    let (directives, news) = state.withLock { state in
      let directives = state.governor?.claimEnded(won: won, now: now) ?? []
      var kept = won
      for case .release(let unwanted) in directives {
        for record in unwanted { kept[record.slot] = nil }
      }
      rooms.registry.gain(kept)
      let records = kept.map { SlotRecord(slot: $0.key, epoch: $0.value, owner: state.swim.me) }
      return (directives, state.swim.announce(records, now: now))
    }
    carryOut(news)
    carryOut(directives)
    decide(isDue: true)
  }

  private func handOff(_ record: SlotRecord, to next: NodeID, _ rooms: Rooms) async {
    metrics.handOffs.increment()
    let handedOff = await rooms.registry.handOff([record.slot])
    var isReleased = true
    do throws(StoreError) {
      try await rooms.store.release([record.slot: record.epoch])
    } catch {
      isReleased = false
      logger.warning("a slot cannot be handed off", metadata: ["slot": "\(record.slot)", "reason": "\(error.message)"])
    }
    let now = clock()
    let news = state.withLock { [isReleased] state -> [SwimDirective] in
      state.governor?.handOffEnded(
        record.slot, at: record.epoch, rooms: handedOff.roomCount, released: isReleased, now: now)
      if isReleased {
        return state.swim.announce(
          [SlotRecord(slot: record.slot, epoch: record.epoch, owner: nil)], to: next, now: now)
      }
      // Unless it was lost or given up meanwhile, it is still this node's, and goes on here.
      if state.governor?.epoch(of: record.slot) == record.epoch {
        rooms.registry.gain([record.slot: record.epoch])
      }
      return []
    }
    carryOut(news)
    decide(isDue: true)
  }

  private func release(_ records: [SlotRecord], _ rooms: Rooms) async {
    _ = await rooms.registry.handOff(Set(records.map(\.slot)))
    do throws(StoreError) {
      try await rooms.store.release(Dictionary(uniqueKeysWithValues: records.map { ($0.slot, $0.epoch) }))
      let now = clock()
      let released = records.map { SlotRecord(slot: $0.slot, epoch: $0.epoch, owner: nil) }
      carryOut(state.withLock { $0.swim.announce(released, now: now) })
    } catch {
      logger.warning("slots cannot be released", metadata: ["reason": "\(error.message)"])
    }
  }

  private func stepDown(_ records: [SlotRecord], _ rooms: Rooms) async {
    for record in records { rooms.registry.depose(record.slot, record.epoch) }
    await release(records, rooms)
  }

  // MARK: - The store

  private func beat(_ rooms: Rooms) async {
    let address = state.withLock { "\($0.swim.ownRecord.member.address)" }
    do throws(StoreError) {
      try await rooms.store.beat(me, address: address, pid: ProcessNumber.own)
    } catch {
      logger.warning("the store takes no heartbeat", metadata: ["reason": "\(error.message)"])
    }
  }

  private func readStore(_ rooms: Rooms) async {
    do throws(StoreError) {
      try await takeReading(rooms)
    } catch {
      logger.warning("the store does not say who owns what", metadata: ["reason": "\(error.message)"])
    }
  }

  private func takeReading(_ rooms: Rooms) async throws(StoreError) {
    let startedAt = clock()
    let rows = try await rooms.store.slots()
    let heartbeats = try await rooms.store.nodes().map { record in
      StoreReading.Heartbeat(node: record.node, name: record.node.stableName, age: record.age)
    }
    let isNew = state.withLock { state in
      _ = state.swim.mergeStore(rows, startedAt: startedAt)
      state.governor?.take(StoreReading(startedAt: startedAt, slots: rows, heartbeats: heartbeats))
      return book.learn(state.swim.ownership.records)
    }
    if isNew { link.ownersChanged() }
    decide(isDue: true)
    // Behind the decision: what it found lost is not this node's any more.
    let isServing = state.withLock { $0.governor.map { !$0.hasSteppedDown } ?? false }
    if isServing { witness?.sawStore(at: startedAt) }
  }
}

// MARK: - Connections

extension ClusterAgent: PeerDelegate {
  package func connected(_ connection: any PeerLine) {
    switch connection.direction {
    case .incoming: rooms?.server.connected(connection)
    case .outgoing:
      guard connection.peer.kind == .node else { return }
      if let replaced = book.add(RemoteNode(connection)) { lost(replaced) }
      hasMetNode()
      link.ownersChanged()
    }
  }

  package func disconnected(_ connection: any PeerLine, _ reason: PeerDisconnection) {
    switch connection.direction {
    case .incoming: rooms?.server.disconnected(connection)
    case .outgoing: if let remote = book.remove(connection) { lost(remote) }
    }
  }

  private func lost(_ remote: RemoteNode<Command>) {
    remote.lost()
    link.lost(remote)
  }

  package func dialFailed(to address: PeerAddress, _ failure: PeerDialFailure) {
    guard failure == .refused else { return }
    let now = clock()
    let directives = state.withLock { state in
      state.addresses[address].map { state.swim.connectionRefused(by: $0, now: now) } ?? []
    }
    carryOut(directives)
  }

  /// A node that was asked for a room says where it is instead.
  private func heard(_ owner: PeerOwner, of room: RoomID) {
    guard let epoch = owner.epoch else { return }
    let record = SlotRecord(slot: Slot(of: room), epoch: epoch, owner: owner.node)
    let now = clock()
    carryOut(state.withLock { $0.swim.heard(record, now: now) })
  }

  package func received(_ frame: PeerFrame, on connection: any PeerLine) {
    switch frame {
    case .gossip(let bytes):
      do throws(BinaryError) {
        guard let message = try GossipMessage.decode(bytes[...]) else { return }
        let now = clock()
        let directives = state.withLock { state in
          state.heardAt[message.sender.node] = now
          return state.swim.receive(message, now: now)
        }
        carryOut(directives)
      } catch {
        connection.cut(.violation("gossip cannot be read: \(error.reason)"))
      }
    case .move(let slot, let node): received(move: slot, to: node)
    case .request(let room, let request): rooms?.server.received(request, for: room, on: connection)
    case .ask(let number, let room, let question): rooms?.server.ask(question, of: room, number: number, on: connection)
    case .read(let number, let room): rooms?.server.read(room, number: number, on: connection)
    case .output(let output): book.remote(over: connection)?.received(output)
    case .full(let room, let session, let number):
      book.remote(over: connection)?.full(session, number, in: room)
    case .reply(let number, let reply): book.remote(over: connection)?.reply(number, reply)
    case .reading(let number, let reading): book.remote(over: connection)?.reading(number, reading)
    case .notOwner(let room, let owner):
      heard(owner, of: room)
      book.remote(over: connection)?.notOwner(of: room)
    case .hello, .authenticate, .refused, .ping, .pong, .goodbye: break
    }
  }
}
