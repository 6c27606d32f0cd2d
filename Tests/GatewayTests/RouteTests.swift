import Load
import Rooms
import Testing

@Suite("Which room a path leads to", .timeLimit(.minutes(3)))
struct RouteTests {
  @Test("the four paths of a room reach the same room, with whatever a client adds to them")
  func onePlace() async throws {
    let paths = [
      "/parties/collaborative_order/dinner", "/parties/main/dinner", "/party/dinner", "/party/main/dinner",
      "/parties/main/dinner?_pk=one", "/parties/main/dinner?_pk=one", "/parties/main/dinner/deeper/path?_pk=two",
      "/parties/main/dinner?foo=bar&_pk=%20&since&x=%zz", "/parties/main/%64inner", "/party/main/d%69nner?",
    ]
    try await withServer { server async throws in
      var clients: [RoomClient] = []
      for path in paths { clients.append(try await RoomClient.open(server.port, path)) }
      clients[0].join(as: "asha")
      for (client, path) in zip(clients, paths) {
        let message = try await client.next()
        // Who is shown the order only after the join sees it whole.
        #expect(["participant_joined", "sync"].contains(message["type"]), "\(path)")
        #expect(message["data"]["sessionId"] == "dinner", "\(path)")
      }
      for path in paths {
        let response = try await RawConnection.open(server.port).get(path)
        #expect(response.status == 200, "\(path)")
        #expect(try JSON(parsing: response.body)["data"]["sessionId"] == "dinner", "\(path)")
      }
      let other = try await RoomClient.joined(server.port, "/parties/main/Dinner", as: "ravi")
      #expect(try await other.soFar(as: "ravi") == [])
    }
  }

  @Test("a path that leads to no room is refused before the upgrade, and is a problem for GET")
  func noPlace() async throws {
    let paths = [
      "/", "/parties", "/parties/", "/parties/main", "/parties/main/", "/parties/main//x", "/party", "/party/",
      "/party/main/", "/parties/other/dinner", "/parties/MAIN/dinner", "/party/other/dinner", "/parties/echo/dinner",
      "/parties/main/two%20words", "/parties/main/a%2Fb", "/parties/main/%ff", "/parties/main/%zz", "/parties/main/a%",
      "/parties/main/\(String(repeating: "r", count: 129))", "/parties/main/d%C3%AEner", "/rooms/dinner", "//main/x",
      "/parties/main/a%00b",
      // No URL holds a byte beyond ASCII: least of all a mark that makes one character of itself and what is before it.
      "/party/main/dinner?\u{301}x=1",
    ]
    try await withServer { server async throws in
      for path in paths {
        let answer = try await refusal(server.port, path)
        #expect((400..<500).contains(answer?.status ?? 101), "\(path): \(answer?.status ?? 101)")
        let response = try await RawConnection.open(server.port).get(path)
        #expect((400..<500).contains(response.status), "\(path): \(response.status)")
        #expect(response.header("content-type") == "application/problem+json", "\(path)")
      }
      #expect(server.registry.warmCount == 0)
    }
  }

  @Test("the dialect is chosen by ?v=2 or by subprotocol, and the subprotocol is echoed")
  func dialects() async throws {
    try await withServer { server async throws in
      let cases: [(query: String, offered: String?, chosen: String?, isDelta: Bool)] = [
        ("", nil, nil, false), ("?v=1", nil, nil, false), ("?v=2", nil, nil, true), ("?_pk=x&v=2", nil, nil, true),
        ("", "stonepot.v2", "stonepot.v2", true), ("", "stonepot.v1", "stonepot.v1", false),
        ("", "stonepot.v1, stonepot.v2", "stonepot.v2", true), ("", "chat", "chat", false),
        ("", "chat,stonepot.v1", "stonepot.v1", false),
      ]
      for (index, (query, offered, chosen, isDelta)) in cases.enumerated() {
        let headers = offered.map { [("Sec-WebSocket-Protocol", $0)] } ?? []
        let client = try await RoomClient.open(server.port, "/parties/main/room-\(index)\(query)", headers: headers)
        let place = "\(query) \(offered ?? "-")"
        #expect(client.socket.upgradeResponse?.header("sec-websocket-protocol") == chosen, "\(place)")
        client.join(as: "asha", opId: "j")
        // An order that does not exist yet is a sync in dialect 2 alone; its join is one message with the state, or two
        // without it.
        var types: [JSON] = []
        if isDelta {
          while types.last != "ack" { types.append(try await client.next()["type"]) }
          #expect(types == ["sync", "order_created", "participant_joined", "presence", "ack"], "\(place)")
        } else {
          let joined = try await client.next()
          #expect(joined["type"] == "participant_joined", "\(place)")
          #expect(joined["data"]["participants"].elements.count == 1, "\(place)")
        }
      }
    }
  }

  @Test("extensions that a client offers are not taken")
  func extensions() async throws {
    try await withServer { server async throws in
      let client = try await RoomClient.open(
        server.port, headers: [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")])
      #expect(client.socket.upgradeResponse?.header("sec-websocket-extensions") == nil)
    }
  }
}
