import Ordering
import RoomCore
import Rooms
import Store
import TestSupport

/// A whole cluster and its clients in virtual time, from one seed: what happens to them, and what they promise.
final class VirtualCluster: @unchecked Sendable {
  // Unchecked: touched by the scheduler's thread only.
  let seed: UInt64
  let mutant: Mutant?
  let scheduler: Scheduler
  let network: VirtualNetwork
  let store: ModelStore
  private(set) var rooms = RoomSettings()
  private var chance: SplitMix64
  private var workload: SplitMix64
  private(set) var nodes: [VirtualProcess] = []
  private(set) var gateways: [VirtualProcess] = []
  private(set) var clients: [VirtualClient] = []
  private let roomNames: [RoomID]
  private(set) var isFinishing = false

  /// Every operation that a client has named, and who.
  var named: [String: String] = [:]
  private(set) var violation: Violation?
  private(set) var trace: [String] = []
  private(set) var fingerprint = StableHasher(seed: 0)
  private(set) var counts = Counts()
  /// Positions that clients were told of, each with the time at which it was, for judging readings.
  private var told: [RoomID: [(at: Int64, position: Int)]] = [:]
  private let keepsTrace: Bool

  struct Counts {
    var faults = 0
    var operations = 0
    var readings = 0
    var closings = 0
    var fenced = 0
    var claims = 0
    var commits = 0
    var steps = 0
  }

  private static let nodeNames = ["n1", "n2", "n3"]
  private static let gatewayNames = ["g1", "g2"]
  private static let second: Int64 = 1_000_000_000
  /// An answer that is older than this is stale: the owner's freshness, and what clocks may differ by.
  private static let staleness = 1_100_000_000 as Int64

  init(seed: UInt64, mutant: Mutant?, keepsTrace: Bool) {
    self.seed = seed
    self.mutant = mutant
    self.keepsTrace = keepsTrace
    var seeds = SplitMix64(seed: seed)
    scheduler = Scheduler(seed: seeds.next())
    network = VirtualNetwork(seed: seeds.next(), scheduler: scheduler)
    store = ModelStore(seed: seeds.next(), scheduler: scheduler)
    chance = SplitMix64(seed: seeds.next())
    workload = SplitMix64(seed: seeds.next())
    roomNames = (0..<5).map { number in
      guard let room = RoomID("room-\(seed)-\(number)") else { preconditionFailure("a room's name is not well-formed") }
      return room
    }
    store.mutant = mutant
    rooms.snapshotInterval = 20
    rooms.idleBeforePassivation = .seconds(2)
    rooms.replayLimit = 100
    rooms.addressRoomsPerHour = nil
    store.violation = { [weak self] in self?.violate(.safety, $0) }
  }

  // MARK: - The whole of it

  /// Runs until all is said, or something is wrong.
  func run() {
    for name in Self.nodeNames { start(name, weight: 100) }
    for name in Self.gatewayNames { start(name, weight: nil) }
    for (number, room) in roomNames.enumerated() {
      for part in 0..<3 {
        let kind = part == 2 && number % 2 == 0 ? VirtualClient.Kind.original : .persistent
        clients.append(VirtualClient("client-\(number)-\(part)", kind, in: room, seed: workload.next(), self))
      }
    }
    for client in clients { scheduler.after(scheduler.random(0...2 * Self.second)) { client.start() } }
    read()
    let chaos = 2 * Self.second...16 * Self.second
    scheduler.after(chaos.lowerBound) { self.disturb(until: chaos.upperBound) }
    let isWrong = { self.violation != nil }
    scheduler.run(until: chaos.upperBound, orUntil: isWrong)
    heal()
    scheduler.run(until: scheduler.now + 2 * Self.second, orUntil: isWrong)
    isFinishing = true
    let patience = scheduler.now + 40 * Self.second
    while violation == nil, let waiting = stillWaiting {
      guard scheduler.now < patience else {
        violate(.liveness, waiting)
        break
      }
      scheduler.run(until: scheduler.now + Self.second / 4, orUntil: isWrong)
    }
    if violation == nil { judge() }
    counts.fenced = store.fenced
    counts.claims = store.claims
    counts.commits = store.commits
    counts.steps = scheduler.steps
    counts.operations = clients.reduce(0) { $0 + $1.acknowledged.count + $1.dishes.count }
    counts.closings = clients.reduce(0) { $0 + $1.closings }
    fingerprint.combine(Int64(scheduler.steps))
    fingerprint.combine(scheduler.now)
  }

