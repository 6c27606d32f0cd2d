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
  }

  package let me: NodeID
  /// Whether this process has read the store lately enough to serve reads; nil for a gateway.
  package let isFresh: Bool?
  package let members: [Member]
  /// Slots that nobody owns.
  package let unowned: Int
  package let claimsMade: Int
}

/// What a process counts of its part in the cluster.
struct ClusterMetrics: Sendable {
  let claims = Counter(label: "stonepot_slots_claimed_total")
  let handOffs = Counter(label: "stonepot_slots_handed_off_total")
  let lost = Counter(label: "stonepot_slots_lost_total")
  let stepDowns = Counter(label: "stonepot_step_downs_total")
}
