/// Reads the frames of one client (RFC 6455 section 5), puts messages together, and finds what the RFC forbids.
///
/// Works on bytes alone, without a channel or a clock. A frame's head is judged before its payload has come; a message in
/// one frame is handed on from the stack.
struct FrameReader {
  /// Bytes are valid during the call they are passed to.
  enum Arrival {
    case message(Opcode, UnsafeRawBufferPointer)
    /// The beginning or the middle of a message.
    case part
    case ping(UnsafeRawBufferPointer)
    case pong
    case close(UnsafeRawBufferPointer)
  }

  /// Nothing that follows can be understood.
  struct Violation: Error, Equatable {
    /// Of the close frame (RFC 6455 section 7.4).
    let code: UInt16
    let reason: String
  }

  private let maxBytes: Int
  /// A frame's beginning.
  private var unread: [UInt8] = []
  /// A message's beginning.
  private var opened: (opcode: Opcode, bytes: [UInt8])?

  /// - Parameter maxBytes: of a message.
  init(maxBytes: Int) { self.maxBytes = maxBytes }

  /// Takes bytes as they come off the socket.
  ///
  /// - Parameter receive: called for each frame that is whole, in order, until it says false: then the rest is dropped.
  mutating func read(_ arrived: UnsafeRawBufferPointer, _ receive: (Arrival) -> Bool) throws(Violation) {
    guard unread.isEmpty else {
      unread.append(contentsOf: arrived)
      var whole: [UInt8] = []
      swap(&whole, &unread)
      let result = whole.withUnsafeBytes { bytes in
        Result { () throws(Violation) in try readFrames(in: bytes, receive) }
      }
      // Into memory of its own size: a connection is not to keep that of its longest message.
      if let consumed = try result.get(), consumed < whole.count { unread = Array(whole[consumed...]) }
      return
    }
    if let consumed = try readFrames(in: arrived, receive), consumed < arrived.count {
      unread = Array(arrived[consumed...])
    }
  }

  /// - Returns: how many bytes are done with; nil if the rest is to be dropped.
  private mutating func readFrames(
    in bytes: UnsafeRawBufferPointer, _ receive: (Arrival) -> Bool
  ) throws(Violation) -> Int? {
    var consumed = 0
    while let head = try FrameHead(UnsafeRawBufferPointer(rebasing: bytes[consumed...])) {
      try check(head)
      let payload = consumed + head.size
      guard bytes.count - payload >= head.length else { break }
      consumed = payload + head.length
      let masked = UnsafeRawBufferPointer(rebasing: bytes[payload..<consumed])
      guard take(head, masked, receive) else { return nil }
    }
    return consumed
  }

  private func check(_ head: FrameHead) throws(Violation) {
    switch head.opcode {
    case .text, .binary:
      guard opened == nil else { throw .protocolError("a message began inside another") }
    case .continuation:
      guard opened != nil else { throw .protocolError("a continuation without a beginning") }
    case .ping, .pong, .close:
      guard head.isFinal else { throw .protocolError("a control frame in parts") }
      guard head.length <= 125 else { throw .protocolError("a control frame has at most 125 bytes") }
    }
    guard head.length <= maxBytes - (opened?.bytes.count ?? 0) || head.opcode.isControl else {
      throw Violation(code: 1009, reason: "messages have at most \(maxBytes) bytes")
    }
  }

  private mutating func take(
    _ head: FrameHead, _ masked: UnsafeRawBufferPointer, _ receive: (Arrival) -> Bool
  ) -> Bool {
    switch (head.opcode, head.isFinal) {
    case (.continuation, let isFinal):
      guard var message = opened.take() else { preconditionFailure("a continuation is checked before it is taken") }
      message.bytes.append(masked, unmaskedWith: head.key)
      guard isFinal else {
        opened = message
        return receive(.part)
      }
      return message.bytes.withUnsafeBytes { receive(.message(message.opcode, $0)) }
    case (.text, false), (.binary, false):
      var message: [UInt8] = []
      message.append(masked, unmaskedWith: head.key)
      opened = (head.opcode, message)
      return receive(.part)
    default:
      return withUnsafeTemporaryAllocation(byteCount: masked.count, alignment: 8) { target in
        unmask(masked, with: head.key, into: target)
        return receive(arrival(of: head.opcode, UnsafeRawBufferPointer(target)))
      }
    }
  }

