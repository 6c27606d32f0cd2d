import InMemoryLogging
import Logging
import RoomCore
import Store
import StoreTesting
import Synchronization
import Testing
import Wire

@testable import Rooms

private let ward = room("ward")

@Suite("The rooms of a node", .guarded)
struct RegistryTests {
  @Test("A room is loaded when it is asked for, saves a snapshot when it is idle, and is loaded from it")
  func activation() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.add(1), "one") == "ack one 1")
      #expect(house.registry.warmCount == 1)

      // Not while somebody is there, however long nothing happens.
      house.time.advance(by: house.settings.idleBeforePassivation * 2)
      house.registry.letIdleRoomsGo()
      #expect(await ann.ask(.look, "look") == "ack look 1")
      #expect(house.registry.warmCount == 1)

      // Not before its time.
      ann.close()
      house.time.advance(by: house.settings.idleBeforePassivation - .milliseconds(1))
      house.registry.letIdleRoomsGo()
      #expect(await house.registry.read(ward) == .state(Array("1 total=1 trace=1 members= online=".utf8)))
      #expect(house.registry.warmCount == 1 && house.store.calls(at: .snapshot) == 0)

      await house.passivate()
      let stored = try await house.store.faults.load(ward)
      #expect(stored?.snapshot?.sequence == SequenceNumber(1))
      let loads = house.store.calls(at: .load)
      #expect(await house.registry.read(ward) == .state(Array("1 total=1 trace=1 members= online=".utf8)))
      #expect(house.store.calls(at: .load) == loads + 1)
    }
  }

  @Test("A room in which nothing ever happened leaves at once")
  func vacant() async throws {
    try await withHouse { house in
      let registry = house.registry
      #expect(await registry.read(ward) == .empty)
      await house.until { registry.warmCount == 0 }
      let ann = await house.connect(ward)
      #expect(ann.sights == [.sync(0, nil)])
      #expect(registry.warmCount == 1)
      ann.close()
      await house.until { registry.warmCount == 0 }
      #expect(house.store.calls(at: .snapshot) == 0)
    }
  }

  @Test("What ends or follows a session does not load a room that left memory")
  func nothingToLoadFor() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.join, "join") == "ack join 1")
      let registry = house.registry
      await registry.stop()
      try await house.start()
      let loads = house.store.calls(at: .load)
      ann.close()
      for request: RoomRequest<Counter.Command> in [
        .resync(ann.session), .relay([], by: ParticipantID("ann"), session: ann.session),
      ] {
        #expect(house.registry.send(request, to: ward, from: house.listener) == .taken)
      }
      await house.drain()
      #expect(house.registry.warmCount == 0 && house.store.calls(at: .load) == loads)
    }
  }

  @Test("A room that cannot save its snapshot because another node owns the slot ends its sessions")
  func deposedBySnapshot() async throws {
    try await withHouse(adjusted { $0.snapshotInterval = 2 }) { house in
      let store = house.store
      store.close(.snapshot)
      let ann = await house.connect(ward)
      #expect(await ann.ask(.add(1), "one") == "ack one 1")
      #expect(await ann.ask(.add(1), "two") == "ack two 2")
      await house.until { store.waiting(at: .snapshot) == 1 }
      let old = house.registry
      try await house.start()
      store.open(.snapshot)
      await ann.sees { $0.ending == .moved }
      await house.until { old.warmCount == 0 }
      #expect(await old.read(ward) == .unavailable)
    }
  }

  @Test("A node that hears from one room that it lost the slot serves none of the slot's rooms any more")
  func deposedNeighbour() async throws {
    try await withHouse { house in
      let names = (0...).lazy.map { room("neighbour-\($0)") }
      let other = try #require(names.first { Slot(of: $0) == Slot(of: ward) })
      let ann = await house.connect(ward)
      let ben = await house.connect(other)
      #expect(await ben.ask(.add(1), "one") == "ack one 1")
      let old = house.registry
      try await house.start()
      _ = old.send(
        .operation(
          Operation(id: OperationID(participant: ParticipantID("ann"), value: "one"), after: .zero, command: .add(2)),
          session: ann.session, opId: "one"), to: ward, from: house.listener)
      await ann.sees { $0.ending == .moved }
      await ben.sees { $0.ending == .moved }
      await house.until { old.warmCount == 0 }
      #expect(await old.read(other) == .unavailable)
    }
  }

  @Test("Cold rooms cost nothing: thousands of them are not loaded")
  func coldRooms() async throws {
    try await withHouse { house in
      let text: [UInt8] = JournalText.write([
        Recorded(sequence: SequenceNumber(1), at: Timestamp(millis: 1), cause: nil, event: Counter.Event.added(7))
      ])
      let content = StoredRoom(
        snapshot: nil,
        journal: [
          JournalRow(first: SequenceNumber(1), count: 1, epoch: Epoch(1), at: Timestamp(millis: 1), text: text)
        ],
        timer: nil)
      let store = house.store
      await withThrowingTaskGroup(of: Void.self) { group in
        for number in 1...2000 {
          group.addTask { try await store.importRoom(room("cold-\(number)"), content, timer: nil) }
        }
      }
      try await house.restart()
      house.registry.letIdleRoomsGo()
      await house.registry.wakeDueRooms()
      #expect(house.registry.warmCount == 0 && house.store.calls(at: .load) == 0)
      #expect(await house.registry.read(room("cold-77")) == .state(Array("1 total=7 trace=7 members= online=".utf8)))
      #expect(house.registry.warmCount == 1 && house.store.calls(at: .load) == 1)
    }
  }

  @Test("A request that comes while a room saves its last snapshot goes to the next instance")
  func replaced() async throws {
    try await withHouse { house in
      let registry = house.registry
      let store = house.store
      let ann = await house.connect(ward)
      #expect(await ann.ask(.add(1), "one") == "ack one 1")
      ann.close()
      store.close(.snapshot)
      house.time.advance(by: house.settings.idleBeforePassivation)
      registry.letIdleRoomsGo()
      await house.until { store.waiting(at: .snapshot) == 1 }

      let next = await house.connect(ward)
      #expect(next.position == 1)
      #expect(await next.ask(.add(1), "one") == "ack one 1")
      #expect(await next.ask(.add(2), "two") == "ack two 2")
      #expect(registry.warmCount == 1)

      // A node that stops waits for the one that is still saving, too.
      let hasStopped = Mutex(false)
      let stop = Task {
        await registry.stop()
        hasStopped.withLock { $0 = true }
      }
      await house.until { store.waiting(at: .snapshot) == 2 }
      store.passLast(at: .snapshot)
      await house.until { registry.warmCount == 0 }
      for _ in 0..<200 { await Task.yield() }
      #expect(!hasStopped.withLock { $0 })
      store.open(.snapshot)
      await stop.value
      try await house.expectSnapshot(of: ward, at: 2)
    }
  }

  @Test("A clock that goes back is told of once, and by how much")
  func clock() async throws {
    try await withHouse { house in
      house.registry.watchClock()
      house.time.advance(by: .seconds(5))
      house.registry.watchClock()
      #expect(house.log.entries.isEmpty)
      house.time.advance(by: .seconds(-3))
      for _ in 0..<2 { house.registry.watchClock() }
      #expect(house.log.entries.map { $0.metadata["by"] } == ["3000 ms"])
    }
  }

  @Test("No request is lost between rooms that leave and rooms that come")
  func races() async throws {
    try await withHouse(adjusted { $0.idleBeforePassivation = .zero }) { house in
      let rooms = [room("a"), room("b"), room("c")]
      let each = 60
      let registry = house.registry
      let isDone = Atomic<Bool>(false)
      let passes = Task {
        while !isDone.load(ordering: .relaxed) {
          registry.letIdleRoomsGo()
          await Task.yield()
        }
      }
      await withTaskGroup(of: Void.self) { group in
        for (index, id) in rooms.enumerated() {
          for sender in 0..<2 {
            group.addTask {
              for number in 1...each {
                let client = house.client(id)
                client.open()
                let name = "\(index).\(sender).\(number)"
                let answer = await client.ask(.add(1), by: "p\(sender)", name)
                #expect(answer.hasPrefix("ack"))
                client.close()
                if number.isMultiple(of: 5) { #expect(await registry.read(id) != .unavailable) }
                // However slow the passes are, every room leaves once in the middle.
                if number == each / 2 { await house.until { registry.warmCount == 0 } }
              }
            }
          }
        }
      }
      isDone.store(true, ordering: .relaxed)
      await passes.value
      for id in rooms { try await house.expectJournal(of: id, count: 2 * each) }
      registry.letIdleRoomsGo()
      await house.until { registry.warmCount == 0 }
      #expect(house.store.calls(at: .load) > rooms.count, "no room ever left, so nothing was proved")
    }
  }

  @Test("stop() finishes what was taken and saves snapshots; who comes later is told to go elsewhere")
  func stop() async throws {
    try await withHouse(adjusted { $0.turnLimit = 2 }) { house in
      let registry = house.registry
      let ann = await house.connect(ward)
      house.store.faults.behaviour = .hold
      for number in 1...7 { ann.send(.add(1), "\(number)") }
      async let reading = registry.read(ward)
      await house.untilHeld()
      let stop = Task { await registry.stop() }
      house.store.faults.behaviour = .pass
      await stop.value
      #expect(ann.directs == (1...7).map { "ack \($0) \($0)" })
      _ = await reading
      #expect(registry.warmCount == 0)
      try await house.expectSnapshot(of: ward, at: 7)

      let late = house.client(ward)
      late.open()
      #expect(late.sights == [.ended(.moved)])
      #expect(ann.send(.add(1), "late") == .taken)
      #expect(await registry.read(ward) == .unavailable)
      #expect(registry.warmCount == 0)
    }
  }

  @Test("What reaches a stopping room behind the end is refused and may be retried")
  func stopRefusesTheRest() async throws {
    try await withHouse(adjusted { $0.turnLimit = 1 }) { house in
      let registry = house.registry
      let ann = await house.connect(ward)
      house.store.faults.behaviour = .hold
      ann.send(.add(1), "one")
      await house.untilHeld()
      let stop = Task { await registry.stop() }
      // Whether these come before the stop or behind it is left to chance; each way has its answer.
      let late = house.client(ward)
      late.open()
      ann.send(.add(2), "two")
      async let reading = registry.read(ward)
      house.store.faults.behaviour = .pass
      await stop.value
      _ = await reading
      await late.sees { $0.isSync || $0.ending == .moved }
      let answers = ann.answers(to: "two")
      #expect(answers == ["retry two store_unavailable"] || answers == ["ack two 2"])
    }
  }

  @Test("A slot that is not owned is not served")
  func notOwned() async throws {
    try await withHouse { house in
      house.ownership.lose(Slot(of: ward), at: try #require(house.ownership.epoch(of: Slot(of: ward))))
      let ann = house.client(ward)
      ann.open()
      #expect(ann.sights == [.ended(.moved)])
      #expect(await house.registry.read(ward) == .unavailable)
      #expect(house.store.calls(at: .load) == 0)
    }
  }

  @Test("One more operation than the mailbox holds is refused as full, and sessions still open and close")
  func overload() async throws {
    try await withHouse(adjusted { $0.mailboxCapacity = 3 }) { house in
      let ann = await house.connect(ward)
      house.store.faults.behaviour = .hold
      ann.send(.add(1), "1")
      await house.untilHeld()
      #expect((2...4).map { ann.send(.add(1), "\($0)") } == [.taken, .taken, .taken])
      #expect(ann.send(.add(1), "5") == .full)
      #expect(ann.send(.relay([], by: ParticipantID("ann"), session: ann.session)) == .full)
      let late = house.client(ward)
      late.open()
      #expect(ann.send(.add(1), "6") == .full)
      house.store.faults.behaviour = .pass
      await late.sees { $0.isSync }
      #expect(late.position == 4)
      #expect(await ann.ask(.add(1), "5") == "ack 5 5")
    }
  }

  @Test("Another room never notices")
  func otherRooms() async throws {
    try await withHouse { house in
      let broken = await house.connect(room("broken"))
      let sound = await house.connect(room("sound"))
      house.store.faults.behaviour = .hold
      broken.send(.add(1), "one")
      await house.untilHeld()
      house.store.plan(.pass)
      sound.send(.add(1), "one")
      await house.untilHeld(2)
      house.store.faults.releaseOne(as: .answer(.failed(.unavailable("broken for the test"))))
      house.store.faults.releaseOne()
      await sound.sees { $0.direct == "ack one 1" }
      await broken.sees { $0.direct == "retry one store_unavailable" }
      house.store.faults.behaviour = .pass
    }
  }
}

@Suite("Timers", .guarded)
struct TimerTests {
  /// The first answer may belong to the turn that a timer is in; when the second comes, that turn is over.
  private func finishTurn(of client: Client) async {
    #expect(await client.ask(.look, "look").hasPrefix("ack"))
    #expect(await client.ask(.look, "look").hasPrefix("ack"))
  }

  @Test("A timer that is due wakes a cold room, also after a restart, and is cleared with the room's end")
  func coldRoom() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.setIdle(600_000), "idle") == "ack idle 1")
      ann.close()
      try await house.restart()
      let registry = house.registry
      await registry.wakeDueRooms()
      #expect(registry.warmCount == 0)
      house.time.advance(by: .seconds(600))
      await registry.wakeDueRooms()
      #expect(registry.warmCount == 1)
      let late = await house.connect(ward)
      await late.sees(upTo: 2)
      try await house.expectJournal(of: ward, count: 2)
      let journal = try await house.journal(ward)
      #expect(journal.last?.event == .ended && journal.last?.cause == nil)
      try await house.expectTimer(of: ward, at: nil)
      let due = try await house.store.faults.dueTimers(
        at: Timestamp(millis: .max), in: house.ownership.owned, after: nil, limit: 9)
      #expect(due.isEmpty)
    }
  }

  @Test("A timer is moved only when it fires too early, and then once")
  func lazilyMoved() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.setIdle(1000), "idle") == "ack idle 1")
      let armed = try await house.store.faults.load(ward)?.timer
      house.time.advance(by: .milliseconds(900))
      #expect(await ann.ask(.add(1), "one") == "ack one 2")
      try await house.expectTimer(of: ward, at: armed)
      #expect(house.store.calls(at: .timer) == 0)

      // Due by the store's word, not by the room's.
      house.time.advance(by: .milliseconds(200))
      await house.registry.wakeDueRooms()
      await finishTurn(of: ann)
      try await house.expectTimer(of: ward, at: armed?.advanced(by: .milliseconds(900)))
      #expect(house.store.calls(at: .timer) == 1)
      await house.registry.wakeDueRooms()
      await finishTurn(of: ann)
      #expect(house.store.calls(at: .timer) == 1)

      house.time.advance(by: .milliseconds(800))
      await house.registry.wakeDueRooms()
      await ann.sees(upTo: 3)
      #expect(ann.changes.last == "3 ended by the room")
    }
  }

  @Test("A room that wants to be woken earlier moves its timer with the event")
  func movedEarlier() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.setIdle(10_000), "late") == "ack late 1")
      #expect(await ann.ask(.setIdle(1000), "early") == "ack early 2")
      try await house.expectTimer(of: ward, at: house.time.now().advanced(by: .seconds(1)))
      #expect(await ann.ask(.end, "end") == "ack end 3")
      try await house.expectTimer(of: ward, at: nil)
      #expect(house.store.calls(at: .timer) == 0)
    }
  }

  @Test("Rooms that cannot be loaded do not keep the timers behind theirs from firing")
  func beyondThoseThatCannot() async throws {
    try await withHouse(adjusted { $0.timersPerLook = 2 }) { house in
      let rooms = (0..<5).map { room("room-\($0)") }
      for (number, room) in rooms.enumerated() {
        let ann = await house.connect(room)
        #expect(await ann.ask(.setIdle(Int64(1000 + number)), "idle") == "ack idle 1")
        ann.close()
      }
      try await house.restart()
      house.time.advance(by: .seconds(600))
      house.store.close(.load)
      for warm in [2, 4, 5] {
        await house.registry.wakeDueRooms()
        #expect(house.registry.warmCount == warm)
      }
      house.store.open(.load)
    }
  }

  @Test("A timer that could not be moved is found due again")
  func notMoved() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.setIdle(1000), "idle") == "ack idle 1")
      house.time.advance(by: .milliseconds(900))
      #expect(await ann.ask(.add(1), "one") == "ack one 2")
      house.time.advance(by: .milliseconds(200))
      house.store.faults.writeError = .unavailable("broken for the test")
      await house.registry.wakeDueRooms()
      await finishTurn(of: ann)
      house.store.faults.writeError = nil
      await house.registry.wakeDueRooms()
      await finishTurn(of: ann)
      try await house.expectTimer(of: ward, at: house.time.now().advanced(by: .milliseconds(800)))
    }
  }
}

