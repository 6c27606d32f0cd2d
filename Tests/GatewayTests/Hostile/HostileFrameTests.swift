import Load
import NIOCore
import Testing

/// RFC 6455 against clients that mean harm; what `FrameTests` has is not repeated.
@Suite("Hostile frames", .hostileServer, .timeLimit(.minutes(5)))
struct HostileFrameTests {
  private static func raw(_ name: String, _ code: UInt16, _ bytes: [UInt8]) -> FrameOffence {
    FrameOffence(name, code) { $0.connection.send(ByteBuffer(bytes: bytes)) }
  }

  private static func text(_ name: String, _ payload: [UInt8]) -> FrameOffence {
    FrameOffence(name, 1007) { $0.send(.text, payload) }
  }

  /// A join whose name has these bytes in it.
  private static func named(_ bytes: [UInt8]) -> [UInt8] {
    Array(#"{"type":"join","participantId":"asha","participantName":""#.utf8) + bytes + Array(#""}"#.utf8)
  }

  static let offences: [FrameOffence] =
    [
      FrameOffence("reserved bit 2", 1002) { $0.send(.text, "{}".utf8, reserved: 2) },
      FrameOffence("all reserved bits", 1002) { $0.send(.text, "{}".utf8, reserved: 7) },
      FrameOffence("a compressed message that was not agreed on", 1002) {
        $0.send(.text, [0xAA, 0x56, 0x05], reserved: 4)
      },
      FrameOffence("a reserved bit in a ping", 1002) { $0.send(.ping, "".utf8, reserved: 4) },
      FrameOffence("a reserved bit in a continuation", 1002) {
        $0.send(.text, "{".utf8, isFinal: false)
        $0.send(.continuation, "}".utf8, reserved: 1)
      },
      FrameOffence("an unmasked ping", 1002) { $0.send(.ping, "".utf8, isMasked: false) },
      FrameOffence("an unmasked close", 1002) { $0.send(.close, [0x03, 0xE8], isMasked: false) },
      FrameOffence("an unmasked continuation", 1002) {
        $0.send(.text, "{".utf8, isFinal: false)
        $0.send(.continuation, "}".utf8, isMasked: false)
      },
      FrameOffence("an empty unmasked message", 1002) { $0.send(.text, "".utf8, isMasked: false) },
      FrameOffence("a pong in parts", 1002) { $0.send(.pong, "".utf8, isFinal: false) },
      FrameOffence("a close in parts", 1002) { $0.send(.close, [0x03], isFinal: false) },
      FrameOffence("a long pong", 1002) { $0.send(.pong, [UInt8](repeating: 0, count: 126)) },
      FrameOffence("a long close", 1002) { $0.send(.close, [UInt8](repeating: 0, count: 126)) },
      FrameOffence("a binary message inside a text", 1002) {
        $0.send(.text, "{".utf8, isFinal: false)
        $0.send(.binary, "}".utf8)
      },
      FrameOffence("a text inside a binary message", 1002) {
        $0.send(.binary, "{".utf8, isFinal: false)
        $0.send(.text, "}".utf8, isFinal: false)
      },
      FrameOffence("a continuation behind a whole message", 1002) {
        $0.send(.text, "{}".utf8)
        $0.send(.continuation, "{}".utf8)
      },
      FrameOffence("a continuation behind a message's end", 1002) {
        $0.send(.text, "{".utf8, isFinal: false)
        $0.send(.continuation, "}".utf8)
        $0.send(.continuation, "".utf8)
      },
      FrameOffence("another text behind empty parts", 1002) {
        $0.send(.text, "".utf8, isFinal: false)
        for _ in 0..<100 { $0.send(.continuation, "".utf8, isFinal: false) }
        $0.send(.text, "{}".utf8)
      },
      raw("zeros", 1002, [UInt8](repeating: 0, count: 4096)),
      raw("an HTTP request", 1002, Array(String(repeating: HTTPText.request("GET / HTTP/1.1"), count: 10).utf8)),
      raw("another upgrade", 1002, Array(HTTPText.upgrade("/parties/main/room").utf8)),
      raw("a TLS handshake", 1002, [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03]),
      raw("an HTTP/2 preface", 1002, Array(String(repeating: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", count: 10).utf8)),
      raw("10 MB, announced", 1009, [0x81, 0xFF, 0, 0, 0, 0, 0, 0x98, 0x96, 0x80, 1, 2, 3, 4]),
      raw(
        "2^63 - 1 bytes, announced in a continuation", 1009,
        [0x01, 0x80, 1, 2, 3, 4, 0x80, 0xFF, 0x7F]
          + [UInt8](repeating: 0xFF, count: 7) + [1, 2, 3, 4]),
      FrameOffence("10 MB", 1009) { $0.sendUnchanged(ByteBuffer(repeating: 0x20, count: 10_000_000)) },
      FrameOffence("10 MB in parts of 10 kB", 1009) {
        $0.send(.text, [0x20], isFinal: false)
        let part = [UInt8](repeating: 0x20, count: 10_000)
        for _ in 0..<1000 { $0.send(.continuation, part, isFinal: false) }
      },
      FrameOffence("one byte more than the limit, in two parts", 1009) {
        $0.send(.text, [UInt8](repeating: 0x20, count: 65_536), isFinal: false)
        $0.send(.continuation, [0x20])
      },
      FrameOffence("20 000 empty parts", 1008) {
        $0.send(.text, "".utf8, isFinal: false)
        let part = ClientFrameEncoder.part
        for _ in 0..<20_000 { $0.connection.send(part) }
      },
      FrameOffence("text that is not UTF-8 in parts that are each not", 1007) {
        $0.send(.text, [0x22, 0xC3], isFinal: false)
        $0.send(.continuation, [0x28, 0x22])
      },
      FrameOffence("text that ends inside a character", 1007) { $0.send(.text, named([0xF0, 0x9F, 0x8D])) },
    ]
    + [
      ("an overlong slash", [0xC0, 0xAF]), ("an overlong NUL", [0xC0, 0x80]),
      ("an overlong euro", [0xF0, 0x82, 0x82, 0xAC]),
      ("a surrogate", [0xED, 0xBF, 0xBF]), ("beyond Unicode", [0xF4, 0x90, 0x80, 0x80]),
      ("five bytes", [0xF8, 0x88, 0x80, 0x80, 0x80]),
      ("FE", [0xFE]), ("FF", [0xFF]), ("a continuation byte", [0x80]), ("Latin-1", [0x4D, 0xFC, 0x6C]),
    ].map { text("a name with \($0.0)", named($0.1)) }
    + [
      text("a key that is not UTF-8", Array(#"{"type":"join","x"#.utf8) + [0xFF] + Array(#"":1}"#.utf8)),
      text("bytes behind a message", Array(#"{"type":"join"} "#.utf8) + [0xFE]),
      text("UTF-16", [0xFF, 0xFE, 0x7B, 0x00, 0x7D, 0x00]),
    ]

  @Test("what the RFC forbids ends the connection with the code that says why, and nothing else", arguments: offences)
  func closes(offence: FrameOffence) async throws {
    try await HostileServer.visit { server async throws in
      let path = RoomClient.path + "offence-\(UInt64.random(in: .min ... .max))"
      let watcher = try await FrameClient.open(server.port, path + "?v=2")
      _ = try await watcher.untilBarrier()
      let client = try await FrameClient.open(server.port, path)
      offence.commit(client)
      #expect(try await client.closeCode() == offence.code)
      // What comes behind it does not count.
      client.send(FirstConversationTests.wscatJoin)
      client.send(.close, [UInt8(offence.code >> 8), UInt8(offence.code & 0xFF)])
      await client.connection.close()
      #expect(try await watcher.untilBarrier() == [])
      #expect(try await RawConnection.open(server.port).get(path).status == 404)
    }
  }

  @Test("pings without end, and answers that nobody takes, hurt nobody else")
  func pingFlood() async throws {
    try await HostileServer.visit { server async throws in
      let flooders = try await FrameClient.openMany(5, server.port, RoomClient.path + "flood")
      for client in flooders { try await client.connection.setReading(false) }
      var pings = ByteBuffer()
      for _ in 0..<200 {
        pings.writeImmutableBuffer(ClientFrameEncoder().encode(.ping, payload: [UInt8](repeating: 7, count: 125)))
      }
      for _ in 0..<50 { for client in flooders { client.connection.send(pings) } }
      let other = try await RoomClient.joined(server.port, RoomClient.path + "flood", as: "asha")
      other.add("Dal", as: "asha", opId: "dal")
      _ = try await other.next("ack")
      for client in flooders { await client.connection.close() }
    }
  }

  @Test("whoever closes and goes on sending is not heard")
  func closeFlood() async throws {
    try await HostileServer.visit { server async throws in
      let client = try await FrameClient.open(server.port, RoomClient.path + "closing")
      for _ in 0..<1000 { client.send(.close, [0x03, 0xE8]) }
      for _ in 0..<1000 { client.send(FirstConversationTests.wscatJoin) }
      #expect(try await client.closeCode() == 1000)
      #expect(try await client.next() == nil)
      #expect(try await RawConnection.open(server.port).get(RoomClient.path + "closing").status == 404)
    }
  }
}

extension ClientFrameEncoder {
  /// An empty continuation that is not the last.
  fileprivate static let part: ByteBuffer = {
    var encoder = ClientFrameEncoder()
    encoder.isFinal = false
    return encoder.encode(.continuation, payload: [])
  }()
}

extension FrameClient {
  static func openMany(_ count: Int, _ port: Int, _ path: String) async throws -> [FrameClient] {
    var clients: [FrameClient] = []
    for _ in 0..<count { clients.append(try await open(port, path)) }
    return clients
  }
}
