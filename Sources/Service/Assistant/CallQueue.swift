/// Lets the calls of one conversation go one after the other, in the order in which they came. So a repeated call waits
/// for the first, and finds its answer.
///
/// Calls of one conversation that reach two processes are not kept apart here; that they change nothing twice rests on
/// the names under which they change it, and that they are answered alike on the store, which keeps the first answer.
actor CallQueue {
  /// Calls of one conversation that may wait.
  static let mostWaiting = 64

  /// The calls that wait, for each conversation in which one runs.
  private var waiting: [String: [CheckedContinuation<Void, Never>]] = [:]

  /// - Returns: false if too many wait already. Else the caller's is the one call that runs, until `leave`.
  func enter(_ session: String) async -> Bool {
    guard let queue = waiting[session] else {
      waiting[session] = []
      return true
    }
    guard queue.count < Self.mostWaiting else { return false }
    await withCheckedContinuation { waiting[session, default: []].append($0) }
    return true
  }

  func leave(_ session: String) {
    guard var queue = waiting[session], !queue.isEmpty else {
      waiting[session] = nil
      return
    }
    let next = queue.removeFirst()
    waiting[session] = queue
    next.resume()
  }
}
