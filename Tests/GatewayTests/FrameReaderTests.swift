import Load
import NIOCore
import Testing

@testable import Gateway

@Suite("The reader of a client's frames")
struct FrameReaderTests {
  /// An arrival that outlives the call.
  private enum Seen: Equatable {
    case message(Opcode, [UInt8])
    case part, pong
    case ping([UInt8])
    case close([UInt8])

    init(_ arrival: FrameReader.Arrival) {
      switch arrival {
      case .message(let opcode, let bytes): self = .message(opcode, Array(bytes))
      case .part: self = .part
      case .ping(let bytes): self = .ping(Array(bytes))
      case .pong: self = .pong
      case .close(let bytes): self = .close(Array(bytes))
      }
    }
  }

  private static func frame(_ opcode: FrameOpcode, _ payload: [UInt8], isFinal: Bool = true) -> ByteBuffer {
    var encoder = ClientFrameEncoder()
    encoder.isFinal = isFinal
    return encoder.encode(opcode, payload: payload)
  }

  private static func read(
    _ bytes: ByteBuffer, into reader: inout FrameReader, _ receive: (FrameReader.Arrival) -> Bool
  ) throws {
    try bytes.withUnsafeReadableBytes { try reader.read($0, receive) }
  }

  private static func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37) } }

  private static let conversation: (bytes: ByteBuffer, seen: [Seen]) = {
    let frames = [
      frame(.text, Array("hello".utf8)), frame(.binary, pattern(200)), frame(.ping, []),
      frame(.text, pattern(126), isFinal: false), frame(.ping, pattern(125)),
      frame(.continuation, [], isFinal: false), frame(.pong, [1]), frame(.continuation, pattern(131)),
      frame(.text, []), frame(.close, [3, 232]),
    ]
    var bytes = ByteBuffer()
    for frame in frames { bytes.writeImmutableBuffer(frame) }
    return (
      bytes,
      [
        .message(.text, Array("hello".utf8)), .message(.binary, pattern(200)), .ping([]), .part, .ping(pattern(125)),
        .part, .pong, .message(.text, pattern(126) + pattern(131)), .message(.text, []), .close([3, 232]),
      ]
    )
  }()

  @Test("wherever the bytes are cut, the same arrives")
  func splits() throws {
    let (bytes, expected) = Self.conversation
    for cut in 0...bytes.readableBytes {
      var reader = FrameReader(maxBytes: 1000)
      var seen: [Seen] = []
      for part in [bytes.getSlice(at: 0, length: cut), bytes.getSlice(at: cut, length: bytes.readableBytes - cut)] {
        try Self.read(try #require(part), into: &reader) { arrival in
          seen.append(Seen(arrival))
          return true
        }
      }
      #expect(seen == expected, "cut at \(cut)")
    }
  }

  @Test("byte by byte, the same arrives")
  func bytes() throws {
    let (bytes, expected) = Self.conversation
    var reader = FrameReader(maxBytes: 1000)
    var seen: [Seen] = []
    for byte in bytes.readableBytesView {
      try Self.read(ByteBuffer(bytes: [byte]), into: &reader) { arrival in
        seen.append(Seen(arrival))
        return true
      }
    }
    #expect(seen == expected)
  }

  @Test("what comes behind a frame after which nothing is wanted is dropped")
  func dropped() throws {
    var reader = FrameReader(maxBytes: 1000)
    var count = 0
    try Self.read(Self.conversation.bytes, into: &reader) { _ in
      count += 1
      return count < 2
    }
    #expect(count == 2)
  }

  @Test("a frame that is too long is refused by its head")
  func tooLong() throws {
    var reader = FrameReader(maxBytes: 1000)
    let head = Self.frame(.binary, Self.pattern(1001)).getSlice(at: 0, length: 8)
    #expect(throws: FrameReader.Violation(code: 1009, reason: "messages have at most 1000 bytes")) {
      try Self.read(try #require(head), into: &reader) { _ in true }
    }
    // Also the one that makes its message too long.
    reader = FrameReader(maxBytes: 1000)
    try Self.read(Self.frame(.binary, Self.pattern(600), isFinal: false), into: &reader) { _ in true }
    #expect(throws: FrameReader.Violation.self) {
      try Self.read(Self.frame(.continuation, Self.pattern(401), isFinal: false), into: &reader) { _ in true }
    }
  }
}
