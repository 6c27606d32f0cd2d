package import Membership
package import RoomCore
import Synchronization
package import Wire

/// Which node serves a room now, and the way to it: what gossip and the store have told, and the connections that there
/// are.
package final class OwnerBook<Command: PeerCommand>: RouteFinder {
  private struct State {
    var records: [SlotRecord?] = Array(repeating: nil, count: Slot.count)
    var remotes: [NodeID: RemoteNode<Command>] = [:]
    /// Slots that were not served where they should have been: at which epoch, and until when nobody is sent there.
    var doubts: [Slot: (epoch: Epoch, until: MonotonicTime)] = [:]
    /// Members that are thought to be dead.
    var gone: Set<NodeID> = []
  }

  private let me: NodeID
  let local: (any RoomCarrier<Command>)?
  private let clock: @Sendable () -> MonotonicTime
  private let state = Mutex(State())
  /// Long enough for the news that will tell better, and short enough if there are none since the doubt was wrong.
  private static var doubtTime: Duration { .milliseconds(100) }

  package init(me: NodeID, local: (any RoomCarrier<Command>)?, clock: @escaping @Sendable () -> MonotonicTime) {
    self.me = me
    self.local = local
    self.clock = clock
  }

  // MARK: - For links

  package func carrier(for room: RoomID) -> (any RoomCarrier<Command>)? {
    let slot = Slot(of: room)
    let now = clock()
    return state.withLock { state in
      guard let record = state.records[slot.number], let owner = record.owner, !state.gone.contains(owner) else {
        return nil
      }
      if let doubt = state.doubts[slot] {
        if doubt.epoch == record.epoch, now < doubt.until { return nil }
        state.doubts[slot] = nil
      }
      return owner == me ? local : state.remotes[owner]
    }
  }

  package func misled(about room: RoomID) {
    let slot = Slot(of: room)
    let until = clock() + Self.doubtTime
    state.withLock { state in
      guard let record = state.records[slot.number] else { return }
      state.doubts[slot] = (record.epoch, until)
    }
  }

  package func owner(of room: RoomID) -> PeerOwner {
    let record = state.withLock { $0.records[Slot(of: room).number] }
    return PeerOwner(epoch: record?.epoch, node: record?.owner)
  }

  // MARK: - What is learnt

  /// - Returns: whether anything is new.
  @discardableResult
  package func learn(_ records: [SlotRecord]) -> Bool {
    state.withLock { state in
      var isNew = false
      for record in records where state.records[record.slot.number] != record {
        state.records[record.slot.number] = record
        isNew = true
      }
      return isNew
    }
  }

  package func learn(_ node: NodeID, isGone: Bool) {
    state.withLock { state in
      if isGone { state.gone.insert(node) } else { state.gone.remove(node) }
    }
  }

  /// - Returns: the way that there was to the node before.
  package func add(_ remote: RemoteNode<Command>) -> RemoteNode<Command>? {
    state.withLock { $0.remotes.updateValue(remote, forKey: remote.connection.peer.node) }
  }

  /// - Returns: the way that led over the connection, if it was the present one.
  package func remove(_ connection: any PeerLine) -> RemoteNode<Command>? {
    state.withLock { state in
      guard let remote = state.remotes[connection.peer.node], remote.connection === connection else { return nil }
      state.remotes[connection.peer.node] = nil
      return remote
    }
  }

  package func remote(over connection: any PeerLine) -> RemoteNode<Command>? {
    state.withLock { state in
      let remote = state.remotes[connection.peer.node]
      return remote?.connection === connection ? remote : nil
    }
  }

  /// How many slots each node owns; those of nobody under nil.
  package var slotCounts: [NodeID?: Int] {
    state.withLock { state in state.records.reduce(into: [:]) { $0[$1?.owner, default: 0] += 1 } }
  }
}
