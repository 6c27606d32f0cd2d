import NIOCore
import NIOPosix

package enum LoadFailure: Error, Equatable, Sendable, CustomStringConvertible {
  case scenario(String)
  case setup(String)
  case processGone([Int32])

  package var description: String {
    switch self {
    case .scenario(let complaint): "the scenario makes no sense: \(complaint)"
    case .setup(let reason): "the rooms could not be set up: \(reason)"
    case .processGone(let ids): "no such process, or not ours to look at: \(ids)"
    }
  }
}

/// Runs a scenario against a server.
package struct LoadRunner: Sendable {
  package let scenario: LoadScenario
  package let target: LoadTarget

  package init(scenario: LoadScenario, target: LoadTarget) {
    self.scenario = scenario
    self.target = target
  }

  /// Sets the rooms up, warms up, measures, waits for what is on its way, and disconnects.
  ///
  /// It takes no longer than the times in the scenario allow, and a few seconds.
  ///
  /// - Throws: `LoadFailure` if the run could not begin. What goes wrong in a run that began is in the report.
  package func run() async throws -> LoadReport {
    if let complaint = scenario.complaint { throw LoadFailure.scenario(complaint) }
    let before = try target.usage()
    return try await withEventLoops(scenario.eventLoops) { group in try await run(on: group, before: before) }
  }

  private func run(on group: MultiThreadedEventLoopGroup, before: ProcFile.Usage?) async throws -> LoadReport {
    let address = try SocketAddress.makeAddressResolvingHost(target.host, port: target.port)
    let workers = try await makeWorkers(on: group, address: address)
    do {
      let report = try await run(workers, before: before)
      try await onAll(workers) { $0.closeAll() }
      return report
    } catch {
      // What went wrong first is what counts.
      try? await onAll(workers) { $0.closeAll() }
      throw error
    }
  }

  private func run(_ workers: [NIOLoopBound<LoadWorker>], before: ProcFile.Usage?) async throws -> LoadReport {
    let setupStart = NIODeadline.now()
    try await onAll(workers) { $0.setUp() }
    let setupTime = NIODeadline.now() - setupStart
    let setup = setup(seconds: Double(setupTime.nanoseconds) / 1e9, before: before, after: try target.usage())

    let start = NIODeadline.now().uptimeNanoseconds + UInt64(scenario.warmupSeconds * 1e9)
    let window = LoadWindow(start: start, end: start + UInt64(scenario.measuredSeconds * 1e9))
    try await onAll(workers) { worker in
      worker.run(window)
      return nil
    }
    try await sleep(until: window.start)
    let (serverAtStart, driverAtStart) = (try target.usage(), ownCPUSeconds())
    try await sleep(until: window.end)
    let (serverAtEnd, driverAtEnd) = (try? target.usage(), ownCPUSeconds())

    try await onAll(workers) { $0.drain() }
    var tally = LoadTally()
    for worker in workers {
      tally.add(try await worker.eventLoop.submit { worker.value.tally }.get())
    }

    if !target.processIDs.isEmpty, serverAtEnd == nil { tally.errors.note("the server went away during the run") }
    var server: LoadReport.Server?
    if let before, let serverAtStart, let serverAtEnd {
      let seconds = serverAtEnd.cpuSeconds - serverAtStart.cpuSeconds
      server = LoadReport.Server(
        cpuSeconds: seconds,
        operationsPerCPUSecond: rounded(ratio(tally.operations, seconds)),
        deliveriesPerCPUSecond: rounded(ratio(tally.deliveries, seconds)),
        residentBeforeKB: before.residentKB,
        residentAfterKB: serverAtEnd.residentKB,
        bytesPerConnection: rounded(
          ratio((serverAtEnd.residentKB - before.residentKB) * 1024, Double(scenario.connections))))
    }
    return report(
      tally, setup: setup, server: server, driverSeconds: driverAtEnd - driverAtStart)
  }

  private func setup(seconds: Double, before: ProcFile.Usage?, after: ProcFile.Usage?) -> LoadReport.Setup {
    let cpuSeconds = before.flatMap { before in after.map { $0.cpuSeconds - before.cpuSeconds } }
    return LoadReport.Setup(
      connections: scenario.connections,
      seconds: (seconds * 1000).rounded() / 1000,
      connectionsPerSecond: rounded(ratio(scenario.connections, seconds)),
      serverCPUSeconds: cpuSeconds,
      connectionsPerCPUSecond: cpuSeconds.map { rounded(ratio(scenario.connections, $0)) })
  }

  private func report(
    _ tally: LoadTally, setup: LoadReport.Setup, server: LoadReport.Server?, driverSeconds: Double
  ) -> LoadReport {
    LoadReport(
      scenario: scenario,
      target: target,
      machine: .current(),
      setup: setup,
      operations: tally.operations,
      operationsPerSecond: rounded(Double(tally.operations) / scenario.measuredSeconds),
      deliveries: tally.deliveries,
      deliveriesPerSecond: rounded(Double(tally.deliveries) / scenario.measuredSeconds),
      bytesPerBroadcast: rounded(ratio(tally.deliveredBytes, Double(tally.deliveries))),
      ownEcho: LoadReport.Latency(nanoseconds: tally.ownEcho),
      others: LoadReport.Latency(nanoseconds: tally.others),
      server: server,
      driver: LoadReport.Driver(
        cpuSeconds: driverSeconds,
        cpuMicrosPerOperation: rounded(ratio(driverSeconds * 1e6, Double(tally.operations))),
        busyFraction: (driverSeconds / scenario.measuredSeconds / Double(scenario.eventLoops) * 1000).rounded() / 1000),
      errors: tally.errors)
  }

  private func makeWorkers(
    on group: MultiThreadedEventLoopGroup, address: SocketAddress
  ) async throws -> [NIOLoopBound<LoadWorker>] {
    var workers: [NIOLoopBound<LoadWorker>] = []
    let loops = Array(group.makeIterator())
    for (index, eventLoop) in loops.enumerated() {
      let rooms = Array(stride(from: index, to: scenario.rooms, by: loops.count))
      let worker = eventLoop.submit { [scenario, target] in
        let worker = LoadWorker(
          scenario: scenario, target: target, address: address, rooms: rooms, eventLoop: eventLoop)
        return NIOLoopBound(worker, eventLoop: eventLoop)
      }
      workers.append(try await worker.get())
    }
    return workers
  }

  private func onAll(
    _ workers: [NIOLoopBound<LoadWorker>], _ body: @escaping @Sendable (LoadWorker) -> EventLoopFuture<Void>?
  ) async throws {
    let done = workers.map { worker in
      worker.eventLoop.flatSubmit { body(worker.value) ?? worker.eventLoop.makeSucceededVoidFuture() }
    }
    for future in done { try await future.get() }
  }

  private func sleep(until time: UInt64) async throws {
    let now = NIODeadline.now().uptimeNanoseconds
    if time > now { try await Task.sleep(nanoseconds: time - now) }
  }
}

/// Loops for one run, which end with it.
func withEventLoops<Report>(
  _ count: Int, _ body: (MultiThreadedEventLoopGroup) async throws -> Report
) async throws -> Report {
  let group = MultiThreadedEventLoopGroup(numberOfThreads: count)
  do {
    let report = try await body(group)
    try await group.shutdownGracefully()
    return report
  } catch {
    // What went wrong first is what counts.
    try? await group.shutdownGracefully()
    throw error
  }
}

extension LoadTarget {
  /// - Returns: nil if no process is named.
  /// - Throws: `LoadFailure.processGone`.
  func usage() throws -> ProcFile.Usage? {
    guard !processIDs.isEmpty else { return nil }
    guard let usage = ProcFile.usage(of: processIDs) else { throw LoadFailure.processGone(processIDs) }
    return usage
  }
}

func ratio(_ count: Int, _ divisor: Double) -> Double { ratio(Double(count), divisor) }
func ratio(_ value: Double, _ divisor: Double) -> Double { divisor > 0 ? value / divisor : 0 }
