import NIOCore
import NIOPosix

/// Runs the load of a drill while somebody does harm to the cluster, and gathers what became of it.
package struct DrillRunner: Sendable {
  package struct Result: Sendable {
    package var verdict: DrillVerdict
    package var histories: [RoomHistory]
    /// When the load began.
    package var start: UInt64
    /// Whether the faults cannot be done here.
    package var isSkipped: Bool
  }

  package let scenario: DrillScenario
  /// A client whose gateway goes away takes the next.
  package let gateways: [LoadTarget]
  /// Is told how it goes, about once a second.
  package var progress: (@Sendable (_ second: Double, _ issued: Int, _ unanswered: Int) -> Void)?

  package init(scenario: DrillScenario, gateways: [LoadTarget]) {
    self.scenario = scenario
    self.gateways = gateways
  }

  /// Nanoseconds of the clock that histories have.
  package static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

  /// - Parameter faults: does them. The load begins before, and ends when it returns.
  /// - Throws: `LoadFailure` if the load could not begin.
  package func run(during faults: @Sendable () async throws -> FaultReport) async throws -> Result {
    if let complaint = scenario.complaint { throw LoadFailure.scenario(complaint) }
    guard !gateways.isEmpty else { throw LoadFailure.scenario("there is no gateway") }
    return try await withEventLoops(1) { group in
      var dialings: [LoadDialing] = []
      for gateway in gateways { dialings.append(try await LoadDialing(gateway)) }
      let worker = try await makeWorker(on: group.next(), dialings)
      do {
        let result = try await run(worker, dialings, during: faults)
        try await worker.eventLoop.flatSubmit { worker.value.closeAll() }.get()
        return result
      } catch {
        // What went wrong first is what counts.
        try? await worker.eventLoop.flatSubmit { worker.value.closeAll() }.get()
        throw error
      }
    }
  }

  private func makeWorker(
    on eventLoop: any EventLoop, _ dialings: [LoadDialing]
  ) async throws -> NIOLoopBound<DrillWorker> {
    try await eventLoop.submit { [scenario] in
      let worker = DrillWorker(scenario: scenario, gateways: dialings, eventLoop: eventLoop)
      return NIOLoopBound(worker, eventLoop: eventLoop)
    }.get()
  }

  private func run(
    _ worker: NIOLoopBound<DrillWorker>, _ dialings: [LoadDialing],
    during faults: @Sendable () async throws -> FaultReport
  ) async throws -> Result {
    let eventLoop = worker.eventLoop
    try await eventLoop.flatSubmit { worker.value.setUp() }.get()
    let start = Self.now
    try await eventLoop.submit { worker.value.start() }.get()
    let watch = OwnershipWatch(gateways: dialings, start: start)
    let (report, ownership) = try await withThrowingTaskGroup(of: [OwnershipMoment].self) { group in
      group.addTask {
        // It ends by being cancelled.
        try? await tell(worker, since: start)
        return []
      }
      group.addTask { await watch.run(on: eventLoop) }
      let report = try await faults()
      group.cancelAll()
      return (report, try await group.reduce([], +))
    }
    try await eventLoop.submit { worker.value.stop() }.get()
    try await eventLoop.flatSubmit { worker.value.drain() }.get()
    let end = Self.now
    try await eventLoop.flatSubmit { worker.value.readAll() }.get()
    let (histories, errors) = try await eventLoop.submit { (worker.value.histories, worker.value.errors) }.get()
    var verdict = DrillVerdict(on: histories, faults: report, from: start, to: end)
    verdict.ownership = ownership
    if !errors.isEmpty { verdict.objections += errors.samples }
    return Result(verdict: verdict, histories: histories, start: start, isSkipped: report.ending == .skipped)
  }

  /// Until it is cancelled.
  private func tell(_ worker: NIOLoopBound<DrillWorker>, since start: UInt64) async throws {
    guard let progress else { return }
    while !Task.isCancelled {
      let now = try await worker.eventLoop.submit { worker.value.progress }.get()
      progress(Double(Self.now - start) / 1e9, now.issued, now.unanswered)
      try await Task.sleep(for: .seconds(1))
    }
  }
}
