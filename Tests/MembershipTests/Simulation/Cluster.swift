import Membership
import RoomCore
import TestSupport

/// A whole cluster on a virtual clock and network, from one seed: the real `Swim`, `SlotGovernor` and codec, and models
/// of everything else.
final class Cluster {
  struct Network {
    /// Of 100 messages.
    var lossPercent = 0
    var duplicatePercent = 0
    var delay: ClosedRange<Int> = 200...2000  // µs
    /// One way, by host.
    var blocked: Set<String> = []

    func isBlocked(_ from: String, _ to: String) -> Bool { blocked.contains("\(from)>\(to)") }
  }

  /// One process: a life of a node.
  struct Process {
    let name: String
    let node: NodeID
    var swim: Swim
    var governor: SlotGovernor
    var isRunning = true
    var pausedUntil: MonotonicTime?
    var wakeAt = MonotonicTime.distantFuture
    var canReachStore = true

    var isGateway: Bool { !swim.ownRecord.member.isNode }
  }

  enum Event {
    case arrive([UInt8], at: String)
    case refused(Int, by: NodeID)
    case wake(Int)
    case decide(Int)
    case readStore(Int)
    case wasRead(Int, StoreReading)
    case beat(Int)
    case claim(Int, [SlotClaim])
    case claimed(Int, [Slot: Epoch])
    case release(Int, [SlotRecord])
    case handedOff(Int, SlotRecord, to: NodeID)
  }

  let seed: UInt64
  let deadlines: Deadlines
  var generator: SplitMix64
  var network = Network()
  var store = ModelStore()
  private(set) var now = MonotonicTime(nanoseconds: 1_000_000_000)
  private(set) var processes: [Process] = []
  private var queue = EventQueue<Event>()

  /// What happened, one line each.
  private(set) var trace: [String] = []
  private(set) var violations: [String] = []
  private(set) var messages = 0
  private(set) var deaths: [(at: MonotonicTime, seenBy: NodeID, dead: NodeID)] = []
  private(set) var stepDowns: [(at: MonotonicTime, node: NodeID)] = []

  init(seed: UInt64, deadlines: Deadlines = Deadlines()) {
    self.seed = seed
    self.deadlines = deadlines
    generator = SplitMix64(seed: seed)
  }

  // MARK: Scripts

  /// Starts a process under a name; the first two names are everybody's seeds.
  @discardableResult
  func start(_ name: String, weight: Int? = 100) -> Int {
    let index = processes.count
    let node = NodeID("\(String(generator.next() | 1 << 63, radix: 36))-\(name)")
    let member = Member(
      node: node, name: name, address: PeerAddress(host: name, port: 7000),
      kind: weight.map { .node(weight: $0) } ?? .gateway)
    let swim = Swim(
      own: member, incarnation: UInt64(now.nanoseconds / 1_000_000),
      seeds: ["n0", "n1"].map { PeerAddress(host: $0, port: 7000) }, deadlines: deadlines, seed: generator.next())
    let governor = SlotGovernor(me: node, name: name, deadlines: deadlines, seed: generator.next())
    processes.append(Process(name: name, node: node, swim: swim, governor: governor))
    note("\(name) starts as \(node)")
    carryOut(processes[index].swim.start(now: now), index)
    if weight != nil {
      for event in [Event.beat(index), .readStore(index), .decide(index)] { queue.add(event, at: now) }
    }
    return index
  }

  func crash(_ index: Int) {
    processes[index].isRunning = false
    note("\(processes[index].name) crashes")
    // Its sockets are closed by the kernel; whoever had one open connects again at once.
    for other in processes.indices where other != index && processes[other].isRunning {
      queue.add(.refused(other, by: processes[index].node), at: now + .milliseconds(1 + generator.below(20)))
    }
  }

  func pause(_ index: Int, for duration: Duration) {
    processes[index].pausedUntil = now + duration
    note("\(processes[index].name) is stopped for \(duration)")
  }

  func drain(_ index: Int) {
    processes[index].governor.drain(rooms: 0)
    carryOut(processes[index].swim.setWeight(0, now: now), index)
  }

  func cut(_ from: String, _ to: String) { network.blocked.insert("\(from)>\(to)") }

  /// Cuts both ways between two sides.
  func partition(_ side: [Int], from other: [Int]) {
    for left in side {
      for right in other {
        cut(processes[left].name, processes[right].name)
        cut(processes[right].name, processes[left].name)
      }
    }
    note("\(side) is cut off from \(other)")
  }

  func heal() {
    network.blocked = []
    for index in processes.indices { processes[index].canReachStore = true }
    note("healed")
  }

