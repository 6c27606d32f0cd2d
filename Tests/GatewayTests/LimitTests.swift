import Load
import NIOCore
import Rooms
import TestSupport
import Testing

@testable import Gateway

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
      let refused = TestServer.metric(#"stonepot_connections_refused_total{reason="address"}"#)
      for _ in 0..<5 {
        let third = try await RawConnection.open(server.port)
        third.send(HTTPText.request("GET /healthz HTTP/1.1"))
        #expect(try await third.rest() == "")
      }
      // The process's: other tests may add to it.
      #expect(TestServer.metric(#"stonepot_connections_refused_total{reason="address"}"#) >= refused + 5)
      #expect(try await client.soFar(as: "asha") == [])
      await second.close()
      try await eventually("a place") {
        let next = try await RawConnection.open(server.port)
        next.send(HTTPText.request("GET /healthz HTTP/1.1"))
        let isServed = try await next.isServed()
        await next.close()
        return isServed
      }
    }
  }

  @Test("whoever is dead, or too slow to be served, is gone within a minute")
  func deadlines() {
    let settings = GatewaySettings()
    // Looks and timers come up to some seconds late.
    let limit = Duration.seconds(55)
    #expect(settings.pingAfter + settings.pongWithin <= limit)
    #expect(settings.lagLimit <= limit && settings.idleHTTP <= limit)
    #expect(settings.firstRequestWithin <= limit && settings.closeWithin <= limit)
  }

  @Test("the gateway holds so many connections at all")
  func connections() async throws {
    try await withServer {
      $0.gateway.maxConnections = 1
    } _: { server async throws in
      let client = try await RoomClient.joined(server.port, as: "asha")
      let refused = TestServer.metric(#"stonepot_connections_refused_total{reason="gateway"}"#)
      let second = try await RawConnection.open(server.port)
      second.send(HTTPText.request("GET /healthz HTTP/1.1"))
      #expect(try await second.rest() == "")
      #expect(TestServer.metric(#"stonepot_connections_refused_total{reason="gateway"}"#) > refused)
      #expect(try await client.soFar(as: "asha") == [])
    }
  }
}

extension LimitTests {
  @Test("an address may begin so many rooms without a token, and goes on with those that there are")
  func roomsOfAnAddress() async throws {
    try await withServer {
      $0.rooms.addressRoomsPerHour = 2
    } _: { server async throws in
      for room in ["first", "second"] {
        let client = try await RoomClient.joined(server.port, RoomClient.path + room, as: "asha")
        await client.socket.disconnect()
      }
      let third = try await RoomClient.open(server.port, RoomClient.path + "third")
      third.join(as: "asha", opId: "join")
      let error = try await third.next("error")
      #expect(error["data"]["code"] == "rate_limited" && error["data"]["retryable"] == true)
      #expect(try await server.journal(of: "third").isEmpty)
      _ = try await RoomClient.joined(server.port, RoomClient.path + "first", as: "ravi")
    }
  }

