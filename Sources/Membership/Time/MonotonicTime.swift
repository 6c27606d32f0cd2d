/// A reading of a clock that never goes back and that also runs while the process is stopped.
///
/// Nanoseconds since a moment of the clock's own choice. Times of two processes cannot be compared.
public struct MonotonicTime: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let nanoseconds: Int64

  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  public static let zero = MonotonicTime(nanoseconds: 0)
  /// Later than anything that happens.
  public static let distantFuture = MonotonicTime(nanoseconds: .max)

  /// Stays at the end of time where the sum would lie beyond it.
  public func advanced(by duration: Duration) -> MonotonicTime {
    let span = duration.clampedNanoseconds
    let (sum, overflow) = nanoseconds.addingReportingOverflow(span)
    return MonotonicTime(nanoseconds: overflow ? (span > 0 ? .max : .min) : sum)
  }

  /// Negative if `earlier` is in fact later.
  public func duration(since earlier: MonotonicTime) -> Duration {
    .nanoseconds(nanoseconds) - .nanoseconds(earlier.nanoseconds)
  }

  public static func < (left: MonotonicTime, right: MonotonicTime) -> Bool { left.nanoseconds < right.nanoseconds }
  public static func + (time: MonotonicTime, duration: Duration) -> MonotonicTime { time.advanced(by: duration) }
  public static func - (time: MonotonicTime, span: Duration) -> MonotonicTime { time.advanced(by: .zero - span) }
  public static func - (left: MonotonicTime, right: MonotonicTime) -> Duration { left.duration(since: right) }

  public var description: String {
    let millis = nanoseconds / 1_000_000
    return "\(millis / 1000).\(String(millis % 1000 + 1000).dropFirst()) s"
  }
}

extension Duration {
  /// As many as fit.
  fileprivate var clampedNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (nanos, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    guard !overflow else { return seconds > 0 ? .max : .min }
    let (sum, sumOverflow) = nanos.addingReportingOverflow(attoseconds / 1_000_000_000)
    return sumOverflow ? (seconds > 0 ? .max : .min) : sum
  }
}
