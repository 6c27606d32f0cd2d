import NIOCore
import NIOPosix

/// Asks for the state of rooms over HTTP/2.
final class RequestWorker: LoadWorking {
  private let scenario: RequestScenario
  private let dialing: LoadDialing
  private let eventLoop: any EventLoop
  /// Makes the rooms.
  private let maker: LoadWorker
  /// One for each room.
  private let requests: [HTTP2Request]
  private var connections: [HTTP2ClientHandler] = []
  private var channels: [any Channel] = []
  private var window = LoadWindow(start: .max, end: .max)
  private var sent = 0
  private var answered = 0
  /// Of an open loop: whether each request that was due in the window has been sent.
  private var hasSentAll = true
  private var isClosing = false
  var tally = LoadTally()

  /// - Parameter rooms: the way by which rooms are made, over WebSockets.
  init(scenario: RequestScenario, dialing: LoadDialing, makingRoomsBy rooms: LoadDialing, eventLoop: any EventLoop) {
    self.scenario = scenario
    self.dialing = dialing
    self.eventLoop = eventLoop
    var made = LoadScenario(.idle, roomPrefix: scenario.roomPrefix)
    made.rooms = scenario.rooms
    made.participantsPerRoom = 1
    made.itemsPerRoom = scenario.itemsPerRoom
    made.setupTimeoutSeconds = scenario.setupTimeoutSeconds
    maker = LoadWorker(scenario: made, dialing: rooms, rooms: Array(0..<scenario.rooms), eventLoop: eventLoop)
    let target = dialing.target
    requests = (0..<scenario.rooms).map { number in
      let room = "\(scenario.roomPrefix)-\(number)"
      let token = target.tokens?.token(for: "onlooker", in: room)
      return HTTP2Request("GET", target.path + room, headers: token.map { [("authorization", "Bearer \($0)")] } ?? [])
    }
  }

  var readiness: (ready: Int, all: Int) { maker.readiness }

  func setUp() -> EventLoopFuture<Void> {
    let bound = NIOLoopBound(self, eventLoop: eventLoop)
    return maker.setUp().flatMap { bound.value.maker.closeAll() }.flatMap { bound.value.connect() }
  }

  private func connect() -> EventLoopFuture<Void> {
    let opened = (0..<scenario.connections).map { connect($0) }
    return EventLoopFuture.andAllSucceed(opened, on: eventLoop)
  }

  private func connect(_ number: Int) -> EventLoopFuture<Void> {
    let opened = eventLoop.makePromise(of: Void.self)
    let bound = NIOLoopBound((self, opened), eventLoop: eventLoop)
    do {
      try dialing.bootstrap(on: eventLoop, number: number)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            let (worker, opened) = bound.value
            let target = worker.dialing.target
            let session = try HTTP2Session(
              scheme: target.isSecure ? "https" : "http", authority: "\(target.host):\(target.port)")
            let handler = HTTP2ClientHandler(session) {
              opened.succeed()
            } closed: { error in
              opened.fail(LoadFailure.setup("\(error ?? HTTP2Failure.closed)"))
              worker.closed(error)
            }
            try worker.dialing.addTLS(to: channel)
            try channel.pipeline.syncOperations.addHandler(handler)
            worker.connections.append(handler)
            worker.channels.append(channel)
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

  func run(_ window: LoadWindow) {
    self.window = window
    if scenario.requestsPerSecond > 0 {
      hasSentAll = false
      let isOpen = { !self.isClosing }
      OpenLoopSchedule(start: NIODeadline.now().uptimeNanoseconds, rate: scenario.requestsPerSecond)
        .run(on: eventLoop, until: window.end, while: isOpen) { number, due in
          self.request(on: self.connections[number % self.connections.count], due: due)
        }.assumeIsolated().whenComplete { _ in self.hasSentAll = true }
    } else {
      for connection in connections {
        for _ in 0..<scenario.requestsInFlight { request(on: connection, due: NIODeadline.now().uptimeNanoseconds) }
      }
    }
  }

  private func request(on connection: HTTP2ClientHandler, due: UInt64) {
    let request = requests[sent % requests.count]
    let path = request.path
    sent += 1
    connection.send(request) { result in
      self.answered += 1
      let now = NIODeadline.now().uptimeNanoseconds
      switch result {
      case .success(let response) where response.status == 200:
        if self.window.contains(now) {
          self.tally.operations += 1
          self.tally.deliveries += 1
          self.tally.deliveredBytes += response.body.count
        }
        if self.window.contains(due) { self.tally.record(.response, nanoseconds: now - due, isMain: true) }
        if self.scenario.requestsPerSecond == 0, now < self.window.end { self.request(on: connection, due: now) }
      case .success(let response):
        self.tally.errors.note(
          "\(path): \(response.status) \(String(decoding: response.body.prefix(200), as: UTF8.self))")
      case .failure(let failure): if !self.isClosing { self.tally.errors.note("\(path): \(failure)") }
      }
    }
  }

  func drain() -> EventLoopFuture<Void> {
    eventLoop.wait(lookingEvery: .milliseconds(5), for: .ofSeconds(scenario.patienceSeconds)) {
      self.hasSentAll && self.answered == self.sent
    }.assumeIsolated().map {
      let missing = self.sent - self.answered
      if missing > 0 { self.tally.errors.note("\(missing) requests were not answered in time") }
    }.nonisolated()
  }

  func closeAll() -> EventLoopFuture<Void> {
    isClosing = true
    return EventLoopFuture.andAllComplete(channels.closeAll() + [maker.closeAll()], on: eventLoop)
  }
}
