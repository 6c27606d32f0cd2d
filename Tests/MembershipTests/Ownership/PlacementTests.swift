import Membership
import RoomCore
import Testing

/// Thaler and Ravishankar 1998: rendezvous hashing.
@Suite("Placement")
struct PlacementTests {
  private static func candidates(_ weights: [Int]) -> [Placement.Candidate] {
    weights.enumerated().map { Placement.Candidate(node: NodeID("life-\($0)"), name: "node-\($0)", weight: $1) }
  }

  private static func counts(_ placement: Placement, _ nodes: Int) -> [Int] {
    (0..<nodes).map { node in Slot.all.count { placement.owner(of: $0) == NodeID("life-\(node)") } }
  }

  @Test("nodes of one weight have about as many slots each", arguments: [2, 3, 5, 10, 30])
  func balance(nodes: Int) {
    let counts = Self.counts(Placement(over: Self.candidates(Array(repeating: 100, count: nodes))), nodes)
    let mean = Double(Slot.count) / Double(nodes)
    #expect(counts.reduce(0, +) == Slot.count)
    // Four standard deviations of a fair draw.
    for count in counts { #expect(abs(Double(count) - mean) < 4 * (mean * (1 - 1 / Double(nodes))).squareRoot()) }
  }

  @Test("slots follow the weights; no weight is no slot")
  func weights() {
    let counts = Self.counts(Placement(over: Self.candidates([100, 200, 100, 400, 0])), 5)
    for (count, share) in zip(counts, [128.0, 256, 128, 512, 0]) {
      #expect(abs(Double(count) - share) <= 4 * share.squareRoot())
    }
    #expect(counts[4] == 0)
    let extreme = Self.counts(Placement(over: Self.candidates([1, Member.maxWeight])), 2)
    #expect(extreme[0] < 5)
  }

  @Test("a node that comes takes slots for itself only; one that goes leaves all others where they are")
  func movement() {
    let four = Placement(over: Self.candidates([100, 50, 100, 200]))
    let five = Placement(over: Self.candidates([100, 50, 100, 200, 100]))
    var moved = 0
    for slot in Slot.all where four.owner(of: slot) != five.owner(of: slot) {
      #expect(five.owner(of: slot) == NodeID("life-4"))
      moved += 1
    }
    #expect(abs(Double(moved) - 1024 * 100 / 550) < 55)
    // A weight that grows only attracts.
    let heavier = Placement(over: Self.candidates([100, 50, 100, 300]))
    for slot in Slot.all where four.owner(of: slot) != heavier.owner(of: slot) {
      #expect(heavier.owner(of: slot) == NodeID("life-3"))
    }
  }

  @Test("neither the order of the nodes nor a restart matters")
  func stability() {
    let nodes = Self.candidates([100, 50, 100, 200])
    #expect(Placement(over: nodes.reversed()) == Placement(over: nodes))
    let restarted = nodes.map { Placement.Candidate(node: NodeID("new-\($0.name)"), name: $0.name, weight: $0.weight) }
    let (before, after) = (Placement(over: nodes), Placement(over: restarted))
    for slot in Slot.all {
      let number = before.owner(of: slot)?.name.last
      #expect(after.owner(of: slot)?.name.last == number)
    }
    #expect(Placement(over: []).owner(of: Slot(0)) == nil)
  }

  /// The examples in docs/peer-protocol.md, "Where a room is".
  @Test(
    "every process finds the same, of every version",
    arguments: [
      ([100, 100, 100], "020102220110010202221202"), ([100, 200, 400], "220212220120012202221222"),
    ])
  func golden(weights: [Int], owners: String) {
    let placement = Placement(over: Self.candidates(weights))
    let first = (0..<24).map { placement.owner(of: Slot($0))?.name.last.map(String.init) ?? "-" }.joined()
    #expect(first == owners)
  }

  @Test(
    "distances are as documented, to the last bit",
    arguments: [
      ("node-0", 0, 3_596_350_439), ("node-1", 0, 15_570_764_267), ("node-2", 0, 9_601_528_693),
      ("node-0", 1023, 10_388_899_765), ("küche", 187, 1_108_586_370),
    ] as [(String, Int, UInt64)])
  func distances(name: String, slot: Int, distance: UInt64) {
    #expect(Placement.distance(of: name, to: Slot(slot)) == distance)
  }
}
