import Gateway
import Load
import Ordering
import RoomCore
import Rooms
import Store
import StoreTesting
import Synchronization
import TestSupport
import Testing

/// A client's socket outlives the owner of its room: nothing that it was told is lost, nothing is applied twice, and all
/// see one order, although the room changes nodes again and again. The store, the rooms and the sockets are real; that a
/// node is gone, and who hears of it when, is up to the test.
@Suite("Rooms that move under their clients", .timeLimit(.minutes(3)))
struct MovingTests {
  /// How a room changes its owner.
  enum Move: String, CaseIterable, CustomTestStringConvertible {
    case handOff = "the owner hands it off"
    case usurped = "another node takes it, and the owner finds out when it writes"
    case usurpedUnheard = "another node takes it, and the gateway hears of it late"
    case nobody = "for a while nobody has it"
    case back = "its owner takes it anew"

    var testDescription: String { rawValue }
  }

  /// Two nodes, of which the first has all rooms, and one participant of one of them.
  private static func withTwoNodes(
    dialect: Int = 1, _ body: (TestServer, RoomClient) async throws -> Void
  ) async throws {
    try await withServer {
      $0.nodes = 2
    } _: { server async throws in
      let path = RoomClient.path + "room?v=\(dialect)"
      try await body(server, try await RoomClient.joined(server.port, path, as: "asha"))
    }
  }

  private static func move(_ move: Move, from old: Int, to new: Int, in owners: TestOwners) async throws {
    switch move {
    case .handOff:
      owners.tell(new)
      try await owners.handOff(from: old, to: new)
    case .usurped:
      try await owners.claim(for: new)
      owners.tell(new)
    case .usurpedUnheard:
      try await owners.claim(for: new)
      try await Task.sleep(for: .milliseconds(30))
      owners.tell(new)
    case .nobody:
      owners.tell(nil)
      try await owners.handOff(from: old, to: new)
      try await Task.sleep(for: .milliseconds(30))
      owners.tell(new)
    case .back:
      try await owners.handOff(from: old, to: old)
      owners.tell(old)
    }
  }

