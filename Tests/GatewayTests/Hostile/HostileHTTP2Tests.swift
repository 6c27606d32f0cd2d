import Gateway
import Load
import NIOCore
import Testing

/// RFC 9113 against clients that mean harm.
@Suite("Hostile HTTP/2", .timeLimit(.minutes(3)))
struct HostileHTTP2Tests {
  private typealias Frames = HTTP2Frames

  private static let (push, ping, windowUpdate, continuation) = (5 as UInt8, 6 as UInt8, 8 as UInt8, 9 as UInt8)
  /// GET, https, `/` and `localhost`, from HPACK's table and as they stand.
  private static let block: [UInt8] = [0x82, 0x87, 0x84, 0x01, 0x09] + Array("localhost".utf8)

  private static func open(_ stream: UInt32, flags: UInt8 = Frames.endHeaders | Frames.endStream) -> [UInt8] {
    Frames.frame(Frames.headers, flags: flags, stream: stream, block)
  }

  private static func settings(_ parameter: UInt8, _ value: UInt32) -> [UInt8] {
    var payload: [UInt8] = [0, parameter]
    for shift: UInt32 in [24, 16, 8, 0] { payload.append(UInt8(truncatingIfNeeded: value >> shift)) }
    return Frames.frame(Frames.settings, stream: 0, payload)
  }

  private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

  private static func headers(_ block: [UInt8], isWhole: Bool = true) -> [UInt8] {
    Frames.frame(Frames.headers, flags: isWhole ? Frames.endHeaders : 0, stream: 1, block)
  }

  private static let continuations: [UInt8] = {
    var bytes = headers(block, isWhole: false)
    for _ in 0..<1000 { bytes += Frames.frame(continuation, stream: 1, []) }
    return bytes
  }()

  private static let resets: [UInt8] = {
    var bytes: [UInt8] = []
    for number: UInt32 in 0..<2000 {
      bytes += open(2 * number + 1, flags: Frames.endHeaders)
      bytes += Frames.frame(Frames.reset, stream: 2 * number + 1, [0, 0, 0, 8])
    }
    return bytes
  }()

  private struct Offence {
    let name: String
    let bytes: [UInt8]

    init(_ name: String, _ bytes: [UInt8]) {
      self.name = name
      self.bytes = bytes
    }
  }

  /// What the connection must not survive.
  private static let fatal: [Offence] = [
    Offence("a DATA frame of no stream", Frames.frame(Frames.data, stream: 0, [1])),
    Offence("a DATA frame of a stream that was not opened", Frames.frame(Frames.data, stream: 1, [1])),
    Offence("a HEADERS frame of no stream", open(0)),
    Offence("a stream that only the server may open", open(2)),
    Offence("a stream below the last", open(5) + open(3)),
    Offence("a window that grows by nothing", Frames.frame(windowUpdate, stream: 0, zeros(4))),
    Offence("a window beyond 2^31", Frames.frame(windowUpdate, stream: 0, [0x7F, 0xFF, 0xFF, 0xFF])),
    Offence("a window that grows by three bytes", Frames.frame(windowUpdate, stream: 0, [0, 0, 1])),
    Offence(
      "an acknowledgement with settings in it",
      Frames.frame(Frames.settings, flags: Frames.acknowledged, stream: 0, [0, 3, 0, 0, 0, 1])),
    Offence("five bytes of settings", Frames.frame(Frames.settings, stream: 0, [0, 3, 0, 0, 0])),
    Offence("settings of a stream", Frames.frame(Frames.settings, stream: 1, [])),
    Offence("settings that enable a push twice", settings(2, 2)),
    Offence("settings of a window of 2^31", settings(4, 0x8000_0000)),
    Offence("settings of frames of one byte", settings(5, 1)),
    Offence("a PING of seven bytes", Frames.frame(ping, stream: 0, zeros(7))),
    Offence("a PING of a stream", Frames.frame(ping, stream: 1, zeros(8))),
    Offence("a GOAWAY of a stream", Frames.frame(Frames.goAway, stream: 1, zeros(8))),
    Offence(
      "a PUSH_PROMISE from a client",
      headers(block) + Frames.frame(push, flags: Frames.endHeaders, stream: 1, [0, 0, 0, 2] + block)),
    Offence("a frame of 16 385 bytes", Frames.frame(Frames.data, stream: 1, zeros(16_385))),
    Offence("a CONTINUATION of nothing", Frames.frame(continuation, flags: Frames.endHeaders, stream: 1, block)),
    Offence(
      "a PING inside a header block", headers(block, isWhole: false) + Frames.frame(ping, stream: 0, zeros(8))),
    Offence("CONTINUATIONs without end", continuations),
    Offence("an index beyond HPACK's table", headers([0xFF, 0xFF, 0xFF, 0x7F])),
    Offence("an HPACK integer without end", headers([UInt8](repeating: 0xFF, count: 100))),
    Offence("an RST_STREAM of no stream", Frames.frame(Frames.reset, stream: 0, zeros(4))),
    Offence("an RST_STREAM of a stream that was not opened", Frames.frame(Frames.reset, stream: 1, zeros(4))),
    Offence("streams opened and reset without end", resets),
    Offence("HTTP/1.1", Array(HTTPText.request("GET /healthz HTTP/1.1").utf8)),
    Offence("zeros", zeros(10_000)),
    Offence("ones", [UInt8](repeating: 0xFF, count: 10_000)),
  ]