  func setReachesStore(_ index: Int, _ reaches: Bool) { processes[index].canReachStore = reaches }

  /// - Returns: how long it took, or nil if it did not happen in time.
  @discardableResult
  func run(for limit: Duration, until isDone: () -> Bool = { false }) -> Duration? {
    let start = now
    let end = now + limit
    var checked = now
    while let time = queue.nextTime, time <= end {
      if let (time, event) = queue.popFirst() {
        now = time
        happen(event)
      }
      if now - checked >= .milliseconds(10) {
        checked = now
        if isDone() { return now - start }
      }
    }
    now = end
    return isDone() ? limit : nil
  }

  // MARK: Checks

  var live: [Int] { processes.indices.filter { processes[$0].isRunning && processes[$0].pausedUntil == nil } }

  /// Whether all that run agree on who is alive: exactly they.
  var isConverged: Bool {
    let expected = live.map { processes[$0].node }.sorted()
    return live.allSatisfy { index in
      let view = processes[index].swim.view
      return view.members.filter { $0.status == .alive }.map(\.record.node) == expected
        && view.live.count == expected.count
    }
  }

  /// Whether each slot is held, and may be served, by the process that the store says.
  var isServed: Bool {
    let fresh = live.filter { processes[$0].governor.isFresh(now: now) }
    let holders = Dictionary(uniqueKeysWithValues: fresh.map { (processes[$0].node, processes[$0].governor) })
    return store.rows.allSatisfy { row in
      guard let owner = row.owner, let epoch = holders[owner]?.epoch(of: row.slot) else { return false }
      return epoch == row.epoch
    }
  }

  /// Safety: checked each time a process decides.
  private func check(_ index: Int) {
    let (node, governor) = (processes[index].node, processes[index].governor)
    for row in store.rows {
      guard let epoch = governor.epoch(of: row.slot), epoch != row.epoch || node != row.owner else { continue }
      if store.history[row.slot.number][epoch] != node {
        violate("\(node) holds slot \(row.slot) at epoch \(epoch), which it never won")
      }
      let isOld = row.epoch > epoch && now - store.writtenAt[row.slot.number] > deadlines.freshness
      if isOld && governor.mayServe(row.slot, now: now) {
        violate("\(node) serves slot \(row.slot) at epoch \(epoch), long after \(row.epoch)")
      }
    }
  }

  private func violate(_ what: String) { violations.append("\(now): \(what)") }
  private func note(_ what: String) { trace.append("\(now) \(what)") }

  // MARK: Events

  private func happen(_ event: Event) {
    guard let index = subject(of: event) else { return }
    guard processes[index].isRunning else { return }
    if let until = processes[index].pausedUntil {
      if now < until {
        // Whatever comes to a stopped process waits; what it wakes up to first is a matter of chance.
        return queue.add(event, at: until + .microseconds(generator.below(2000)))
      }
      processes[index].pausedUntil = nil
    }
    switch event {
    case .arrive(let bytes, _):
      do {
        guard let message = try GossipMessage.decode(bytes[...]) else {
          return violate("a message is of no known kind")
        }
        carryOut(processes[index].swim.receive(message, now: now), index)
      } catch {
        violate("a message cannot be decoded: \(error)")
      }
    case .refused(_, let node):
      carryOut(processes[index].swim.connectionRefused(by: node, now: now), index)
    case .wake:
      processes[index].wakeAt = .distantFuture
      carryOut(processes[index].swim.tick(now: now), index)
    case .decide:
      decide(index)
      check(index)
      queue.add(.decide(index), at: now + .milliseconds(200))
    case .readStore:
      queue.add(.readStore(index), at: now + deadlines.readingInterval)
      guard processes[index].canReachStore else { return }
      queue.add(.wasRead(index, store.read(startedAt: now, now: now)), at: now + storeDelay())
    case .wasRead(_, let reading):
      _ = processes[index].swim.mergeStore(reading.slots, startedAt: reading.startedAt)
      processes[index].governor.take(reading)
      decide(index)
    case .beat:
      queue.add(.beat(index), at: now + deadlines.heartbeatInterval)
      guard processes[index].canReachStore else { return }
      store.beat(processes[index].node, name: processes[index].name, now: now)
    case .claim(_, let intents):
      let won =
        processes[index].canReachStore ? store.claim(intents, for: processes[index].node, now: now) : [:]
      queue.add(.claimed(index, won), at: now + storeDelay())
    case .claimed(_, let won):
      carryOut(processes[index].governor.claimEnded(won: won, now: now), index)
      let records = won.keys.sorted().map {
        SlotRecord(slot: $0, epoch: won[$0] ?? .zero, owner: processes[index].node)
      }
      carryOut(processes[index].swim.announce(records, now: now), index)
      note("\(processes[index].name) won \(won.count)")
      decide(index)
    case .release(_, let records):
      guard processes[index].canReachStore else { return }
      store.release(records, now: now)
      announceRelease(of: records, to: nil, index)
    case .handedOff(_, let record, let next):
      let isHeld = processes[index].governor.epoch(of: record.slot) == record.epoch
      if isHeld && processes[index].canReachStore { store.release([record], now: now) }
      let released = isHeld && processes[index].canReachStore
      processes[index].governor.handOffEnded(
        record.slot, at: record.epoch, rooms: 1, released: released, now: now)
      if released { announceRelease(of: [record], to: next, index) }
    }
  }

