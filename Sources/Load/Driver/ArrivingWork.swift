import NIOCore

/// Work that begins at a steady rate, whatever becomes of what began before. It lives on one event loop.
final class ArrivingWork {
  private let eventLoop: any EventLoop
  private let atOnce: Int
  private let patience: TimeAmount
  private var hasBegunAll = false
  private(set) var open = 0
  private(set) var isOver = false

  /// - Parameters:
  ///   - atOnce: a server that is slower than the work comes leaves any amount of it open; beyond so much none begins.
  ///   - patience: how long the last may take.
  init(on eventLoop: any EventLoop, atOnce: Int, patience: TimeAmount) {
    self.eventLoop = eventLoop
    self.atOnce = atOnce
    self.patience = patience
  }

  /// - Parameters:
  ///   - begin: begins one; `done` is to be called when it is done, however.
  ///   - leftOut: called instead where there is too much of it.
  func arrive(
    in window: LoadWindow, perSecond rate: Double, begin: @escaping (_ number: Int, _ due: UInt64) -> Void,
    leftOut: @escaping () -> Void
  ) {
    OpenLoopSchedule(start: window.start, rate: rate).run(on: eventLoop, until: window.end - 1) { number, due in
      guard self.open < self.atOnce else { return leftOut() }
      self.open += 1
      begin(number, due)
    }.assumeIsolated().whenComplete { _ in self.hasBegunAll = true }
  }

  func done() { open -= 1 }

  /// Waits for the last.
  ///
  /// - Returns: how many were not done in time; nothing of them counts from then on.
  func drained() -> EventLoopFuture<Int> {
    eventLoop.wait(lookingEvery: .milliseconds(5), for: patience) { self.hasBegunAll && self.open == 0 }
      .assumeIsolated().map {
        self.isOver = true
        return self.open
      }.nonisolated()
  }
}
