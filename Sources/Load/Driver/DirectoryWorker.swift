import NIOCore

/// Asks a tenant's records, as its servers do.
final class DirectoryWorker: LoadWorking {
  private let scenario: DirectoryScenario
  private let key: String?
  private let eventLoop: any EventLoop
  private let sender: RequestSender
  private var book: DirectoryBook
  private var made = 0
  private let toMake: Int

  init(scenario: DirectoryScenario, dialing: LoadDialing, eventLoop: any EventLoop) {
    self.scenario = scenario
    self.eventLoop = eventLoop
    key = dialing.target.recordsKey
    book = DirectoryBook(scenario)
    toMake = book.parts.reduce(0) { $0 + $1.count }
    let pace = RequestPace(
      connections: scenario.connections, inFlight: scenario.requestsInFlight, perSecond: scenario.requestsPerSecond,
      patienceSeconds: scenario.patienceSeconds)
    sender = RequestSender(dialing, pace: pace, eventLoop: eventLoop)
  }

  var tally: LoadTally {
    get { sender.tally }
    set { sender.tally = newValue }
  }

  var readiness: (ready: Int, all: Int) { (made, toMake) }

  func setUp() -> EventLoopFuture<Void> {
    let ready = eventLoop.makePromise(of: Void.self)
    let expiry = eventLoop.assumeIsolated().scheduleTask(in: .ofSeconds(scenario.setupTimeoutSeconds)) {
      ready.fail(LoadFailure.setup("only \(self.made) of \(self.toMake) records were made in time"))
    }
    ready.futureResult.assumeIsolated().whenComplete { _ in expiry.cancel() }
    let bound = NIOLoopBound(self, eventLoop: eventLoop)
    sender.connect().flatMap { bound.value.makeRecords() }.cascade(to: ready)
    return ready.futureResult
  }

  private func makeRecords() -> EventLoopFuture<Void> {
    let bound = NIOLoopBound(self, eventLoop: eventLoop)
    return book.parts.indices.reduce(eventLoop.makeSucceededVoidFuture()) { before, part in
      before.flatMap { bound.value.makeRecords(ofPart: part) }
    }
  }

  private func makeRecords(ofPart part: Int) -> EventLoopFuture<Void> {
    let (count, action) = book.parts[part]
    var begun = 0
    return sender.sendAll {
      guard begun < count else { return nil }
      defer { begun += 1 }
      return self.request(action(begun)) { self.made += 1 }
    }
  }

  private func request(_ action: DirectoryAction, answered: @escaping () -> Void = {}) -> LoadRequest {
    LoadRequest(request: book.request(action, key: key), latency: action.operation?.latency) { response in
      defer { answered() }
      return self.book.heard(response, of: action)
    }
  }

  func run(_ window: LoadWindow) { sender.run(window) { self.request(self.book.next()) } }

  func drain() -> EventLoopFuture<Void> { sender.drain() }

  func closeAll() -> EventLoopFuture<Void> { EventLoopFuture.andAllComplete(sender.closeAll(), on: eventLoop) }
}
