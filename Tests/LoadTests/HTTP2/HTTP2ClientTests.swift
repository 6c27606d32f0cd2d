import NIOCore
import NIOHTTP1
import Testing

@testable import Load

@Suite("Requests over HTTP/2", .timeLimit(.minutes(2)))
struct HTTP2ClientTests {
  /// Bytes of which no two stretches are the same for long.
  private static func body(_ count: Int, seed: Int = 1) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* 31 &+ seed) >> ($0 % 7)) }
  }

  private func withServer(
    windowBytes: Int = 65535, streams: Int = 100,
    _ answer: @escaping @Sendable (HTTP2LoopbackServer.Ask) -> HTTP2LoopbackServer.Answer,
    _ body: (HTTP2LoopbackServer) async throws -> Void
  ) async throws {
    let server = try await HTTP2LoopbackServer.start(windowBytes: windowBytes, streams: streams, answer: answer)
    do {
      try await body(server)
    } catch {
      await server.stop()
      throw error
    }
    await server.stop()
  }

  private static let echo: @Sendable (HTTP2LoopbackServer.Ask) -> HTTP2LoopbackServer.Answer = { ask in
    .response(
      200,
      headers: [
        "asked": "\(ask.method) \(ask.path)", "length": ask.headers["content-length"].joined(separator: ","),
      ], body: ask.body)
  }

  @Test(
    "a body larger than a frame, and than the window, comes whole and goes back whole",
    arguments: [65535, 1000], [0, 1, 16_384, 16_385, 65_535, 65_536, 300_000])
  func bodies(window: Int, size: Int) async throws {
    try await withServer(windowBytes: window, Self.echo) { server async throws in
      let caller = try await HTTP2Caller.open(server.port)
      let sent = Self.body(size)
      let response = try await caller.call(HTTP2Request("POST", "/echo", body: sent))
      #expect(response.status == 200 && response.body == sent)
      let headers = Dictionary(response.headers.map { ($0.name, $0.value) }) { first, _ in first }
      #expect(headers["asked"] == "POST /echo")
      #expect(headers["length"] == "\(size)")
      await caller.close()
    }
  }

  @Test("of several at once, also of more than the server takes, each gets its own answer", arguments: [100, 3])
  func several(streams: Int) async throws {
    try await withServer(windowBytes: 5000, streams: streams, Self.echo) { server async throws in
      let caller = try await HTTP2Caller.open(server.port)
      let requests = (0..<60).map { number in
        HTTP2Request("PUT", "/echo/\(number)", body: Self.body(number * 1500, seed: number))
      }
      for _ in 0..<2 {
        for (request, result) in zip(requests, try await caller.call(requests)) {
          let response = try result.get()
          #expect(response.body == request.body, "\(request.path)")
          #expect(response.headers.contains { $0 == ("asked", "PUT \(request.path)") }, "\(request.path)")
        }
      }
      await caller.close()
    }
  }

  @Test("header fields come as they were sent, in their order, and so do those of the response")
  func headers() async throws {
    let long = String(repeating: "x", count: 12_000)
    let answer: @Sendable (HTTP2LoopbackServer.Ask) -> HTTP2LoopbackServer.Answer = { ask in
      var headers = HTTPHeaders()
      for (name, value) in ask.headers where name.hasPrefix("x-") || name == "authorization" || name == "content-type" {
        headers.add(name: name, value: value)
      }
      headers.add(name: "host", value: ask.headers["host"].first ?? "none")
      return .response(207, headers: headers, body: Array("{}".utf8))
    }
    try await withServer(answer) { server async throws in
      let caller = try await HTTP2Caller.open(server.port)
      let fields: [(name: String, value: String)] = [
        ("authorization", "Bearer a.b-c_d"), ("content-type", "application/json; charset=utf-8"), ("x-empty", ""),
        ("x-words", "Grüße, ☕"), ("x-twice", "1"), ("x-twice", "2"), ("x-long", long),
      ]
      let response = try await caller.call(HTTP2Request("POST", "/a?b=c%20d", headers: fields, body: [1, 2, 3]))
      #expect(response.status == 207 && response.body == Array("{}".utf8))
      let told = response.headers.filter { field in fields.contains { $0.name == field.name } }
      #expect(told.map(\.name) == fields.map(\.name) && told.map(\.value) == fields.map(\.value))
      #expect(response.headers.contains { $0 == ("host", "127.0.0.1:\(server.port)") })
      await caller.close()
    }
  }

  @Test(
    "what comes in pieces of any size is the same",
    arguments: [(1, 500), (2, 1000), (7, 3000), (1000, 40_000)])
  func pieces(size: Int, bodyBytes: Int) async throws {
    try await withServer(Self.echo) { server async throws in
      let caller = try await HTTP2Caller.open(server.port, piece: size)
      let requests = (0..<5).map { HTTP2Request("POST", "/\($0)", body: Self.body(bodyBytes, seed: $0)) }
      for (request, result) in zip(requests, try await caller.call(requests)) {
        #expect(try result.get().body == request.body)
      }
      await caller.close()
    }
  }

  @Test("a request that is refused before its body has come is answered, and the others go on")
  func early() async throws {
    let answer: @Sendable (HTTP2LoopbackServer.Ask) -> HTTP2LoopbackServer.Answer = { ask in
      switch ask.path {
      case HTTP2LoopbackServer.earlyPath: .response(413)
      case "/reset": .reset
      default: .response(200, body: ask.body)
      }
    }
    try await withServer(windowBytes: 1000, answer) { server async throws in
      let caller = try await HTTP2Caller.open(server.port)
      let large = Self.body(200_000)
      let results = try await caller.call([
        HTTP2Request("POST", HTTP2LoopbackServer.earlyPath, body: large), HTTP2Request("POST", "/reset", body: [1]),
        HTTP2Request("POST", "/good", body: large),
      ])
      #expect(try results[0].get().status == 413)
      let cancelled = UInt32(8)
      #expect(throws: HTTP2Failure.reset(cancelled)) { try results[1].get() }
      #expect(try results[2].get().body == large)
      #expect(try await caller.call(HTTP2Request("DELETE", "/good")).body.isEmpty)
      await caller.close()
    }
  }

  @Test("when the connection ends, all that wait are told, and so is who comes later")
  func ending() async throws {
    let answer: @Sendable (HTTP2LoopbackServer.Ask) -> HTTP2LoopbackServer.Answer = { ask in
      ask.path == "/end" ? .hangUp : .silence
    }
    try await withServer(answer) { server async throws in
      let caller = try await HTTP2Caller.open(server.port)
      let results = try await caller.call([
        HTTP2Request("GET", "/waits"), HTTP2Request("POST", "/end", body: Self.body(100_000)),
      ])
      for result in results { #expect(throws: HTTP2Failure.closed) { try result.get() } }
      try await caller.channel.closeFuture.get()
      await #expect(throws: HTTP2Failure.closed) { try await caller.call(HTTP2Request("GET", "/late")) }
    }
  }
}
