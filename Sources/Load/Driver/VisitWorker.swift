import NIOCore

/// Visits rooms at a steady rate.
final class VisitWorker: LoadWorking {
  private static let atOnce = 2000
  private static let patience = TimeAmount.seconds(5)

  private let scenario: VisitScenario
  private let eventLoop: any EventLoop
  private let dialer: LoadDialer
  private let arriving: ArrivingWork
  var tally = LoadTally()

  init(scenario: VisitScenario, dialing: LoadDialing, eventLoop: any EventLoop) {
    self.scenario = scenario
    self.eventLoop = eventLoop
    dialer = LoadDialer(dialing, dialect: scenario.dialect, eventLoop: eventLoop)
    arriving = ArrivingWork(on: eventLoop, atOnce: Self.atOnce, patience: Self.patience)
  }

  var readiness: (ready: Int, all: Int) { (0, 0) }

  func setUp() -> EventLoopFuture<Void> { eventLoop.makeSucceededVoidFuture() }

  func run(_ window: LoadWindow) {
    arriving.arrive(in: window, perSecond: scenario.visitsPerSecond) { number, due in
      self.dialer.connect(Visitor(worker: self, due: due), to: self.scenario.room(ofVisit: number)) { _ in }
    } leftOut: {
      self.tally.errors.note("\(Self.atOnce) visits were open at once; another was left out")
    }
  }

  func drain() -> EventLoopFuture<Void> {
    arriving.drained().assumeIsolated().map { count in
      if count > 0 { self.tally.errors.note("\(count) visits saw no sync") }
    }.nonisolated()
  }

  func closeAll() -> EventLoopFuture<Void> { eventLoop.makeSucceededVoidFuture() }

  fileprivate func synced(_ visitor: Visitor, upgraded: UInt64, size: Int) {
    guard !arriving.isOver else { return }
    let now = NIODeadline.now().uptimeNanoseconds
    tally.operations += 1
    tally.deliveries += 1
    tally.deliveredBytes += size
    tally.record(.firstSync, nanoseconds: now - visitor.due, isMain: true)
    tally.record(.afterUpgrade, nanoseconds: now - upgraded, isMain: false)
    arriving.done()
  }

  fileprivate func failed(_ text: String) {
    guard !arriving.isOver else { return }
    tally.errors.note(text)
    arriving.done()
  }
}

private final class Visitor: DialedClient {
  private enum Phase {
    case connecting
    case waiting(upgraded: UInt64)
    case done
  }

  let due: UInt64
  private let worker: VisitWorker
  var handler: WebSocketChannelHandler<Visitor>?
  private var phase = Phase.connecting

  init(worker: VisitWorker, due: UInt64) {
    self.worker = worker
    self.due = due
  }

  func webSocketOpened(_ response: UpgradeResponse) {
    phase = .waiting(upgraded: NIODeadline.now().uptimeNanoseconds)
  }

  func webSocketReceived(_ event: WebSocketDecoder.Event) {
    guard case .waiting(let upgraded) = phase, case .text(let payload) = event else { return }
    let kind = payload.withUnsafeReadableBytes { Reply(scanning: $0)?.kind }
    guard kind == .sync else { return fail("the first message is no sync: \(String(buffer: payload).prefix(300))") }
    phase = .done
    worker.synced(self, upgraded: upgraded, size: payload.readableBytes)
    hangUp()
  }

  func webSocketFailed(_ error: any Error) { fail("\(error)") }

  func webSocketClosed(_ closure: WebSocketClosure) {
    fail("the server closed a connection: \(closure)")
    handler = nil
  }

  private func fail(_ text: @autoclosure () -> String) {
    if case .done = phase { return }
    phase = .done
    worker.failed(text())
    hangUp()
  }

  private func hangUp() {
    handler?.disconnect()
    handler = nil
  }
}
