import NIOCore

/// A connection that looks into a room and did not join. It lives on the event loop of its room.
final class LoadListener: LoadClient {
  private enum Phase {
    case connecting
    case listening
    case failed
  }

  let room: LoadRoom
  let worker: LoadWorker
  var handler: WebSocketChannelHandler<LoadListener>?

  private var phase = Phase.connecting
  var broadcasts: BroadcastCount

  init(room: LoadRoom, worker: LoadWorker) {
    self.room = room
    self.worker = worker
    broadcasts = BroadcastCount(participants: worker.scenario.participantsPerRoom)
  }

  // MARK: WebSocketReceiver

  func webSocketOpened(_ response: UpgradeResponse) {}

  func webSocketReceived(_ event: WebSocketDecoder.Event) {
    guard case .text(let payload) = event else { return }
    payload.withUnsafeReadableBytes { bytes in
      guard let reply = Reply(scanning: bytes) else { return fail("a message has no type") }
      switch reply.kind {
      case .quantityUpdated:
        _ = broadcastCame(from: room.names.index(of: reply.participantID), own: nil, size: bytes.count)
      case .sync:
        // The room was filled before the listener came: the server begins with the whole of it.
        guard phase == .connecting else { return fail("a sync took the place of broadcasts") }
        phase = .listening
        worker.listening(self)
      case .error: fail("the server refused: \(String(decoding: bytes.prefix(300), as: UTF8.self))")
      case .ack, .participantJoined, .itemAdded, .orderFinalized, .other: break
      }
    }
  }

  func fail(_ text: @autoclosure () -> String) {
    phase = .failed
    worker.failed(text())
  }
}