  private var stillWaiting: String? {
    for client in clients {
      if let waiting = client.waitsFor(head: head(of: client.room)) { return waiting }
    }
    if let row = store.slots.first(where: { row in !nodes.contains { $0.node == row.owner && !$0.life.hasEnded } }) {
      return "nobody that lives owns slot \(row.slot)"
    }
    return nil
  }

  /// What can be told in the end only.
  private func judge() {
    for client in clients { client.judge() }
    for (id, room) in store.rooms {
      for operation in room.causes.keys where operation.participant.value.hasPrefix("client-") {
        let isNamed = named[operation.value] == operation.participant.value
        // What the original app sends is named by its gateway.
        let isOriginal = clients.contains { $0.kind == .original && $0.id == operation.participant.value }
        if !isNamed, !isOriginal { violate(.safety, "\(operation) is in \(id), and nobody asked for it") }
      }
    }
    if counts.closings > 0 { violate(.liveness, "a client was sent away") }
  }

  // MARK: - Processes

  private func start(_ name: String, weight: Int?) {
    let life = Life(
      name, driftPPM: Int64(chance.below(400)) - 200, wallOffsetMillis: Int64(chance.below(400)) - 200, in: scheduler)
    let seed = chance.next()
    note("\(name) starts")
    scheduler.onLoop(of: life) { [self] in
      let process = VirtualProcess(life, weight: weight, seeds: Self.nodeNames, seed: seed, cluster: self)
      if weight == nil { gateways.append(process) } else { nodes.append(process) }
      process.start(in: network)
    }
  }

  private func crash(_ process: VirtualProcess) {
    note("\(process.life.name) crashes")
    process.life.end()
    network.detach(process.life.name)
    nodes.removeAll { $0 === process }
    gateways.removeAll { $0 === process }
    if !process.isNode { loseClients(of: process) }
  }

  /// The machine closes the sockets of a process that has ended.
  private func loseClients(of gateway: VirtualProcess) {
    for client in clients {
      guard let socket = client.socket, socket.gateway === gateway else { continue }
      scheduler.after(scheduler.random(100_000...2_000_000)) { client.closed(socket.number, code: nil) }
    }
  }

  func gateway(_ number: UInt64) -> VirtualProcess? {
    gateways.isEmpty ? nil : gateways[Int(number % UInt64(gateways.count))]
  }

  // MARK: - Faults

  private enum Fault {
    case crash, pause, drain, crashGateway
    case isolate, island, oneWay, cutOffStore, cutOffBoth, cutOffGateway
    case badGossip, slowNetwork, brokenStreams
    case slowStore, failingStore, lostAnswers
    case leavingClient, slowClient, clockStep

    /// Those that make two owners of one room most often come most often.
    static let lots: [Fault] = [
      .crash, .crash, .pause, .pause, .pause, .pause, .drain, .crashGateway, .isolate, .isolate, .island, .island,
      .oneWay,
      .cutOffStore, .cutOffBoth, .cutOffBoth, .cutOffGateway, .badGossip, .slowNetwork, .brokenStreams, .slowStore,
      .failingStore, .lostAnswers, .leavingClient, .slowClient, .clockStep,
    ]
  }

  private func disturb(until end: Int64) {
    guard scheduler.now < end else { return }
    counts.faults += 1
    befall(chance.pick(Fault.lots))
    scheduler.after(Int64(200_000_000 + chance.below(1_300_000_000))) { self.disturb(until: end) }
  }

