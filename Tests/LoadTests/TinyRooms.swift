import Foundation
import NIOCore
import NIOWebSocket
import Synchronization

/// A server of rooms with as much sense as the driver needs, and a fault on request.
final class TinyRooms: Sendable {
  enum Fault: Sendable {
    case none
    /// The n-th change is not broadcast to one participant.
    case losesDelivery(of: Int)
    /// The n-th change is refused.
    case refuses(Int)
    /// The n-th change makes the server hang up.
    case hangsUp(at: Int)
    /// Joins are refused.
    case refusesJoins
    /// Changes are held back until there are three of them.
    case answersInThrees
  }

  private struct State {
    var rooms: [String: [(ObjectIdentifier, LoopbackServer.Peer)]] = [:]
    var roomOf: [ObjectIdentifier: String] = [:]
    var filled: Set<String> = []
    var items = 0
    var changes = 0
    var held: [@Sendable () -> Void] = []
    var visited: [String] = []
  }

  private let fault: Fault
  private let state = Mutex(State())

  private let opened: @Sendable (LoopbackServer.Peer) -> Void

  init(_ fault: Fault, opened: @escaping @Sendable (LoopbackServer.Peer) -> Void = { _ in }) {
    self.fault = fault
    self.opened = opened
  }

  /// The paths of all connections, in their order.
  var visited: [String] { state.withLock { $0.visited } }

  func start() async throws -> LoopbackServer {
    try await LoopbackServer.start { path, peer in
      self.opened(peer)
      let isFilled = self.state.withLock {
        $0.rooms[path, default: []].append((ObjectIdentifier(peer.channel), peer))
        $0.roomOf[ObjectIdentifier(peer.channel)] = path
        $0.visited.append(path)
        return $0.filled.contains(path) || path.contains("/cold-")
      }
      if isFilled { peer.send(.text, #"{"type":"sync","data":{}}"#) }
    } behavior: { frame, peer in
      guard frame.opcode == .text else { return }
      self.receive(String(buffer: frame.unmaskedData), from: peer)
    }
  }

  private func receive(_ text: String, from peer: LoopbackServer.Peer) {
    guard let message = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any],
      let type = message["type"] as? String, let participant = message["participantId"] as? String
    else { return peer.send(.text, #"{"type":"error","error":"no JSON"}"#) }
    var peers: [LoopbackServer.Peer] = []
    var item = 0
    var change = 0
    state.withLock { state in
      peers = state.rooms[state.roomOf[ObjectIdentifier(peer.channel)] ?? ""]?.map(\.1) ?? []
      if type == "add_item" {
        state.items += 1
        state.filled.insert(state.roomOf[ObjectIdentifier(peer.channel)] ?? "")
      }
      if type == "update_quantity" { state.changes += 1 }
      (item, change) = (state.items, state.changes)
    }
    func broadcast(_ kind: String, data: String) {
      for peer in peers { peer.send(.text, #"{"type":"\#(kind)","participantId":"\#(participant)","data":\#(data)}"#) }
    }
    switch type {
    case "join":
      if case .refusesJoins = fault { return peer.send(.text, #"{"type":"error","error":"no seat"}"#) }
      broadcast("participant_joined", data: "{}")
    case "add_item": broadcast("item_added", data: #"{"item":{"id":"i-\#(item)"}}"#)
    default:
      switch fault {
      case .losesDelivery(of: change): peers.removeLast()
      case .refuses(change): return peer.send(.text, #"{"type":"error","error":"not today"}"#)
      case .hangsUp(at: change): return peer.channel.close(promise: nil)
      default: break
      }
      if case .answersInThrees = fault {
        let due = state.withLock { [peers] state in
          state.held.append { [text = #"{"type":"quantity_updated","participantId":"\#(participant)","data":{}}"#] in
            for peer in peers { peer.send(.text, text) }
          }
          guard state.held.count == 3 else { return [] as [@Sendable () -> Void] }
          defer { state.held = [] }
          return state.held
        }
        for answer in due { answer() }
        return
      }
      if let opID = message["opId"] { peer.send(.text, #"{"type":"ack","opId":"\#(opID)","seq":\#(change)}"#) }
      broadcast("quantity_updated", data: "{}")
    }
  }
}
