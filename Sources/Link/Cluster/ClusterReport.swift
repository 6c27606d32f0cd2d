import CoreMetrics
package import RoomCore

/// How one process sees its cluster.
package struct ClusterReport: Sendable {
  package struct Member: Sendable {
    package let node: NodeID
    package let name: String
    package let address: String
    package let isNode: Bool
    package let status: String
    package let weight: Int
    package let slots: Int
    /// How long ago this process heard from it; nil for itself, and for one that it only heard of.
    package let heardAgo: Duration?
    /// How long ago it last wrote to the store, as this process has read there; nil for gateways, and to them.
    package let wroteAgo: Duration?
  }

  /// Of a node: what it knows of the store, and serves to others.
  package struct Node: Sendable {
    /// Whether it has read the store lately enough to serve reads.
    package let isFresh: Bool
    package let isDraining: Bool
    /// How long ago its last reading of the store began; nil before the first one.
    package let readAgo: Duration?
    package let warmRooms: Int
    /// Sessions that other processes have open here.
    package let remoteSessions: Int
  }

  package struct Ownership: Sendable {
    package let record: SlotRecord
    /// Whether the owner is this node because an operator wants it so, against placement.
    package let isPinned: Bool
  }

  package let me: NodeID
  /// Nil for a gateway.
  package let node: Node?
  package let members: [Member]
  /// Slots that nobody owns.
  package let unowned: Int
  package let claimsMade: Int
}

/// Why a process does not do what an operator asks of it.
package enum OperatorRefusal: Error, Sendable, Equatable {
  case ownsNothing
  case isLeaving
  /// Nobody could have the slots.
  case isAlone
  case unknownNode(String)
  /// It drains, or is a gateway.
  case takesNothing(String)
  case unowned(Slot)
  case unreachable(owner: NodeID)

  /// A stable word for programs.
  package var code: String {
    switch self {
    case .ownsNothing: "owns_nothing"
    case .isLeaving: "stopping"
    case .isAlone: "alone"
    case .unknownNode: "unknown_node"
    case .takesNothing: "takes_nothing"
    case .unowned: "unowned"
    case .unreachable: "unreachable"
    }
  }

  package var message: String {
    switch self {
    case .ownsNothing: "a gateway owns no slots"
    case .isLeaving: "the process is stopping"
    case .isAlone: "no other node is there that could have the slots"
    case .unknownNode(let name): "no live member is called \(name)"
    case .takesNothing(let name): "\(name) takes no slots: it is a gateway, or drains"
    case .unowned(let slot): "nobody owns slot \(slot) now"
    case .unreachable(let owner): "there is no connection to \(owner), which owns the slot"
    }
  }
}

/// What a process counts of its part in the cluster.
struct ClusterMetrics: Sendable {
  let claims = Counter(label: "stonepot_slots_claimed_total")
  let handOffs = Counter(label: "stonepot_slots_handed_off_total")
  let lost = Counter(label: "stonepot_slots_lost_total")
  let stepDowns = Counter(label: "stonepot_step_downs_total")
}
