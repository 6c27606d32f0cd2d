/// A rate limit: `burst` at once, refilled by `perSecond`.
///
/// Pure arithmetic on a monotonic clock's nanoseconds.
struct TokenBucket: Equatable {
  private let burst: Double
  private let perNanosecond: Double
  private var tokens: Double
  private var refilledAt: UInt64

  /// - Parameter perSecond: 0 takes the limit away.
  init(burst: Int, perSecond: Int, now: UInt64) {
    self.burst = Double(burst)
    perNanosecond = Double(perSecond) / 1e9
    tokens = Double(burst)
    refilledAt = now
  }

  /// Takes one token, if there is one.
  mutating func take(now: UInt64) -> Bool {
    guard perNanosecond > 0 else { return true }
    if now > refilledAt {
      tokens = min(burst, tokens + Double(now - refilledAt) * perNanosecond)
      refilledAt = now
    }
    guard tokens >= 1 else { return false }
    tokens -= 1
    return true
  }
}
