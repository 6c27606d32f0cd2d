import NIOCore
import NIOWebSocket

/// WebSocket frames as the server sends them (RFC 6455 section 5.2): whole, and not masked.
enum Frames {
  /// A text frame, ready to be written to any number of sockets.
  static func text(_ payload: [UInt8], allocator: ByteBufferAllocator) -> ByteBuffer {
    var buffer = allocator.buffer(capacity: payload.count + 10)
    writeHeader(.text, length: payload.count, to: &buffer)
    buffer.writeBytes(payload)
    return buffer
  }

  static func frame(_ opcode: WebSocketOpcode, _ payload: ByteBuffer, allocator: ByteBufferAllocator) -> ByteBuffer {
    var buffer = allocator.buffer(capacity: payload.readableBytes + 10)
    writeHeader(opcode, length: payload.readableBytes, to: &buffer)
    buffer.writeImmutableBuffer(payload)
    return buffer
  }

  static func close(_ code: WebSocketErrorCode, reason: String, allocator: ByteBufferAllocator) -> ByteBuffer {
    var payload = allocator.buffer(capacity: 2 + reason.utf8.count)
    payload.write(webSocketErrorCode: code)
    payload.writeString(reason)
    return frame(.connectionClose, payload, allocator: allocator)
  }

  private static func writeHeader(_ opcode: WebSocketOpcode, length: Int, to buffer: inout ByteBuffer) {
    let fin: UInt8 = 0x80
    buffer.writeInteger(fin | UInt8(webSocketOpcode: opcode))
    switch length {
    case ..<126: buffer.writeInteger(UInt8(length))
    case ...0xFFFF:
      buffer.writeInteger(126 as UInt8)
      buffer.writeInteger(UInt16(length))
    default:
      buffer.writeInteger(127 as UInt8)
      buffer.writeInteger(UInt64(length))
    }
  }
}

/// Puts the frames of one connection together to messages, and finds what RFC 6455 forbids.
///
/// A machine of its own: no channel, no clock.
struct MessageAssembler {
  enum Arrival {
    case message(WebSocketOpcode, ByteBuffer)
    case ping(ByteBuffer)
    case pong
    case close(ByteBuffer)
    /// The beginning or the middle of a message.
    case part
    case violation(WebSocketErrorCode, String)
  }

  private let maxBytes: Int
  private var opcode: WebSocketOpcode?
  private var parts: ByteBuffer?
  private var partCount = 0

  /// A message in more parts than this is an attack on the memory that each part costs beside its bytes.
  private static let maxParts = 16_384

  init(maxBytes: Int) { self.maxBytes = maxBytes }

  mutating func receive(_ frame: WebSocketFrame) -> Arrival {
    guard let key = frame.maskKey else { return .violation(.protocolError, "client frames must be masked") }
    guard !frame.rsv1, !frame.rsv2, !frame.rsv3 else { return .violation(.protocolError, "reserved bits are set") }
    var payload = frame.data
    payload.webSocketUnmask(key)
    switch frame.opcode {
    case .text, .binary:
      guard opcode == nil else { return .violation(.protocolError, "a message began inside another") }
      guard payload.readableBytes <= maxBytes else { return tooBig }
      if frame.fin { return .message(frame.opcode, payload) }
      opcode = frame.opcode
      parts = payload
      partCount = 1
      return .part
    case .continuation:
      guard let opcode, var message = parts else {
        return .violation(.protocolError, "a continuation without a beginning")
      }
      partCount += 1
      guard message.readableBytes + payload.readableBytes <= maxBytes, partCount <= Self.maxParts else { return tooBig }
      parts = nil
      message.writeImmutableBuffer(payload)
      guard frame.fin else {
        parts = message
        return .part
      }
      self.opcode = nil
      return .message(opcode, message)
    case .ping: return frame.fin ? .ping(payload) : fragmentedControl
    case .pong: return frame.fin ? .pong : fragmentedControl
    case .connectionClose: return frame.fin ? .close(payload) : fragmentedControl
    default: return .violation(.protocolError, "an unknown opcode")
    }
  }

  private var tooBig: Arrival { .violation(.messageTooLarge, "messages have at most \(maxBytes) bytes") }
  private var fragmentedControl: Arrival { .violation(.protocolError, "a control frame in parts") }

  /// What to answer to a close frame: the code of the peer, or 1002 where RFC 6455 section 7.4 forbids it.
  static func answer(toClose payload: ByteBuffer) -> WebSocketErrorCode {
    var payload = payload
    guard payload.readableBytes > 0 else { return .normalClosure }
    guard let number = payload.readInteger(as: UInt16.self) else { return .protocolError }
    guard String(validating: payload.readableBytesView, as: UTF8.self) != nil else {
      return .dataInconsistentWithMessage
    }
    switch number {
    case 1000...1003, 1007...1014, 3000...4999: return WebSocketErrorCode(codeNumber: Int(number))
    default: return .protocolError
    }
  }
}
