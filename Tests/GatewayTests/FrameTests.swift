import Gateway
import Load
import NIOCore
import Rooms
import TestSupport
import Testing

/// RFC 6455, seen from a client that does as it likes.
@Suite("Frames", .timeLimit(.minutes(3)))
struct FrameTests {
  private static func text(_ event: WebSocketDecoder.Event?) -> String? {
    guard case .text(let text) = event else { return nil }
    return String(buffer: text)
  }

  @Test("a ping is answered with its own bytes")
  func ping() async throws {
    try await withServer { server async throws in
      let client = try await FrameClient.open(server.port)
      for payload in ["", "hello", String(repeating: "p", count: 125)] {
        client.send(.ping, payload.utf8)
        #expect(try await client.next() == .pong(ByteBuffer(string: payload)))
      }
      client.send(.pong, "unasked".utf8)
      client.send(.ping, "still there".utf8)
      #expect(try await client.next() == .pong(ByteBuffer(string: "still there")))
    }
  }

  @Test("a message in parts is one message, with control frames in between")
  func fragments() async throws {
    try await withServer { server async throws in
      let client = try await FrameClient.open(server.port)
      let bytes = Array(FirstConversationTests.wscatJoin.utf8)
      client.send(.text, bytes[..<1], isFinal: false)
      client.send(.ping, "one".utf8)
      for byte in bytes[1..<40] { client.send(.continuation, [byte], isFinal: false) }
      client.send(.continuation, [UInt8](), isFinal: false)
      client.send(.ping, "two".utf8)
      client.send(.continuation, bytes[40...])
      #expect(try await client.next() == .pong(ByteBuffer(string: "one")))
      #expect(try await client.next() == .pong(ByteBuffer(string: "two")))
      #expect(try await client.nextMessage()?["type"] == "participant_joined")
    }
  }

  @Test("a message may come byte by byte")
  func trickle() async throws {
    try await withServer { server async throws in
      let client = try await FrameClient.open(server.port)
      var frame = ClientFrameEncoder().encode(.text, payload: FirstConversationTests.wscatJoin.utf8)
      while let byte = frame.readSlice(length: 1) { client.connection.send(byte) }
      #expect(try await client.nextMessage()?["type"] == "participant_joined")
    }
  }

  static let offences = [
    FrameOffence("unmasked", 1002) { $0.send(.text, "{}".utf8, isMasked: false) },
    FrameOffence("reserved bit 1", 1002) { $0.send(.text, "{}".utf8, reserved: 4) },
    FrameOffence("reserved bit 3", 1002) { $0.send(.text, "{}".utf8, reserved: 1) },
    FrameOffence("opcode 3", 1002) {
      $0.connection.send(ClientFrameEncoder().encode(rawOpcode: 3, payload: "{}".utf8))
    },
    FrameOffence("opcode 11", 1002) {
      $0.connection.send(ClientFrameEncoder().encode(rawOpcode: 11, payload: "".utf8))
    },
    FrameOffence("a ping in parts", 1002) { $0.send(.ping, "{}".utf8, isFinal: false) },
    FrameOffence("a long ping", 1002) { $0.send(.ping, [UInt8](repeating: 0, count: 126)) },
    FrameOffence("a continuation of nothing", 1002) { $0.send(.continuation, "{}".utf8) },
    FrameOffence("a message inside another", 1002) {
      $0.send(.text, "{".utf8, isFinal: false)
      $0.send(.text, "{}".utf8)
    },
    FrameOffence("too long", 1009) { $0.send(.text, [UInt8](repeating: 0x20, count: 65_537)) },
    FrameOffence("too long in parts", 1009) {
      $0.send(.text, [0x20], isFinal: false)
      for _ in 0..<3 { $0.send(.continuation, [UInt8](repeating: 0x20, count: 30_000), isFinal: false) }
    },
    FrameOffence("a length beyond all bounds", 1009) {
      $0.connection.send(ByteBuffer(bytes: [0x81, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4]))
    },
    FrameOffence("a length in more bytes than it needs", 1002) {
      $0.connection.send(ByteBuffer(bytes: [0x81, 0xFE, 0, 2, 1, 2, 3, 4, 0x7A, 0x7F]))
    },
    FrameOffence("a negative length", 1002) {
      $0.connection.send(ByteBuffer(bytes: [0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4]))
    },
    FrameOffence("no UTF-8", 1007) { $0.send(.text, [0x22, 0xC3, 0x28, 0x22]) },
    FrameOffence("half of a surrogate pair", 1007) { $0.send(.text, [0x22, 0xED, 0xA0, 0x80, 0x22]) },
  ]

