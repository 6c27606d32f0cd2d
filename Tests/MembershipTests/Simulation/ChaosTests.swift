import Membership
import RoomCore
import TestSupport
import Testing

/// Everything at once, from a seed: safety at each step, liveness after healing.
@Suite("A cluster and its bad days")
struct ChaosTests {
  /// Faults for some two seconds each, then peace.
  private static func run(seed: UInt64, nodes: Int, faults: Int = 12) -> Cluster {
    let cluster = FailureTests.settled(seed: seed, nodes: nodes)
    cluster.network.lossPercent = cluster.generator.below(10)
    cluster.network.duplicatePercent = cluster.generator.below(10)
    cluster.network.delay = 200...(1000 + cluster.generator.below(40_000))
    for _ in 0..<faults {
      let index = cluster.generator.below(cluster.processes.count)
      let other = cluster.generator.below(cluster.processes.count)
      switch cluster.generator.below(8) {
      case 0 where cluster.live.count > 1: cluster.crash(index)
      case 1, 2:
        let missing = (0..<nodes).map { "n\($0)" }.filter { name in
          !cluster.processes.contains { $0.name == name && $0.isRunning }
        }
        if let name = missing.first { cluster.start(name) }
      case 3: cluster.pause(index, for: .milliseconds(200 + cluster.generator.below(6000)))
      case 4: cluster.partition([index], from: [other])
      case 5: cluster.cut(cluster.processes[index].name, cluster.processes[other].name)
      case 6: cluster.setReachesStore(index, cluster.generator.once(in: 2))
      default: cluster.heal()
      }
      cluster.run(for: .milliseconds(200 + cluster.generator.below(4000)))
      FailureTests.expectSafe(cluster)
    }
    cluster.heal()
    cluster.network.lossPercent = 0
    cluster.run(for: .seconds(7))
    for index in 0..<nodes {
      if !cluster.processes.contains(where: { $0.name == "n\(index)" && $0.isRunning }) { cluster.start("n\(index)") }
    }
    return cluster
  }

  @Test("whatever happens, it is safe, and in peace everything is served again", arguments: UInt64(5)...9)
  func chaos(seed: UInt64) {
    let nodes = 3 + Int(seed % 3)
    let cluster = Self.run(seed: seed, nodes: nodes)
    let took = FailureTests.expectSettled(cluster, within: .seconds(40), "in peace")
    print(
      "seed \(seed), \(nodes) nodes: settled after \(took); claims won \(cluster.store.claimsWon), refused "
        + "\(cluster.store.claimsRefused), deaths \(cluster.deaths.count), step-downs \(cluster.stepDowns.count), "
        + "messages \(cluster.messages)")
    // No war: each slot moved a few times for each of the faults, not for each reading of the store.
    #expect(cluster.store.claimsWon < 24 * Slot.count)
  }

  @Test("one seed is one run")
  func replay() {
    let first = Self.run(seed: 99, nodes: 3, faults: 2)
    let second = Self.run(seed: 99, nodes: 3, faults: 2)
    #expect(first.trace == second.trace)
    #expect(first.messages == second.messages)
    #expect(first.trace != Self.run(seed: 98, nodes: 3, faults: 2).trace)
  }
}
