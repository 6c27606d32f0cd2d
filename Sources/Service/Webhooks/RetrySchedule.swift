package import Directory
package import RoomCore

/// When a delivery is sent again that has failed, and when no more: the times that Standard Webhooks recommends, from some
/// seconds after the first attempt to a day after the last but one. A receiver may be away for three days.
package struct RetrySchedule: Sendable, Equatable {
  /// What an attempt has come to.
  package enum Outcome: Sendable, Equatable {
    /// - Parameter retryAfter: how long the receiver asks to be left alone, if it does.
    case answered(status: Int, retryAfter: Duration?)
    case noAnswer
  }

  /// How long to wait after each attempt but the last.
  package var delays: [Duration] = [
    .seconds(5), .seconds(5 * 60), .seconds(30 * 60), .seconds(2 * 3600), .seconds(5 * 3600), .seconds(10 * 3600),
    .seconds(14 * 3600), .seconds(20 * 3600), .seconds(24 * 3600),
  ]
  /// By how much of itself a delay is longer or shorter at most, so that what failed together does not come again together.
  package var jitter = 0.2
  /// The longest that a receiver's wish is heeded.
  package var longestWish: Duration = .seconds(24 * 3600)

  package init() {}

  package var attempts: Int { delays.count + 1 }

  /// - Parameters:
  ///   - number: of the attempt, from 1.
  ///   - now: when the attempt has ended.
  ///   - chance: 0 to 1, at random.
  package func verdict(
    after number: Int, _ outcome: Outcome, at now: Timestamp, chance: Double
  ) -> WebhookVerdict {
    var wish: Duration?
    if case .answered(let status, let retryAfter) = outcome {
      if 200..<300 ~= status { return .delivered }
      if status == 410 { return .gone }
      wish = retryAfter
    }
    guard number < attempts else { return .failed }
    let delay = delays[max(number, 1) - 1] * (1 + jitter * (2 * chance - 1))
    // Never sooner than without the wish: all attempts would be used up within a moment.
    return .retry(at: now.advanced(by: max(delay, min(wish ?? .zero, longestWish))))
  }
}
