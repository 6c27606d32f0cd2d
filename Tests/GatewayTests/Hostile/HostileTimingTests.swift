import Gateway
import Load
import NIOCore
import TestSupport
import Testing

/// Clients that take their time, and want the server's.
@Suite("Hostile slowness", .timeLimit(.minutes(3)))
struct HostileTimingTests {
  private static let slowClients = "stonepot_http_slow_clients_closed_total"

  @Test(
    "a body that comes byte by byte does not hold its connection for ever",
    arguments: ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
  func slowBody(framing: String) async throws {
    try await withServer {
      $0.gateway.idleHTTP = .milliseconds(300)
    } _: { server async throws in
      let connection = try await RawConnection.open(server.port)
      connection.send(HTTPText.request("POST /nowhere HTTP/1.1", [framing]))
      let dripping = Task {
        let bytes = framing.hasPrefix("C") ? "a" : "1\r\na\r\n"
        while !Task.isCancelled {
          connection.send(bytes)
          try await Task.sleep(for: .milliseconds(20))
        }
      }
      defer { dripping.cancel() }
      // With or without an answer: it ends.
      _ = try await connection.rest()
    }
  }

  @Test("a head that comes byte by byte behind a good request does not, either")
  func slowSecondHead() async throws {
    try await withServer {
      $0.gateway.idleHTTP = .milliseconds(300)
    } _: { server async throws in
      let connection = try await RawConnection.open(server.port)
      #expect(try await connection.get("/healthz").status == 200)
      connection.send("GET /healthz HTTP/1.1\r\nHost: test\r\n")
      let dripping = Task {
        while !Task.isCancelled {
          connection.send("X: a\r\n")
          try await Task.sleep(for: .milliseconds(20))
        }
      }
      defer { dripping.cancel() }
      // Cut, or told that the head has become too large; either way it is over.
      _ = try await connection.rest()
    }
  }

  @Test(
    "a connection whose last answer has gone is cut soon, though its client neither ends it nor stops sending",
    arguments: [
      HTTPText.request("GET /healthz HTTP/1.1", ["Connection: close"]),
      HTTPText.request("GET /healthz HTTP/1.1") + "nonsense\r\n\r\n", "GET /healthz HTTP/1.0\r\n\r\n",
    ])
  func lingering(request: String) async throws {
    try await withServer {
      $0.gateway.closeWithin = .milliseconds(200)
    } _: { server async throws in
      let connection = try await RawConnection.open(server.port)
      connection.send(request)
      #expect(try await connection.response().status == 200)
      try await eventually("the cut") {
        connection.send("x")
        do {
          _ = try await connection.unsentBytes()
          return false
        } catch ChannelError.ioOnClosedChannel {
          return true
        }
      }
    }
  }

  /// Makes an order whose state is large, so that a few answers fill the sockets.
  private func order(_ port: Int, tls: ClientTLS? = nil) async throws {
    let client = try await FrameClient.open(port, RoomClient.path + "room?v=2", tls: tls)
    client.send("join", as: "asha", data: #"{"circleId":"test","tenantId":"test"}"#, opId: "join")
    let note = String(repeating: "🍲", count: 500)
    for number in 0..<100 {
      let dish = #"{"dishName":"Dal","dishType":"veg","quantity":1,"price":1,"customization":"\#(note)"}"#
      client.send("add_item", as: "asha", data: dish, opId: "add-\(number)")
    }
    while try await client.next("ack")["opId"] != "add-99" {}
  }

  @Test("answers that their client does not take are given up with the connection")
  func slowReader() async throws {
    try await withServer {
      $0.gateway.idleHTTP = .seconds(2)
    } _: { server async throws in
      try await order(server.port)
      let slow = try await RawConnection.open(server.port, receiveBuffer: 4096)
      try await slow.setReading(false)
      let cut = TestServer.metric(Self.slowClients)
      let request = HTTPText.request("GET /parties/main/room HTTP/1.1")
      slow.send(String(repeating: request, count: 100))
      // The counter is the process's: somebody else's cut may show in it, and so the time must have passed as well.
      try await Task.sleep(for: .seconds(4))
      try await eventually("the cut") { TestServer.metric(Self.slowClients) > cut }
      do {
        try await slow.setReading(true)
      } catch ChannelError.ioOnClosedChannel {
        // It has heard of its end already.
      }
      // 100 answers have 20 MB.
      #expect(try await slow.rest().utf8.count < 10_000_000)
      #expect(try await RawConnection.open(server.port).get("/parties/main/room").status == 200)
    }
  }

  @Test("so are answers over HTTP/2 whose client reads nothing, and it is not read from any more")
  func slowReaderOfHTTP2() async throws {
    try await withTLSServer {
      $0.gateway.idleHTTP = .seconds(3)
    } _: { server, certificate, _ async throws in
      try await order(server.port, tls: ClientTLS(trusted: certificate.certificate))
      let slow = try await RawConnection.open(
        server.port, receiveBuffer: 4096, tls: ClientTLS(trusted: certificate.certificate, protocols: ["h2"]))
      slow.send(HTTP2Frames.start)
      // Windows so large that nothing but the socket holds the answers back.
      slow.send(ByteBuffer(bytes: HTTP2Frames.frame(HTTP2Frames.settings, stream: 0, [0, 4, 0x7F, 0xFF, 0xFF, 0xFF])))
      slow.send(ByteBuffer(bytes: HTTP2Frames.frame(8, stream: 0, [0x7F, 0, 0, 0])))
      while try await slow.frame()?.type != HTTP2Frames.settings {}
      try await slow.setReading(false)
      let cut = TestServer.metric(Self.slowClients)
      for number in 0..<60 { slow.send(HTTP2Frames.get("/parties/main/room", stream: UInt32(2 * number + 1))) }
      try await eventually("the cut") { TestServer.metric(Self.slowClients) > cut }
      await slow.close()
    }
  }

  @Test("a client that goes on taking its answers, however many, is not cut")
  func steadyReader() async throws {
    // On a machine that does much else at the time a client is as steady as it can be: then it gets more time for each.
    for seconds in [3.0, 12] where try await readsSteadily(within: seconds) { return }
    #expect(try await readsSteadily(within: 48))
  }

  /// - Returns: false if the client was cut, and had been slow itself.
  private func readsSteadily(within seconds: Double) async throws -> Bool {
    var isSteady = true
    do {
      try await withServer {
        $0.gateway.idleHTTP = .seconds(seconds)
      } _: { server async throws in
        try await order(server.port)
        let steady = try await RawConnection.open(server.port, receiveBuffer: 4096)
        let request = HTTPText.request("GET /parties/main/room HTTP/1.1")
        steady.send(String(repeating: request, count: 30))
        // All of it takes longer than any piece of it may.
        for _ in 0..<30 {
          let start = ContinuousClock.now
          #expect(try await steady.response().status == 200)
          try await steady.setReading(false)
          try await Task.sleep(for: .seconds(seconds / 20))
          try await steady.setReading(true)
          if ContinuousClock.now - start > .seconds(seconds / 10) { isSteady = false }
        }
      }
    } catch  where !isSteady {
      return false
    }
    return true
  }
}
