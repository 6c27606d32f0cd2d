/// A rate limit: `burst` at once, refilled steadily.
///
/// Pure arithmetic on a clock's nanoseconds. When the clock is set back, refilling goes on from there.
public struct TokenBucket: Sendable, Equatable {
  private let burst: Double
  private let perNanosecond: Double
  private var tokens: Double
  private var refilledAt: UInt64
  /// Threads that share a bucket read the clock before it is their turn. By so much a time may be late without that the
  /// clock was set back; going back for it would fill the bucket twice for the same time.
  private static let overtaking: UInt64 = 5_000_000_000

  /// - Parameter perSecond: 0 takes the limit away.
  public init(burst: Int, perSecond: Double, now: UInt64) {
    self.burst = Double(burst)
    perNanosecond = perSecond / 1e9
    tokens = Double(burst)
    refilledAt = now
  }

  /// Takes one token, if there is one.
  public mutating func take(now: UInt64) -> Bool {
    guard perNanosecond > 0 else { return true }
    refill(now: now)
    guard tokens >= 1 else { return false }
    tokens -= 1
    return true
  }

  /// For what did not happen after all.
  public mutating func giveBack() { tokens = min(burst, tokens + 1) }

  /// How many could be taken at once.
  public mutating func available(now: UInt64) -> Int {
    refill(now: now)
    return Int(tokens)
  }

  /// Whether it is as a new one would be.
  public mutating func isFull(now: UInt64) -> Bool {
    refill(now: now)
    return tokens >= burst
  }

  private mutating func refill(now: UInt64) {
    if now > refilledAt {
      tokens = min(burst, tokens + Double(now - refilledAt) * perNanosecond)
    } else if refilledAt - now <= Self.overtaking {
      return
    }
    refilledAt = now
  }
}
