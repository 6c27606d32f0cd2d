import Histogram
import NIOCore
import NIOPosix

/// Visits the rooms of a server at a steady rate.
package struct VisitRunner: Sendable {
  package let scenario: VisitScenario
  package let target: LoadTarget

  package init(scenario: VisitScenario, target: LoadTarget) {
    self.scenario = scenario
    self.target = target
  }

  /// Takes the time of the scenario, and a few seconds for what is late.
  ///
  /// - Throws: `LoadFailure` if the run could not begin. What goes wrong in a run that began is in the report.
  package func run() async throws -> VisitReport {
    if let complaint = scenario.complaint { throw LoadFailure.scenario(complaint) }
    return try await withEventLoops(1) { group in try await run(on: group.next()) }
  }

  private func run(on eventLoop: any EventLoop) async throws -> VisitReport {
    let address = try SocketAddress.makeAddressResolvingHost(target.host, port: target.port)
    let (before, driverBefore) = (try target.usage(), ownCPUSeconds())
    let tally = try await eventLoop.flatSubmit { [scenario, target] in
      let worker = VisitWorker(scenario: scenario, target: target, address: address, eventLoop: eventLoop)
      return worker.run()
    }.get()
    let driverSeconds = ownCPUSeconds() - driverBefore
    var errors = tally.errors
    var server: VisitReport.Server?
    if let before {
      if let after = try? target.usage() {
        let seconds = after.cpuSeconds - before.cpuSeconds
        server = VisitReport.Server(
          cpuSeconds: seconds, visitsPerCPUSecond: rounded(ratio(tally.visits, seconds)),
          residentBeforeKB: before.residentKB, residentAfterKB: after.residentKB)
      } else {
        errors.note("the server went away during the run")
      }
    }
    return VisitReport(
      scenario: scenario,
      target: target,
      machine: .current(),
      visits: tally.visits,
      firstSync: LoadReport.Latency(nanoseconds: tally.firstSync),
      afterUpgrade: LoadReport.Latency(nanoseconds: tally.afterUpgrade),
      bytesPerSync: rounded(ratio(tally.syncBytes, Double(tally.visits))),
      server: server,
      driver: LoadReport.Driver(
        cpuSeconds: driverSeconds,
        cpuMicrosPerOperation: rounded(ratio(driverSeconds * 1e6, Double(tally.visits))),
        busyFraction: (driverSeconds / scenario.seconds * 1000).rounded() / 1000),
      errors: errors)
  }
}

/// The raw figures of the visits.
private struct VisitTally {
  var visits = 0
  var firstSync = LoadTally.histogram()
  var afterUpgrade = LoadTally.histogram()
  var syncBytes = 0
  var errors = LoadErrors()
}

/// Everything here runs on its event loop.
private final class VisitWorker {
  /// A server that is slower than the visits come leaves any number of them open.
  private static let maxOpen = 2000
  /// How long the last visits may take.
  private static let patience = TimeAmount.seconds(5)

  private let scenario: VisitScenario
  private let eventLoop: any EventLoop
  private let dialer: LoadDialer
  private let done: EventLoopPromise<VisitTally>
  private var tally = VisitTally()
  private var schedule: OpenLoopSchedule
  private let start: UInt64
  private var open = 0
  private var isOver = false

  init(scenario: VisitScenario, target: LoadTarget, address: SocketAddress, eventLoop: any EventLoop) {
    self.scenario = scenario
    self.eventLoop = eventLoop
    dialer = LoadDialer(target: target, address: address, dialect: scenario.dialect, eventLoop: eventLoop)
    done = eventLoop.makePromise()
    start = NIODeadline.now().uptimeNanoseconds
    schedule = OpenLoopSchedule(start: start, rate: scenario.visitsPerSecond)
  }

  func run() -> EventLoopFuture<VisitTally> {
    beginDue()
    return done.futureResult
  }

  /// Begins what is due, and comes again in a millisecond.
  private func beginDue() {
    let end = start + UInt64(scenario.seconds * 1e9)
    let now = NIODeadline.now().uptimeNanoseconds
    while let due = schedule.next(until: min(now, end - 1)) {
      if open < Self.maxOpen {
        begin(due.number, due: due.time)
      } else {
        tally.errors.note("\(Self.maxOpen) visits were open at once; another was left out")
      }
    }
    if now < end || (open > 0 && now < end + UInt64(Self.patience.nanoseconds)) {
      eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(1)) { self.beginDue() }
    } else {
      isOver = true
      if open > 0 { tally.errors.note("\(open) visits saw no sync") }
      done.succeed(tally)
    }
  }

  private func begin(_ number: Int, due: UInt64) {
    open += 1
    let visitor = Visitor(worker: self, due: due)
    dialer.connect(visitor, to: scenario.room(ofVisit: number)) { _ in }
  }

  func synced(_ visitor: Visitor, upgraded: UInt64, size: Int) {
    guard !isOver else { return }
    let now = NIODeadline.now().uptimeNanoseconds
    tally.visits += 1
    tally.syncBytes += size
    tally.firstSync.record(now - visitor.due)
    tally.afterUpgrade.record(now - upgraded)
    open -= 1
  }

  func failed(_ text: String) {
    guard !isOver else { return }
    tally.errors.note(text)
    open -= 1
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
