import Load
import NIOCore
import Testing

/// HTTP/1.1 from clients that mean harm. Where two readers of one stream could disagree, the request is refused.
@Suite("Hostile HTTP", .hostileServer, .timeLimit(.minutes(5)))
struct HostileHTTPTests {
  @Test(
    "each request gets its status or none, the connection goes on or ends, and the next one is served",
    arguments: HostileRequest.table)
  func requests(hostile: HostileRequest) async throws {
    try await HostileServer.visit { server async throws in
      let connection = try await RawConnection.open(server.port)
      connection.send(hostile.bytes)
      if hostile.isHalfClosed { connection.endSending() }
      for status in hostile.statuses {
        #expect(try await connection.response(toHead: hostile.isHead).status == status)
      }
      if hostile.ends {
        #expect(try await connection.rest() == "")
      } else {
        // There is no answer too many: the next one is to the next request.
        let response = try await connection.get("/healthz")
        #expect(response.status == 200 && response.body == "ok\n")
        await connection.close()
      }
      #expect(try await RawConnection.open(server.port).get("/healthz").status == 200)
    }
  }

  @Test(
    "a refusal says which rule was broken",
    arguments: [
      ("GET / HTTP/1.1\r\n\r\n", 400, "bad_request", "Host must be given once"),
      ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "bad_request", "Host must be given once"),
      (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, "bad_request",
        "Transfer-Encoding must be chunked, or absent"
      ),
      (
        "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 20_000))\r\n\r\n", 431,
        "header_fields_too_large", "the target and the header fields have at most 16384 bytes, in at most 256 fields"
      ),
      (
        "GET /\(String(repeating: "x", count: 20_000)) HTTP/1.1\r\nHost: a\r\n\r\n", 431, "header_fields_too_large",
        "the target and the header fields have at most 16384 bytes, in at most 256 fields"
      ),
    ])
  func reasons(request: String, status: Int, code: String, detail: String) async throws {
    try await HostileServer.visit { server async throws in
      let connection = try await RawConnection.open(server.port)
      connection.send(request)
      let response = try await connection.response()
      #expect(response.status == status)
      #expect(response.header("content-type") == "application/problem+json")
      let problem = try JSON(parsing: response.body)
      #expect(problem["code"] == .string(code))
      #expect(problem["detail"] == .string(detail))
    }
  }

  @Test("a hundred upgrades that are refused, one after the other and all at once, leave nothing behind")
  func refusedUpgrades() async throws {
    try await HostileServer.visit { server async throws in
      let request = HTTPText.upgrade("/parties/main/refused", without: "Sec-WebSocket-Key")
      for _ in 0..<20 {
        let connection = try await RawConnection.open(server.port)
        connection.send(request + request)
        #expect(try await connection.response().status == 400)
        #expect(try await connection.rest() == "")
      }
      try await withThrowingTaskGroup { group in
        for _ in 0..<80 {
          group.addTask {
            let connection = try await RawConnection.open(server.port)
            connection.send(request)
            #expect(try await connection.response().status == 400)
            #expect(try await connection.rest() == "")
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test("an upgrade that is asked for twice at once is granted once, and what is behind it is no request")
  func repeatedUpgrade() async throws {
    try await HostileServer.visit { server async throws in
      let connection = try await RawConnection.open(server.port)
      let request = HTTPText.upgrade("/parties/main/repeated")
      connection.send(request + request)
      #expect(try await connection.response().status == 101)
      // `GE` begins a frame with a reserved bit and without a mask.
      let rest = try await connection.take("the end") { buffer, isEnded in
        isEnded ? Array(buffer.readableBytesView) : nil
      }
      #expect(rest.first == 0x88 && rest.dropFirst(2).starts(with: [0x03, 0xEA]), "\(rest)")
    }
  }

  @Test("a thousand requests at once on one connection are answered in their order, without another's waiting")
  func pipelinedFlood() async throws {
    try await HostileServer.visit { server async throws in
      let connection = try await RawConnection.open(server.port)
      connection.send(String(repeating: HTTPText.request("GET /healthz HTTP/1.1"), count: 1000))
      #expect(try await RawConnection.open(server.port).get("/healthz").status == 200)
      for _ in 0..<1000 { #expect(try await connection.response().status == 200) }
      #expect(try await connection.get("/nowhere").status == 404)
    }
  }
}
