public import RoomCore

/// Which node ought to own which slot: weighted rendezvous hashing.
///
/// Every pair of node and slot has a number between 0 and 1 that depends on nothing else, `u`; a slot goes to the node
/// with the smallest −log₂(u) / weight. A node that comes takes slots only for itself, and the slots of a node that
/// goes are spread over the rest in proportion to their weights; no other slot moves. Nodes count by their stable name,
/// so a restart changes nothing. All arithmetic is in whole numbers: every process finds the same.
/// Source: D. Thaler, C. Ravishankar, "Using name-based mappings to increase hit rates", 1998; the weights after
/// C. Schindelhauer, G. Schomaker, "Weighted distributed hash tables", 2005 (logarithmic method).
public struct Placement: Sendable, Equatable {
  public struct Candidate: Sendable, Hashable {
    public let node: NodeID
    public let name: String
    public let weight: Int

    public init(node: NodeID, name: String, weight: Int) {
      self.node = node
      self.name = name
      self.weight = weight
    }
  }

  /// In the order of their names; those without weight are left out.
  public let candidates: [Candidate]
  /// For each slot a position in `candidates`; empty without candidates.
  private let choices: [Int]

  public init(over nodes: [Candidate]) {
    let candidates = Self.ordered(nodes)
    self.candidates = candidates
    choices =
      candidates.isEmpty ? [] : Slot.all.map { slot in Self.choice(for: slot, among: candidates) }
  }

  static func ordered(_ nodes: [Candidate]) -> [Candidate] {
    nodes.filter { $0.weight > 0 }.sorted { ($0.name, $0.node) < ($1.name, $1.node) }
  }

  /// - Returns: nil if there is no node that could own it.
  public func owner(of slot: Slot) -> NodeID? {
    choices.isEmpty ? nil : candidates[choices[slot.number]].node
  }

  private static func choice(for slot: Slot, among candidates: [Candidate]) -> Int {
    var best = 0
    var bestDistance = UInt64.max
    for (index, candidate) in candidates.enumerated() {
      let distance = distance(of: candidate.name, to: slot)
      // distance / weight < bestDistance / bestWeight; below 2³⁹ · 2¹⁶ on each side. Of equals the first name has it.
      let isCloser =
        index == 0 || distance * UInt64(candidates[best].weight) < bestDistance * UInt64(candidate.weight)
      if isCloser {
        best = index
        bestDistance = distance
      }
    }
    return best
  }

  /// −log₂(u), in units of 2⁻³².
  package static func distance(of name: String, to slot: Slot) -> UInt64 {
    var hasher = StableHasher()
    hasher.combine(name)
    hasher.combine(Int64(slot.number))
    return (64 << 32) - FixedPoint.log2(max(1, hasher.finish()))
  }
}