  private func arrival(of opcode: Opcode, _ payload: UnsafeRawBufferPointer) -> Arrival {
    switch opcode {
    case .ping: .ping(payload)
    case .pong: .pong
    case .close: .close(payload)
    default: .message(opcode, payload)
    }
  }

  /// What to answer to a close frame: the code of the peer, or 1002 where RFC 6455 section 7.4 forbids it.
  static func answer(toClose payload: UnsafeRawBufferPointer) -> UInt16 {
    if payload.isEmpty { return 1000 }
    guard payload.count >= 2 else { return 1002 }
    guard String(validating: payload.dropFirst(2), as: UTF8.self) != nil else { return 1007 }
    let code = UInt16(bigEndian: payload.loadUnaligned(as: UInt16.self))
    switch code {
    case 1000...1003, 1007...1014, 3000...4999: return code
    default: return 1002
    }
  }
}

/// All of a frame but its payload (RFC 6455 section 5.2).
private struct FrameHead {
  let isFinal: Bool
  let opcode: Opcode
  /// In the order of the wire.
  let key: UInt32
  /// Of the payload, in bytes.
  let length: Int
  /// Of the head itself, in bytes.
  let size: Int

  /// Nil: not all of it is there.
  init?(_ bytes: UnsafeRawBufferPointer) throws(FrameReader.Violation) {
    guard bytes.count >= 2 else { return nil }
    guard bytes[1] & 0x80 != 0 else { throw .protocolError("client frames must be masked") }
    guard bytes[0] & 0x70 == 0 else { throw .protocolError("reserved bits are set") }
    isFinal = bytes[0] & 0x80 != 0
    guard let opcode = Opcode(rawValue: bytes[0] & 0x0F) else {
      throw .protocolError("an unknown opcode")
    }
    self.opcode = opcode
    let lengthSize =
      switch bytes[1] & 0x7F {
      case 126: 2
      case 127: 8
      default: 0
      }
    size = 2 + lengthSize + 4
    guard bytes.count >= size else { return nil }
    switch lengthSize {
    case 0: length = Int(bytes[1] & 0x7F)
    case 2:
      length = Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
      guard length > 125 else { throw .protocolError("a length in more bytes than it needs") }
    default:
      let number = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
      guard number > 0xFFFF else { throw .protocolError("a length in more bytes than it needs") }
      guard let length = Int(exactly: number) else { throw .protocolError("a length beyond 63 bits") }
      self.length = length
    }
    key = bytes.loadUnaligned(fromByteOffset: 2 + lengthSize, as: UInt32.self)
  }
}

extension FrameReader.Violation {
  fileprivate static func protocolError(_ reason: String) -> Self { Self(code: 1002, reason: reason) }
}

/// Eight bytes at once. The key repeats every four, so that it is the same for each word.
private func unmask(
  _ masked: UnsafeRawBufferPointer, with key: UInt32, into target: UnsafeMutableRawBufferPointer
) {
  let word = UInt64(key) << 32 | UInt64(key)
  var index = 0
  while index + 8 <= masked.count {
    let value = masked.loadUnaligned(fromByteOffset: index, as: UInt64.self) ^ word
    target.storeBytes(of: value, toByteOffset: index, as: UInt64.self)
    index += 8
  }
  withUnsafeBytes(of: key) { key in
    while index < masked.count {
      target[index] = masked[index] ^ key[index & 3]
      index += 1
    }
  }
}

extension [UInt8] {
  fileprivate mutating func append(_ masked: UnsafeRawBufferPointer, unmaskedWith key: UInt32) {
    let start = count
    append(contentsOf: masked)
    withUnsafeMutableBytes { bytes in
      unmask(masked, with: key, into: UnsafeMutableRawBufferPointer(rebasing: bytes[start...]))
    }
  }
}
