import NIOCore
import NIOPosix

/// A request of a load, and what is to come of it.
struct LoadRequest {
  let request: HTTP2Request
  /// What it counts as, beside the response to any.
  var latency: LoadLatency?
  /// Looks at the response, and says what is wrong with it; nil if nothing is.
  let complaint: (HTTP2Response) -> String?
}

/// How requests come.
struct RequestPace {
  var connections: Int
  /// On each connection, in a closed loop.
  var inFlight: Int
  /// Over all connections; 0: a closed loop.
  var perSecond: Double
  /// How long the last responses may take.
  var patienceSeconds: Double
}

/// Sends requests over HTTP/2, and counts what comes of them. It lives on one event loop.
final class RequestSender {
  private let dialing: LoadDialing
  private let pace: RequestPace
  private let eventLoop: any EventLoop
  private var connections: [HTTP2ClientHandler] = []
  private var channels: [any Channel] = []
  private var window = LoadWindow(start: .max, end: .max)
  private var sent = 0
  private var answered = 0
  /// Of an open loop: whether each request that was due in the window has been sent.
  private var hasSentAll = true
  private var isClosing = false
  var tally = LoadTally()

  init(_ dialing: LoadDialing, pace: RequestPace, eventLoop: any EventLoop) {
    self.dialing = dialing
    self.pace = pace
    self.eventLoop = eventLoop
  }

  // MARK: Connections

  func connect() -> EventLoopFuture<Void> {
    let opened = (0..<pace.connections).map { connect($0) }
    return EventLoopFuture.andAllSucceed(opened, on: eventLoop)
  }

  private func connect(_ number: Int) -> EventLoopFuture<Void> {
    let opened = eventLoop.makePromise(of: Void.self)
    let bound = NIOLoopBound((self, opened), eventLoop: eventLoop)
    do {
      try dialing.bootstrap(on: eventLoop, number: number)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            let (sender, opened) = bound.value
            let target = sender.dialing.target
            let session = try HTTP2Session(
              scheme: target.isSecure ? "https" : "http", authority: "\(target.host):\(target.port)")
            let handler = HTTP2ClientHandler(session) {
              opened.succeed()
            } closed: { error in
              opened.fail(LoadFailure.setup("\(error ?? HTTP2Failure.closed)"))
              sender.closed(error)
            }
            try sender.dialing.addTLS(to: channel)
            try channel.pipeline.syncOperations.addHandler(handler)
            sender.connections.append(handler)
            sender.channels.append(channel)
          }
        }
        .connect(to: dialing.address).assumeIsolated().whenFailure { opened.fail(LoadFailure.setup("\($0)")) }
    } catch {
      opened.fail(LoadFailure.setup("\(error)"))
    }
    return opened.futureResult
  }

  private func closed(_ error: (any Error)?) {
    if !isClosing { tally.errors.note("a connection ended: \(error.map { "\($0)" } ?? "the server closed it")") }
  }

  /// - Returns: when each is closed.
  func closeAll() -> [EventLoopFuture<Void>] {
    isClosing = true
    return channels.closeAll()
  }

  // MARK: Before the run

  /// Sends what `next` gives, as many at once as in a closed loop, until it gives nothing more.
  ///
  /// - Returns: failed when one was not answered as it should have been.
  func sendAll(_ next: @escaping () -> LoadRequest?) -> EventLoopFuture<Void> {
    let chains = connections.flatMap { connection in
      (0..<pace.inFlight).map { _ in
        let done = eventLoop.makePromise(of: Void.self)
        sendRest(next, on: connection, done)
        return done.futureResult
      }
    }
    return EventLoopFuture.andAllSucceed(chains, on: eventLoop)
  }

  private func sendRest(
    _ next: @escaping () -> LoadRequest?, on connection: HTTP2ClientHandler, _ done: EventLoopPromise<Void>
  ) {
    guard let request = next() else { return done.succeed() }
    connection.send(request.request) { result in
      if let complaint = Self.complaint(result, request) { return done.fail(LoadFailure.setup(complaint)) }
      self.sendRest(next, on: connection, done)
    }
  }

  private static func complaint(_ result: Result<HTTP2Response, HTTP2Failure>, _ request: LoadRequest) -> String? {
    let complaint: String? =
      switch result {
      case .success(let response): request.complaint(response)
      case .failure(let failure): "\(failure)"
      }
    return complaint.map { "\(request.request.method) \(request.request.path): \($0)" }
  }

  // MARK: The run

  /// - Parameter next: makes up the next request.
  func run(_ window: LoadWindow, _ next: @escaping () -> LoadRequest) {
    self.window = window
    if pace.perSecond > 0 {
      hasSentAll = false
      let isOpen = { !self.isClosing }
      OpenLoopSchedule(start: NIODeadline.now().uptimeNanoseconds, rate: pace.perSecond)
        .run(on: eventLoop, until: window.end, while: isOpen) { number, due in
          self.send(next, on: self.connections[number % self.connections.count], due: due)
        }.assumeIsolated().whenComplete { _ in self.hasSentAll = true }
    } else {
      for connection in connections {
        for _ in 0..<pace.inFlight { send(next, on: connection, due: NIODeadline.now().uptimeNanoseconds) }
      }
    }
  }

  private func send(_ next: @escaping () -> LoadRequest, on connection: HTTP2ClientHandler, due: UInt64) {
    let request = next()
    sent += 1
    connection.send(request.request) { result in
      self.answered += 1
      let now = NIODeadline.now().uptimeNanoseconds
      if let complaint = Self.complaint(result, request) {
        if !self.isClosing { self.tally.errors.note(complaint) }
        return
      }
      if self.window.contains(now), case .success(let response) = result {
        self.tally.operations += 1
        self.tally.deliveries += 1
        self.tally.deliveredBytes += response.body.count
      }
      if self.window.contains(due) {
        self.tally.record(.response, nanoseconds: now - due, isMain: true)
        if let latency = request.latency { self.tally.record(latency, nanoseconds: now - due, isMain: false) }
      }
      if self.pace.perSecond == 0, now < self.window.end { self.send(next, on: connection, due: now) }
    }
  }

  /// Waits for what is on its way. What does not come is an error.
  func drain() -> EventLoopFuture<Void> {
    eventLoop.wait(lookingEvery: .milliseconds(5), for: .ofSeconds(pace.patienceSeconds)) {
      self.hasSentAll && self.answered == self.sent
    }.assumeIsolated().map {
      let missing = self.sent - self.answered
      if missing > 0 { self.tally.errors.note("\(missing) requests were not answered in time") }
    }.nonisolated()
  }
}

extension HTTP2Response {
  /// What came in the place of what was asked for, for a person.
  var inShort: String { "\(status) \(String(decoding: body.prefix(200), as: UTF8.self))" }
}
