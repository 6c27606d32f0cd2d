import Membership
import RoomCore
import TestSupport
import Testing

/// Whole clusters on a virtual clock: what is promised about detection and ownership, from printed seeds.
@Suite("A cluster on a virtual clock")
struct FailureTests {
  /// A cluster that has come together, serves all slots, and has spread them.
  static func settled(seed: UInt64, nodes: Int, gateways: Int = 0) -> Cluster {
    var deadlines = Deadlines()
    // Spreading the slots is tested elsewhere.
    deadlines.handOffsAtOnce = 128
    deadlines.handOffInterval = .microseconds(200)
    let cluster = Cluster(seed: seed, deadlines: deadlines)
    for index in 0..<nodes { cluster.start("n\(index)") }
    for index in 0..<gateways { cluster.start("g\(index)", weight: nil) }
    // Claims that collide at the start make nodes wait a little.
    cluster.run(for: .seconds(3))
    expectSettled(cluster, within: .seconds(15), "at the start")
    return cluster
  }

  /// All agree on who lives, and every slot is served by the node that placement wants.
  static func isSettled(_ cluster: Cluster) -> Bool {
    guard cluster.isConverged, cluster.isServed else { return false }
    return cluster.live.allSatisfy { index in
      let governor = cluster.processes[index].governor
      return cluster.processes[index].isGateway
        || governor.heldSlots.allSatisfy { governor.placement.owner(of: $0.slot) == governor.me }
    }
  }

  @discardableResult
  static func expectSettled(_ cluster: Cluster, within limit: Duration, _ when: String) -> Duration {
    let took = cluster.run(for: limit) { isSettled(cluster) }
    #expect(took != nil, "seed \(cluster.seed), \(when):\n\(cluster.trace.suffix(60).joined(separator: "\n"))")
    expectSafe(cluster)
    return took ?? limit
  }

  static func expectSafe(_ cluster: Cluster) {
    #expect(cluster.violations.isEmpty, "seed \(cluster.seed): \(cluster.violations.prefix(5))")
  }

  /// Runs until others than `dead` serve all slots.
  private func stall(_ cluster: Cluster, limit: Duration = .seconds(10)) -> Duration {
    let took = cluster.run(for: limit) { cluster.isServed }
    #expect(took != nil, "seed \(cluster.seed):\n\(cluster.trace.suffix(60).joined(separator: "\n"))")
    Self.expectSafe(cluster)
    return took ?? limit
  }

