import RoomCore
import Store
import StoreTesting
import Synchronization
import Testing
import Wire

@testable import Rooms

@Suite("What strangers may take", .guarded)
struct StrangerTests {
  private typealias Creator = CreationLimits.Creator

  // MARK: Beginning rooms

  @Test("An address may begin so many rooms, then as many as the hour gives; others are not touched")
  func addressLimit() {
    let limits = CreationLimits(perAddressAndHour: 2, perTenantAndHour: nil)
    let (ours, theirs) = (Creator(address: "192.0.2.1"), Creator(address: "192.0.2.2"))
    let start = Timestamp(millis: 1_000_000)
    #expect(limits.admit(ours, at: start) == nil)
    #expect(limits.admit(ours, at: start) == nil)
    #expect(limits.admit(ours, at: start) == .address)
    #expect(limits.admit(theirs, at: start) == nil)
    #expect(limits.admit(Creator(), at: start) == nil)
    #expect(limits.admit(ours, at: start.advanced(by: .seconds(1799))) == .address)
    #expect(limits.admit(ours, at: start.advanced(by: .seconds(1801))) == nil)
    #expect(limits.admit(ours, at: start.advanced(by: .seconds(1801))) == .address)
  }

  @Test("What its tenant may not begin is not counted for the address, and what did not begin is given back to both")
  func bothLimits() {
    let limits = CreationLimits(perAddressAndHour: 2, perTenantAndHour: 1)
    let now = Timestamp(millis: 1_000_000)
    let first = Creator(address: "192.0.2.1", tenant: "inn")
    #expect(limits.admit(first, at: now) == nil)
    #expect(limits.admit(first, at: now) == .tenant)
    #expect(limits.admit(Creator(address: "192.0.2.1", tenant: "bar"), at: now) == nil)
    #expect(limits.admit(Creator(address: "192.0.2.1", tenant: "pub"), at: now) == .address)
    limits.giveBack(first)
    #expect(limits.admit(Creator(address: "192.0.2.1", tenant: "inn"), at: now) == nil)
  }

