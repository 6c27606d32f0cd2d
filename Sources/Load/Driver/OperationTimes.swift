/// When the last operations of one participant began.
///
/// A participant has one operation in flight, but the others may see its broadcasts later than it does: by then it may
/// have begun its next. All of them see the same broadcasts in the same order, so that the n-th that anybody sees of a
/// participant is the n-th that it sent. This holds from the first operation on, as rooms are complete by then.
package struct OperationTimes: Sendable {
  /// How far, in operations, a receiver may lag behind a sender and still be measured.
  package static let window = 64

  private var times = [UInt64](repeating: 0, count: window)
  package private(set) var count = 0

  package init() {}

  /// - Parameter time: in nanoseconds.
  package mutating func began(at time: UInt64) {
    times[count % Self.window] = time
    count += 1
  }

  /// - Returns: nil if there is no such operation, or if it is too long ago.
  package func beginning(of operation: Int) -> UInt64? {
    guard operation >= 0, operation < count, count - operation <= Self.window else { return nil }
    return times[operation % Self.window]
  }
}
