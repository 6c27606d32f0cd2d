import Gateway
import Load
import Ordering
import RoomCore
import Rooms
import Testing
import Wire

/// The habits of the clients that must work unmodified, and the promises that they rest on.
@Suite("Coming back", .timeLimit(.minutes(3)))
struct ReconnectTests {
  @Test("a known participant's operations are taken before it has joined on this connection")
  func operationsBeforeJoin() async throws {
    try await withServer { server async throws in
      let first = try await RoomClient.joined(server.port, as: "asha")
      await first.socket.disconnect()
      let second = try await RoomClient.open(server.port, RoomClient.path + "room?_pk=same")
      second.add("Dal", as: "asha")
      #expect(try await second.next()["type"] == "sync")
      let added = try await second.next()
      #expect(added["type"] == "item_added")
      #expect(added["data"]["item"]["addedByName"] == "ASHA")
      let stranger = try await RoomClient.open(server.port)
      stranger.add("Naan", as: "stranger", opId: "x")
      #expect(try await stranger.next("error")["data"]["code"] == "not_joined")
    }
  }

  @Test("a new socket may come before the old one is gone, under the same _pk, and the old one's end changes nothing")
  func twoSockets() async throws {
    try await withServer { server async throws in
      let path = RoomClient.path + "room?v=2&_pk=same"
      let watcher = try await RoomClient.joined(server.port, RoomClient.path + "room?v=2", as: "watcher")
      let old = try await RoomClient.joined(server.port, path, as: "asha")
      _ = try await watcher.next("participant_joined")
      let new = try await RoomClient.open(server.port, path)
      new.join(as: "asha")
      _ = try await new.next("sync")
      _ = try await watcher.soFar(as: "watcher")
      await old.socket.disconnect()
      new.add("Dal", as: "asha")
      #expect(try await new.next("item_added")["data"]["item"]["addedBy"] == "asha")
      let seen = try await watcher.soFar(as: "watcher")
      #expect(!seen.contains { $0["type"] == "presence" }, "the participant never went away: \(seen)")
      await new.socket.disconnect()
      let presence = try await watcher.next("presence")
      #expect(presence["data"]["participantId"] == "asha")
      #expect(presence["data"]["isOnline"] == false)
    }
  }

  @Test("the original client's rejoin, with its id alone, gets one sync and no replays", arguments: [false, true])
  func rejoin(joinsAgain: Bool) async throws {
    try await withServer { server async throws in
      let other = try await RoomClient.joined(server.port, as: "ravi")
      let first = try await RoomClient.joined(server.port, as: "asha")
      first.add("Dal", as: "asha")
      _ = try await first.next("item_added")
      await first.socket.disconnect()
      other.add("Naan", as: "ravi")
      while try await other.next("item_added")["data"]["item"]["dishName"] != "Naan" {}

      let second = try await RoomClient.open(server.port)
      let sync = try await second.next()
      #expect(sync["type"] == "sync")
      #expect(sync["data"]["items"].elements.map { $0["dishName"] } == ["Dal", "Naan"])
      if joinsAgain {
        second.send("join", as: "asha", data: "{}")
        let sync = try await second.next()
        #expect(sync["type"] == "sync")
        #expect(sync["data"]["items"].elements.count == 2)
        #expect(sync["data"]["participants"].elements.map { $0["isOnline"] } == [true, true])
      }
      #expect(try await second.soFar(as: "asha") == [])
      #expect(try await other.soFar(as: "ravi") == [], "a rejoin is no news to the others")
    }
  }

  @Test("no way of closing takes a participant out", arguments: [1000, 1001, 3000, 4999, nil, 0] as [UInt16?])
  func closingIsNotLeaving(code: UInt16?) async throws {
    try await withServer { server async throws in
      let watcher = try await RoomClient.joined(server.port, RoomClient.path + "room?v=2", as: "watcher")
      let client = try await RoomClient.joined(server.port, as: "asha")
      _ = try await watcher.next("participant_joined")
      if code == 0 { await client.socket.disconnect() } else { await client.socket.close(code: code) }
      while try await watcher.next("presence")["data"] != ["participantId": "asha", "isOnline": false] {}
      let state = try JSON(parsing: try await RawConnection.open(server.port).get("/party/room").body)
      #expect(state["data"]["participants"].elements.map { $0["id"] } == ["watcher", "asha"])
      #expect(state["data"]["participants"].elements.map { $0["isOnline"] } == [true, false])
    }
  }

  /// A client that does not keep up with what its own burst brings gets the state instead of some of the changes.
  @Test("a burst of several hundred messages at once on one connection is taken in order, and none is shown twice")
  func burst() async throws {
    try await withServer { server async throws in
      let client = try await RoomClient.joined(server.port, as: "asha")
      for number in 0..<400 { client.add("Dish \(number)", as: "asha") }
      var dishes: [JSON] = []
      while dishes.count < 400 {
        let message = try await client.next()
        if message["type"] == "sync" {
          dishes = message["data"]["items"].elements.map { $0["dishName"] }
        } else {
          dishes.append(message["data"]["item"]["dishName"])
          #expect(message["data"]["orderState"]["items"].elements.count == dishes.count)
        }
      }
      #expect(dishes == (0..<400).map { .string("Dish \($0)") })
    }
  }

