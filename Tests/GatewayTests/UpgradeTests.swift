import Gateway
import Load
import NIOCore
import Rooms
import TestSupport
import Testing

@Suite("What a connection's first request may be", .timeLimit(.minutes(3)))
struct UpgradeTests {
  @Test("a handshake that RFC 6455 section 4.2.1 forbids is refused with a status, and the connection ends")
  func handshakes() async throws {
    let path = "/parties/main/room"
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    let cases: [(name: String, request: String, status: Int)] = [
      ("no version", HTTPText.upgrade(path, without: "Sec-WebSocket-Version"), 426),
      ("version 8", HTTPText.upgrade(path, ["Sec-WebSocket-Version: 8"], without: "Sec-WebSocket-Version"), 426),
      ("two versions", HTTPText.upgrade(path, ["Sec-WebSocket-Version: 8"]), 426),
      ("no key", HTTPText.upgrade(path, without: "Sec-WebSocket-Key"), 400),
      ("two keys", HTTPText.upgrade(path, [key]), 400),
      ("a short key", HTTPText.upgrade(path, ["Sec-WebSocket-Key: c2hvcnQ="], without: "Sec-WebSocket-Key"), 400),
      ("a key that is no base64", HTTPText.upgrade(path, ["Sec-WebSocket-Key: !"], without: "Sec-WebSocket-Key"), 400),
      ("no Connection", HTTPText.upgrade(path, without: "Connection"), 400),
      ("POST", HTTPText.upgrade(path).replacing("GET", with: "POST"), 400),
      ("a body", HTTPText.upgrade(path, ["Content-Length: 2"]) + "hi", 400),
      ("a chunked body", HTTPText.upgrade(path, ["Transfer-Encoding: chunked"]) + "0\r\n\r\n", 400),
      ("HTTP/1.0", HTTPText.upgrade(path).replacing("HTTP/1.1", with: "HTTP/1.0"), 400),
    ]
    try await withServer { server async throws in
      for (name, request, status) in cases {
        let connection = try await RawConnection.open(server.port)
        connection.send(request)
        let response = try await connection.response()
        #expect(response.status == status, "\(name)")
        #expect(response.header("content-type") == "application/problem+json", "\(name)")
        #expect(try JSON(parsing: response.body)["code"] == "bad_handshake", "\(name)")
        if status == 426 { #expect(response.header("sec-websocket-version") == "13", "\(name)") }
        #expect(try await connection.rest() == "", "\(name)")
      }
      #expect(server.registry.warmCount == 0)
    }
  }

  @Test("frames that come with the request are not lost")
  func eagerFrames() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      var bytes = ByteBuffer(string: HTTPText.upgrade("/parties/main/room"))
      bytes.writeImmutableBuffer(ClientFrameEncoder().encode(.text, payload: FirstConversationTests.wscatJoin.utf8))
      bytes.writeImmutableBuffer(ClientFrameEncoder().encode(.ping, payload: "eager".utf8))
      connection.send(bytes)
      #expect(try await connection.response().status == 101)
      let watcher = try await RoomClient.open(server.port)
      #expect(["sync", "participant_joined"].contains(try await watcher.next()["type"]))
    }
  }

  @Test("the request may come byte by byte")
  func slowRequest() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      for byte in HTTPText.upgrade("/parties/main/room").utf8 { connection.send(ByteBuffer(bytes: [byte])) }
      #expect(try await connection.response().status == 101)
    }
  }

  @Test("only the origins that are allowed may open a WebSocket; who sends none is no browser")
  func origins() async throws {
    try await withServer {
      $0.gateway.allowedOrigins = ["https://good.example"]
    } _: { server async throws in
      let path = RoomClient.path + "room"
      #expect(try await refusal(server.port, path) == nil)
      #expect(try await refusal(server.port, path, headers: [("Origin", "https://good.example")]) == nil)
      for origin in ["https://evil.example", "http://good.example", "https://good.example.evil.example", "null"] {
        let answer = try await refusal(server.port, path, headers: [("Origin", origin)])
        #expect(answer?.status == 403, "\(origin)")
        #expect(try JSON(parsing: answer?.body ?? "")["code"] == "wrong_origin", "\(origin)")
      }
    }
    try await withServer { server async throws in
      #expect(
        try await refusal(server.port, RoomClient.path + "room", headers: [("Origin", "https://any.example")]) == nil)
    }
  }

  @Test("an upgrade to anything but a room's WebSocket is served as if it had not been asked for, and ends there")
  func otherUpgrades() async throws {
    let requests = [
      HTTPText.upgrade("/healthz"),
      HTTPText.request(
        "GET /healthz HTTP/1.1",
        ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"]),
      HTTPText.request("GET /healthz HTTP/1.1", ["Connection: keep-alive, Upgrade", "Upgrade: TLS/1.0"]),
    ]
    try await withServer { server async throws in
      for request in requests {
        let connection = try await RawConnection.open(server.port)
        // The server does not know what comes behind an upgrade, so it must say that it will not look.
        connection.send(request)
        let response = try await connection.response()
        #expect(response.status == 200)
        #expect(response.body == "ok\n")
        #expect(try await connection.rest() == "")

        let second = try await RawConnection.open(server.port)
        #expect(try await second.get("/healthz").status == 200)
        second.send(request)
        #expect(try await second.response().body == "ok\n")
        #expect(try await second.rest() == "")
      }
    }
  }

  @Test("an upgrade that is not a connection's first request is answered, not granted, and the connection ends")
  func lateUpgrade() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      #expect(try await connection.get("/healthz").status == 200)
      connection.send(HTTPText.upgrade("/parties/main/room"))
      let response = try await connection.response()
      #expect(response.status == 404)
      #expect(try await connection.rest() == "")
    }
  }

  @Test("what cannot be parsed is answered with 400, and the connection ends")
  func malformed() async throws {
    let requests = [
      "nonsense\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
      "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}",
    ]
    try await withServer { server async throws in
      for request in requests {
        let connection = try await RawConnection.open(server.port)
        connection.send(request)
        let response = try await connection.response()
        #expect(response.status == 400, "\(request.prefix(40))")
        #expect(response.header("connection") == "close", "\(request.prefix(40))")
        #expect(try await connection.rest() == "", "\(request.prefix(40))")
      }
      let connection = try await RawConnection.open(server.port)
      #expect(try await connection.get("/healthz").status == 200)
      connection.send("nonsense\r\n\r\n")
      #expect(try await connection.response().status == 400)
      #expect(try await connection.rest() == "")
    }
  }

  @Test(
    "a connection that does not finish its first request is cut", arguments: ["", "GET /healthz HTTP/1.1\r\nHost:"])
  func silence(start: String) async throws {
    try await withServer {
      $0.gateway.firstRequestWithin = .milliseconds(50)
    } _: { server async throws in
      let connection = try await RawConnection.open(server.port)
      if !start.isEmpty { connection.send(start) }
      #expect(try await connection.rest() == "")
    }
  }

  @Test("an HTTP connection that lies idle is cut")
  func idleness() async throws {
    try await withServer {
      $0.gateway.idleHTTP = .milliseconds(50)
    } _: { server async throws in
      let connection = try await RawConnection.open(server.port)
      _ = try await connection.get("/healthz")
      #expect(try await connection.rest() == "")
    }
  }

  @Test("who stops sending right behind the request for an upgrade leaves no session behind")
  func halfClosedUpgrade() async throws {
    try await withServer { server async throws in
      for _ in 0..<20 {
        let connection = try await RawConnection.open(server.port)
        connection.send(HTTPText.upgrade("/parties/main/room"))
        connection.endSending()
        // With or without an answer: the connection ends.
        _ = try await connection.rest()
      }
      try await eventually("the room to be left") { server.registry.warmCount == 0 }
    }
  }

  @Test("bytes without end behind an upgrade that is not granted are not kept")
  func floodBehindAnUpgrade() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      connection.send(HTTPText.request("GET /healthz HTTP/1.1", ["Connection: Upgrade", "Upgrade: h2c"]))
      connection.send(ByteBuffer(repeating: 0x20, count: 16 << 20))
      // The answer may be lost in the reset that follows; the end is what counts.
      _ = try? await connection.rest()
      #expect(try await RawConnection.open(server.port).get("/healthz").status == 200)
    }
  }

  @Test("a server that stops refuses with 503 and says so to its probe")
  func stopping() async throws {
    try await withServer { server async throws in
      #expect(try await RawConnection.open(server.port).get("/readyz").status == 200)
      server.gateway.beginDraining()
      let answer = try await refusal(server.port, RoomClient.path + "room")
      #expect(answer?.status == 503)
      #expect(answer?.header("retry-after") == "1")
      #expect(try await RawConnection.open(server.port).get("/readyz").status == 503)
      #expect(try await RawConnection.open(server.port).get("/healthz").status == 200)
    }
  }
}