  @Test("a killed node is dead for all within 200 ms, and its slots are served within 300 ms", arguments: [2, 3, 5])
  func crash(nodes: Int) {
    var stalls: [Duration] = []
    for seed in UInt64(1)...3 {
      let cluster = Self.settled(seed: seed, nodes: nodes)
      let victim = cluster.generator.below(nodes)
      let at = cluster.now
      cluster.crash(victim)
      stalls.append(stall(cluster))
      cluster.run(for: .milliseconds(300))
      let seen = cluster.deaths.filter { $0.dead == cluster.processes[victim].node && $0.at >= at }
      #expect(seen.count == nodes - 1, "seed \(seed)")
      for death in seen { #expect(death.at - at <= .milliseconds(200), "seed \(seed)") }
      #expect(cluster.deaths.count == seen.count)
      #expect(cluster.store.slots(of: cluster.processes[victim].node).isEmpty)
      #expect(cluster.stepDowns.isEmpty)
    }
    print("\(nodes) nodes, one killed: stalls of \(stalls.sorted())")
    #expect(stalls.sorted()[stalls.count / 2] <= .milliseconds(300))
  }

  @Test("the slots of a stopped node are served within 4 s; when it wakes it serves nothing old", arguments: [2, 3, 5])
  func stopped(nodes: Int) {
    var stalls: [Duration] = []
    for seed in UInt64(1)...2 {
      let cluster = Self.settled(seed: seed, nodes: nodes)
      let victim = cluster.generator.below(nodes)
      cluster.pause(victim, for: .seconds(6))
      stalls.append(stall(cluster))
      cluster.run(for: .seconds(5))
      Self.expectSettled(cluster, within: .seconds(10), "after waking")
      #expect(cluster.processes[victim].swim.pauses == 1)
      // The woken node took nobody for dead.
      #expect(!cluster.deaths.contains { $0.seenBy == cluster.processes[victim].node }, "seed \(seed)")
    }
    print("\(nodes) nodes, one stopped: stalls of \(stalls.sorted())")
    for stall in stalls { #expect(stall <= .seconds(4)) }
  }

  @Test("no node is taken for dead in a healthy cluster with 5 % loss", arguments: [1, 2] as [UInt64])
  func loss(seed: UInt64) {
    let cluster = Self.settled(seed: seed, nodes: 5)
    cluster.network.lossPercent = 5
    cluster.network.duplicatePercent = 5
    cluster.network.delay = 200...30_000
    let claims = cluster.store.claimsWon
    cluster.run(for: .seconds(30))
    #expect(cluster.deaths.isEmpty, "seed \(seed): \(cluster.deaths)")
    #expect(cluster.stepDowns.isEmpty)
    #expect(cluster.store.claimsWon == claims)
    Self.expectSafe(cluster)
  }

  @Test("of two sides one goes on and one steps down, within 5 s; no slot is fought over", arguments: [2, 4, 5])
  func partition(nodes: Int) {
    for seed in UInt64(1)...2 {
      let cluster = Self.settled(seed: seed, nodes: nodes)
      let all = Array(0..<nodes).shuffled(using: &cluster.generator)
      let side = Array(all.prefix(nodes / 2))
      let rest = Array(all.dropFirst(nodes / 2))
      let won = cluster.store.claimsWon
      cluster.partition(side, from: rest)
      let lowest = cluster.processes.map(\.node).min()
      let isSideLowest = side.contains { cluster.processes[$0].node == lowest }
      let (winners, losers) = side.count == rest.count && isSideLowest ? (side, rest) : (rest, side)
      let start = cluster.now
      let took = cluster.run(for: .seconds(5)) {
        cluster.isServed
          && losers.allSatisfy { cluster.processes[$0].governor.hasSteppedDown }
          && cluster.store.rows.allSatisfy { row in winners.contains { cluster.processes[$0].node == row.owner } }
      }
      #expect(took != nil, "seed \(seed):\n\(cluster.trace.suffix(60).joined(separator: "\n"))")
      print("\(nodes) nodes, seed \(seed): one side goes on after \(cluster.now - start)")
      cluster.run(for: .seconds(5))
      #expect(cluster.stepDowns.count == losers.count)
      // Each slot of the losers moved once.
      #expect(cluster.store.claimsWon - won <= Slot.count)
      for loser in losers { #expect(cluster.processes[loser].governor.heldSlots.isEmpty) }
      let moved = cluster.store.claimsWon - won
      cluster.heal()
      Self.expectSettled(cluster, within: .seconds(15), "after healing")
      // They move back, and nobody takes any from the living.
      #expect(cluster.store.claimsWon - won <= 2 * moved, "seed \(seed)")
    }
  }

  @Test(
    "a node that can only send, or only hear, steps down, and the rest serves", arguments: [true, false])
  func oneWay(canSend: Bool) {
    for seed in UInt64(1)...2 {
      let cluster = Self.settled(seed: seed, nodes: 3)
      let victim = cluster.generator.below(3)
      for other in 0..<3 where other != victim {
        let (from, to) = canSend ? (other, victim) : (victim, other)
        cluster.cut(cluster.processes[from].name, cluster.processes[to].name)
      }
      let took = cluster.run(for: .seconds(6)) {
        cluster.processes[victim].governor.hasSteppedDown && cluster.isServed
      }
      #expect(took != nil, "seed \(seed):\n\(cluster.trace.suffix(60).joined(separator: "\n"))")
      cluster.run(for: .seconds(5))
      #expect(cluster.processes[victim].governor.heldSlots.isEmpty)
      cluster.heal()
      Self.expectSettled(cluster, within: .seconds(15), "after healing")
    }
  }

  @Test("a broken path between two nodes harms nobody: others ping for them", arguments: [1] as [UInt64])
  func brokenPath(seed: UInt64) {
    let cluster = Self.settled(seed: seed, nodes: 4)
    let won = cluster.store.claimsWon
    cluster.cut("n1", "n2")
    cluster.cut("n2", "n1")
    cluster.run(for: .seconds(15))
    #expect(cluster.deaths.isEmpty, "seed \(seed)")
    #expect(cluster.stepDowns.isEmpty)
    #expect(cluster.store.claimsWon == won)
  }

  @Test("a node without the store serves nothing old, and others take its slots", arguments: [1, 2] as [UInt64])
  func withoutStore(seed: UInt64) {
    let cluster = Self.settled(seed: seed, nodes: 3)
    cluster.setReachesStore(1, false)
    cluster.run(for: .milliseconds(1500))
    #expect(!cluster.processes[1].governor.isFresh(now: cluster.now))
    cluster.run(for: .seconds(10))
    #expect(cluster.store.slots(of: cluster.processes[1].node).isEmpty)
    #expect(cluster.isServed)
    cluster.heal()
    Self.expectSettled(cluster, within: .seconds(15), "after healing")
  }

  @Test(
    "a restarted node takes its own slots back, and its old life is over at once", arguments: [1, 2] as [UInt64])
  func restart(seed: UInt64) {
    let cluster = Self.settled(seed: seed, nodes: 3)
    let slots = cluster.store.slots(of: cluster.processes[1].node)
    cluster.crash(1)
    cluster.run(for: .milliseconds(20))
    let reborn = cluster.start("n1")
    Self.expectSettled(cluster, within: .seconds(10), "after the restart")
    #expect(cluster.store.slots(of: cluster.processes[reborn].node) == slots)
    #expect(cluster.stepDowns.isEmpty)
  }

  @Test("a drained node hands everything off and leaves, without anybody suspecting it", arguments: [1, 2] as [UInt64])
  func drain(seed: UInt64) {
    let cluster = Self.settled(seed: seed, nodes: 3)
    cluster.drain(1)
    #expect(cluster.run(for: .seconds(5)) { !cluster.processes[1].isRunning } != nil)
    #expect(cluster.store.slots(of: cluster.processes[1].node).isEmpty)
    Self.expectSettled(cluster, within: .seconds(3), "after the drain")
    #expect(cluster.deaths.isEmpty)
  }

  @Test("gateways follow, and own nothing", arguments: [1] as [UInt64])
  func gateways(seed: UInt64) {
    let cluster = Self.settled(seed: seed, nodes: 2, gateways: 2)
    cluster.crash(0)
    _ = stall(cluster)
    let knows = cluster.run(for: .milliseconds(200)) {
      Slot.all.allSatisfy { cluster.processes[2].swim.ownership.owner(of: $0) == cluster.processes[1].node }
    }
    #expect(knows != nil)
    #expect(cluster.store.slots(of: cluster.processes[2].node).isEmpty)
  }
}
