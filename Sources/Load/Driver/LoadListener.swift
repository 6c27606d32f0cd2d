import NIOCore

/// A connection that looks into a room and did not join. It lives on the event loop of its room.
final class LoadListener: LoadClient {
  private enum Phase {
    case connecting
    case listening
    case failed
  }

  let room: LoadRoom
  private let worker: LoadWorker
  var handler: WebSocketChannelHandler<LoadListener>?

  private var phase = Phase.connecting
  /// How many broadcasts of each participant of the room have come here.
  private var seen: [Int]
  private(set) var received = 0

  init(room: LoadRoom, worker: LoadWorker) {
    self.room = room
    self.worker = worker
    seen = Array(repeating: 0, count: worker.scenario.participantsPerRoom)
  }

  private func quantityUpdated(by sender: Int?, size: Int) {
    guard let sender, sender < seen.count else { return fail("a broadcast names a participant who is not in the room") }
    let now = NIODeadline.now().uptimeNanoseconds
    let began = room.participants[sender].times.beginning(of: seen[sender])
    seen[sender] += 1
    received += 1
    guard let began else { return fail("a broadcast belongs to no operation, or came far too late") }
    worker.delivered(size: size, isOwn: false, began: began, now: now)
  }

  // MARK: WebSocketReceiver

  func webSocketOpened(_ response: UpgradeResponse) {}

  func webSocketReceived(_ event: WebSocketDecoder.Event) {
    guard case .text(let payload) = event else { return }
    payload.withUnsafeReadableBytes { bytes in
      guard let reply = Reply(scanning: bytes) else { return fail("a message has no type") }
      switch reply.kind {
      case .quantityUpdated:
        quantityUpdated(by: room.names.index(of: reply.participantID), size: bytes.count)
      case .sync:
        // The room was filled before the listener came: the server begins with the whole of it.
        guard phase == .connecting else { return fail("a sync took the place of broadcasts") }
        phase = .listening
        worker.listening(self)
      case .error: fail("the server refused: \(String(decoding: bytes.prefix(300), as: UTF8.self))")
      case .ack, .participantJoined, .itemAdded, .other: break
      }
    }
  }

  func webSocketFailed(_ error: any Error) {
    handler = nil
    fail("\(error)")
  }

  func webSocketClosed(_ closure: WebSocketClosure) {
    handler = nil
    if !worker.isClosing { fail("the server closed a connection: \(closure)") }
  }

  /// A listener that met an error takes no further part.
  private func fail(_ text: @autoclosure () -> String) {
    phase = .failed
    worker.failed(text())
  }
}
