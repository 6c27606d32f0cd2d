import RoomCore
import Rooms
import Store
import StoreTesting
import Testing

private let ward = room("ward")

/// What a room does for sessions that come from another owner, or go to one.
@Suite("Rooms that move", .guarded)
struct MovingTests {
  private func slots(of room: RoomID) -> Set<Slot> { [Slot(of: room)] }

  // MARK: Going

  @Test("A slot that is handed off has committed all it took, and nothing of it is served")
  func handOff() async throws {
    try await withHouse(adjusted { $0.replayedAfterMove = 3 }) { house in
      let ear = Listener(bell: house.bell, keepsOperations: true)
      let ann = house.client(ward, ear: ear)
      ann.open()
      await ann.sees { $0.isSync }
      let other = await house.connect(room("another"))
      for number in 1...5 { ann.send(.add(1), "\(number)") }
      let given = await house.registry.handOff(slots(of: ward)).epochs
      #expect(given.keys.map(\.self) == [Slot(of: ward)])
      await ann.sees { $0.ending == .moved }
      let settled = ear.settled(of: ann.session).count
      #expect(ann.directs == (1...5).prefix(settled).map { "ack \($0) \($0)" })
      try await house.expectJournal(of: ward, count: settled)
      // Whoever has it next may replay a little.
      let snapshot = try await house.store.load(ward)?.snapshot?.sequence
      #expect(snapshot == (settled > 3 ? SequenceNumber(Int64(settled)) : nil))
      #expect(house.ownership.epoch(of: Slot(of: ward)) == nil)
      #expect(await house.registry.read(ward) == .unavailable)
      #expect(await other.ask(.add(1), "here") == "ack here 1")
    }
  }