  @Test("what is asked over HTTP is done once, wherever the room is by then", arguments: Move.allCases)
  func asked(_ kind: Move) async throws {
    try await withServer {
      $0.nodes = 2
    } _: { server async throws in
      let base = "/v1/tenants/t"
      let setting = try await RawConnection.open(server.port)
      _ = try await setting.call("POST \(base)/customers", #"{"phone":"9876543210","name":"Asha"}"#)
      let circle = try JSON(
        parsing: try await setting.call(
          "POST \(base)/circles", #"{"name":"Home","type":"family","owner":"9876543210"}"#
        ).body)
      let started = try await setting.call(
        "POST \(base)/circles/\(try #require(circle["id"].string))/collaborative-orders", #"{"phone":"9876543210"}"#)
      let order = try #require(try JSON(parsing: started.body)["id"].string)
      let isDone = Tally()
      let (port, owners) = (server.port, server.owners)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for client in 0..<4 {
          group.addTask {
            let connection = try await RawConnection.open(port)
            for number in 0..<25 {
              let body = #"{"phone":"9876543210","dishName":"Dal","dishType":"veg","price":1}"#
              // Twice, as if the first answer had been lost.
              for _ in 0..<2 {
                var response: UpgradeResponse
                repeat {
                  response = try await connection.call(
                    "POST \(base)/collaborative-orders/\(order)/items", body,
                    headers: ["Idempotency-Key: \(client)-\(number)"])
                  // A room that moves faster than a gateway follows is not to be had.
                } while response.status == 503
                #expect(response.status == 200, "\(response.body)")
              }
            }
            isDone.add()
          }
        }
        group.addTask {
          var owner = 0
          while isDone.count < 4 {
            let next = kind == .back ? owner : 1 - owner
            try await Self.move(kind, from: owner, to: next, in: owners)
            owner = next
            try await Task.sleep(for: .milliseconds(20))
          }
        }
        try await group.waitForAll()
      }
      let view = try JSON(parsing: try await setting.call("GET \(base)/collaborative-orders/\(order)").body)
      #expect(view["items"].elements.count == 100)
    }
  }

  @Test("under load, nobody is cut off, and all is exactly once", arguments: Move.allCases)
  func underLoad(_ kind: Move) async throws {
    let seed = Seed.next()
    try await withServer {
      $0.nodes = 2
      $0.gateway.messagesPerSecond = 0
    } _: { server async throws in
      var participants = (0..<4).map { LoadedParticipant($0, seed: seed) }
      let (isDone, moves) = (Tally(), Tally())
      let (port, owners) = (server.port, server.owners)
      try await withThrowingTaskGroup(of: (Int, LoadedParticipant)?.self) { group in
        for (index, participant) in participants.enumerated() {
          group.addTask {
            var participant = participant
            // One connection for all of it: were it cut, the participant would have fewer answers.
            try await participant.live(port, room: "room", answered: 300)
            return (index, participant)
          }
        }
        group.addTask {
          var owner = 0
          while isDone.count == 0 {
            // Long enough for the room to have been of use, however much else the machine does.
            try await Task.sleep(for: .milliseconds(200))
            let next = kind == .back ? owner : 1 - owner
            try await Self.move(kind, from: owner, to: next, in: owners)
            owner = next
            moves.add()
          }
          return nil
        }
        var left = participants.count
        for try await result in group {
          guard let (index, participant) = result else { continue }
          participants[index] = participant
          left -= 1
          if left == 0 { isDone.add() }
        }
      }
      #expect(moves.count > 0)
      let journal = try await server.journal(of: "room")
      for participant in participants {
        #expect(participant.acknowledged.count == 300)
        #expect(participant.view.resumes == 0, "a client was told that it had moved")
        participant.check(against: journal, participant.id)
      }
    }
  }

  private final class Tally: Sendable {
    private let value = Atomic<Int>(0)

    var count: Int { value.load(ordering: .relaxed) }
    func add() { value.add(1, ordering: .relaxed) }
  }

  @Test("a client of dialect 1 that misses nothing hears nothing, and one that missed a change gets the state")
  func fullState() async throws {
    try await Self.withTwoNodes { server, asha async throws in
      asha.add("Dal", as: "asha")
      _ = try await asha.next("item_added")
      try await server.owners.claim(for: 1)
      // The old owner finds out, and the operation is sent again to the new one.
      asha.add("Naan", as: "asha")
      try await eventually("the old owner to find out") { server.owners.misledCount > 0 }
      server.owners.tell(1)
      #expect(try await asha.next()["data"]["item"]["dishName"] == "Naan")
      #expect(try await server.journal(of: "room").count == 4)
    }
  }

  @Test("an operation that waits at an owner without a store goes to the next owner as soon as that is heard of")
  func stuckOwner() async throws {
    try await Self.withTwoNodes { server, asha async throws in
      server.store.behaviour = .hold
      asha.add("Dal", as: "asha")
      try await eventually("the commit to be held") { !server.store.heldCommits.isEmpty }
      try await server.owners.claim(for: 1)
      server.owners.tell(1)
      // The old owner waits for its commit, and has nothing to say. What the next one writes is held behind it.
      try await eventually("the next owner to have it") { server.store.heldCommits.count == 2 }
      server.store.releaseOne(as: .answer(.stale))
      server.store.releaseOne()
      server.store.behaviour = .pass
      while try await asha.next()["data"]["orderState"]["items"].elements.count != 1 {}
      #expect(try await server.journal(of: "room").count == 3)
    }
  }

  @Test("an unnamed operation whose owner is lost is applied once, although its answer was lost with it")
  func unnamed() async throws {
    try await Self.withTwoNodes { server, asha async throws in
      // It is written, and the owner ends without a word about it.
      server.store.behaviour = .writeAndAnswer(.stale)
      asha.add("Dal", as: "asha")
      try await eventually("the commit") { server.owners.misledCount > 0 }
      server.store.behaviour = .pass
      try await server.owners.claim(for: 1)
      server.owners.tell(1)
      while try await asha.next("sync")["data"]["items"].elements.count != 1 {}
      asha.add("Naan", as: "asha")
      #expect(try await asha.next("item_added")["data"]["orderState"]["items"].elements.count == 2)
      #expect(try await server.journal(of: "room").count == 4)
    }
  }

  @Test("an answer comes behind its change, also when the room moves on while its sender still catches up")
  func answersBehind() async throws {
    try await Self.withTwoNodes(dialect: 2) { server, asha async throws in
      let isOpen = Promised<Bool>()
      server.store.journalGate = { _ = await isOpen.value }
      // It is written, and the owner ends without a word about it.
      server.store.behaviour = .writeAndAnswer(.stale)
      asha.add("Dal", as: "asha", opId: "one")
      try await eventually("the commit") { server.owners.misledCount > 0 }
      server.store.behaviour = .pass
      try await server.owners.claim(for: 1)
      let before = server.store.submittedCommits
      server.owners.tell(1)
      // The next owner answers, and the change waits for the journal.
      asha.add("Naan", as: "asha", opId: "two")
      try await eventually("the next commit") { server.store.submittedCommits > before }
      try await server.owners.handOff(from: 1, to: 0)
      server.owners.tell(0)
      isOpen.fulfil(true)
      var told: [String] = []
      while told.count < 4 {
        let message = try await asha.next()
        if let name = message["opId"].string { told.append("\(message["type"].string ?? "") \(name)") }
      }
      #expect(told.firstIndex(of: "item_added one") ?? 9 < told.firstIndex(of: "ack one") ?? 0)
      #expect(told.firstIndex(of: "item_added two") ?? 9 < told.firstIndex(of: "ack two") ?? 0)
    }
  }

  @Test("what waits for an answer is bounded, and so is what is sent again to the next owner")
  func credit() async throws {
    try await withServer {
      $0.nodes = 2
      $0.gateway.unsettledOperations = 4
    } _: { server async throws in
      let asha = try await RoomClient.joined(server.port, RoomClient.path + "room?v=2", as: "asha")
      server.store.behaviour = .hold
      for number in 1...5 { asha.add("Dal", as: "asha", opId: "\(number)") }
      let refusal = try await asha.next("error")["data"]
      #expect(refusal["code"] == "overloaded" && refusal["opId"] == "5" && refusal["retryable"] == true)
      server.store.behaviour = .pass
      server.store.releaseOne()
      for number in 1...4 { #expect(try await asha.next("ack")["opId"] == .string("\(number)")) }
      asha.add("Dal", as: "asha", opId: "5")
      #expect(try await asha.next("ack")["opId"] == "5")
    }
  }

  @Test("a room that nobody has for too long sends its clients away to come back later")
  func givenUp() async throws {
    try await Self.withTwoNodes { server, asha async throws in
      server.owners.tell(nil)
      _ = await server.registry.handOff(Set(Slot.all))
      #expect(try await RawConnection.open(server.port).get("/party/room").status == 503)
      #expect(try await asha.socket.waitForClosure(within: .seconds(90))?.code == 1013)
    }
  }
}
