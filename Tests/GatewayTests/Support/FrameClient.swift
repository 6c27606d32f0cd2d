import Load
import NIOCore
import Synchronization
import Testing

/// A WebSocket seen frame by frame: shows pings and closes, and answers nothing by itself.
final class FrameClient: Sendable {
  let connection: RawConnection
  private let decoder: Mutex<WebSocketDecoder>

  private init(_ connection: RawConnection, maxMessageBytes: Int) {
    self.connection = connection
    decoder = Mutex(WebSocketDecoder(maxMessageBytes: maxMessageBytes))
  }

  static func open(
    _ port: Int, _ path: String = RoomClient.path + "room", receiveBuffer: Int? = nil, tls: ClientTLS? = nil,
    maxMessageBytes: Int = 32 << 20
  ) async throws -> FrameClient {
    let connection = try await RawConnection.open(port, receiveBuffer: receiveBuffer, tls: tls)
    connection.send(HTTPText.upgrade(path))
    let response = try await connection.response()
    try #require(response.status == 101, "\(response)")
    return FrameClient(connection, maxMessageBytes: maxMessageBytes)
  }

  func send(
    _ opcode: FrameOpcode, _ payload: some Swift.Sequence<UInt8>, isFinal: Bool = true, reserved: UInt8 = 0,
    isMasked: Bool = true
  ) {
    var encoder = ClientFrameEncoder()
    encoder.isFinal = isFinal
    encoder.reserved = reserved
    encoder.isMasked = isMasked
    connection.send(encoder.encode(opcode, payload: payload))
  }

  func send(_ text: String) { send(.text, text.utf8) }

  func send(_ type: String, as participant: String, data: String, opId: String) {
    send(RoomClient.text(type, as: participant, data: data, opId: opId))
  }

  /// Sends a binary message whose mask changes nothing, in one frame.
  func sendUnchanged(_ payload: ByteBuffer) {
    var frame = ByteBuffer()
    frame.writeMultipleIntegers(0x82 as UInt8, 0xFF as UInt8, UInt64(payload.readableBytes), 0 as UInt32)
    frame.writeImmutableBuffer(payload)
    connection.send(frame)
  }

  /// The next event but for pings, which are answered.
  func nextAnsweringPings() async throws -> WebSocketDecoder.Event? {
    while true {
      let event = try await next()
      guard case .ping(let payload)? = event else { return event }
      send(.pong, payload.readableBytesView)
    }
  }

  /// The next event; nil when the connection has ended.
  func next() async throws -> WebSocketDecoder.Event? {
    try await connection.take("a frame") { buffer, isEnded -> WebSocketDecoder.Event?? in
      let event = try decoder.withLock { decoder in try decoder.next(from: &buffer) }
      if let event { return .some(event) }
      return isEnded ? .some(nil) : nil
    }
  }

  /// The next text message as JSON; all else is dropped.
  func nextMessage() async throws -> JSON? {
    while let event = try await next() {
      if case .text(let text) = event { return try JSON(parsing: String(buffer: text)) }
    }
    return nil
  }

  /// The next message of a type; those before it are dropped, pings answered.
  func next(_ type: String) async throws -> JSON {
    while let event = try await nextAnsweringPings() {
      guard case .text(let text) = event else { continue }
      let message = try JSON(parsing: String(buffer: text))
      if message["type"] == .string(type) { return message }
    }
    throw RawConnection.Ended(what: type)
  }

  /// The code of the server's close frame; what comes before it is dropped.
  func closeCode() async throws -> UInt16? {
    while let event = try await next() {
      if case .close(let code, _) = event { return code }
    }
    return nil
  }
}