  private func befall(_ fault: Fault) {
    let node = nodes.isEmpty ? nil : chance.pick(nodes)
    let time = Int64(chance.below(6_000)) * 1_000_000 + 500_000_000
    switch fault {
    case .crash:
      guard let node, !node.life.isPaused else { return }
      crash(node)
      scheduler.after(time) { self.start(node.life.name, weight: 100) }
    case .pause:
      guard let node, !node.life.isPaused else { return }
      note("\(node.life.name) is paused for \(time / 1_000_000) ms")
      node.life.pause()
      scheduler.after(time) {
        self.note("\(node.life.name) goes on")
        node.life.resume()
      }
    case .drain:
      guard let node, !node.life.isPaused else { return }
      note("\(node.life.name) is told to end")
      node.stop { [self] in
        guard !node.life.hasEnded else { return }
        crash(node)
        start(node.life.name, weight: 100)
      }
    case .crashGateway:
      guard gateways.count == 2 else { return }
      let gateway = chance.pick(gateways)
      crash(gateway)
      scheduler.after(time) { self.start(gateway.life.name, weight: nil) }
    case .isolate, .oneWay:
      guard let node else { return }
      let others = Self.nodeNames + (chance.once(in: 2) ? Self.gatewayNames : [])
      let ways = others.filter { $0 != node.life.name }.flatMap { other in
        let both = Self.ways(between: [node.life.name], and: [other])
        return fault == .isolate ? both : [chance.once(in: 2) ? both[0] : both[1]]
      }
      block(ways, for: time)
    case .island:
      guard let node, gateways.count == 2 else { return }
      let side = [node.life.name, chance.pick(gateways).life.name]
      let others = (Self.nodeNames + Self.gatewayNames).filter { !side.contains($0) }
      cutOffStore(node.life.name, for: time)
      block(Self.ways(between: side, and: others), for: time)
      // Those who come from the one side to the other must not be taken back.
      for number in 1...10 {
        scheduler.after(Int64(number) * 300_000_000) { self.chance.pick(self.clients).breakConnection() }
      }
    case .cutOffStore, .cutOffBoth:
      guard let node else { return }
      let name = node.life.name
      note("\(name) cannot reach the store for \(time / 1_000_000) ms")
      cutOffStore(name, for: time)
      if fault == .cutOffBoth {
        block(Self.ways(between: [name], and: Self.nodeNames.filter { $0 != name }), for: time)
      }
    case .cutOffGateway:
      guard let node, !gateways.isEmpty else { return }
      let gateway = chance.pick(gateways).life.name
      block(Self.ways(between: [gateway], and: [node.life.name]), for: time)
    case .badGossip:
      let (loss, double, overtaking) = (chance.below(40), chance.below(20), chance.below(40))
      change("gossip gets lost (\(loss) %), doubled, overtaken", for: time) {
        $0.network.weather.lossPercent = loss
        $0.network.weather.duplicatePercent = double
        $0.network.weather.overtakingPercent = overtaking
      } back: {
        $0.network.weather.lossPercent = 0
        $0.network.weather.duplicatePercent = 0
        $0.network.weather.overtakingPercent = 0
      }
    case .slowNetwork:
      let delay = Int64(1 + chance.below(60)) * 1_000_000
      change("the network is slow: \(delay / 1_000_000) ms", for: time) {
        $0.network.weather.delay = 100_000...delay
      } back: {
        $0.network.weather.delay = 100_000...800_000
      }
    case .brokenStreams:
      note("streams break")
      for _ in 0..<3 { network.breakOne() }
    case .slowStore:
      let delay = Int64(10 + chance.below(300)) * 1_000_000
      change("the store is slow: \(delay / 1_000_000) ms", for: time) {
        $0.store.weather.delay = 1_000_000...delay
      } back: {
        $0.store.weather.delay = 300_000...2_000_000
      }
    case .failingStore:
      let percent = 5 + chance.below(40)
      change("\(percent) % of the store's calls fail", for: time) {
        $0.store.weather.failurePercent = percent
      } back: {
        $0.store.weather.failurePercent = 0
      }
    case .lostAnswers:
      let percent = 5 + chance.below(40)
      change("\(percent) % of the store's answers get lost", for: time) {
        $0.store.weather.lostAnswerPercent = percent
      } back: {
        $0.store.weather.lostAnswerPercent = 0
      }
    case .leavingClient: for _ in 0..<4 { chance.pick(clients).breakConnection() }
    case .slowClient: for _ in 0..<4 { chance.pick(clients).socket?.stall(for: time / 4) }
    case .clockStep:
      guard let node else { return }
      let step = Int64(chance.below(4000)) - 2000
      note("the time of day of \(node.life.name) jumps by \(step) ms")
      node.life.wallOffsetMillis += step
    }
  }

