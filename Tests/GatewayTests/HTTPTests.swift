import Load
import NIOCore
import Store
import StoreTesting
import Testing

@Suite("The HTTP face", .timeLimit(.minutes(3)))
struct HTTPTests {
  @Test("healthz says that the process runs, readyz that the store takes writes")
  func probes() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      #expect(try await connection.get("/healthz").status == 200)
      #expect(try await connection.get("/readyz").status == 200)
      server.store.writeError = .unavailable("disk full")
      #expect(try await connection.get("/readyz").status == 503)
      #expect(try await connection.get("/healthz").status == 200)
      server.store.writeError = nil
      #expect(try await connection.get("/readyz").status == 200)
    }
  }

  @Test("metrics are Prometheus text, each described once before it is given")
  func metrics() async throws {
    try await withServer { server async throws in
      _ = try await RoomClient.joined(server.port, as: "asha")
      let response = try await RawConnection.open(server.port).get("/metrics")
      #expect(response.status == 200)
      #expect(response.header("content-type") == "text/plain; version=0.0.4; charset=utf-8")
      var kinds: [String: String] = [:]
      for line in response.body.split(separator: "\n") {
        let words = line.split(separator: " ").map(String.init)
        if line.hasPrefix("#") {
          #expect(words.count == 4 && words[1] == "TYPE" && kinds[words[2]] == nil, "\(line)")
          #expect(["counter", "gauge"].contains(words[3]), "\(line)")
          kinds[words[2]] = words[3]
        } else {
          try #require(words.count == 2 && Double(words[1]) != nil, "\(line)")
          #expect(kinds[String(words[0].prefix { $0 != "{" })] != nil, "\(line)")
        }
      }
      #expect(kinds["stonepot_connections"] == "gauge")
      #expect(kinds["stonepot_messages_received_total"] == "counter")
    }
  }

  @Test("a room's state is its sync, for any web page; an unknown room is a problem")
  func rooms() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      let unknown = try await connection.get("/parties/main/room")
      #expect(unknown.status == 404)
      #expect(unknown.header("content-type") == "application/problem+json")
      #expect(unknown.header("access-control-allow-origin") == "*")
      let problem = try JSON(parsing: unknown.body)
      #expect(problem["code"] == "room_not_found")
      #expect(problem["status"] == 404)
      #expect(problem["type"] == "urn:stonepot:problem:room_not_found")
      #expect(problem["title"].string != nil)

      let asha = try await RoomClient.joined(server.port, as: "asha")
      asha.add("Dal", as: "asha")
      _ = try await asha.next("item_added")
      let known = try await connection.get("/parties/collaborative_order/room")
      #expect(known.status == 200)
      #expect(known.header("content-type") == "application/json")
      #expect(known.header("cache-control") == "no-store")
      #expect(known.header("access-control-allow-origin") == "*")
      let state = try JSON(parsing: known.body)
      let watcher = try await RoomClient.open(server.port)
      let sync = try await watcher.next()
      #expect(state.dropping("timestamp") == sync.dropping("timestamp"))
      #expect(state["data"]["items"][0]["dishName"] == "Dal")
      #expect(state["seq"] == 3)
    }
  }

  @Test("a room that cannot be read is 503 for GET, 1013 for a WebSocket, and well again with the store")
  func unreadable() async throws {
    try await withServer { server async throws in
      server.store.readError = .unavailable("gone")
      let connection = try await RawConnection.open(server.port)
      let response = try await connection.get("/parties/main/room")
      #expect(response.status == 503)
      #expect(try JSON(parsing: response.body)["code"] == "store_unavailable")
      let client = try await RoomClient.open(server.port)
      #expect(try await client.closure()?.code == 1013)
      server.store.readError = nil
      #expect(try await connection.get("/parties/main/room").status == 404)
      _ = try await RoomClient.joined(server.port, as: "asha")
    }
  }

  @Test("OPTIONS is answered for a page of any origin")
  func preflight() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      for path in ["/parties/main/room", "/party/room", "/healthz", "/nowhere"] {
        connection.send(
          HTTPText.request(
            "OPTIONS \(path) HTTP/1.1",
            [
              "Origin: https://app.example", "Access-Control-Request-Method: GET",
              "Access-Control-Request-Headers: authorization",
            ]))
        let response = try await connection.response()
        #expect(response.status == 204, "\(path)")
        #expect(response.header("access-control-allow-origin") == "*", "\(path)")
        #expect(response.header("access-control-allow-methods")?.contains("GET") == true, "\(path)")
        #expect(response.header("access-control-allow-headers")?.contains("Authorization") == true, "\(path)")
        #expect(response.body == "", "\(path)")
      }
    }
  }

  @Test("what is not there, or not by that method, is a problem document")
  func unknown() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      let cases: [(line: String, allowed: String?)] = [
        ("GET /nowhere", nil), ("POST /nowhere", nil), ("POST /v1/tenants/t/nowhere", nil),
        ("POST /healthz", "GET, HEAD, OPTIONS"), ("DELETE /parties/main/room", "GET, HEAD, OPTIONS"),
        ("PUT /metrics", "GET, HEAD, OPTIONS"), ("PATCH /party/room", "GET, HEAD, OPTIONS"),
        ("TRACE /healthz", "GET, HEAD, OPTIONS"), ("PUT /v1/tenants/t/customers", "OPTIONS, POST"),
        ("PUT //v1/tenants/t/customers/1234567890/", "DELETE, GET, HEAD, OPTIONS"),
        ("GET /v1/tenants/t/customers", "OPTIONS, POST"), ("POST /v1/tenants/t/menu", "GET, HEAD, OPTIONS, PUT"),
      ]
      for (line, allowed) in cases {
        connection.send(HTTPText.request("\(line) HTTP/1.1", ["Content-Length: 2"], body: "{}"))
        let response = try await connection.response()
        #expect(response.status == (allowed == nil ? 404 : 405), "\(line)")
        #expect(response.header("allow") == allowed, "\(line)")
        #expect(response.header("content-type") == "application/problem+json", "\(line)")
        #expect(response.header("access-control-allow-origin") == "*", "\(line)")
        #expect(try JSON(parsing: response.body)["status"] == JSON(integerLiteral: response.status), "\(line)")
      }
    }
  }

  @Test("HEAD has no body, and the next request finds its answer")
  func head() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      for path in ["/healthz", "/nowhere", "/parties/main/room"] {
        connection.send(HTTPText.request("HEAD \(path) HTTP/1.1"))
        _ = try await connection.response(toHead: true)
        #expect(try await connection.get("/healthz").body == "ok\n", "\(path)")
      }
    }
  }

  @Test("one connection serves many requests, also sent all at once, in their order")
  func pipelining() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      let paths = (0..<20).map { ["/healthz", "/nowhere", "/readyz", "/parties/main/none"][$0 % 4] }
      connection.send(paths.map { HTTPText.request("GET \($0) HTTP/1.1") }.joined())
      for path in paths {
        let response = try await connection.response()
        #expect(response.status == (["/healthz", "/readyz"].contains(path) ? 200 : 404), "\(path)")
      }
      #expect(try await connection.get("/healthz").status == 200)
      connection.send(HTTPText.request("GET /healthz HTTP/1.1", ["Connection: close"]))
      #expect(try await connection.response().status == 200)
      #expect(try await connection.rest() == "")
    }
  }

  @Test("HTTP/1.0 is answered and closed, unless it asks otherwise")
  func oldHTTP() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      connection.send("GET /healthz HTTP/1.0\r\n\r\n")
      let response = try await connection.response()
      #expect(response.status == 200)
      #expect(response.body == "ok\n")
      #expect(try await connection.rest() == "")
    }
  }

  @Test("a large body that nobody wants does no harm")
  func largeBody() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      let size = 4 << 20
      connection.send(HTTPText.request("POST /nowhere HTTP/1.1", ["Content-Length: \(size)"]))
      connection.send(ByteBuffer(repeating: 0x78, count: size))
      #expect(try await connection.response().status == 404)
      #expect(try await connection.get("/healthz").status == 200)
    }
  }
}
