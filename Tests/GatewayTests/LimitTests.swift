import Gateway
import Load
import NIOCore
import Testing

/// What one client may take of everybody's share.
@Suite("Limits", .timeLimit(.minutes(3)))
struct LimitTests {
  @Test("a burst of 500 passes, what is over the rate is told and changes nothing, and who goes on is cut with 1008")
  func rate() async throws {
    try await withServer {
      $0.gateway.messagesPerSecond = 1
      $0.gateway.rateStrikes = 20
    } _: { server async throws in
      let other = try await RoomClient.open(server.port, RoomClient.path + "room?v=2")
      let client = try await RoomClient.open(server.port, RoomClient.path + "room?v=2")
      client.join(as: "asha", opId: "join")
      client.add("Dal", as: "asha", id: "dal", opId: "add")
      for number in 2..<700 {
        client.send(
          "update_quantity", as: "asha", data: #"{"itemId":"dal","quantity":\#(number % 99 + 1)}"#, opId: "op-\(number)"
        )
      }
      var (acknowledged, limited) = (0, 0)
      do {
        while true {
          let message = try await client.next()
          if message["type"] == "ack" { acknowledged += 1 }
          guard message["type"] == "error" else { continue }
          #expect(message["data"]["code"] == "rate_limited")
          #expect(message["data"]["retryable"] == true)
          limited += 1
        }
      } catch let closed as RoomClient.Closed {
        #expect(closed.closure?.code == 1008)
      }
      #expect(limited == 20)
      // The others are not limited.
      other.join(as: "ravi", opId: "ravi")
      var seen = 0
      while true {
        let message = try await other.next()
        if ["quantity_updated", "item_added", "unchanged"].contains(message["type"]) { seen += 1 }
        if message["type"] == "ack" { break }
      }
      // A slow machine may have earned a few more, and who was cut has not heard all answers.
      #expect(499 <= seen && seen < 680)
      #expect(acknowledged <= seen + 1)
      // The joins are three events.
      #expect(try await server.journal(of: "room").count == seen + 3)
    }
  }

  @Test("one address may hold so many connections, and more when it lets one go")
  func addresses() async throws {
    try await withServer {
      $0.gateway.connectionsPerAddress = 2
    } _: { server async throws in
      let client = try await RoomClient.joined(server.port, as: "asha")
      let second = try await RawConnection.open(server.port)
      #expect(try await second.get("/healthz").status == 200)
      for _ in 0..<5 {
        let third = try await RawConnection.open(server.port)
        third.send(HTTPText.request("GET /healthz HTTP/1.1"))
        #expect(try await third.rest() == "")
      }
      #expect(try await client.soFar(as: "asha") == [])
      await second.close()
      try await eventually("a place") {
        let next = try await RawConnection.open(server.port)
        next.send(HTTPText.request("GET /healthz HTTP/1.1"))
        let isServed = try await next.rest(orResponse: true)
        await next.close()
        return isServed
      }
    }
  }

  @Test("the gateway holds so many connections at all")
  func connections() async throws {
    try await withServer {
      $0.gateway.maxConnections = 1
    } _: { server async throws in
      let client = try await RoomClient.joined(server.port, as: "asha")
      let second = try await RawConnection.open(server.port)
      second.send(HTTPText.request("GET /healthz HTTP/1.1"))
      #expect(try await second.rest() == "")
      #expect(try await client.soFar(as: "asha") == [])
    }
  }
}

extension RawConnection {
  /// Whether a response comes before the end.
  fileprivate func rest(orResponse: Bool) async throws -> Bool {
    do {
      return try await response().status == 200
    } catch is RawConnection.Ended {
      return false
    }
  }
}
