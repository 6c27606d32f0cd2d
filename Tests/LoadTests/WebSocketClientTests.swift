import Load
import NIOCore
import NIOWebSocket
import Testing

@Suite("WebSocketClient", .timeLimit(.minutes(1)))
struct WebSocketClientTests {
  private let patience = Duration.seconds(10)
  private static let echo: LoopbackServer.Behavior = { frame, peer in
    peer.send(.text, String(buffer: frame.unmaskedData))
  }
  private static let silence: LoopbackServer.Behavior = { _, _ in }

  private func withClient(
    of behavior: @escaping LoopbackServer.Behavior, _ body: (WebSocketClient) async throws -> Void
  ) async throws {
    let server = try await LoopbackServer.start(behavior: behavior)
    let client = WebSocketClient(port: server.port, path: "/echo")
    try await client.connect()
    try await body(client)
    await client.disconnect()
    await server.stop()
  }

  @Test(
    "a text comes back as it was sent, at each size where the length field changes",
    arguments: [
      0, 1, 125, 126, 127, 65_535, 65_536, 300_000,
    ])
  func echo(size: Int) async throws {
    try await withClient(of: Self.echo) { client async throws in
      let text = String(repeating: "ä7", count: size / 3) + String(repeating: "x", count: size % 3)
      client.send(text)
      #expect(try await client.next(within: patience) == text)
    }
  }

  @Test("messages keep their order")
  func order() async throws {
    try await withClient(of: Self.echo) { client async throws in
      for number in 0..<500 { client.send("\(number)") }
      for number in 0..<500 { #expect(try await client.next(within: patience) == "\(number)") }
    }
  }

  @Test("a fragmented message is put together, with control frames in between")
  func fragmentation() async throws {
    let behavior: LoopbackServer.Behavior = { frame, peer in
      guard frame.opcode == .text else { return }
      peer.send(.text, "one ", isFinal: false)
      peer.send(.ping, "between")
      peer.send(.continuation, "two ", isFinal: false)
      peer.send(.continuation, "three")
      peer.send(.text, "next")
    }
    try await withClient(of: behavior) { client async throws in
      client.send("go")
      #expect(try await client.next(within: patience) == "one two three")
      #expect(try await client.next(within: patience) == "next")
    }
  }

  @Test("a ping is answered with its payload")
  func ping() async throws {
    let behavior: LoopbackServer.Behavior = { frame, peer in
      switch frame.opcode {
      case .text: peer.send(.ping, "are you there")
      case .pong: peer.send(.text, "pong: " + String(buffer: frame.unmaskedData))
      default: break
      }
    }
    try await withClient(of: behavior) { client async throws in
      client.send("go")
      #expect(try await client.next(within: patience) == "pong: are you there")
    }
  }

  @Test(
    "the server's close code and reason are told, after the messages that came ahead",
    arguments: [
      1000, 1012, 1013, 4001,
    ] as [UInt16])
  func closedByServer(code: UInt16) async throws {
    let behavior: LoopbackServer.Behavior = { frame, peer in
      guard frame.opcode == .text else { return }
      peer.send(.text, "last words")
      peer.close(code: code, reason: "so long")
    }
    try await withClient(of: behavior) { client async throws in
      client.send("go")
      #expect(try await client.next(within: patience) == "last words")
      #expect(try await client.next(within: patience) == nil)
      #expect(client.closure == WebSocketClosure(code: code, reason: "so long", wasClean: true))
    }
  }

  @Test("a connection that breaks is no clean close")
  func broken() async throws {
    let behavior: LoopbackServer.Behavior = { _, peer in peer.channel.close(promise: nil) }
    try await withClient(of: behavior) { client async throws in
      client.send("go")
      let closure = try await client.waitForClosure(within: patience)
      #expect(closure == WebSocketClosure(code: nil, reason: "", wasClean: false))
    }
  }

  @Test("nothing in time is an error, and the connection goes on")
  func timeout() async throws {
    try await withClient(of: Self.echo) { client async throws in
      await #expect(throws: WebSocketClientError.timedOut) { try await client.next(within: .milliseconds(20)) }
      client.send("still here")
      #expect(try await client.next(within: patience) == "still here")
    }
  }

  @Test("a cancelled wait ends")
  func cancellation() async throws {
    try await withClient(of: Self.silence) { client async throws in
      let wait = Task { try await client.next(within: patience) }
      wait.cancel()
      await #expect(throws: CancellationError.self) { try await wait.value }
    }
  }

  @Test("a server refuses an unmasked frame: the client can send what no client may")
  func hostile() async throws {
    let behavior: LoopbackServer.Behavior = { frame, peer in
      peer.send(.text, frame.maskKey == nil ? "unmasked" : "masked")
    }
    try await withClient(of: behavior) { client async throws in
      var encoder = ClientFrameEncoder()
      encoder.isMasked = false
      client.send(frame: encoder.encode(.text, payload: "x".utf8))
      #expect(try await client.next(within: patience) == "unmasked")
    }
  }

  @Test("a refused upgrade gives status, headers and body")
  func refused() async throws {
    let server = try await LoopbackServer.start(
      answering: "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nno no")
    let client = WebSocketClient(port: server.port, path: "/")
    let error = await #expect(throws: WebSocketClientError.self) { try await client.connect() }
    guard case .refused(let response) = error else {
      Issue.record("not a refusal: \(String(describing: error))")
      return
    }
    #expect(response.status == 403)
    #expect(response.header("Content-Type") == "text/plain")
    #expect(response.body == "no no")
    await server.stop()
  }

  @Test("a server that is not there is an error")
  func absent() async throws {
    let server = try await LoopbackServer.start(answering: "")
    let port = server.port
    await server.stop()
    await #expect(throws: (any Error).self) { try await WebSocketClient(port: port, path: "/").connect() }
  }
}
