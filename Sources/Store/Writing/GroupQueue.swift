internal import Dispatch
internal import Synchronization

/// What may wait for a store's writing thread.
protocol GroupWork: Sendable {
  var bytes: Int { get }
  /// Whether it may be turned away when too much waits.
  var mayBeRefused: Bool { get }
}

/// What waits for the thread that writes, and how it comes to share a transaction.
///
/// While one transaction is on its way to the disk, the next one gathers: whatever is queued when the thread comes
/// back goes into one transaction, with one fsync for all of it. So nobody waits on purpose, and the busier the store,
/// the more share an fsync. The commits that a lane hands in before it next comes to what is posted to it are one
/// gathering: the thread is not woken for the first of them, only to find the second one alone in the next transaction.
final class GroupQueue<Work: GroupWork>: Sendable {
  private struct State {
    var waiting: [Work] = []
    /// How many of them may be taken; behind them is what lanes are still gathering.
    var gathered = 0
    /// The lanes that have been posted the end of their gathering.
    var gathering: Set<ObjectIdentifier> = []
    var bytes = 0
    var isAsleep = false
    var isClosing = false
    /// Resumed when all is closed.
    var closers: [UnsafeContinuation<Void, Never>] = []
    var isClosed = false
  }

  private let bounds: GroupBounds
  private let state = Mutex(State())
  private let wake = DispatchSemaphore(value: 0)

  init(_ bounds: GroupBounds) { self.bounds = bounds }

  var isClosing: Bool { state.withLock { $0.isClosing } }

  /// What waits.
  var depth: (rows: Int, bytes: Int) { state.withLock { ($0.waiting.count, $0.bytes) } }

  // MARK: Handing in

  /// Hands work in that may be taken at once.
  func append(_ work: Work) throws(StoreError) {
    try append(work) { release(&$0) }
  }

  /// Hands work in that may be taken when its lane has come to the end of what it is doing.
  func append(_ work: Work, gatheringOn lane: any CompletionLane) throws(StoreError) {
    let isFirst = try append(work) { $0.gathering.insert(ObjectIdentifier(lane)).inserted }
    if isFirst { lane.post { self.endGathering(of: lane) } }
  }

  private func endGathering(of lane: any CompletionLane) {
    state.withLock { state in
      state.gathering.remove(ObjectIdentifier(lane))
      release(&state)
    }
  }

  /// - Parameter appended: called with the lock held.
  private func append<Value>(_ work: Work, appended: (inout State) -> Value) throws(StoreError) -> Value {
    try state.withLock { state throws(StoreError) in
      guard !state.isClosing else { throw .closed }
      let isFull = state.waiting.count >= bounds.queueRows || state.bytes >= bounds.queueBytes
      if isFull, work.mayBeRefused {
        throw .unavailable("too much is waiting to be written (\(state.waiting.count) writes)")
      }
      state.waiting.append(work)
      state.bytes += work.bytes
      return appended(&state)
    }
  }

  /// Lets the thread take all that is queued.
  private func release(_ state: inout State) {
    state.gathered = state.waiting.count
    guard state.isAsleep else { return }
    state.isAsleep = false
    wake.signal()
  }

  /// Lets the thread finish what it has and close.
  func close() async {
    await withUnsafeContinuation { continuation in
      let isClosed = state.withLock { state in
        guard !state.isClosed else { return true }
        state.closers.append(continuation)
        beginClosing(&state)
        return false
      }
      if isClosed { continuation.resume() }
    }
  }

  /// The same without waiting.
  func stop() {
    state.withLock { beginClosing(&$0) }
  }

  private func beginClosing(_ state: inout State) {
    state.isClosing = true
    release(&state)
  }

  // MARK: The thread's side

  /// The next transaction's work, in the order in which it came; nil when there will be none. Sleeps until there is.
  func next() -> [Work]? {
    while true {
      let taken: [Work]? = state.withLock { state in
        guard state.gathered > 0 else {
          if state.isClosing { return nil }
          state.isAsleep = true
          return []
        }
        return take(from: &state)
      }
      guard let taken else { return nil }
      if !taken.isEmpty { return taken }
      wake.wait()
    }
  }

  private func take(from state: inout State) -> [Work] {
    var count = 0
    var bytes = 0
    for work in state.waiting.prefix(state.gathered) {
      if count > 0, count >= bounds.groupRows || bytes + work.bytes > bounds.groupBytes { break }
      count += 1
      bytes += work.bytes
    }
    state.bytes -= bytes
    state.gathered -= count
    if count == state.waiting.count {
      defer { state.waiting = [] }
      return state.waiting
    }
    defer { state.waiting.removeFirst(count) }
    return Array(state.waiting[..<count])
  }

  /// To be called by the thread when it has nothing more to do.
  func closed() {
    let closers = state.withLock { state in
      state.isClosed = true
      defer { state.closers = [] }
      return state.closers
    }
    for closer in closers { closer.resume() }
  }
}