@Suite("Snapshots", .guarded)
struct SnapshotTests {
  @Test("A room saves a snapshot after the interval, beside its turns, and is loaded from it and the journal beyond")
  func interval() async throws {
    try await withHouse(adjusted { $0.snapshotInterval = 5 }) { house in
      let store = house.store
      let ann = await house.connect(ward)
      store.close(.snapshot)
      for number in 1...7 { #expect(await ann.ask(.add(Int64(number)), "\(number)") == "ack \(number) \(number)") }
      #expect(store.waiting(at: .snapshot) == 1)
      store.open(.snapshot)
      await house.drain()
      await house.until { store.calls(at: .snapshot) == 1 }
      var saved = try await store.faults.load(ward)?.snapshot?.sequence
      while saved == nil { saved = try await store.faults.load(ward)?.snapshot?.sequence }
      #expect(saved == SequenceNumber(5))

      // As after a crash: the snapshot at 5, and the journal beyond it.
      let stored = try await store.faults.load(ward)
      #expect(stored?.journal.map(\.last) == [SequenceNumber(6), SequenceNumber(7)])
      try await house.start()
      let trace = (1...7).reduce(Int64(0)) { $0 * 31 + Int64($1) & 0xFFFF_FFFF }
      let text = "7 total=28 trace=\(trace) members= online="
      #expect(await house.registry.read(ward) == .state(Array(text.utf8)))
      let later = await house.connect(ward)
      #expect(await later.ask(.add(3), "3") == "ack 3 3")
      #expect(await later.ask(.add(7), "7") == "ack 7 7")
    }
  }

  @Test("A snapshot that cannot be saved is tried again, and harms nobody")
  func notSaved() async throws {
    try await withHouse(adjusted { $0.snapshotInterval = 2 }) { house in
      let store = house.store
      let ann = await house.connect(ward)
      store.faults.writeError = .unavailable("broken for the test")
      for number in 1...3 { #expect(await ann.ask(.add(1), "\(number)") == "ack \(number) \(number)") }
      await house.until { store.calls(at: .snapshot) >= 1 }
      await house.drain()
      store.faults.writeError = nil
      let calls = store.calls(at: .snapshot)
      for number in 4...6 { #expect(await ann.ask(.add(1), "\(number)") == "ack \(number) \(number)") }
      await house.until { store.calls(at: .snapshot) > calls }
      try await house.restart()
      try await house.expectSnapshot(of: ward, at: 6)
    }
  }
}
