import Membership
import Testing

/// Lifeguard §4.2.
@Suite("Suspicion timeouts")
struct SuspicionTests {
  @Test(
    "each confirmation brings the timeout down, logarithmically",
    arguments: [
      (0, 2, 2000), (1, 2, 1369), (2, 2, 1000), (3, 2, 1000), (0, 1, 2000), (1, 1, 1000), (0, 0, 2000), (1, 0, 2000),
      (0, -1, 2000), (0, 3, 2000), (1, 3, 1500), (2, 3, 1207), (3, 3, 1000),
    ])
  func timeout(confirmations: Int, wanted: Int, millis: Int) {
    let timeout = SuspicionTimer.timeout(confirmations: confirmations, wanted: wanted, Scene.deadlines)
    #expect(timeout.components.attoseconds / 1_000_000_000_000_000 + timeout.components.seconds * 1000 == millis)
  }

  @Test("large clusters and slow nodes wait for longer; a refused connection does not")
  func scaling() {
    var timer = SuspicionTimer(startedAt: Scene.at(500))
    func deadline(members: Int, health: Int) -> MonotonicTime {
      timer.deadline(accusers: 1, members: members, localHealth: health, Scene.deadlines)
    }
    #expect(deadline(members: 5, health: 0) == Scene.at(2500))
    #expect(deadline(members: 5, health: 2) == Scene.at(6500))
    #expect(abs((deadline(members: 100, health: 0) - Scene.at(4500)).components.attoseconds) < 1_000_000_000_000)
    timer.refusedUntil = Scene.at(600)
    #expect(deadline(members: 100, health: 4) == Scene.at(600))
  }
}
