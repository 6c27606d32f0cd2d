/// When a suspect becomes dead, unless it refutes.
///
/// Source: Lifeguard §4.2, "LHA-Suspicion": a single accuser waits for long, and each independent confirmation brings
/// the timeout down, logarithmically.
public struct SuspicionTimer: Hashable, Sendable {
  /// When this node first heard of the suspicion, or noticed that it had itself been stopped since.
  public var startedAt: MonotonicTime
  /// A refused connection sets it; not scaled by anything.
  public var refusedUntil: MonotonicTime?

  public init(startedAt: MonotonicTime) { self.startedAt = startedAt }

  /// - Parameters:
  ///   - accusers: how many members suspect it, at least 1.
  ///   - members: how many members are live, this node and the suspect included.
  ///   - localHealth: 0 for a node that is well; the timeout is `1 + localHealth` times as long.
  public func deadline(accusers: Int, members: Int, localHealth: Int, _ deadlines: Deadlines) -> MonotonicTime {
    let timeout = Self.timeout(
      confirmations: accusers - 1, wanted: min(deadlines.confirmations, members - 2), deadlines)
    let scaled = timeout * Deadlines.sizeFactor(members: members) * (1 + localHealth)
    return min(startedAt + scaled, refusedUntil ?? .distantFuture)
  }

  /// max − (max − min) · log(c + 1) / log(k + 1), within the two.
  package static func timeout(confirmations: Int, wanted: Int, _ deadlines: Deadlines) -> Duration {
    guard wanted > 0, confirmations > 0 else { return deadlines.suspicionMax }
    guard confirmations < wanted else { return deadlines.suspicionMin }
    let part = FixedPoint.log2(of: confirmations + 1) / FixedPoint.log2(of: wanted + 1)
    return deadlines.suspicionMax - (deadlines.suspicionMax - deadlines.suspicionMin) * part
  }
}
