package import NIOCore

/// The operation codes of RFC 6455, section 5.2.
package enum FrameOpcode: UInt8, Sendable {
  case continuation = 0x0
  case text = 0x1
  case binary = 0x2
  case close = 0x8
  case ping = 0x9
  case pong = 0xA

  package var isControl: Bool { rawValue >= Self.close.rawValue }
}

/// Makes the frames that a client sends: masked, as RFC 6455 asks of clients, section 5.3.
///
/// The parts that a well-behaved client never varies (`isFinal`, `reserved`, `isMasked`) can be set, so that tests can send
/// what a server has to refuse.
package struct ClientFrameEncoder: Sendable {
  /// A fixed key is as good as a random one towards a server under test. It is not zero: servers skip the unmasking
  /// then, and would be measured at less than they have to do for a browser.
  package static let maskKey: (UInt8, UInt8, UInt8, UInt8) = (0x5A, 0xC3, 0x17, 0x9E)

  package var isFinal = true
  package var reserved: UInt8 = 0
  package var isMasked = true

  package init() {}

  package func encode(_ opcode: FrameOpcode, payload: some Sequence<UInt8>) -> ByteBuffer {
    encode(rawOpcode: opcode.rawValue, payload: payload)
  }

  package func encode(rawOpcode: UInt8, payload: some Sequence<UInt8>) -> ByteBuffer {
    let payload = Array(payload)
    var frame = ByteBuffer()
    frame.reserveCapacity(payload.count + 14)
    frame.writeInteger((isFinal ? 0x80 : 0) | (reserved << 4) | (rawOpcode & 0x0F))
    let maskBit: UInt8 = isMasked ? 0x80 : 0
    switch payload.count {
    case 0...125: frame.writeInteger(maskBit | UInt8(payload.count))
    case 126...0xFFFF: frame.writeMultipleIntegers(maskBit | 126, UInt16(payload.count))
    default: frame.writeMultipleIntegers(maskBit | 127, UInt64(payload.count))
    }
    guard isMasked else {
      frame.writeBytes(payload)
      return frame
    }
    let key = Self.maskKey
    frame.writeMultipleIntegers(key.0, key.1, key.2, key.3)
    frame.writeBytes(payload.enumerated().map { $0.element ^ Self.maskByte(at: $0.offset) })
    return frame
  }

  package func close(code: UInt16?, reason: String = "") -> ByteBuffer {
    guard let code else { return encode(.close, payload: []) }
    return encode(.close, payload: [UInt8(code >> 8), UInt8(code & 0xFF)] + Array(reason.utf8.prefix(123)))
  }

  static func maskByte(at offset: Int) -> UInt8 {
    switch offset & 3 {
    case 0: maskKey.0
    case 1: maskKey.1
    case 2: maskKey.2
    default: maskKey.3
    }
  }
}

/// A text frame made once, in which single bytes are replaced before each send.
///
/// A load driver shares the machine with the server that it measures: what it does not encode again, the server gets.
struct TextFrameTemplate {
  private(set) var frame: ByteBuffer
  private let payloadStart: Int

  init(text: String) {
    let payload = Array(text.utf8)
    frame = ClientFrameEncoder().encode(.text, payload: payload)
    payloadStart = frame.readableBytes - payload.count
  }

  mutating func setByte(_ byte: UInt8, at offset: Int) {
    frame.setInteger(byte ^ ClientFrameEncoder.maskByte(at: offset), at: payloadStart + offset)
  }

  /// Writes `number` in decimal over `width` bytes, with leading zeros.
  mutating func setDigits(_ number: Int, width: Int, at offset: Int) {
    var rest = number
    for position in stride(from: offset + width - 1, through: offset, by: -1) {
      setByte(UInt8(ascii: "0") + UInt8(rest % 10), at: position)
      rest /= 10
    }
  }
}
