import Membership
import Testing

/// What the deadlines promise together: see `Deadlines`.
@Suite("Deadlines")
struct DeadlinesTests {
  let deadlines = Deadlines()

  @Test("a killed process is dead within 200 ms: closed, connected again, refused, and the grace")
  func kill() {
    #expect(deadlines.reconnectBound + deadlines.refusalGrace <= .milliseconds(200))
    // A helper that reaches the member has answered by then: two round trips.
    #expect(deadlines.refusalGrace >= deadlines.pingTimeout)
  }

  @Test("a stall after a kill: death, news, claim, and the gateways' news, within 300 ms")
  func stallAfterKill() {
    let claim = Duration.milliseconds(50)
    #expect(
      deadlines.reconnectBound + deadlines.refusalGrace + deadlines.gossipInterval + claim + deadlines.gossipInterval
        <= .milliseconds(300))
  }

  @Test("a stopped owner is dead within 3 s, its slots claimable within 3.5 s", arguments: [2, 3])
  func stop(members: Int) {
    let death = deadlines.detectionBound(members: members)
    #expect(death <= .seconds(3))
    #expect(death + deadlines.readingInterval <= .milliseconds(3500))
    // In a half of two the claim also waits until the stopped node's heartbeat is old.
    #expect(deadlines.heartbeatFresh + deadlines.readingInterval <= .milliseconds(3500))
  }

  @Test("a side that is cut off steps down within 5 s, and the rest claims its slots within 5 s")
  func cutOff() {
    // The first probe fails, then those of its silent helpers, then those of theirs: 1 + 4 + 16 members.
    let first = deadlines.probeInterval * 2
    let noticed = first + deadlines.probeInterval * 2 + deadlines.probeInterval * 3
    #expect(noticed + deadlines.stepDownGrace <= .seconds(5))
    #expect(deadlines.detectionBound(members: 5) + deadlines.readingInterval <= .seconds(5))
  }

  @Test("who comes back from behind a partition hears of the living before it claims from them")
  func comingBack() {
    #expect(deadlines.returnGrace >= deadlines.reconnectInterval + deadlines.gossipInterval * 4)
    #expect(deadlines.returnGrace <= deadlines.rebalanceDelay)
  }

  @Test("nobody claims from a stopped owner while it may still take itself for fresh")
  func freshness() {
    #expect(deadlines.pingTimeout + deadlines.suspicionMin >= deadlines.freshness)
    #expect(deadlines.readingInterval + deadlines.readingBound <= deadlines.freshness)
  }

  @Test("a node whose peers are dead or frozen does not step down: by then their heartbeats are old")
  func survivors() {
    #expect(deadlines.stepDownGrace >= deadlines.heartbeatFresh)
    #expect(deadlines.heartbeatFresh >= deadlines.heartbeatInterval * 3)
    #expect(deadlines.heartbeatDead > deadlines.heartbeatFresh + deadlines.heartbeatInterval)
    // A node whose writes fail for a moment keeps its slots.
    #expect(deadlines.heartbeatDead >= deadlines.heartbeatInterval * 5)
  }

  @Test("the slots of a node that is cut off from the store alone are claimed within 5 s")
  func cutOffFromTheStore() {
    #expect(deadlines.heartbeatDead + deadlines.readingInterval * 2 <= .seconds(5))
  }

  @Test("a process that is told to end has time for all that it does then")
  func ending() {
    #expect(deadlines.drainTarget + deadlines.claimWithin < deadlines.drainLimit)
    #expect(deadlines.drainLimit + deadlines.finishLimit + deadlines.goodbyeLimit < deadlines.endLimit)
    // What docs/operations.md has supervisors wait.
    #expect(deadlines.endLimit < .seconds(90))
  }

  @Test("an indirect ping and a nack fit into a probe, and being woken late for one probe is no pause")
  func probes() {
    #expect(deadlines.pingTimeout * 2 < deadlines.probeInterval)
    #expect(deadlines.pauseThreshold >= deadlines.probeInterval * 3)
    #expect(deadlines.pauseThreshold < deadlines.suspicionMin)
    #expect(deadlines.suspicionMin <= deadlines.suspicionMax)
    #expect(deadlines.gossipInterval < deadlines.probeInterval)
  }
}
