import Load
import NIOCore
import Store
import StoreTesting
import Synchronization
import TestSupport
import Testing

/// Saved before sent: nobody sees an event before it is durable.
@Suite("Saved before sent", .timeLimit(.minutes(3)))
struct DurabilityTests {
  private static let path = RoomClient.path + "room?v=2"

  /// Sees to it that the server has taken all that the client has sent, and gives what was said until then.
  private static func heard(by client: FrameClient) async throws -> [JSON] {
    client.send(.ping, "taken".utf8)
    var messages: [JSON] = []
    while let event = try await client.next() {
      if case .pong = event { return messages }
      if case .text(let text) = event { messages.append(try JSON(parsing: String(buffer: text))) }
    }
    throw RawConnection.Ended(what: "a pong")
  }

  @Test("while the disk holds a commit, nobody hears of it: no client of either dialect, no newcomer, no GET")
  func held() async throws {
    try await withServer { server async throws in
      let joining = try await RoomClient.joined(server.port, as: "asha")
      await joining.socket.close()
      var clients: [FrameClient] = []
      for path in [Self.path, RoomClient.path + "room", Self.path] {
        let client = try await FrameClient.open(server.port, path)
        #expect(try await client.nextMessage()?["type"] == "sync")
        clients.append(client)
      }
      let sender = clients[0]

      server.store.behaviour = .hold
      sender.send(RoomClient.text("add_item", as: "asha", data: RoomClient.dish("Dal"), opId: "op"))
      try await eventually("the commit") { server.store.heldCommits.count == 1 }
      // Behind the commit: another operation, a refusal that depends on it, a newcomer, and a GET.
      sender.send(RoomClient.text("add_item", as: "asha", data: RoomClient.dish("Naan"), opId: "next"))
      sender.send(RoomClient.text("remove_item", as: "asha", data: #"{"itemId":"none"}"#, opId: "refused"))
      let newcomer = try await FrameClient.open(server.port, RoomClient.path + "room")
      let reader = try await RawConnection.open(server.port)
      reader.send(HTTPText.request("GET /party/room HTTP/1.1"))
      for client in clients + [newcomer] { #expect(try await Self.heard(by: client) == []) }
      #expect(server.store.heldCommits.count == 1)
      #expect(try await server.journal(of: "room").count == 2)

      server.store.behaviour = .pass
      for client in clients {
        var message = try await client.nextMessage()
        while message?["type"] == "presence" { message = try await client.nextMessage() }
        #expect(message?["type"] == "item_added")
        #expect(message?["data"]["item"]["dishName"] == "Dal")
      }
      #expect(try JSON(parsing: try await reader.response().body)["data"]["items"][0]["dishName"] == "Dal")
      let sync = try await newcomer.nextMessage()
      #expect(sync?["type"] == "sync")
      #expect(sync?["data"]["items"][0]["dishName"] == "Dal")
    }
  }

  @Test("what was held is heard in order once it is on disk")
  func released() async throws {
    try await withServer { server async throws in
      let sender = try await RoomClient.joined(server.port, Self.path, as: "asha")
      let watcher = try await RoomClient.open(server.port, Self.path)
      _ = try await watcher.next("sync")
      _ = try await sender.soFar(as: "asha")
      server.store.behaviour = .hold
      for number in 0..<3 { sender.add("Dish \(number)", as: "asha", opId: "op-\(number)") }
      try await eventually("the commit") { server.store.heldCommits.count == 1 }
      try await eventually("all three on disk") {
        server.store.releaseOne()
        return try await server.journal(of: "room").count == 5
      }
      // Acknowledgements follow the changes of their turn, however the operations fell into turns.
      var (changes, acks): ([JSON], [JSON]) = ([], [])
      while changes.count + acks.count < 6 {
        let message = try await sender.next()
        if message["type"] == "ack" {
          acks.append(message)
          #expect(acks.count <= changes.count)
        } else {
          changes.append(message)
        }
      }
      for number in 0..<3 {
        #expect(changes[number]["data"]["item"]["dishName"] == .string("Dish \(number)"))
        #expect(acks[number]["opId"] == .string("op-\(number)"))
        #expect(acks[number]["seq"].int == 3 + number)
        #expect(try await watcher.next()["seq"].int == 3 + number)
      }
      server.store.behaviour = .pass
    }
  }

  @Test("a store that refuses is an error for the sender alone, and the same operation may come again")
  func refused() async throws {
    try await withServer { server async throws in
      let sender = try await RoomClient.joined(server.port, Self.path, as: "asha")
      let watcher = try await RoomClient.open(server.port, Self.path)
      _ = try await watcher.next("sync")
      server.store.behaviour = .answer(.failed(.unavailable("disk full")))
      sender.add("Dal", as: "asha", opId: "op")
      let error = try await sender.next("error")
      #expect(error["data"]["code"] == "store_unavailable")
      #expect(error["data"]["retryable"] == true)
      #expect(error["data"]["opId"] == "op")
      server.store.behaviour = .pass
      #expect(try await server.journal(of: "room").count == 2)
      sender.add("Dal", as: "asha", opId: "op")
      #expect(try await sender.next("ack")["seq"] == 3)
      #expect(try await watcher.next()["seq"] == 3)
    }
  }

  @Test("if it is not known whether an operation is on disk, the room looks, and a retry is told what it found")
  func unknown() async throws {
    try await withServer { server async throws in
      let sender = try await RoomClient.joined(server.port, Self.path, as: "asha")
      // It was written after all: the room finds it in the journal and says so.
      server.store.behaviour = .writeAndAnswer(.unknown(.unavailable("timed out")))
      sender.add("Dish 0", as: "asha", opId: "op-0")
      #expect(try await sender.next("ack")["seq"] == 3)
      // It was not, or not yet.
      server.store.behaviour = .answer(.unknown(.unavailable("timed out")))
      sender.add("Dish 1", as: "asha", opId: "op-1")
      let error = try await sender.next("error")
      #expect(error["data"]["code"] == "outcome_unknown")
      #expect(error["data"]["retryable"] == true)
      server.store.behaviour = .pass
      for number in 0...1 {
        sender.add("Dish \(number)", as: "asha", opId: "op-\(number)")
        #expect(try await sender.next("ack")["seq"] == JSON(integerLiteral: 3 + number))
      }
      let state = try JSON(parsing: try await RawConnection.open(server.port).get("/party/room").body)
      #expect(state["data"]["items"].elements.map { $0["dishName"] } == ["Dish 0", "Dish 1"])
    }
  }
}