  @Test("what the RFC forbids closes the connection with the code that says why", arguments: offences)
  func violations(violation: FrameOffence) async throws {
    try await withServer { server async throws in
      let client = try await FrameClient.open(server.port)
      violation.commit(client)
      #expect(try await client.closeCode() == violation.code)
      client.send(.close, [UInt8(violation.code >> 8), UInt8(violation.code & 0xFF)])
      #expect(try await client.next() == nil)
    }
  }

  @Test("an offender who goes on sending still hears why")
  func violationUnderFire() async throws {
    try await withServer { server async throws in
      for _ in 0..<20 {
        let client = try await FrameClient.open(server.port)
        for _ in 0..<4 { client.sendUnchanged(ByteBuffer(repeating: 0x20, count: 1 << 20)) }
        #expect(try await client.closeCode() == 1009)
        await client.connection.close()
      }
    }
  }

  @Test("a message of exactly the limit is taken, and a binary one is an error; both leave the connection open")
  func limits() async throws {
    try await withServer { server async throws in
      let client = try await FrameClient.open(server.port)
      let padding = String(repeating: " ", count: 65_536 - FirstConversationTests.wscatJoin.utf8.count)
      client.send(FirstConversationTests.wscatJoin + padding)
      #expect(try await client.nextMessage()?["type"] == "participant_joined")
      client.send(.binary, FirstConversationTests.wscatJoin.utf8)
      let error = try await client.nextMessage()
      #expect(error?["type"] == "error")
      #expect(error?["data"]["code"] == "invalid_json")
      for text in ["", "nonsense", "[]", #"{"type":"dance","participantId":"x"}"#, "{}", #"{"type":"join"}"#] {
        client.send(text)
        let error = try await client.nextMessage()
        #expect(error?["type"] == "error", "\(text)")
        #expect(error?["error"].string != nil, "\(text)")
        #expect(error?["data"]["retryable"] == false, "\(text)")
      }
      #expect(try await server.journal(of: "room").count == 2)
    }
  }

  @Test("a close is answered with its own code, and the connection ends")
  func closing() async throws {
    let cases: [(payload: [UInt8], answer: UInt16)] = [
      ([], 1000), ([0x03, 0xE8], 1000), ([0x03, 0xE9] + Array("bye".utf8), 1001), ([0x0F, 0xA0], 4000),
      ([0x13, 0x87], 4999), ([0x03], 1002), ([0x03, 0xED], 1002), ([0x03, 0xEE], 1002), ([0x00, 0x00], 1002),
      ([0x07, 0xD0], 1002), ([0x03, 0xE8, 0xC3, 0x28], 1007),
    ]
    try await withServer { server async throws in
      for (payload, answer) in cases {
        let client = try await FrameClient.open(server.port)
        client.send(.close, payload)
        client.send(.text, FirstConversationTests.wscatJoin.utf8)
        #expect(try await client.closeCode() == answer, "\(payload)")
        #expect(try await client.next() == nil, "\(payload)")
      }
      // What stands behind a close counts no more.
      #expect(try await RawConnection.open(server.port).get("/parties/main/room").status == 404)
      try await eventually("the room to be left") { server.registry.warmCount == 0 }
    }
  }

  @Test("who is silent is pinged, and cut if there is no answer; who answers stays")
  func silence() async throws {
    try await withServer {
      $0.gateway.pingAfter = .milliseconds(10)
      // As long as a client that answers may take on a machine that does much else.
      $0.gateway.pongWithin = .seconds(4)
    } _: { server async throws in
      let silent = try await FrameClient.open(server.port)
      let alive = try await FrameClient.open(server.port)
      for _ in 0..<3 {
        guard case .ping(let payload)? = try await alive.next() else {
          Issue.record("no ping")
          return
        }
        alive.send(.pong, payload.readableBytesView)
      }
      #expect(try await silent.next() == .ping(ByteBuffer()))
      #expect(try await silent.next() == nil)
    }
  }

