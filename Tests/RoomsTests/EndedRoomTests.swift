import RoomCore
import Rooms
import Store
import StoreTesting
import Synchronization
import Testing

private let ward = room("ward")

@Suite("Ended rooms", .guarded)
struct EndedRoomTests {
  private let settings = adjusted { $0.endedRetention = .seconds(1000) }

  /// A cold room with two events, ended or not.
  private func leave(_ id: RoomID, ended: Bool = true, in house: House) async {
    let ann = await house.connect(id)
    #expect(await ann.ask(.add(1), "one") == "ack one 1")
    #expect(await ann.ask(ended ? .end : .add(2), "two") == "ack two 2")
    ann.close()
    await house.passivate()
  }

  private func names(_ house: House) async throws -> [String] {
    try await house.store.rooms(after: nil, limit: 100).map(\.room.name)
  }

  @Test("A room is deleted when it has ended and nothing was written for the retention; not before, and no other")
  func deleted() async throws {
    try await withHouse(settings) { house async throws in
      await leave(ward, in: house)
      await leave(room("open"), ended: false, in: house)
      // Since its last event, the room has lain idle before it left memory.
      house.time.advance(by: .seconds(1000) - house.settings.idleBeforePassivation * 3)
      await leave(room("younger"), in: house)
      await house.registry.deleteEndedRooms()
      #expect(try await names(house) == ["open", "ward", "younger"])
      house.time.advance(by: house.settings.idleBeforePassivation)
      await house.registry.deleteEndedRooms()
      #expect(try await names(house) == ["open", "younger"])
      #expect(try await house.store.load(ward) == nil)
      house.time.advance(by: .seconds(5000))
      await house.registry.deleteEndedRooms()
      #expect(try await names(house) == ["open"])
    }
  }

  @Test("Whoever opens a deleted room finds an empty one, which begins at the first position")
  func openedAgain() async throws {
    try await withHouse(settings) { house async throws in
      await leave(ward, in: house)
      house.time.advance(by: .seconds(5000))
      await house.registry.deleteEndedRooms()
      #expect(await house.registry.read(ward) == .empty)

      // As one who was there before: nothing to go on from, and an operation that may have been applied then is not
      // applied now.
      let old = house.client(ward)
      old.open(since: 2)
      #expect(await old.ask(.add(5), "three", after: 2) == "no three operation_expired")
      #expect(!old.sights.contains { $0.resumption != nil })
      let new = await house.connect(ward)
      #expect(await new.ask(.add(7), "one") == "ack one 1")
      await old.sees(upTo: 1)
      #expect(try await house.journal(ward).map(\.event) == [.added(7)])
    }
  }

  @Test("A room in memory is not deleted, however old: not with sessions, and not while it saves its snapshot")
  func warm() async throws {
    try await withHouse(settings) { house async throws in
      await leave(ward, in: house)
      let ann = await house.connect(ward)
      house.time.advance(by: .seconds(5000))
      await house.registry.deleteEndedRooms()
      #expect(try await names(house) == ["ward"])
      #expect(await ann.ask(.end, "end") == "no end alreadyEnded")

      ann.close()
      await house.passivate()
      await house.registry.deleteEndedRooms()
      #expect(try await names(house) == [])
    }
  }

  @Test("A room that is asked for while it is deleted is read only afterwards, and is empty then")
  func askedForMeanwhile() async throws {
    try await withHouse(settings) { house async throws in
      await leave(ward, in: house)
      house.time.advance(by: .seconds(5000))
      house.store.close(.deletion)
      let store = house.store
      let registry = house.registry
      let cleaning = Task { await registry.deleteEndedRooms() }
      await house.until { store.waiting(at: .deletion) == 1 }
      let loads = store.calls(at: .load)

      let ann = house.client(ward)
      ann.open()
      ann.send(.add(3), "anew")
      await house.drain()
      for _ in 0..<200 { await Task.yield() }
      #expect(store.calls(at: .load) == loads)
      // A second look leaves it to the first.
      await registry.deleteEndedRooms()
      #expect(store.waiting(at: .deletion) == 1)
      store.open(.deletion)
      await cleaning.value
      await ann.sees { $0.direct == "ack anew 1" }
      #expect(try await house.journal(ward).map(\.event) == [.added(3)])
    }
  }