  /// Both ways between each of the one side and each of the other.
  private static func ways(between side: [String], and others: [String]) -> [VirtualNetwork.Way] {
    side.flatMap { one in others.flatMap { [.init(from: one, to: $0), .init(from: $0, to: one)] } }
  }

  private func cutOffStore(_ name: String, for time: Int64) {
    store.weather.unreachable.insert(name)
    scheduler.after(time) { self.store.weather.unreachable.remove(name) }
  }

  private func block(_ ways: [VirtualNetwork.Way], for time: Int64) {
    note("cut: \(ways.map { "\($0.from)>\($0.to)" }.joined(separator: " ")) for \(time / 1_000_000) ms")
    network.weather.blocked.formUnion(ways)
    scheduler.after(time) { [self] in
      network.weather.blocked.subtract(ways)
      network.unblock()
    }
  }

  private func change(
    _ what: String, for time: Int64, _ change: (VirtualCluster) -> Void, back: @escaping (VirtualCluster) -> Void
  ) {
    note("\(what) for \(time / 1_000_000) ms")
    change(self)
    scheduler.after(time) {
      self.note("over: \(what)")
      back(self)
    }
  }

  private func heal() {
    note("all is well again")
    network.weather = VirtualNetwork.Weather()
    network.unblock()
    store.weather = ModelStore.Weather()
    for node in nodes + gateways { node.life.resume() }
  }

  // MARK: - Readings

  private func read() {
    scheduler.after(Int64(100_000_000 + workload.below(200_000_000))) { [self] in
      if let gateway = gateway(workload.next()), !gateway.life.hasEnded {
        let room = workload.pick(roomNames)
        let latest = told[room]?.last { $0.at <= scheduler.now - Self.staleness }?.position ?? 0
        gateway.read(room) { self.judge($0, of: room, atLeast: latest) }
      }
      if !isFinishing { read() }
    }
  }

  private func judge(_ reading: RoomReading, of room: RoomID, atLeast latest: Int) {
    guard case .state(let text) = reading else {
      if case .empty = reading, latest > 0 { violate(.safety, "\(room) is read as empty after \(latest)") }
      return
    }
    counts.readings += 1
    guard let position = Message(String(decoding: text, as: UTF8.self))?.seq else { return }
    if position < latest { violate(.safety, "\(room) is read at \(position) after \(latest)") }
    if position > head(of: room) { violate(.safety, "\(room) is read at \(position) before it is saved") }
  }

  func acknowledged(_ room: RoomID, _ position: Int) {
    let latest = max(told[room]?.last?.position ?? 0, position)
    told[room, default: []].append((scheduler.now, latest))
  }

  // MARK: - The truth

  func head(of room: RoomID) -> Int { Int(store.rooms[room]?.head.number ?? 0) }
  func record(_ position: Int, of room: RoomID) -> Recorded<OrderEvent> {
    guard let events = store.rooms[room]?.events else { preconditionFailure("\(room) has no events") }
    return events[position - 1]
  }
  func positions(of operation: OperationID, in room: RoomID) -> [SequenceNumber] {
    store.rooms[room]?.causes[operation] ?? []
  }

  /// How often a dish was added.
  func count(of dish: String, in room: RoomID) -> Int { store.rooms[room]?.dishes[dish] ?? 0 }

  // MARK: - What is said of it

  func violate(_ kind: Violation.Kind, _ what: String) {
    note("WRONG: \(what)")
    if violation == nil { violation = Violation(kind: kind, what: what) }
  }

  func note(_ text: @autoclosure () -> String) {
    let line = "\(scheduler.now / 1000) µs  \(text())"
    fingerprint.combine(line)
    if keepsTrace { trace.append(line) }
  }
}
