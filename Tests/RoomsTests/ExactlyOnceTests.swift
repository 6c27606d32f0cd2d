import RoomCore
import Rooms
import Store
import StoreTesting
import Testing
import Wire

private let ward = room("ward")

@Suite("Promise 2: exactly once", .guarded)
struct ExactlyOnceTests {
  @Test("A retry gets the first answer again, on whichever session, after passivation and after a restart")
  func retries() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.addEach([1, 2, 3]), "three") == "ack three 3")
      #expect(await ann.ask(.add(4), "four") == "ack four 4")
      #expect(await ann.ask(.addEach([1, 2, 3]), "three") == "ack three 3")
      ann.close()
      let other = await house.connect(ward)
      #expect(await other.ask(.addEach([1, 2, 3]), "three") == "ack three 3")
      other.close()

      await house.passivate()
      let warm = await house.connect(ward)
      #expect(await warm.ask(.addEach([1, 2, 3]), "three") == "ack three 3")

      try await house.restart()
      let restarted = await house.connect(ward)
      #expect(await restarted.ask(.addEach([1, 2, 3]), "three") == "ack three 3")

      // Without a snapshot, as after a crash.
      #expect(await restarted.ask(.add(5), "five") == "ack five 5")
      try await house.start()
      let revived = await house.connect(ward)
      #expect(await revived.ask(.add(5), "five") == "ack five 5")
      #expect(await revived.ask(.add(4), "four") == "ack four 4")
      let state = "5 total=15 trace=\(Self.trace(1, 2, 3, 4, 5)) members= online="
      #expect(revived.sights.contains(.sync(5, state)))
      try await house.expectJournal(of: ward, count: 5)
    }
  }

  private static func trace(_ numbers: Int64...) -> Int64 {
    numbers.reduce(0) { ($0 &* 31 &+ $1) & 0xFFFF_FFFF }
  }

  @Test("Retries that arrive together with the first are applied once")
  func together() async throws {
    try await withHouse { house in
      let clients = [await house.connect(ward), await house.connect(ward), await house.connect(ward)]
      house.store.faults.behaviour = .hold
      for client in clients { client.send(.add(1), "one") }
      await house.untilHeld()
      for client in clients { client.send(.add(1), "one") }
      house.store.faults.behaviour = .pass
      for client in clients {
        await house.until { client.directs.count == 2 }
        #expect(client.directs == ["ack one 1", "ack one 1"])
      }
      try await house.expectJournal(of: ward, count: 1)
    }
  }

  @Test("Another payload under the same name is operation_conflict")
  func conflict() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.add(1), "one") == "ack one 1")
      #expect(await ann.ask(.add(2), "one") == "no one operation_conflict")
      ann.close()
      try await house.restart()
      let later = await house.connect(ward)
      #expect(await later.ask(.add(2), "one") == "no one operation_conflict")
      // Names belong to their participants.
      let ben = await house.connect(ward)
      #expect(await ben.ask(.add(2), by: "ben", "one") == "ack one 2")
    }
  }

  @Test("A rejection changed nothing and is decided anew")
  func rejection() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.add(5000), "much") == "no much tooMuch")
      #expect(await ann.ask(.add(500), "much") == "ack much 1")
    }
  }

  @Test("An operation from below the window's floor is operation_expired and never applied")
  func expired() async throws {
    try await withHouse(adjusted { $0.dedupCapacity = 2 }) { house in
      let ann = await house.connect(ward)
      for number in 1...4 {
        #expect(await ann.ask(.add(1), "op\(number)", after: Int64(number - 1)) == "ack op\(number) \(number)")
      }
      #expect(await ann.ask(.add(1), "op1", after: 0) == "no op1 operation_expired")
      #expect(await ann.ask(.add(1), "op4", after: 0) == "ack op4 4")
      #expect(await ann.ask(.add(1), "new", after: 1) == "no new operation_expired")
      #expect(await ann.ask(.add(1), "new", after: 2) == "ack new 5")
      ann.close()
      try await house.restart()
      let later = await house.connect(ward)
      #expect(await later.ask(.add(1), "op1", after: 0) == "no op1 operation_expired")
      try await house.expectJournal(of: ward, count: 5)
    }
  }

  @Test("An operation that changes nothing that can still change leaves no event and is acknowledged")
  func settled() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.look, "look") == "ack look 0")
      #expect(await ann.ask(.add(1), "one") == "ack one 1")
      #expect(await ann.ask(.look, "look") == "ack look 1")
    }
  }

  @Test("A client that did not name its operation gets the state where there is no broadcast")
  func unnamed() async throws {
    try await withHouse { house in
      let full = await house.connect(ward, .full)
      full.send(.add(1), "gateway.1", isNamed: false)
      await full.sees { $0.change != nil }
      full.send(.setIdle(1_000_000), "gateway.2", isNamed: false)
      await full.sees { $0.isSync && $0.position == 2 }
      full.send(.look, "gateway.3", isNamed: false)
      let before = full.sights.count
      full.send(.add(5000), "gateway.4", isNamed: false)
      await full.sees { $0.direct == "no - tooMuch" }
      #expect(full.sights.count >= before)
      #expect(full.directs == ["no - tooMuch"])
      #expect(full.sights.count { $0.isSync } == 3)
    }
  }
}