  @Test("What was taken and not decided when a room ends has no answer, if its gateway will send it again")
  func keptOperations() async throws {
    try await withHouse(adjusted { $0.turnLimit = 1 }) { house in
      let ear = Listener(bell: house.bell, keepsOperations: true)
      let (ann, bob) = (house.client(ward, ear: ear), house.client(ward))
      for client in [ann, bob] {
        client.open()
        await client.sees { $0.isSync }
      }
      house.store.faults.behaviour = .hold
      ann.send(.add(1), "one")
      await house.untilHeld()
      for client in [ann, bob] { client.send(.add(1), "two") }
      house.registry.depose(Slot(of: ward), try #require(house.ownership.epoch(of: Slot(of: ward))))
      house.store.faults.behaviour = .pass
      for client in [ann, bob] { await client.sees { $0.ending == .moved } }
      // The one in hand was committed; it is settled, and what came behind it is not.
      #expect(ann.directs == ["ack one 1"])
      #expect(ear.settled(of: ann.session).count == 1)
      #expect(bob.directs == ["retry two store_unavailable"])
    }
  }

  @Test("A claim at a higher epoch ends the rooms that were here before it")
  func gainedAnew() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      let slot = Slot(of: ward)
      let epoch = try #require(house.ownership.epoch(of: slot))
      let claimed = try await house.store.claim([SlotClaim(slot: slot, expected: epoch)], for: NodeID("again"))
      house.registry.gain(claimed)
      await ann.sees { $0.ending == .moved }
      let again = await house.connect(ward)
      #expect(await again.ask(.add(1), "one") == "ack one 1")
      #expect(house.listener.latestEpoch == epoch.next)
    }
  }

  @Test("When the store has another past, rooms in memory end without a word to it, and are loaded with the new voice")
  func anew() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      for number in 1...3 { #expect(await ann.ask(.add(1), "\(number)") == "ack \(number) \(number)") }
      let epoch = try #require(house.ownership.epoch(of: Slot(of: ward)))
      house.registry.beginAnew(with: CounterVoice(history: " of another past"))
      await ann.sees { $0.ending == .moved }
      #expect(house.registry.history == " of another past")
      #expect(house.ownership.epoch(of: Slot(of: ward)) == epoch, "the slot is still this node's")
      await house.until { house.registry.warmCount == 0 }
      #expect(try await house.store.load(ward)?.snapshot == nil)
      let bob = await house.connect(ward, since: 1)
      await bob.sees { $0.resumption == "since 1 to 3 of another past" }
      #expect(await bob.ask(.add(1), by: "bob", "4") == "ack 4 4")
    }
  }

  // MARK: Coming

  @Test("Answers are counted for whoever keeps operations: refusals, duplicates and changes alike")
  func settling() async throws {
    try await withHouse { house in
      let ear = Listener(bell: house.bell, keepsOperations: true)
      let ann = house.client(ward, ear: ear)
      ann.open()
      await ann.sees { $0.isSync }
      for name in ["one", "one"] { ann.send(.add(1), name) }
      ann.send(.add(2), "one")
      ann.send(.add(1), by: "bob", "two")
      await house.until { ear.settled(of: ann.session).count == 4 }
      #expect(ear.settled(of: ann.session).participant == ParticipantID("ann"))
      #expect(ann.directs.count == 4)
    }
  }

  @Test("Who saw everything hears nothing, and goes on", arguments: [Dialect.full, .delta])
  func nothingMissed(dialect: Dialect) async throws {
    try await withHouse { house in
      let bob = await house.connect(ward)
      for number in 1...3 { _ = await bob.ask(.add(1), by: "bob", "\(number)") }
      let ann = house.client(ward, dialect)
      ann.open(as: "ann", rehomedAt: 3)
      _ = await bob.ask(.add(1), by: "bob", "4")
      await house.until { !ann.changes.isEmpty }
      #expect(ann.sights.count == 1 && ann.changes.count == 1, "\(ann.sights)")
    }
  }

  @Test("Who missed changes gets them, or in the full dialect the state, and no word more")
  func missed() async throws {
    try await withHouse { house in
      let bob = await house.connect(ward)
      for number in 1...3 { _ = await bob.ask(.add(1), by: "bob", "\(number)") }
      let (ann, eve) = (house.client(ward), house.client(ward, .full))
      ann.open(as: "ann", rehomedAt: 1)
      eve.open(as: "eve", rehomedAt: 1)
      await house.until { ann.changes.count == 2 }
      #expect(ann.sights.count == 2, "\(ann.sights)")
      await eve.sees { $0.isSync }
      #expect(eve.sights.count == 1 && eve.position == 3, "\(eve.sights)")
    }
  }

  @Test("All are told once who is there, when those who come have had the time")
  func presence() async throws {
    try await withHouse { house in
      let bob = await house.connect(ward, as: "bob")
      _ = await bob.ask(.join, by: "bob", "1")
      _ = await house.connect(ward, as: "ann").ask(.join, by: "ann", "2")
      try await house.restart()
      let again = house.client(ward)
      again.open(as: "bob", rehomedAt: 2)
      await house.until { house.registry.warmCount == 1 }
      _ = await again.ask(.add(1), by: "bob", "3")
      house.registry.tellPresence()
      #expect(again.transients == [])
      house.time.advance(by: house.settings.presenceAfterMove)
      house.registry.tellPresence()
      await house.until { again.transients.count == 2 }
      #expect(again.transients == ["ann offline", "bob online"])
      house.time.advance(by: house.settings.presenceAfterMove)
      house.registry.tellPresence()
      _ = await again.ask(.add(1), by: "bob", "4")
      #expect(again.transients.count == 2)
    }
  }

  // MARK: Doubt

  @Test("What is only said waits for the store's word where the node has not looked for long")
  func stale() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      _ = await ann.ask(.add(1), "one")
      house.witness.set(isFresh: false, answer: true)
      #expect(await house.registry.read(ward) == .state(Array("1".utf8)) || house.witness.asked == 1)
      #expect(house.witness.asked == 1)
      // A write asks by itself.
      #expect(await ann.ask(.add(1), "two") == "ack two 2")
      #expect(house.witness.asked == 1)
      house.witness.set(isFresh: false, answer: false)
      #expect(await house.registry.read(ward) == .unavailable)
      await ann.sees { $0.ending == .moved }
      #expect(house.ownership.epoch(of: Slot(of: ward)) == nil)
    }
  }

  @Test("Nothing is said while the store does not answer who owns the slot")
  func silentStore() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      house.witness.set(isFresh: false, answer: nil)
      #expect(await house.registry.read(ward) == .unavailable)
      await ann.sees { $0.ending == .unavailable }
      #expect(house.ownership.epoch(of: Slot(of: ward)) != nil)
    }
  }

  @Test("A turn that could not be written proves nothing: what it says of the state waits for the store's word, too")
  func failedWrite() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      _ = await ann.ask(.add(1), "one")
      ann.close()
      await house.passivate()
      house.witness.set(isFresh: false, answer: nil)
      house.store.plan(.answer(.failed(.unavailable("cut off"))))
      // All in one turn: somebody comes while a write is refused.
      house.store.close(.load)
      let (bob, eve) = (house.client(ward), house.client(ward))
      bob.open()
      bob.send(.add(1), by: "bob", "two")
      eve.open()
      house.store.open(.load)
      await eve.sees { $0.ending == .unavailable }
      #expect(!eve.sights.contains { $0.isSync })
    }
  }

  @Test("Who has seen more than the room has makes it ask the store", arguments: [true, false])
  func beyondTheHead(isRehomed: Bool) async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      _ = await ann.ask(.add(1), "one")
      house.witness.set(isFresh: true, answer: false)
      let eve = house.client(ward)
      eve.open(since: isRehomed ? nil : 2, rehomedAt: isRehomed ? 2 : nil)
      await eve.sees { $0.ending == .moved }
      #expect(house.witness.asked == 1)
      #expect(!eve.sights.contains { $0.isSync })
    }
  }
}
