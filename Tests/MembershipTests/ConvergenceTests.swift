import Membership
import RoomCore
import Testing

@Suite("A cluster on a virtual clock")
struct ConvergenceTests {
  static let seeds: [UInt64] = [1, 2, 3]

  /// A cluster that has come together and serves all slots.
  static func settled(seed: UInt64, nodes: Int, gateways: Int = 0) -> Cluster {
    let cluster = Cluster(seed: seed)
    for index in 0..<nodes {
      cluster.start("n\(index)")
      cluster.run(for: .milliseconds(50))
    }
    for index in 0..<gateways { cluster.start("g\(index)", weight: nil) }
    let took = cluster.run(for: .seconds(15)) { cluster.isConverged && cluster.isServed }
    #expect(took != nil, "seed \(seed): \(cluster.trace.suffix(40).joined(separator: "\n"))")
    // Rebalancing.
    cluster.run(for: .seconds(20))
    return cluster
  }

  @Test("smoke", arguments: seeds)
  func smoke(seed: UInt64) {
    let cluster = Self.settled(seed: seed, nodes: 3, gateways: 1)
    print(cluster.trace.filter { !$0.contains("won 1") && !$0.contains("claims 1") }.suffix(60).joined(separator: "\n"))
    print(cluster.messages, cluster.store.claimsWon, cluster.store.claimsRefused, cluster.isServed, cluster.violations)
  }
}
