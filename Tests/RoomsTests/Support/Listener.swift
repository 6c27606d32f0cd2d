import RoomCore
import Rooms
import Synchronization
import Wire

/// A gateway's ear in a room: keeps all that came, and what each of its sessions makes of it, by the rules that
/// `RoomOutput` states.
final class Listener: RoomSubscriber {
  /// What one client saw, in order.
  enum Sight: Equatable, Sendable {
    case sync(Int64, String?)
    case resumption(String)
    case change(String, at: Int64?)
    case transient(String)
    case direct(String)
    case ended(RoomEnding)
  }

  private enum Feed {
    case waiting
    case live
    case resuming([Sight])
    /// The client is gone; only answers to what it sent before are still looked at.
    case closed
  }

  private struct Client {
    let dialect: Dialect
    var feed = Feed.waiting
    var sights: [Sight] = []
    var settled = 0
    var participant: ParticipantID?

    var isClosed: Bool { if case .closed = feed { true } else { false } }

    mutating func see(_ sight: Sight) {
      switch feed {
      case .waiting, .closed: break
      case .resuming(let waiting): feed = .resuming(waiting + [sight])
      case .live: sights.append(sight)
      }
    }
  }

  private struct State {
    var clients: [SessionNumber: Client] = [:]
    var outputs = 0
    var latestEpoch = Epoch.zero
  }

  private let bell: Bell
  private let state = Mutex(State())

  let keepsOperations: Bool

  init(bell: Bell, keepsOperations: Bool = false) {
    self.bell = bell
    self.keepsOperations = keepsOperations
  }

  /// How many operations of a session were settled, and whom it acts for.
  func settled(of session: SessionNumber) -> (count: Int, participant: ParticipantID?) {
    state.withLock { ($0.clients[session]?.settled ?? 0, $0.clients[session]?.participant) }
  }

  func expect(_ session: SessionNumber, in dialect: Dialect) {
    state.withLock { state in
      let sights = state.clients[session]?.sights ?? []
      state.clients[session] = Client(dialect: dialect, sights: sights)
    }
  }

  func leave(_ session: SessionNumber) { state.withLock { $0.clients[session]?.feed = .closed } }

  func deliver(_ output: RoomOutput) {
    state.withLock { state in
      state.outputs += 1
      state.latestEpoch = max(state.latestEpoch, output.epoch)
      for item in output.items { Self.take(item, into: &state.clients) }
    }
    bell.ring()
  }

  private static func take(_ item: RoomOutput.Item, into clients: inout [SessionNumber: Client]) {
    switch item {
    case .broadcast(let sequence, let full, let delta):
      for session in clients.keys {
        let text = clients[session]?.dialect == .full ? full : delta
        if let text { clients[session]?.see(.change(String(text), at: sequence.number)) }
      }
    case .transient(let text):
      for (session, client) in clients where client.dialect == .delta {
        if case .live = client.feed { clients[session]?.sights.append(.transient(String(text))) }
      }
    case .direct(let session, let text): clients[session]?.sights.append(.direct(String(text)))
    case .sync(let session, let head, let text):
      guard clients[session]?.isClosed == false else { return }
      clients[session]?.sights.append(.sync(head.number, text.map { String($0) }))
      clients[session]?.feed = .live
    case .resuming(let session, _, let text):
      guard clients[session]?.isClosed == false else { return }
      if let text { clients[session]?.sights.append(.resumption(String(text))) }
      clients[session]?.feed = .resuming([])
    case .history(let session, let texts):
      guard case .resuming(let waiting) = clients[session]?.feed else { return }
      clients[session]?.sights += texts.map { .change(String($0), at: nil) } + waiting
      clients[session]?.feed = .live
    case .settled(let session, let count): clients[session]?.settled += count
    case .bound(let session, let participant): clients[session]?.participant = participant
    case .rehoming, .overflowed: preconditionFailure("no room says so")
    case .ended(let ending):
      for session in clients.keys {
        clients[session]?.sights.append(.ended(ending))
        if clients[session]?.isClosed == false { clients[session]?.feed = .waiting }
      }
    }
  }

  /// How often the room said anything.
  var outputs: Int { state.withLock { $0.outputs } }
  var latestEpoch: Epoch { state.withLock { $0.latestEpoch } }

  func sights(of session: SessionNumber) -> [Sight] { state.withLock { $0.clients[session]?.sights ?? [] } }
}

extension String {
  init(_ text: [UInt8]) { self = String(decoding: text, as: UTF8.self) }
}

extension Listener.Sight {
  var change: String? { if case .change(let text, _) = self { text } else { nil } }
  var direct: String? { if case .direct(let text) = self { text } else { nil } }
  var transient: String? { if case .transient(let text) = self { text } else { nil } }
  var ending: RoomEnding? { if case .ended(let ending) = self { ending } else { nil } }
  var isSync: Bool { if case .sync = self { true } else { false } }

  /// The position up to which the client knows the room after this.
  var position: Int64? {
    switch self {
    case .sync(let head, _): head
    case .change(let text, _): text.prefix { $0 != " " }.isEmpty ? nil : Int64(text.prefix { $0 != " " })
    default: nil
    }
  }
}
