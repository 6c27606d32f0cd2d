import NIOCore

extension EventLoop {
  /// Calls `body` after a while, and again, until it returns false. On the loop only.
  func repeatedly(every interval: TimeAmount, _ body: @escaping () -> Bool) {
    assumeIsolated().scheduleTask(in: interval) {
      if body() { self.repeatedly(every: interval, body) }
    }
  }

  /// Looks now and then whether something is so, at once for the first time. On the loop only.
  ///
  /// - Parameter patience: how long it may take; nil for ever.
  /// - Returns: done when it is so, or when it has taken too long.
  func wait(
    lookingEvery interval: TimeAmount, for patience: TimeAmount? = nil, until isSo: @escaping () -> Bool
  ) -> EventLoopFuture<Void> {
    let done = makePromise(of: Void.self)
    let deadline = patience.map { NIODeadline.now() + $0 } ?? .distantFuture
    func look() -> Bool {
      if !isSo(), NIODeadline.now() < deadline { return true }
      done.succeed()
      return false
    }
    if look() { repeatedly(every: interval, look) }
    return done.futureResult
  }
}

extension TimeAmount {
  /// To a millisecond.
  static func ofSeconds(_ seconds: Double) -> TimeAmount { .milliseconds(Int64(seconds * 1000)) }
}

extension [any Channel] {
  /// Closes all.
  ///
  /// - Returns: when each is closed.
  func closeAll() -> [EventLoopFuture<Void>] {
    map { channel in
      channel.close(promise: nil)
      return channel.closeFuture
    }
  }
}
