import NIOCore

/// Has everybody lose the connection at the same moment, and come back, again and again.
final class StormWorker: LoadWorking {
  /// How long coming back from the last storm may take.
  private static let patience = TimeAmount.seconds(30)

  let scenario: StormScenario
  private let eventLoop: any EventLoop
  private let dialer: LoadDialer
  private var clients: [StormClient] = []
  private var waiting: ArraySlice<StormClient> = []
  private var connecting = 0
  private let ready: EventLoopPromise<Void>
  private var isReady = false
  private var present = 0
  private var window = LoadWindow(start: .max, end: .max)
  private var isClosing = false
  var tally = LoadTally()

  init(scenario: StormScenario, dialing: LoadDialing, eventLoop: any EventLoop) {
    self.scenario = scenario
    self.eventLoop = eventLoop
    dialer = LoadDialer(dialing, dialect: scenario.dialect, eventLoop: eventLoop)
    ready = eventLoop.makePromise()
    clients = (0..<scenario.connections).map {
      StormClient($0 / scenario.participantsPerRoom, $0 % scenario.participantsPerRoom, worker: self)
    }
  }

  var readiness: (ready: Int, all: Int) { (present, clients.count) }

  /// Everybody joins, and adds a dish.
  func setUp() -> EventLoopFuture<Void> {
    eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(scenario.setupTimeoutSeconds * 1000))) {
      self.becomeReady(.failure(LoadFailure.setup("\(self.clients.count - self.present) had not joined in time")))
    }
    waiting = clients[...]
    connectMore()
    return ready.futureResult
  }

  private func becomeReady(_ result: Result<Void, any Error>) {
    guard !isReady else { return }
    isReady = true
    ready.completeWith(result)
  }

  private func connectMore() {
    while connecting < scenario.connectingAtOnce, let client = waiting.popFirst() {
      connecting += 1
      dialer.connect(client, to: client.roomName, query: client.query) { _ in }
    }
  }

  func run(_ window: LoadWindow) {
    self.window = window
    strike()
  }

  /// Storms come one after the other, until the end of the window.
  private func strike() {
    let now = NIODeadline.now().uptimeNanoseconds
    guard now < window.end, !isClosing else { return }
    if present == clients.count {
      present = 0
      for client in clients { client.loseConnection(at: now) }
      waiting = clients[...]
      connectMore()
    }
    eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(scenario.secondsApart * 1000))) { self.strike() }
  }

  func drain() -> EventLoopFuture<Void> {
    eventLoop.wait(lookingEvery: .milliseconds(5), for: Self.patience) {
      self.present == self.clients.count
    }.assumeIsolated().map {
      let missing = self.clients.count - self.present
      if missing > 0 { self.tally.errors.note("\(missing) did not come back in time") }
    }.nonisolated()
  }

  func closeAll() -> EventLoopFuture<Void> {
    isClosing = true
    becomeReady(.failure(LoadFailure.setup("given up")))
    for client in clients { client.hangUp() }
    clients = []
    return eventLoop.makeSucceededVoidFuture()
  }

  // MARK: What clients tell

  fileprivate func joined() {
    present += 1
    connecting -= 1
    if present == clients.count { becomeReady(.success(())) }
    connectMore()
  }

  fileprivate func cameBack(after nanoseconds: UInt64) {
    present += 1
    connecting -= 1
    tally.operations += 1
    tally.record(.comeBack, nanoseconds: nanoseconds, isMain: true)
    connectMore()
  }

  fileprivate func received(_ size: Int) {
    guard isReady else { return }
    tally.deliveries += 1
    tally.deliveredBytes += size
  }

  fileprivate func failed(_ text: String) {
    guard !isClosing else { return }
    tally.errors.note(text)
    becomeReady(.failure(LoadFailure.setup(text)))
  }
}

private final class StormClient: DialedClient {
  private enum Phase {
    case joining
    case present
    case away(since: UInt64)
    case ended
  }

  let roomName: String
  var handler: WebSocketChannelHandler<StormClient>?
  private let worker: StormWorker
  private let number: Int
  private let names = ParticipantNames(prefix: "storm-")
  private var phase = Phase.joining
  private var position: Int?
  var participant: String { names.id(number) }

  init(_ room: Int, _ number: Int, worker: StormWorker) {
    roomName = "\(worker.scenario.roomPrefix)-\(room)"
    self.number = number
    self.worker = worker
  }

  /// In dialect 2 it goes on from where it was.
  var query: String { position.map { "&since=\($0)" } ?? "" }

  func loseConnection(at time: UInt64) {
    phase = .away(since: time)
    handler?.disconnect()
    handler = nil
  }

  func webSocketOpened(_ response: UpgradeResponse) {
    guard case .joining = phase else { return }
    for operation in 0..<DrillOperation.preparations {
      send(DrillOperation.text(operation, of: number, as: names.id(number), after: 0))
    }
  }

  private func send(_ text: String) { handler?.send(ClientFrameEncoder().encode(.text, payload: text.utf8)) }

  func webSocketReceived(_ event: WebSocketDecoder.Event) {
    guard case .text(let payload) = event else { return }
    worker.received(payload.readableBytes)
    payload.withUnsafeReadableBytes { bytes in
      guard let reply = DrillReply(scanning: bytes, names: names) else { return worker.failed("a message has no type") }
      switch reply.kind {
      case .state(let position): moved(to: position)
      case .resumed(_, let head): moved(to: head)
      case .event(let event):
        position = event.position
        guard case .joining = phase, Reply(scanning: bytes)?.kind == .itemAdded,
          case .operation(let name) = event.cause, name.client == number
        else { return }
        phase = .present
        worker.joined()
      case .refused(_, let code, _): worker.failed("the server refused: \(code)")
      case .acknowledged, .other: break
      }
    }
  }

  private func moved(to position: Int) {
    self.position = position
    guard case .away(let since) = phase else { return }
    phase = .present
    worker.cameBack(after: NIODeadline.now().uptimeNanoseconds - since)
  }

  func webSocketFailed(_ error: any Error) {
    if case .ended = phase { return }
    worker.failed("\(error)")
  }

  func webSocketClosed(_ closure: WebSocketClosure) {
    // Of the connection before, whose end this client has asked for.
    switch phase {
    case .away, .ended: return
    case .joining, .present: worker.failed("the server closed a connection: \(closure)")
    }
  }

  func hangUp() {
    phase = .ended
    handler?.disconnect()
    handler = nil
  }
}
