package import NIOCore
import NIOWebSocket

/// WebSocket frames as the server sends them (RFC 6455 section 5.2): whole, and not masked.
package enum Frames {
  static let maxHeaderBytes = 10

  /// A text frame, ready to be written to any number of sockets.
  package static func text(_ payload: [UInt8], allocator: ByteBufferAllocator) -> ByteBuffer {
    frame(.text, payload, allocator: allocator)
  }

  static func frame(
    _ opcode: Opcode, _ payload: some Collection<UInt8>, allocator: ByteBufferAllocator
  ) -> ByteBuffer {
    var buffer = allocator.buffer(capacity: maxHeaderBytes + payload.count)
    write(opcode, payload, to: &buffer)
    return buffer
  }

  static func write(_ opcode: Opcode, _ payload: some Collection<UInt8>, to buffer: inout ByteBuffer) {
    let fin: UInt8 = 0x80
    buffer.writeInteger(fin | opcode.rawValue)
    let length = payload.count
    switch length {
    case ..<126: buffer.writeInteger(UInt8(length))
    case ...0xFFFF:
      buffer.writeInteger(126 as UInt8)
      buffer.writeInteger(UInt16(length))
    default:
      buffer.writeInteger(127 as UInt8)
      buffer.writeInteger(UInt64(length))
    }
    buffer.writeBytes(payload)
  }

  static func close(_ code: WebSocketErrorCode, reason: String, allocator: ByteBufferAllocator) -> ByteBuffer {
    var payload = allocator.buffer(capacity: 2 + reason.utf8.count)
    payload.write(webSocketErrorCode: code)
    payload.writeString(reason)
    return frame(.close, payload.readableBytesView, allocator: allocator)
  }
}