  private func subject(of event: Event) -> Int? {
    switch event {
    case .arrive(_, let host): processes.lastIndex { $0.name == host && $0.isRunning }
    case .refused(let index, _), .wake(let index), .decide(let index), .readStore(let index), .wasRead(let index, _),
      .beat(let index), .claim(let index, _), .claimed(let index, _), .release(let index, _),
      .handedOff(let index, _, _):
      index
    }
  }

  private func storeDelay() -> Duration { .microseconds(500 + generator.below(8000)) }

  private func announceRelease(of records: [SlotRecord], to next: NodeID?, _ index: Int) {
    let released = records.map { SlotRecord(slot: $0.slot, epoch: $0.epoch, owner: nil) }
    carryOut(processes[index].swim.announce(released, to: next, now: now), index)
  }

  private func decide(_ index: Int) {
    guard !processes[index].isGateway else { return }
    let swim = processes[index].swim
    carryOut(processes[index].governor.decide(view: swim.view, ownership: swim.ownership, now: now), index)
  }

  // MARK: Directives

  private func carryOut(_ directives: [SlotDirective], _ index: Int) {
    let name = processes[index].name
    for directive in directives {
      switch directive {
      case .claim(let intents):
        note("\(name) claims \(intents.count)")
        queue.add(.claim(index, intents), at: now + storeDelay())
      case .handOff(let record, let next):
        queue.add(.handedOff(index, record, to: next), at: now + .milliseconds(5 + generator.below(20)))
      case .release(let records):
        note("\(name) releases \(records.count)")
        queue.add(.release(index, records), at: now + storeDelay())
      case .lost(let slot, _): note("\(name) lost \(slot)")
      case .stepDown(let reason, let records):
        note("\(name) steps down: \(reason), \(records.count)")
        stepDowns.append((now, processes[index].node))
        queue.add(.release(index, records), at: now + storeDelay())
      case .drained:
        note("\(name) is drained")
        carryOut(processes[index].swim.leave(now: now), index)
        processes[index].isRunning = false
      }
    }
  }

  private func carryOut(_ directives: [SwimDirective], _ index: Int) {
    var mustDecide = false
    for directive in directives {
      switch directive {
      case .send(let message, let address, let node): send(message, to: address, node: node, from: index)
      case .changed(let record, let previous):
        note("\(processes[index].name): \(record.member.name) \(record.node) is \(record.status)")
        if record.status == .dead && previous != .dead { deaths.append((now, processes[index].node, record.node)) }
        mustDecide = true
      case .ownershipChanged: mustDecide = true
      case .superseded(let by):
        note("\(processes[index].name) is superseded by \(by.node)")
        carryOut(processes[index].governor.supersede(), index)
        processes[index].isRunning = false
      }
    }
    if mustDecide { decide(index) }
    let wake = max(now, processes[index].swim.nextWake)
    if wake < processes[index].wakeAt {
      processes[index].wakeAt = wake
      queue.add(.wake(index), at: wake)
    }
  }

  private func send(_ message: GossipMessage, to address: PeerAddress, node: NodeID?, from index: Int) {
    messages += 1
    let from = processes[index].name
    let isOpen = !network.isBlocked(from, address.host)
    guard processes.contains(where: { $0.name == address.host && $0.isRunning }) else {
      if isOpen, !network.isBlocked(address.host, from), let node {
        queue.add(.refused(index, by: node), at: now + .milliseconds(1))
      }
      return
    }
    guard isOpen, !generator.chance(network.lossPercent, in: 100) else { return }
    let bytes = message.encode()
    for _ in 0..<(generator.chance(network.duplicatePercent, in: 100) ? 2 : 1) {
      let delay = network.delay.lowerBound + generator.below(network.delay.count)
      queue.add(.arrive(bytes, at: address.host), at: now + .microseconds(delay))
    }
  }
}
