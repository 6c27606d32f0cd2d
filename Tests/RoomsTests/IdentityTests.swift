import RoomCore
import Rooms
import Store
import StoreTesting
import Testing
import Wire

private let ward = room("ward")

@Suite("A connection acts for one participant", .guarded)
struct IdentityTests {
  @Test("The first accepted operation binds; any other participant is identity_mismatch, and its retry too")
  func binding() async throws {
    try await withHouse { house in
      let client = await house.connect(ward)
      #expect(await client.ask(.add(5000), by: "ben", "much") == "no much tooMuch")
      #expect(await client.ask(.add(1), by: "ann", "one") == "ack one 1")
      #expect(await client.ask(.add(2), by: "ben", "two") == "no two identity_mismatch")
      #expect(await client.ask(.add(1), by: "ann", "one") == "ack one 1")
      let other = await house.connect(ward)
      #expect(await other.ask(.add(2), by: "ben", "two") == "ack two 2")
      #expect(await client.ask(.add(2), by: "ben", "two") == "no two identity_mismatch")
      #expect(await client.ask(.add(3), by: "ann", "three") == "ack three 3")
    }
  }

  @Test("A token binds from the start")
  func token() async throws {
    try await withHouse { house in
      let client = await house.connect(ward, as: "ann")
      #expect(await client.ask(.add(1), by: "ben", "one") == "no one identity_mismatch")
      #expect(await client.ask(.add(1), by: "ann", "one") == "ack one 1")
    }
  }

  @Test("A retry of an accepted operation binds its member; a stranger's join in an ended room does not")
  func settled() async throws {
    try await withHouse { house in
      let client = await house.connect(ward)
      #expect(await client.ask(.join, by: "ann", "join") == "ack join 1")
      #expect(await client.ask(.end, by: "ann", "end") == "ack end 2")
      let stranger = await house.connect(ward)
      #expect(await stranger.ask(.join, by: "zoe", "join") == "ack join 2")
      await stranger.sees { $0 == .sync(2, "2 total=0 trace=0 members=ann online=ann") }
      // Not bound, so it may still turn out to be somebody.
      #expect(await stranger.ask(.join, by: "ann", "join") == "ack join 1")
      #expect(await stranger.ask(.join, by: "zoe", "join") == "no join identity_mismatch")
    }
  }

  @Test("A binding whose reason was not saved is taken back")
  func unbound() async throws {
    try await withHouse { house in
      let client = await house.connect(ward)
      let other = await house.connect(ward, as: "ann")
      #expect(await other.ask(.join, by: "ann", "join") == "ack join 1")
      house.store.plan(.answer(.failed(.unavailable("broken for the test"))))
      #expect(await client.ask(.add(1), by: "ben", "one") == "retry one store_unavailable")
      #expect(await house.registry.read(ward) == .state(Array("1 total=0 trace=0 members=ann online=ann".utf8)))
      #expect(await client.ask(.add(2), by: "zoe", "two") == "ack two 2")
      #expect(await client.ask(.add(1), by: "ben", "one") == "no one identity_mismatch")
    }
  }

  @Test("An operation of a session that was never opened is refused, and may be retried")
  func unopened() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      let client = house.client(ward)
      house.listener.expect(client.session, in: .delta)
      #expect(await client.ask(.add(1), by: "zoe", "one") == "retry one store_unavailable")
      #expect(await ann.ask(.join, by: "ann", "join") == "ack join 1")
      client.open()
      #expect(await client.ask(.add(1), by: "zoe", "one") == "ack one 2")
    }
  }
}

@Suite("Presence", .guarded)
struct PresenceTests {
  /// A member with a delta session who watches the others, and what it saw so far.
  private func watcher(in house: House) async -> Client {
    let watcher = await house.connect(ward, as: "eve")
    #expect(await watcher.ask(.join, by: "eve", "join") == "ack join 1")
    return watcher
  }

  /// The transients up to now: the answer to a request that comes after all that was sent before.
  private func transients(of client: Client, _ name: String) async -> [String] {
    _ = await client.ask(.look, by: "eve", name)
    return client.transients.filter { $0 != "eve online" }
  }

