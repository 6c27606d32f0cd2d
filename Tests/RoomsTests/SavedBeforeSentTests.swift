import RoomCore
import Rooms
import Store
import StoreTesting
import Synchronization
import Testing
import Wire

private let ward = room("ward")
private let broken = StoreError.unavailable("broken for the test")

@Suite("Promise 1: saved before sent", .guarded)
struct SavedBeforeSentTests {
  @Test("Nobody sees anything of a turn before its commit is on disk")
  func nothingLeaves() async throws {
    try await withHouse { house in
      let full = await house.connect(ward, .full)
      let delta = await house.connect(ward, .delta)
      house.store.faults.behaviour = .hold
      delta.send(.add(1), "one")
      await house.untilHeld()
      let outputs = house.listener.outputs

      // All of these wait for the next turn, which has events to commit too.
      let late = house.client(ward)
      let resuming = house.client(ward)
      late.open()
      resuming.open(since: 0)
      delta.send(.add(5000), "refused")
      delta.send(.add(2), "two")
      delta.send(.add(2), "two")
      delta.send(.resync(delta.session))
      full.send(.look, "look")
      let reading = Mutex<RoomReading?>(nil)
      let registry = house.registry
      let reader = Task {
        let answer = await registry.read(ward)
        reading.withLock { $0 = answer }
      }
      await house.drain()
      #expect(house.listener.outputs == outputs)
      #expect(delta.directs.isEmpty && full.changes.isEmpty)

      house.store.faults.releaseOne()
      await delta.sees { $0.direct == "ack one 1" }
      await house.untilHeld()
      await house.drain()
      #expect(delta.directs == ["ack one 1"])
      #expect(full.changes == ["1 total=1 trace=1 members="])
      #expect(full.directs.isEmpty && late.sights.isEmpty && resuming.sights.isEmpty)
      #expect(reading.withLock { $0 } == nil)

      house.store.faults.behaviour = .pass
      await delta.sees { $0.isSync && $0.position == 2 }
      await late.sees(upTo: 2)
      await resuming.sees(upTo: 2)
      await reader.value
      #expect(delta.directs == ["ack one 1", "no refused tooMuch", "ack two 2", "ack two 2"])
      #expect(full.directs == ["ack look 2"])
    }
  }

  enum Failure: CaseIterable {
    case failed, unknown, conflict, writtenUnknown

    var behaviour: FaultyStore.CommitBehaviour {
      switch self {
      case .failed: .answer(.failed(broken))
      case .unknown: .answer(.unknown(broken))
      case .conflict: .answer(.conflict)
      case .writtenUnknown: .writeAndAnswer(.unknown(broken))
      }
    }

    var code: String { self == .failed ? "store_unavailable" : "outcome_unknown" }
    var isWritten: Bool { self == .writtenUnknown }
  }

