import Directory
import RoomCore
import Service
import Testing

@Suite("When a delivery is sent again")
struct RetryScheduleTests {
  private let schedule = RetrySchedule()
  private let now = Timestamp(millis: 1_000_000)

  private func wait(after number: Int, _ outcome: RetrySchedule.Outcome = .noAnswer, chance: Double = 0.5) -> Duration?
  {
    guard case .retry(let time) = schedule.verdict(after: number, outcome, at: now, chance: chance) else { return nil }
    return .milliseconds(time.millis - now.millis)
  }

  @Test(
    "each attempt waits longer than the one before: seconds, minutes, hours, a day",
    arguments: [
      (1, 5), (2, 300), (3, 1800), (4, 7200), (5, 18_000), (6, 36_000), (7, 50_400), (8, 72_000), (9, 86_400),
    ])
  func delays(number: Int, seconds: Int) {
    #expect(wait(after: number) == .seconds(seconds))
    #expect(wait(after: number, chance: 0) == .seconds(seconds) * 0.8)
    #expect(wait(after: number, chance: 1) == .seconds(seconds) * 1.2)
  }

  @Test(
    "2xx is delivered, 410 is gone, and whatever else is tried again, up to the last attempt",
    arguments: [
      (200, WebhookVerdict?.some(.delivered)), (204, .delivered), (299, .delivered), (410, .gone), (199, nil),
      (101, nil),
      (300, nil), (301, nil), (302, nil), (307, nil), (308, nil), (400, nil), (401, nil), (404, nil), (429, nil),
      (500, nil), (503, nil),
    ])
  func verdicts(status: Int, verdict: WebhookVerdict?) {
    let outcome = RetrySchedule.Outcome.answered(status: status, retryAfter: nil)
    #expect(
      schedule.verdict(after: 1, outcome, at: now, chance: 0.5) == verdict ?? .retry(at: now.advanced(by: .seconds(5))))
    for number in [10, 11, 1000] {
      #expect(schedule.verdict(after: number, outcome, at: now, chance: 0.5) == verdict ?? .failed)
    }
  }

  @Test("no answer is tried again, nine times")
  func noAnswer() {
    #expect((1...9).allSatisfy { wait(after: $0) != nil })
    #expect(schedule.verdict(after: 10, .noAnswer, at: now, chance: 0.5) == .failed)
    #expect(schedule.attempts == 10)
  }

  @Test(
    "a receiver's wish makes the wait longer, never shorter, and a day at most",
    arguments: [
      (1, 0, 5), (1, 4, 5), (1, 60, 60), (4, 60, 7200), (1, 86_400, 86_400), (1, 86_401, 86_400), (3, 1 << 40, 86_400),
    ])
  func wish(number: Int, wish: Int, seconds: Int) {
    for status in [429, 503, 500, 302] {
      #expect(wait(after: number, .answered(status: status, retryAfter: .seconds(wish))) == .seconds(seconds))
    }
  }
}
