import Load
import NIOCore
import Testing

@Suite("WebSocketDecoder")
struct WebSocketDecoderTests {
  private static let transcript: [UInt8] =
    [0x81, 0x03] + Array("one".utf8)  // a whole text
    + [0x01, 0x02] + Array("tw".utf8)  // the beginning of one
    + [0x89, 0x01, 0x21]  // a ping in between
    + [0x80, 0x01] + Array("o".utf8)  // its end
    + [0x82, 0x7E, 0x00, 0x80] + [UInt8](repeating: 7, count: 128)
    + [0x8A, 0x00]
    + [0x88, 0x04, 0x03, 0xE8] + Array("ok".utf8)

  private static let events: [WebSocketDecoder.Event] = [
    .text(ByteBuffer(string: "one")), .ping(ByteBuffer(string: "!")), .text(ByteBuffer(string: "two")),
    .binary(ByteBuffer(bytes: [UInt8](repeating: 7, count: 128))), .pong(ByteBuffer()),
    .close(code: 1000, reason: "ok"),
  ]

  private func decode(_ parts: [ArraySlice<UInt8>]) throws -> [WebSocketDecoder.Event] {
    var decoder = WebSocketDecoder(maxMessageBytes: 1000)
    var buffer = ByteBuffer()
    var events: [WebSocketDecoder.Event] = []
    for part in parts {
      buffer.writeBytes(part)
      while let event = try decoder.next(from: &buffer) { events.append(event) }
    }
    #expect(buffer.readableBytes == 0)
    return events
  }

  @Test("the same events come out, wherever the bytes are split")
  func splitAtEveryByte() throws {
    for split in 0...Self.transcript.count {
      #expect(try decode([Self.transcript[..<split], Self.transcript[split...]]) == Self.events)
    }
    #expect(try decode(Self.transcript.indices.map { Self.transcript[$0...$0] }) == Self.events)
  }

  @Test(
    "what a server may not send",
    arguments: [
      ([0xC1, 0x00], .reservedBits),
      ([0x83, 0x00], .unknownOpcode(3)),
      ([0x81, 0x80, 0, 0, 0, 0], .maskedByServer),
      ([0x09, 0x00], .fragmentedControl),
      ([0x89, 0x7E, 0x00, 0x80], .oversizedControl(126)),
      ([0x80, 0x00], .continuationWithoutStart),
      ([0x01, 0x00, 0x81, 0x00], .startInsideMessage),
      ([0x82, 0x7E, 0x03, 0xE9], .messageTooLarge(1001)),
      ([0x82, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], .messageTooLarge(.max)),
      ([0x88, 0x01, 0x03], .invalidClose),
      ([0x88, 0x03, 0x03, 0xE8, 0xFF], .invalidUTF8),
    ] as [([UInt8], WebSocketFault)])
  func faults(bytes: [UInt8], fault: WebSocketFault) {
    var decoder = WebSocketDecoder(maxMessageBytes: 1000)
    var buffer = ByteBuffer(bytes: bytes)
    #expect(throws: fault) {
      while try decoder.next(from: &buffer) != nil {}
    }
  }

  @Test("fragments add up to no more than the limit")
  func fragmentsTooLarge() {
    var decoder = WebSocketDecoder(maxMessageBytes: 5)
    var buffer = ByteBuffer(bytes: [0x01, 3, 1, 2, 3, 0x80, 3, 4, 5, 6])
    #expect(throws: WebSocketFault.messageTooLarge(6)) { try decoder.next(from: &buffer) }
  }
}

@Suite("UpgradeExchange")
struct UpgradeExchangeTests {
  private static let accepted =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

  @Test("an answer is read wherever it is split, and what follows it is left alone")
  func splitAtEveryByte() throws {
    let bytes = Array((Self.accepted + "\u{1}frame").utf8)
    for split in 0..<Self.accepted.utf8.count {
      var exchange = UpgradeExchange()
      var buffer = ByteBuffer(bytes: bytes[..<split])
      #expect(try exchange.receive(&buffer) == .needsMore)
      buffer.writeBytes(bytes[split...])
      guard case .accepted(let response) = try exchange.receive(&buffer) else {
        Issue.record("not accepted when split at \(split)")
        return
      }
      #expect(response.header("Upgrade") == "websocket")
      #expect(String(buffer: buffer) == "\u{1}frame")
    }
  }

  @Test("a wrong or missing accept key is no upgrade")
  func wrongKey() {
    var exchange = UpgradeExchange()
    var wrong = ByteBuffer(string: "HTTP/1.1 101 x\r\nSec-WebSocket-Accept: abc\r\n\r\n")
    #expect(throws: UpgradeExchange.Failure.wrongAcceptKey("abc")) { try exchange.receive(&wrong) }
    var missing = ByteBuffer(string: "HTTP/1.1 101 x\r\nA: b\r\n\r\n")
    #expect(throws: UpgradeExchange.Failure.wrongAcceptKey(nil)) { try exchange.receive(&missing) }
  }

  @Test("a refusal without a length lasts until the end")
  func refusalWithoutLength() throws {
    var exchange = UpgradeExchange()
    var buffer = ByteBuffer(string: "HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nnot ")
    #expect(try exchange.receive(&buffer) == .needsMore)
    buffer.writeString("here")
    let refusal = UpgradeResponse(status: 404, headers: [("a", "b")], body: "not here")
    #expect(try exchange.receive(&buffer, atEnd: true) == .refused(refusal))
  }
}