  @Test(
    "A refused commit is undone: senders may retry, what was applied before is acknowledged, the rest is answered",
    arguments: Failure.allCases)
  func refusedCommit(_ failure: Failure) async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.join, "join") == "ack join 1")
      house.store.faults.behaviour = .hold
      ann.send(.add(1), "one")
      await house.untilHeld()

      // One turn of everything there is.
      let late = house.client(ward)
      ann.send(.add(2), "two")
      late.open()
      ann.send(.join, "join")
      ann.send(.add(5000), "refused")
      ann.send(.add(4), "unnamed", isNamed: false)
      let registry = house.registry
      async let reading = registry.read(ward)
      await house.drain()
      house.store.faults.releaseOne()
      await house.untilHeld()
      let seen = ann.sights.count
      let loads = house.store.calls(at: .load)
      house.store.faults.releaseOne(as: failure.behaviour)
      house.store.faults.behaviour = .pass
      await late.sees { $0.isSync }
      await house.drain()
      // Only who does not know what is on disk reads it.
      #expect(house.store.calls(at: .load) == loads + (failure == .failed ? 0 : 1))

      let answers = ann.sights.dropFirst(seen).compactMap(\.direct)
      let retry = "retry two \(failure.code)"
      #expect(
        answers
          == (failure.isWritten
            ? ["no refused tooMuch", "ack two 3", "ack join 1"]
            : [retry, "no refused tooMuch", "retry - \(failure.code)", "ack join 1"]))
      let head: Int64 = failure.isWritten ? 4 : 2
      let text = failure.isWritten ? "4 total=7 trace=1027 members=ann" : "2 total=1 trace=1 members=ann"
      #expect(late.sights == [.sync(head, text + " online=ann")])
      #expect(await reading == .state(Array((text + " online=ann").utf8)))

      #expect(await ann.ask(.add(2), "two") == "ack two 3")
      #expect(await ann.ask(.add(2), "two") == "ack two 3")
      await ann.sees(upTo: 3)
      let journal = try await house.journal(ward)
      #expect(journal.count { $0.cause?.operation.value == "two" } == 1)
    }
  }

  @Test("What depended on another operation of a refused turn may be retried as well", arguments: Failure.allCases)
  func dependents(_ failure: Failure) async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      house.store.faults.behaviour = .hold
      ann.send(.add(1), "one")
      await house.untilHeld()
      ann.send(.setIdle(1_000_000), "idle")
      ann.send(.leaveIdle, "leave")
      await house.drain()
      house.store.faults.releaseOne()
      await house.untilHeld()
      house.store.faults.releaseOne(as: failure.behaviour)
      house.store.faults.behaviour = .pass
      await ann.sees { $0.direct?.contains(" leave ") == true }
      #expect(await ann.ask(.setIdle(1_000_000), "idle") == "ack idle 2")
      #expect(await ann.ask(.leaveIdle, "leave") == "ack leave 3")
      #expect(!ann.directs.contains("no leave notDue"))
    }
  }

  @Test("Of an operation with many events the full dialect is told the outcome alone, the other one each of them")
  func manyEvents() async throws {
    var settings = RoomSettings()
    settings.announcedSingly = 3
    try await withHouse(settings) { house in
      let full = await house.connect(ward, .full)
      let delta = await house.connect(ward)
      delta.send(.addEach([1, 2, 3]), "few")
      delta.send(.addEach([4, 5, 6, 7]), "many")
      await delta.sees(upTo: 7)
      await full.sees(upTo: 7)
      #expect(delta.changes.count == 7)
      #expect(full.changes.count == 4)
      #expect(full.changes.last?.hasPrefix("7 total=28 ") == true)
    }
  }

  @Test("A turn that has said enough leaves the rest to the next one, in order")
  func turnBytes() async throws {
    var settings = RoomSettings()
    settings.turnBytes = 1
    try await withHouse(settings) { house in
      let ann = await house.connect(ward)
      house.store.faults.behaviour = .hold
      for number in 1...3 { ann.send(.add(Int64(number)), "\(number)") }
      for number in 1...3 {
        await house.untilHeld()
        await house.drain()
        #expect(ann.directs.count == number - 1)
        house.store.faults.releaseOne()
        await ann.sees { $0.direct == "ack \(number) \(number)" }
      }
      house.store.faults.behaviour = .pass
      try await house.expectJournal(of: ward, count: 3)
    }
  }

  @Test("A session that was there when the outcome was unknown misses nothing of what was written after all")
  func unknownButWritten() async throws {
    try await withHouse { house in
      let delta = await house.connect(ward, .delta)
      let full = await house.connect(ward, .full)
      let idle = await house.connect(ward, .delta)
      #expect(await delta.ask(.add(1), "one") == "ack one 1")
      house.store.plan(.writeAndAnswer(.unknown(broken)))
      #expect(await delta.ask(.add(2), "two") == "ack two 2")
      #expect(await delta.ask(.add(2), "two") == "ack two 2")
      #expect(await delta.ask(.add(3), "three") == "ack three 3")
      for client in [delta, full, idle] {
        await client.sees(upTo: 3)
        var position: Int64 = 0
        for case let next? in client.sights.map(\.position) {
          // A sync may stand anywhere; a change stands right after what the client knows.
          if next != position { #expect(next == position + 1, "\(client.sights)") }
          position = next
        }
      }
      try await house.expectJournal(of: ward, count: 3)
    }
  }

  @Test("A deposed owner writes nothing, ends its sessions and answers everybody who waits")
  func deposed() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.add(1), "one") == "ack one 1")
      house.store.faults.behaviour = .hold
      ann.send(.add(2), "two")
      await house.untilHeld()
      let late = house.client(ward)
      late.open()
      ann.send(.add(3), "three")
      let registry = house.registry
      let readings = Mutex(0)
      let reader = Task {
        #expect(await registry.read(ward) == .unavailable)
        readings.withLock { $0 += 1 }
      }
      await house.drain()
      house.store.faults.releaseOne()
      await house.untilHeld()
      house.store.faults.behaviour = .answer(.stale)
      await late.sees { $0.ending == .moved }
      await ann.sees { $0.ending == .moved }
      await reader.value
      #expect(ann.answers(to: "three") == ["retry three store_unavailable"])
      #expect(ann.answers(to: "two") == ["ack two 2"])
      #expect(!late.sights.contains { $0.isSync })
      await house.until { registry.warmCount == 0 }
      try await house.expectJournal(of: ward, count: 2)
    }
  }

  @Test("A deposed owner, once it knows, serves nothing in that slot")
  func deposedServesNothing() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.add(1), "one") == "ack one 1")
      let old = house.registry
      try await house.start()
      let sent = old.send(
        .operation(
          Operation(
            id: OperationID(participant: ParticipantID("ann"), value: "two"), after: .zero, command: .add(2)),
          session: ann.session, opId: "two"), to: ward, from: house.listener)
      #expect(sent == .taken)
      await ann.sees { $0.ending == .moved }
      await house.until { old.warmCount == 0 }
      #expect(await old.read(ward) == .unavailable)
      #expect(await house.registry.read(ward) == .state(Array("1 total=1 trace=1 members= online=".utf8)))
    }
  }

  @Test("A room that the store cannot give ends its sessions and answers everybody who waits")
  func unreadable() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.add(1), "one") == "ack one 1")
      house.store.faults.behaviour = .hold
      ann.send(.add(2), "two")
      await house.untilHeld()
      let registry = house.registry
      ann.send(.add(3), "three")
      async let reading = registry.read(ward)
      let late = house.client(ward)
      late.open()
      await house.drain()
      house.store.faults.releaseOne()
      await house.untilHeld()
      house.store.faults.readError = broken
      house.store.faults.behaviour = .answer(.unknown(broken))
      await ann.sees { $0.ending == .unavailable }
      await late.sees { $0.ending == .unavailable }
      #expect(ann.directs.last == "retry three outcome_unknown")
      #expect(await reading == .unavailable)

      // Once the store is back, so is the room.
      house.store.faults.behaviour = .pass
      house.store.faults.readError = nil
      let back = await house.connect(ward)
      #expect(back.position == 2)
    }
  }

  @Test("A store that takes and gives nothing leaves the sessions of a room in memory where they are")
  func storeIsAway() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward, .full)
      #expect(await ann.ask(.add(1), "one") == "ack one 1")
      house.store.faults.readError = broken
      house.store.faults.behaviour = .answer(.failed(broken))
      #expect(await ann.ask(.add(2), "two") == "retry two store_unavailable")
      #expect(await ann.ask(.add(1), "one") == "ack one 1")
      let late = await house.connect(ward, .full)
      #expect(late.position == 1)
      house.store.faults.behaviour = .pass
      house.store.faults.readError = nil
      #expect(await ann.ask(.add(2), "two") == "ack two 2")
      await late.sees(upTo: 2)
      try await house.expectJournal(of: ward, count: 2)
    }
  }

  @Test("A store that refuses every commit is not asked again and again for the same timer")
  func timerAgainstBrokenStore() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.setIdle(1000), "idle") == "ack idle 1")
      house.time.advance(by: .seconds(2))
      let store = house.store
      let submitted = store.faults.submittedCommits
      store.plan(.answer(.failed(broken)), .answer(.failed(broken)), .answer(.failed(broken)))
      await house.registry.wakeDueRooms()
      #expect(await ann.ask(.look, "look") == "ack look 1")
      #expect(store.plannedCount == 2)
      #expect(store.faults.submittedCommits == submitted)
    }
  }
}
