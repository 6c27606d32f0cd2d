/// When the last operations of one participant began.
///
/// A participant has few operations in flight, but the others may see its broadcasts later than it does: by then it may
/// have begun more. All of them see the same broadcasts in the same order, so that the n-th that anybody sees of a
/// participant is the n-th that it sent. This holds from the first operation on, as rooms are complete by then.
package struct OperationTimes: Sendable {
  /// How far, in operations that are done for the sender, a receiver may lag behind it and still be measured.
  package static let maxLag = 63

  private var times: [UInt64]
  package private(set) var count = 0

  /// - Parameter inFlight: how many operations the participant has on their way at most.
  package init(inFlight: Int = 1) {
    times = Array(repeating: 0, count: inFlight + Self.maxLag)
  }

  /// - Parameter time: in nanoseconds.
  package mutating func began(at time: UInt64) {
    times[count % times.count] = time
    count += 1
  }

  /// - Returns: nil if there is no such operation, or if it is too long ago.
  package func beginning(of operation: Int) -> UInt64? {
    guard operation >= 0, operation < count, count - operation <= times.count else { return nil }
    return times[operation % times.count]
  }
}