  @Test("what breaks the protocol ends its connection, and no other one")
  func broken() async throws {
    try await withTLSServer { server, certificate, _ async throws in
      let tls = ClientTLS(trusted: certificate.certificate, protocols: ["h2"])
      let other = try await RawConnection.open(server.port, tls: tls)
      other.send(HTTP2Frames.start)
      for (number, offence) in Self.fatal.enumerated() {
        let connection = try await RawConnection.open(server.port, tls: tls)
        connection.send(HTTP2Frames.start)
        connection.send(ByteBuffer(bytes: offence.bytes))
        do {
          _ = try await connection.framesToEnd()
        } catch {
          Issue.record("\(offence.name): \(error)")
        }
        await connection.close()
        #expect(try await Self.isServed(other, stream: UInt32(2 * number + 1)), "\(offence.name)")
      }
    }
  }

  @Test("pings and settings without end, whose answers nobody takes, harm nobody")
  func floods() async throws {
    try await withTLSServer { server, certificate, _ async throws in
      let tls = ClientTLS(trusted: certificate.certificate, protocols: ["h2"])
      var flooders: [RawConnection] = []
      for frame in [Frames.frame(Self.ping, stream: 0, Self.zeros(8)), Frames.frame(Frames.settings, stream: 0, [])] {
        let bytes = Array(repeatElement(frame, count: 500).joined())
        let connection = try await RawConnection.open(server.port, receiveBuffer: 4096, tls: tls)
        connection.send(HTTP2Frames.start)
        while try await connection.frame()?.type != HTTP2Frames.settings {}
        try await connection.setReading(false)
        for _ in 0..<100 { connection.send(ByteBuffer(bytes: bytes)) }
        flooders.append(connection)
      }
      let other = try await RawConnection.open(server.port, tls: tls)
      other.send(HTTP2Frames.start)
      #expect(try await Self.isServed(other, stream: 1))
      for connection in flooders { await connection.close() }
      #expect(try await Self.isServed(other, stream: 3))
    }
  }

  private static func isServed(_ connection: RawConnection, stream: UInt32) async throws -> Bool {
    connection.send(HTTP2Frames.get("/healthz", stream: stream))
    while let frame = try await connection.frame() {
      if frame.type == Frames.data, frame.stream == stream { return frame.payload == Array("ok\n".utf8) }
    }
    return false
  }
}