  @Test("A dropped connection turns its participant offline when it was the last of several")
  func transitions() async throws {
    try await withHouse { house in
      let eve = await watcher(in: house)
      let first = await house.connect(ward)
      #expect(await first.ask(.join, by: "ann", "join") == "ack join 2")
      #expect(await transients(of: eve, "a") == ["ann online"])
      let second = await house.connect(ward, as: "ann")
      first.close()
      first.close()
      #expect(await transients(of: eve, "b") == ["ann online"])
      second.close()
      #expect(await transients(of: eve, "c") == ["ann online", "ann offline"])
      let third = await house.connect(ward, as: "ann")
      #expect(await transients(of: eve, "d") == ["ann online", "ann offline", "ann online"])
      #expect(third.sights.first == .sync(2, "2 total=0 trace=0 members=eve,ann online=ann,eve"))
      // A close that arrives for a session that another one replaced harms nobody.
      first.close()
      #expect(await transients(of: eve, "e").count == 3)
    }
  }

  @Test("A session number that is opened again stands for its newest connection")
  func reopened() async throws {
    try await withHouse { house in
      let eve = await watcher(in: house)
      let ann = await house.connect(ward)
      #expect(await ann.ask(.join, by: "ann", "join") == "ack join 2")
      ann.open(as: "ann")
      #expect(await transients(of: eve, "a").last == "ann online")
      ann.close()
      #expect(await transients(of: eve, "b").last == "ann offline")
      #expect(await house.registry.read(ward) == .state(Array("2 total=0 trace=0 members=eve,ann online=eve".utf8)))
    }
  }

  @Test("Only members have a presence")
  func members() async throws {
    try await withHouse { house in
      let eve = await watcher(in: house)
      let stranger = await house.connect(ward, as: "zoe")
      #expect(await stranger.ask(.add(1), by: "zoe", "one") == "ack one 2")
      stranger.close()
      let leaver = await house.connect(ward)
      #expect(await leaver.ask(.join, by: "ann", "join") == "ack join 3")
      #expect(await leaver.ask(.leave, by: "ann", "leave") == "ack leave 4")
      leaver.close()
      #expect(await transients(of: eve, "a") == ["ann online"])
    }
  }

  @Test("Only delta sessions get transients, and nothing of them is kept")
  func dialects() async throws {
    try await withHouse { house in
      let eve = await watcher(in: house)
      let full = await house.connect(ward, .full, as: "ann")
      #expect(await full.ask(.join, by: "ann", "join") == "ack join 2")
      full.send(.relay(Array("ann speaks".utf8), by: ParticipantID("ann"), session: full.session))
      full.send(.relay(Array("eve speaks".utf8), by: ParticipantID("eve"), session: full.session))
      #expect(await transients(of: eve, "a") == ["ann online", "ann speaks"])
      full.close()
      #expect(await transients(of: eve, "b") == ["ann online", "ann speaks", "ann offline"])
      #expect(full.transients.isEmpty)
      try await house.expectJournal(of: ward, count: 2)
    }
  }

  @Test("A close in a turn that was refused still turns its participant offline")
  func closeInRefusedTurn() async throws {
    try await withHouse { house in
      let eve = await watcher(in: house)
      let ann = await house.connect(ward, as: "ann")
      #expect(await ann.ask(.join, by: "ann", "join") == "ack join 2")
      house.store.faults.behaviour = .hold
      eve.send(.add(1), by: "eve", "one")
      await house.untilHeld()
      ann.close()
      eve.send(.add(2), by: "eve", "two")
      house.store.faults.releaseOne()
      await house.untilHeld()
      #expect(!eve.transients.contains("ann offline"))
      house.store.faults.behaviour = .answer(.failed(.unavailable("broken for the test")))
      await eve.sees { $0.transient == "ann offline" }
      #expect(eve.answers(to: "two") == ["retry two store_unavailable"])
      #expect(await house.registry.read(ward) == .state(Array("3 total=1 trace=1 members=eve,ann online=eve".utf8)))
      house.store.faults.behaviour = .pass
    }
  }
}
