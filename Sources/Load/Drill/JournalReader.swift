import Foundation
import NIOCore

/// Reads a room's journal from its beginning, as a client does that was never there: piece by piece, as a room replays a
/// bounded number of events at once. One connection follows the other.
///
/// It lives on the event loop of its worker.
final class JournalReader: DialedClient {
  private enum Phase {
    case idle
    /// What comes first says how much will follow.
    case waiting
    case reading(head: Int)
    /// The state is asked for, on a connection of its own.
    case asking
    /// All that this connection was for has come.
    case satisfied(next: Next)
  }

  private enum Next { case state, end }

  /// How long one connection may take, and how many may fail.
  private static let patience = TimeAmount.seconds(20)
  private static let maxFailures = 6

  private let room: String
  private let names: ParticipantNames
  private let participants: Int
  private let worker: DrillWorker
  var handler: WebSocketChannelHandler<JournalReader>?
  private(set) var outcome = RoomOutcome()
  private var phase = Phase.idle
  private var wantsState = false
  private var failures = 0
  private var dialed = 0
  private var complaint: String?
  private var done: (() -> Void)?

  init(room: String, names: ParticipantNames, participants: Int, worker: DrillWorker) {
    self.room = room
    self.names = names
    self.participants = participants
    self.worker = worker
  }

  var isIdle: Bool { if case .idle = phase { true } else { false } }

  /// Reads what there is by now, beyond what is read already. For an idle reader only.
  ///
  /// - Parameter withState: the final state too.
  func read(withState: Bool, done: @escaping () -> Void) {
    wantsState = withState
    failures = 0
    self.done = done
    readJournal()
  }

  private func readJournal() {
    phase = .waiting
    dial("&since=\(outcome.journal.count)" + (worker.storeHistory.map { "&history=\($0)" } ?? ""))
  }

  private func dial(_ query: String) {
    complaint = nil
    dialed += 1
    let own = dialed
    let gateway = worker.gateways[dialed % worker.gateways.count]
    gateway.connect(self, to: room, query: query) { [worker] channel in worker.opened(channel) }
    worker.later(Self.patience) {
      if own == self.dialed { self.giveUp("it took longer than \(Self.patience.nanoseconds / 1_000_000_000) s") }
    }
  }

  private func giveUp(_ reason: String) {
    complaint = complaint ?? reason
    handler?.disconnect()
  }

  private func ended(_ reason: String) {
    handler = nil
    switch phase {
    case .idle: break
    case .satisfied(.state):
      phase = .asking
      dial("")
    case .satisfied(.end): finish()
    case .waiting, .reading, .asking:
      failures += 1
      guard failures < Self.maxFailures else { return finish(complaint: complaint ?? reason) }
      worker.later(.milliseconds(500)) { if !self.isIdle { self.readJournal() } }
    }
  }

  private func finish(complaint: String? = nil) {
    if wantsState { outcome.complaint = complaint }
    phase = .idle
    let done = done
    self.done = nil
    done?()
  }

  func end() {
    phase = .idle
    done = nil
    handler?.disconnect()
    handler = nil
  }

  // MARK: WebSocketReceiver

  func webSocketOpened(_ response: UpgradeResponse) {}

  func webSocketReceived(_ event: WebSocketDecoder.Event) {
    guard case .text(let payload) = event else { return }
    let reply = payload.withUnsafeReadableBytes { DrillReply(scanning: $0, names: names) }
    switch (phase, reply?.kind) {
    case (.waiting, .resumed(_, let head)): follow(to: head)
    case (.reading(let head), .event(let event)):
      outcome.journal.append(event)
      follow(to: head)
    case (.asking, .state(let head)):
      outcome.head = head
      outcome.quantities = quantities(in: payload)
      satisfied(next: .end)
    case (.waiting, .state(let head)), (.reading, .state(let head)):
      giveUp("asked for what follows \(outcome.journal.count), it gave the state at \(head)")
    case (.waiting, nil), (.reading, nil), (.asking, nil):
      giveUp("a message makes no sense: \(String(buffer: payload).prefix(200))")
    default: break
    }
  }

  func webSocketFailed(_ error: any Error) { ended("\(error)") }

  func webSocketClosed(_ closure: WebSocketClosure) { ended("the connection was closed: \(closure)") }

  private func follow(to head: Int) {
    if outcome.journal.count < head {
      phase = .reading(head: head)
    } else {
      satisfied(next: wantsState ? .state : .end)
    }
  }

  private func satisfied(next: Next) {
    phase = .satisfied(next: next)
    handler?.disconnect()
  }

  private func quantities(in message: ByteBuffer) -> [Int?] {
    var found: [Int?] = Array(repeating: nil, count: participants)
    let object = try? JSONSerialization.jsonObject(with: Data(message.readableBytesView)) as? [String: Any]
    let order = object?["data"] as? [String: Any]
    for case let item as [String: Any] in order?["items"] as? [Any] ?? [] {
      guard let id = item["id"] as? String, let client = DrillOperation.client(ofItem: id),
        found.indices.contains(client)
      else { continue }
      found[client] = item["quantity"] as? Int
    }
    return found
  }
}