  @Test("A room that was deleted although its deletion was reported to have failed is found as it is")
  func failedButDone() async throws {
    try await withHouse(settings) { house async throws in
      await leave(ward, in: house)
      house.time.advance(by: .seconds(5000))
      house.store.faults.writeError = .unavailable("broken for the test")
      await house.registry.deleteEndedRooms()
      #expect(try await names(house) == ["ward"])
      #expect(await house.registry.read(ward) != .empty)
      await house.passivate()
      house.store.faults.writeError = nil
      await house.registry.deleteEndedRooms()
      #expect(try await names(house) == [])
      #expect(await house.registry.read(ward) == .empty)
    }
  }

  @Test("Look after look every room is seen, and one that cannot be read keeps nobody else")
  func pageByPage() async throws {
    let settings = adjusted {
      $0.endedRetention = .seconds(1000)
      $0.roomsPerCleaning = 2
    }
    try await withHouse(settings) { house async throws in
      for number in 0..<7 { await leave(room("room-\(number)"), in: house) }
      house.time.advance(by: .seconds(5000))
      // Nothing that a counter can read.
      let slot = Slot(of: room("room-0"))
      let text = RoomSnapshot(room: room("room-0"), sequence: SequenceNumber(2), text: Array("{}".utf8))
      #expect(
        try await house.store.faults.saveSnapshot(
          text, slot: slot, epoch: try #require(house.ownership.epoch(of: slot))))
      for left in [6, 4, 2, 1] {
        await house.registry.deleteEndedRooms()
        #expect(try await names(house).count == left)
      }
      #expect(try await names(house) == ["room-0"])
    }
  }

  @Test("Rooms are kept for ever if that is the setting, and another node's are left to it")
  func kept() async throws {
    try await withHouse(adjusted { $0.endedRetention = nil }) { house async throws in
      await leave(ward, in: house)
      house.time.advance(by: .seconds(1 << 32))
      await house.registry.deleteEndedRooms()
      #expect(try await names(house) == ["ward"])
    }
    try await withHouse(settings) { house async throws in
      await leave(ward, in: house)
      let old = house.registry
      try await house.start()
      house.time.advance(by: .seconds(5000))
      // It does not know yet that it was replaced; the store does.
      await old.deleteEndedRooms()
      #expect(try await names(house) == ["ward"])
      let slot = Slot(of: ward)
      house.ownership.lose(slot, at: try #require(house.ownership.epoch(of: slot)))
      await house.registry.deleteEndedRooms()
      #expect(try await names(house) == ["ward"])
    }
  }
}

@Suite("A clock that is set back", .guarded)
struct ClockSetBackTests {
  @Test("Positions keep their times in order, and a timer fires when its time has come again, not before")
  func timesAndTimers() async throws {
    try await withHouse { house async throws in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.setIdle(10_000), "idle") == "ack idle 1")
      let start = house.time.now()
      house.time.advance(by: .seconds(-3600))
      #expect(await ann.ask(.add(1), "one") == "ack one 2")
      house.time.advance(by: .seconds(3600) + .milliseconds(9999))
      await house.registry.wakeDueRooms()
      #expect(await ann.ask(.look, "look") == "ack look 2")
      house.time.advance(by: .milliseconds(1))
      await house.registry.wakeDueRooms()
      await ann.sees(upTo: 3)
      let times = try await house.journal(ward).map(\.at)
      #expect(times == [start, start, start.advanced(by: .seconds(10))])
    }
  }

  @Test("Rooms that nobody uses leave memory all the same")
  func idleRooms() async throws {
    try await withHouse { house async throws in
      let ann = await house.connect(ward)
      let other = await house.connect(room("other"))
      #expect(await ann.ask(.add(1), "one") == "ack one 1")
      #expect(await other.ask(.add(1), "one") == "ack one 1")
      ann.close()
      house.time.advance(by: .seconds(-3600))
      let registry = house.registry
      registry.letIdleRoomsGo()
      await house.until { registry.warmCount == 1 }
      // Whoever is there stays.
      #expect(await other.ask(.add(2), "two") == "ack two 2")
      #expect(other.sights.allSatisfy { $0.ending == nil })
    }
  }
}