  @Test("a flood of pings, of pongs, or of parts of messages ends the connection", arguments: FloodKind.allCases)
  func flood(kind: FloodKind) async throws {
    try await withServer {
      $0.gateway.frameBurst = 20
      $0.gateway.framesPerSecond = 1
    } _: { server async throws in
      let client = try await FrameClient.open(server.port)
      if kind == .part { client.send(.text, [], isFinal: false) }
      for _ in 0..<100 {
        switch kind {
        case .ping: client.send(.ping, [1])
        case .pong: client.send(.pong, [1])
        case .part: client.send(.continuation, [], isFinal: false)
        }
      }
      #expect(try await client.closeCode() == 1008)
    }
  }

  enum FloodKind: CaseIterable { case ping, pong, part }

  @Test("who does not answer a close is cut")
  func unansweredClose() async throws {
    try await withServer {
      $0.gateway.closeWithin = .milliseconds(10)
    } _: { server async throws in
      let client = try await FrameClient.open(server.port)
      client.send(.text, "{}".utf8, isMasked: false)
      #expect(try await client.closeCode() == 1002)
      #expect(try await client.next() == nil)
    }
  }

  @Test("the echo sends back what it gets, byte for byte, up to 16 MiB")
  func echo() async throws {
    try await withServer {
      $0.gateway.servesEcho = true
    } _: { server async throws in
      let client = try await FrameClient.open(server.port, "/parties/echo/any")
      for size in [0, 1, 125, 126, 65_535, 65_536, 1 << 20, 16 << 20] {
        let pattern = (0..<1024).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        var payload = ByteBuffer()
        while payload.readableBytes < size { payload.writeBytes(pattern) }
        payload = payload.readSlice(length: size) ?? ByteBuffer()
        // What is long would take a debug build too long to mask.
        if size > 65_536 { client.sendUnchanged(payload) } else { client.send(.binary, payload.readableBytesView) }
        let isSame = try await client.nextAnsweringPings() == .binary(payload)
        #expect(isSame, "\(size) bytes")
      }
      client.send(.text, "grüße 🍲".utf8)
      #expect(Self.text(try await client.next()) == "grüße 🍲")
      client.send(.text, [0xC3], isFinal: false)
      client.send(.continuation, [0xA4])
      #expect(Self.text(try await client.next()) == "ä")
      client.send(.text, [0xC3, 0x28])
      #expect(try await client.closeCode() == 1007)
    }
  }

  @Test("a client that sends and does not read is not read from, and its bytes are not piled up")
  func backPressure() async throws {
    try await withServer {
      $0.gateway.servesEcho = true
    } _: { server async throws in
      let client = try await FrameClient.open(server.port, "/parties/echo/any", receiveBuffer: 4096)
      try await client.connection.setReading(false)
      let payload = ByteBuffer(repeating: 7, count: 1 << 20)
      // Far more than sockets hold: what the client cannot get rid of shows that the server has stopped reading.
      for _ in 0..<64 { client.sendUnchanged(payload) }
      try await Self.waitUntilStuck(client)
      try await client.connection.setReading(true)
      for _ in 0..<64 {
        guard case .binary(let echo)? = try await client.nextAnsweringPings() else {
          Issue.record("no echo")
          return
        }
        #expect(echo.readableBytes == payload.readableBytes)
      }
    }
  }

  /// Waits until the client's own unsent bytes do not become fewer any more while another client gets an answer.
  private static func waitUntilStuck(_ client: FrameClient) async throws {
    var (last, same) = (Int.max, 0)
    try await eventually("the server to stop reading") {
      let waiting = try await client.connection.unsentBytes()
      same = waiting == last ? same + 1 : 0
      last = waiting
      return same == 50
    }
    #expect(last > 32 << 20, "the server took \((64 << 20) - last) bytes from a client that reads nothing")
  }
}
