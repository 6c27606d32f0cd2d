import Foundation
import RoomCore
import Rooms
import Store
import StoreTesting
import TestSupport
import Testing
import Wire

@Suite("Rooms under random requests, store failures, passivations and restarts", .guarded)
struct RandomRoomTests {
  /// `STONEPOT_SEED` replays one run; else a few known ones and a new one, which is printed.
  private static let seeds: [UInt64] = {
    if let seed = ProcessInfo.processInfo.environment["STONEPOT_SEED"].flatMap({ UInt64($0) }) { return [seed] }
    return [1, 2, 3, .random(in: 1000 ... .max)]
  }()

  @Test(
    "What was acknowledged is in the journal, nothing is there twice, and every client saw a slice of it",
    arguments: seeds)
  func run(_ seed: UInt64) async throws {
    print("seed \(seed)")
    let settings = adjusted {
      $0.turnLimit = 4
      $0.dedupCapacity = 40
      $0.snapshotInterval = 7
      $0.replayLimit = 30
      $0.mailboxCapacity = 12
    }
    try await withHouse(settings) { house in
      var driver = RandomDriver(house: house, seed: seed)
      for _ in 0..<400 { try await driver.step() }
      try await driver.settleAndCheck()
    }
  }
}

/// Does at random what clients, operators and broken disks do, and knows what may come of it.
private struct RandomDriver {
  private struct Sent {
    let room: RoomID
    let name: String
    let participant: String
    let after: Int64
    let command: Counter.Command
  }

  private let house: House
  private var random: SplitMix64
  private let rooms = [room("a"), room("b"), room("c")]
  private let participants = ["ann", "ben", "cid"]
  /// One for each room and life of the node: what an earlier life says is not for the sessions of the next.
  private var ears: [RoomID: Listener] = [:]
  private var present: [Client] = []
  private var everybody: [Client] = []
  private var sent: [Sent] = []

  init(house: House, seed: UInt64) {
    self.house = house
    random = SplitMix64(seed: seed)
  }

  // MARK: Doing

  mutating func step() async throws {
    switch random.below(100) {
    case ..<15: open()
    case ..<22: close()
    case ..<62: operate()
    case ..<72: repeatOne()
    case ..<75: contradict()
    case ..<80: breakCommits()
    case ..<84: holdOrRelease()
    case ..<86: breakReads()
    case ..<88: toggle(.journal)
    case ..<90: toggle(.snapshot)
    case ..<94: letGo()
    case ..<96: try await restart()
    default: await house.drain()
    }
  }

  private mutating func open() {
    let room = random.pick(rooms)
    let ear = ears[room] ?? Listener(bell: house.bell)
    ears[room] = ear
    let client = house.client(room, random.chance(1, in: 2) ? .full : .delta, ear: ear)
    let known = everybody.filter { $0.room == room }.map(\.position).max() ?? 0
    client.open(
      as: random.chance(1, in: 3) ? random.pick(participants) : nil,
      since: random.chance(1, in: 2) ? Int64(random.below(Int(known) + 3)) : nil)
    present.append(client)
    everybody.append(client)
  }

  private mutating func close() {
    guard !present.isEmpty else { return }
    present.remove(at: random.below(present.count)).close()
  }

  private mutating func operate() {
    guard !present.isEmpty else { return open() }
    let client = random.pick(present)
    let command: Counter.Command =
      switch random.below(10) {
      case 0: .join
      case 1: .leave
      case 2: .addEach([1, 2, 3])
      case 3: .setIdle(Int64(1_000_000_000 + random.below(1000)))
      case 4: .add(5000)
      default: .add(Int64(random.below(100)))
      }
    let operation = Sent(
      room: client.room, name: "op\(sent.count)", participant: random.pick(participants), after: client.position,
      command: command)
    sent.append(operation)
    send(operation, on: client)
  }

  private func send(_ operation: Sent, on client: Client, _ command: Counter.Command? = nil) {
    client.send(
      command ?? operation.command, by: operation.participant, operation.name, after: operation.after)
  }

  private mutating func repeatOne() {
    guard !sent.isEmpty else { return }
    let operation = random.pick(sent)
    if let client = present.first(where: { $0.room == operation.room }) { send(operation, on: client) }
  }