  @Test("Only so many keys are counted; those that have come to rest make place for new ones")
  func keys() {
    let limits = CreationLimits(perAddressAndHour: 1, perTenantAndHour: nil)
    let start = Timestamp(millis: 1_000_000)
    for number in 0..<CreationLimits.maxKeys { _ = limits.admit(Creator(address: "\(number)"), at: start) }
    // One more is not counted; nobody is refused for it.
    for _ in 0..<2 { #expect(limits.admit(Creator(address: "late"), at: start) == nil) }
    #expect(limits.admit(Creator(address: "7"), at: start) == .address)
    let later = start.advanced(by: .seconds(3601))
    #expect(limits.admit(Creator(address: "late"), at: later) == nil)
    #expect(limits.admit(Creator(address: "late"), at: later) == .address)
  }

  @Test("A room over the limit does not begin, and the rooms that there are go on")
  func refusal() async throws {
    try await withHouse(adjusted { $0.addressRoomsPerHour = 1 }) { house in
      let first = await house.connect(room("first"), from: "192.0.2.1")
      let second = await house.connect(room("second"), from: "192.0.2.1")
      #expect(await first.ask(.add(1), "one") == "ack one 1")
      #expect(await second.ask(.add(1), "one") == "retry one rate_limited")
      #expect(await first.ask(.add(1), "two") == "ack two 2")
      try await house.expectJournal(of: room("first"), count: 2)
      #expect(try await house.store.faults.load(room("second")) == nil)

      // Whoever comes from elsewhere, or has a token, may begin it; then everybody may go on with it.
      let other = await house.connect(room("second"))
      #expect(await other.ask(.add(1), by: "bob", "one") == "ack one 1")
      #expect(await second.ask(.add(1), "one") == "ack one 2")

      house.time.advance(by: .seconds(3600))
      let third = await house.connect(room("third"), from: "192.0.2.1")
      #expect(await third.ask(.add(1), "one") == "ack one 1")
    }
  }

  @Test("A beginning that was not saved does not count")
  func unsaved() async throws {
    try await withHouse(adjusted { $0.addressRoomsPerHour = 1 }) { house in
      let ann = await house.connect(room("ward"), from: "192.0.2.1")
      house.store.faults.behaviour = .answer(.failed(.unavailable("broken for the test")))
      #expect(await ann.ask(.add(1), "one") == "retry one store_unavailable")
      house.store.faults.behaviour = .pass
      #expect(await ann.ask(.add(1), "one") == "ack one 1")
    }
  }

  // MARK: Memory

  /// What one room of these tests takes at most: a counter with one remembered operation and one session.
  private static let roomBytes = MemoryBudget.emptyRoomBytes + MemoryBudget.sessionBytes + 1000 + DedupWindow.entryBytes

  @Test("When memory is full, a room is turned away that nobody is in yet, and those with clients go on")
  func crowded() async throws {
    try await withHouse(adjusted { $0.memoryBytes = 3 * Self.roomBytes }) { house in
      var clients: [Client] = []
      for number in 0..<3 {
        clients.append(await house.connect(room("room-\(number)")))
        #expect(await clients[number].ask(.add(1), "one") == "ack one 1")
      }
      // A room is weighed behind its answers.
      for number in 0..<3 { _ = await house.registry.read(room("room-\(number)")) }
      #expect(!house.registry.canOpen(room("another")) && house.registry.canOpen(room("room-1")))
      let another = house.client(room("another"))
      another.open()
      await another.sees { $0 == .ended(.crowded) }
      #expect(await house.registry.read(room("another")) == .crowded)
      #expect(await house.registry.read(room("room-1")) != .crowded)
      for client in clients { #expect(await client.ask(.add(1), "two") == "ack two 2") }

      // It takes what leaves.
      clients[0].close()
      let registry = house.registry
      await house.until { registry.warmRooms.contains { $0.idleWeight.load(ordering: .relaxed) > 0 } }
      house.time.advance(by: .seconds(1))
      registry.relieveMemory()
      await house.until { registry.warmCount == 2 }
      let late = await house.connect(room("another"))
      #expect(await late.ask(.add(1), "one") == "ack one 1")
    }
  }

  @Test("Rooms without clients leave before their time when memory is short, the longest unused first")
  func relief() async throws {
    try await withHouse(adjusted { $0.memoryBytes = 10 * Self.roomBytes }) { house in
      let registry = house.registry
      for number in 0..<10 {
        let client = await house.connect(room("room-\(number)"))
        #expect(await client.ask(.add(1), "one") == "ack one 1")
        client.close()
        await house.drain()
        house.time.advance(by: .seconds(1))
      }
      registry.relieveMemory()
      // Those that are asked to leave do so beside each other.
      await house.until { !registry.warmRooms.contains { $0.id.name == "room-0" } }
      #expect(registry.warmCount <= 9)
      let left = Set(registry.warmRooms.map(\.id.name))
      #expect(!left.contains("room-0") && left.contains("room-9"))
      // What they had is there when they are asked for.
      #expect(await registry.read(room("room-0")) == .state(Array("1 total=1 trace=1 members= online=".utf8)))
    }
  }

  @Test("What rooms count as their memory is gone when they are")
  func accounting() async throws {
    try await withHouse { house in
      let registry = house.registry
      for number in 0..<5 {
        let client = await house.connect(room("room-\(number)"))
        for step in 0..<20 { #expect(await client.ask(.add(1), "\(step)").hasPrefix("ack")) }
        client.close()
      }
      #expect(registry.memory.usedBytes > 5 * Self.roomBytes)
      await house.passivate()
      #expect(registry.memory.usedBytes == 0)
      house.store.faults.behaviour = .answer(.failed(.unavailable("broken for the test")))
      let client = await house.connect(room("room-0"))
      #expect(await client.ask(.add(1), "unsaved") == "retry unsaved store_unavailable")
      await registry.stop()
      #expect(registry.memory.usedBytes == 0)
    }
  }
}
