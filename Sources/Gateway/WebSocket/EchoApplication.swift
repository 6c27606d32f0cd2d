import NIOCore
import NIOWebSocket

/// Sends every message back as it came, for conformance suites: the same stack as the rooms', with nothing behind it.
final class EchoApplication: WebSocketApplication {
  private var connection: (any ClientSocket)?

  func opened(_ connection: any ClientSocket) { self.connection = connection }

  func received(_ opcode: Opcode, _ message: UnsafeRawBufferPointer, at now: NIODeadline) {
    guard let connection else { return }
    if opcode == .text, String(validating: message, as: UTF8.self) == nil {
      connection.close(.dataInconsistentWithMessage, reason: "text must be UTF-8")
      return
    }
    connection.send(Frames.frame(opcode, message, allocator: connection.allocator))
  }

  func drained() {}
  func closed() { connection = nil }
  func sweep(now: NIODeadline) {}
}