  private mutating func contradict() {
    guard !sent.isEmpty else { return }
    let operation = random.pick(sent)
    // Refused if the name was used; else it is what the name stands for from then on.
    if let client = present.first(where: { $0.room == operation.room }) { send(operation, on: client, .add(777)) }
  }

  private mutating func breakCommits() {
    let error = StoreError.unavailable("broken by the seed")
    for _ in 0...random.below(3) {
      house.store.plan(
        random.pick([
          .answer(.failed(error)), .answer(.unknown(error)), .answer(.conflict), .writeAndAnswer(.unknown(error)),
          .pass,
        ]))
    }
  }

  private mutating func holdOrRelease() {
    house.store.faults.behaviour = random.chance(1, in: 2) ? .hold : .pass
  }

  private mutating func breakReads() {
    house.store.faults.readError = random.chance(1, in: 3) ? .unavailable("broken by the seed") : nil
  }

  private mutating func toggle(_ gate: GatedStore.Gate) {
    if random.chance(1, in: 2) { house.store.close(gate) } else { house.store.open(gate) }
  }

  private mutating func letGo() {
    let room = random.pick(rooms)
    for client in present where client.room == room { client.close() }
    present.removeAll { $0.room == room }
    house.time.advance(by: house.settings.idleBeforePassivation)
    house.registry.letIdleRoomsGo()
  }

  /// With a node that stops as it should, or with one that goes on without knowing that it was replaced.
  private mutating func restart() async throws {
    heal()
    if random.chance(1, in: 2) { await house.registry.stop() }
    try await house.start()
    present = []
    ears = [:]
  }

  private func heal() {
    house.store.forgetPlan()
    house.store.faults.readError = nil
    house.store.faults.behaviour = .pass
    for gate in GatedStore.Gate.allCases { house.store.open(gate) }
  }

  // MARK: Checking

  mutating func settleAndCheck() async throws {
    heal()
    for operation in sent {
      let ear = ears[operation.room] ?? Listener(bell: house.bell)
      ears[operation.room] = ear
      let client = house.client(operation.room, ear: ear)
      client.open()
      everybody.append(client)
      // What the storm left may still be in the mailbox: wait until a request that is always taken comes out.
      _ = await house.registry.read(operation.room)
      let answer = await client.ask(
        operation.command, by: operation.participant, operation.name, after: operation.after)
      #expect(!answer.hasPrefix("retry"), "a sound store leaves nothing open")
      client.close()
    }
    for room in rooms { try await check(room) }
  }

  private mutating func check(_ id: RoomID) async throws {
    // A last event that both dialects call out.
    let ear = ears[id] ?? Listener(bell: house.bell)
    let last = house.client(id, ear: ear)
    last.open()
    _ = await house.registry.read(id)
    #expect(await last.ask(.add(1), by: "eve", "last", after: .max).hasPrefix("ack"))

    let journal = try await house.journal(id)
    #expect(journal.map(\.sequence.number) == Array(1...Int64(journal.count)), "gapless")
    var positions: [String: [Int64]] = [:]
    for record in journal {
      positions[record.cause?.operation.value ?? "?", default: []].append(record.sequence.number)
    }
    for (name, at) in positions {
      let isOnce = at.count == 1 || (at.count == 3 && at == Array(at[0]...at[0] + 2))
      #expect(isOnce, "\(name) is at \(at)")
    }
    for client in everybody where client.room == id {
      Checker.check(client.sights, in: client.dialect, against: journal)
      for words in client.directs.map({ $0.split(separator: " ") }) where words[0] == "ack" {
        #expect(positions[String(words[1])]?.last == Int64(words[2]), "\(words) is not in the journal")
      }
    }
    for client in present where client.room == id && !client.sights.contains(where: { $0.ending != nil }) {
      await client.sees(upTo: Int64(journal.count))
      #expect(client.position == Int64(journal.count))
    }
    var state = Counter.State()
    for record in journal { Counter.evolve(&state, applying: record) }
    let reading = await house.registry.read(id)
    guard case .state(let text) = reading else {
      Issue.record("\(id) cannot be read")
      return
    }
    #expect(String(text).hasPrefix(CounterVoice.describe(state, at: SequenceNumber(Int64(journal.count))) + " online="))
  }
}