  @Test("a tenant may begin so many rooms")
  func roomsOfATenant() async throws {
    try await withServer {
      $0.rooms.tenantRoomsPerHour = 1
    } _: { server async throws in
      _ = try await RoomClient.joined(server.port, RoomClient.path + "first", as: "asha")
      let second = try await RoomClient.open(server.port, RoomClient.path + "second")
      second.join(as: "asha")
      #expect(try await second.next("error")["data"]["code"] == "rate_limited")
      second.send("join", as: "asha", data: #"{"circleId":"test","tenantId":"another"}"#)
      _ = try await second.next("participant_joined")
    }
  }

  @Test("a tenant's clients may hold so many connections: the next join is refused until one leaves")
  func connectionsOfATenant() async throws {
    try await withServer {
      $0.gateway.connectionsPerTenant = 2
    } _: { server async throws in
      let asha = try await RoomClient.joined(server.port, as: "asha")
      let ravi = try await RoomClient.joined(server.port, as: "ravi")
      // Joining once more counts no second time.
      ravi.join(as: "ravi")
      _ = try await ravi.next("sync")
      let meera = try await RoomClient.open(server.port)
      meera.join(as: "meera", opId: "join")
      #expect(try await meera.next("error")["data"]["code"] == "limit_exceeded")
      #expect(TestServer.metric("stonepot_tenant_connections_refused_total") > 0)
      let guest = try await RoomClient.open(server.port, RoomClient.path + "elsewhere")
      guest.send("join", as: "guest", data: #"{"circleId":"test","tenantId":"another"}"#)
      _ = try await guest.next("participant_joined")

      await asha.socket.disconnect()
      try await eventually("a place") {
        meera.join(as: "meera", opId: "join")
        while true {
          let message = try await meera.next()
          if message["type"] == "error" { return false }
          if message["type"] == "ack" { return true }
        }
      }
    }
  }

  @Test("a tenant's clients send so many messages together; another tenant's are not held to it")
  func messagesOfATenant() async throws {
    try await withServer {
      $0.gateway.messagesPerTenant = 1
    } _: { server async throws in
      // Five may come at once. A join is not known to be the tenant's before it is read, and so does not count.
      let asha = try await RoomClient.joined(server.port, RoomClient.path + "room?v=2", as: "asha")
      let ravi = try await RoomClient.joined(server.port, RoomClient.path + "room?v=2", as: "ravi")
      let other = try await RoomClient.open(server.port, RoomClient.path + "other?v=2")
      other.send("join", as: "other", data: #"{"circleId":"test","tenantId":"another"}"#)
      _ = try await other.next("participant_joined")
      for number in 0..<10 {
        asha.add("Dal", as: "asha", opId: "dal-\(number)")
        ravi.add("Roti", as: "ravi", opId: "roti-\(number)")
      }
      for number in 0..<5 { other.add("Idli", as: "other", opId: "idli-\(number)") }
      for client in [asha, ravi] {
        let error = try await client.next("error")
        #expect(error["data"]["code"] == "rate_limited" && error["data"]["retryable"] == true)
      }
      #expect(TestServer.metric("stonepot_tenant_messages_rate_limited_total") > 0)
      for number in 0..<5 { #expect(try await other.next("ack")["opId"] == .string("idli-\(number)")) }
    }
  }

  @Test("when there is no memory for one more room, it is refused before the upgrade, and the others go on")
  func memory() async throws {
    try await withServer {
      // Less than a room with one participant takes.
      $0.rooms.memoryBytes = 7000
    } _: { server async throws in
      let asha = try await RoomClient.joined(server.port, as: "asha")
      let refused = try await refusal(server.port, RoomClient.path + "another")
      #expect(refused?.status == 503 && refused?.header("retry-after") == "5")
      let answer = try await RawConnection.open(server.port).get(RoomClient.path + "another")
      #expect(answer.status == 503)
      asha.add("Dal", as: "asha", opId: "dal")
      _ = try await asha.next("item_added")
      let ravi = try await RoomClient.joined(server.port, as: "ravi")
      for client in [asha, ravi] { await client.socket.disconnect() }
      try await eventually("memory") { try await refusal(server.port, RoomClient.path + "another") == nil }
    }
  }

  @Test(
    "a household is an IPv4 address, or the first half of an IPv6 address",
    arguments: [
      ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2"),
      ("2001:db8:1:2::9", "2001:db8:1:2"), ("::1", "0:0:0:0"),
    ])
  func households(address: String, household: String) throws {
    #expect(try SocketAddress(ipAddress: address, port: 1).household == household)
  }
}

extension RawConnection {
  /// Whether a response comes before the end.
  fileprivate func isServed() async throws -> Bool {
    do {
      return try await response().status == 200
    } catch is RawConnection.Ended {
      return false
    }
  }
}
