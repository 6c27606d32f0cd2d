package import NIOCore

/// What a server may not send.
package enum WebSocketFault: Error, Equatable, Sendable {
  case reservedBits
  case unknownOpcode(UInt8)
  case maskedByServer
  case fragmentedControl
  case oversizedControl(Int)
  case continuationWithoutStart
  case startInsideMessage
  case messageTooLarge(Int)
  case invalidClose
  case invalidUTF8
}

/// Turns the bytes of a server into messages: RFC 6455, section 5, seen from the client.
///
/// The usual message is one frame that arrived whole. It is handed on as a slice of what was read, without a copy. Only
/// a message in several frames is put together in a buffer of its own.
package struct WebSocketDecoder: Sendable {
  package enum Event: Equatable, Sendable {
    case text(ByteBuffer)
    case binary(ByteBuffer)
    case ping(ByteBuffer)
    case pong(ByteBuffer)
    case close(code: UInt16?, reason: String)
  }

  private struct Header {
    var isFinal: Bool
    var opcode: FrameOpcode
    var headerBytes: Int
    var payloadBytes: Int
  }

  private let maxMessageBytes: Int
  private var partial: (opcode: FrameOpcode, payload: ByteBuffer)?

  package init(maxMessageBytes: Int) {
    self.maxMessageBytes = maxMessageBytes
  }

  /// - Returns: nil if `buffer` does not hold another whole event; what it holds of one stays in it.
  package mutating func next(from buffer: inout ByteBuffer) throws(WebSocketFault) -> Event? {
    while let header = try header(in: buffer) {
      guard buffer.readableBytes >= header.headerBytes + header.payloadBytes else { return nil }
      buffer.moveReaderIndex(forwardBy: header.headerBytes)
      guard let payload = buffer.readSlice(length: header.payloadBytes) else { return nil }
      if let event = try event(header, payload: payload) { return event }
    }
    return nil
  }

  private func header(in buffer: ByteBuffer) throws(WebSocketFault) -> Header? {
    let start = buffer.readerIndex
    guard let first = buffer.getInteger(at: start, as: UInt8.self),
      let second = buffer.getInteger(at: start + 1, as: UInt8.self)
    else { return nil }
    guard first & 0x70 == 0 else { throw .reservedBits }
    guard let opcode = FrameOpcode(rawValue: first & 0x0F) else { throw .unknownOpcode(first & 0x0F) }
    guard second & 0x80 == 0 else { throw .maskedByServer }
    var header = Header(isFinal: first & 0x80 != 0, opcode: opcode, headerBytes: 2, payloadBytes: Int(second & 0x7F))
    if opcode.isControl {
      guard header.isFinal else { throw .fragmentedControl }
      guard header.payloadBytes <= 125 else { throw .oversizedControl(header.payloadBytes) }
    }
    if header.payloadBytes == 126 {
      guard let length = buffer.getInteger(at: start + 2, as: UInt16.self) else { return nil }
      header.headerBytes = 4
      header.payloadBytes = Int(length)
    } else if header.payloadBytes == 127 {
      guard let length = buffer.getInteger(at: start + 2, as: UInt64.self) else { return nil }
      header.headerBytes = 10
      header.payloadBytes = Int(clamping: length)
    }
    guard header.payloadBytes <= maxMessageBytes else { throw .messageTooLarge(header.payloadBytes) }
    return header
  }

  private mutating func event(_ header: Header, payload: ByteBuffer) throws(WebSocketFault) -> Event? {
    switch header.opcode {
    case .ping: return .ping(payload)
    case .pong: return .pong(payload)
    case .close: return try close(payload)
    case .text, .binary:
      guard partial == nil else { throw .startInsideMessage }
      if header.isFinal { return message(header.opcode, payload) }
      partial = (header.opcode, payload)
      return nil
    case .continuation:
      guard let (opcode, start) = partial else { throw .continuationWithoutStart }
      var whole = start
      partial = nil
      let size = whole.readableBytes + payload.readableBytes
      guard size <= maxMessageBytes else { throw .messageTooLarge(size) }
      whole.writeImmutableBuffer(payload)
      if header.isFinal { return message(opcode, whole) }
      partial = (opcode, whole)
      return nil
    }
  }

  private func message(_ opcode: FrameOpcode, _ payload: ByteBuffer) -> Event {
    opcode == .text ? .text(payload) : .binary(payload)
  }

  private func close(_ payload: ByteBuffer) throws(WebSocketFault) -> Event {
    var payload = payload
    guard payload.readableBytes > 0 else { return .close(code: nil, reason: "") }
    guard let code = payload.readInteger(as: UInt16.self) else { throw .invalidClose }
    guard let reason = try? payload.readUTF8ValidatedString(length: payload.readableBytes) else { throw .invalidUTF8 }
    return .close(code: code, reason: reason)
  }
}