  @Test("a client that says nothing stays connected and gets everything")
  func listener() async throws {
    try await withServer { server async throws in
      let listener = try await RoomClient.open(server.port)
      let client = try await RoomClient.joined(server.port, as: "asha")
      for number in 0..<50 { client.add("Dish \(number)", as: "asha") }
      #expect(try await listener.next()["type"] == "participant_joined")
      for number in 0..<50 {
        #expect(try await listener.next()["data"]["item"]["dishName"] == .string("Dish \(number)"))
      }
    }
  }

  // MARK: Dialect 2

  @Test("since goes on where the client was, with nothing lost or repeated")
  func resume() async throws {
    try await withServer { server async throws in
      let path = RoomClient.path + "room?v=2"
      let client = try await RoomClient.joined(server.port, path, as: "asha")
      for number in 0..<10 { client.add("Dish \(number)", as: "asha", opId: "op-\(number)") }
      for _ in 0..<10 { _ = try await client.next("item_added") }
      let journal = try await server.journal(of: "room")
      #expect(journal.count == 12)
      for since in [0, 1, 5, 11, 12] {
        for history in ["", "&history=\(TestServer.history)"] {
          let again = try await RoomClient.open(server.port, path + "&since=\(since)\(history)")
          let resumed = try await again.next()
          #expect(resumed["type"] == "resumed")
          #expect(resumed["seq"] == 12)
          #expect(resumed["data"]["since"] == JSON(integerLiteral: since))
          for record in journal.dropFirst(since) {
            var text = try await again.nextText()
            // Who is there is told, too, and is no part of the sequence.
            while text.hasPrefix(#"{"type":"presence""#) { text = try await again.nextText() }
            #expect(text == View.text(of: record))
          }
          #expect(try await again.soFar(as: "asha").filter { $0["type"] != "presence" } == [])
        }
      }
    }
  }

  @Test("a since that cannot be honoured gets the whole state")
  func noResume() async throws {
    try await withServer {
      $0.rooms.replayLimit = 5
    } _: { server async throws in
      let path = RoomClient.path + "room?v=2"
      let client = try await RoomClient.joined(server.port, path, as: "asha")
      for number in 0..<10 { client.add("Dish \(number)", as: "asha", opId: "op-\(number)") }
      for _ in 0..<10 { _ = try await client.next("item_added") }
      let queries = [
        "since=12&history=another", "since=13", "since=9223372036854775807", "since=99999999999999999999", "since=x",
        "since=", "since=-1", "since=-9223372036854775808", "since=1", "since=6",
      ]
      for query in queries {
        let again = try await RoomClient.open(server.port, path + "&" + query)
        let sync = try await again.next()
        #expect(sync["type"] == "sync", "\(query)")
        #expect(sync["seq"] == 12, "\(query)")
        #expect(sync["history"] == .string(TestServer.history), "\(query)")
        #expect(sync["data"]["items"].elements.count == 10, "\(query)")
      }
      // The full dialect knows no since: it would show dishes twice.
      let full = try await RoomClient.open(server.port, RoomClient.path + "room?since=8")
      #expect(try await full.next()["type"] == "sync")
      #expect(try await full.soFar(as: "asha") == [])
    }
  }

  @Test("connections cut at random moments under load: what each client saw is the journal, gapless and once")
  func cuts() async throws {
    try await withServer { settings in
      settings.gateway.messagesPerSecond = 0
    } _: { server async throws in
      let seed = Seed.next()
      let port = server.port
      let participants = try await withThrowingTaskGroup(of: LoadedParticipant.self) { group in
        for number in 0..<4 {
          group.addTask {
            var participant = LoadedParticipant(number, seed: seed)
            for _ in 0..<12 { try await participant.live(port, room: "room", operations: 25) }
            try await participant.finish(port, room: "room")
            return participant
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      let journal = try await server.journal(of: "room")
      for participant in participants { participant.check(against: journal, "seed \(seed), \(participant.id)") }
      #expect(participants.map(\.view.resumes).reduce(0, +) == 4 * 12, "seed \(seed)")
    }
  }

  @Test("an acknowledged operation that is sent again gets the same answer, and another one under its name is refused")
  func retries() async throws {
    try await withServer { server async throws in
      let path = RoomClient.path + "room?v=2"
      let client = try await RoomClient.joined(server.port, path, as: "asha")
      client.add("Dal", as: "asha", opId: "op", after: 2)
      let first = try await client.next("ack")
      await client.socket.disconnect()
      let again = try await RoomClient.open(server.port, path)
      again.add("Dal", as: "asha", opId: "op", after: 2)
      #expect(try await again.next("ack").dropping("timestamp") == first.dropping("timestamp"))
      again.add("Naan", as: "asha", opId: "op", after: 2)
      #expect(try await again.next("error")["data"]["code"] == "operation_conflict")
      #expect(try await server.journal(of: "room").count == 3)
    }
  }

  @Test("who speaks is shown to the others who are there, and kept nowhere")
  func speaking() async throws {
    try await withServer { server async throws in
      let path = RoomClient.path + "room?v=2"
      let (asha, ravi) = (
        try await RoomClient.joined(server.port, path, as: "asha"),
        try await RoomClient.joined(server.port, path, as: "ravi")
      )
      asha.send("speaking", as: "asha", data: #"{"speaking":true}"#)
      let message = try await ravi.next("speaking")
      #expect(message["participantId"] == "asha")
      #expect(message["data"]["speaking"] == true)
      #expect(try await server.journal(of: "room").count == 3)
    }
  }
}

extension JSON: ExpressibleByDictionaryLiteral {
  init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(Dictionary(elements) { first, _ in first })
  }
}
