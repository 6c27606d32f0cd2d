import NIOCore

/// Work that begins at a steady rate, whatever becomes of what began before. It lives on one event loop.
final class ArrivingWork {
  private let eventLoop: any EventLoop
  private let atOnce: Int
  private let patience: TimeAmount
  private var schedule = OpenLoopSchedule(start: 0, rate: 1)
  private var end: UInt64 = 0
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
    schedule = OpenLoopSchedule(start: window.start, rate: rate)
    end = window.end
    func beginDue() {
      let now = NIODeadline.now().uptimeNanoseconds
      while let due = schedule.next(until: min(now, end - 1)) {
        guard open < atOnce else {
          leftOut()
          continue
        }
        open += 1
        begin(due.number, due.time)
      }
      if now < end { eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(1)) { beginDue() } }
    }
    beginDue()
  }

  func done() { open -= 1 }

  /// Waits for the last.
  ///
  /// - Returns: how many were not done in time; nothing of them counts from then on.
  func drained() -> EventLoopFuture<Int> {
    let drained = eventLoop.makePromise(of: Int.self)
    let deadline = NIODeadline.now() + patience
    func look() {
      if open == 0 || NIODeadline.now() > deadline {
        isOver = true
        return drained.succeed(open)
      }
      eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(5)) { look() }
    }
    look()
    return drained.futureResult
  }
}
