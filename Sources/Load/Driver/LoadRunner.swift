import NIOCore
import NIOPosix

package enum LoadFailure: Error, Equatable, Sendable, CustomStringConvertible {
  case scenario(String)
  case setup(String)
  case processGone([Int32])

  package var description: String {
    switch self {
    case .scenario(let complaint): "the scenario makes no sense: \(complaint)"
    case .setup(let reason): "the run could not be set up: \(reason)"
    case .processGone(let ids): "no such process, or not ours to look at: \(ids)"
    }
  }
}

/// How far a run is.
package enum LoadProgress: Sendable {
  /// So many of all that is to be ready are.
  case settingUp(ready: Int, of: Int)
  case warmingUp
  /// The second that has just ended, from 1.
  case measured(second: Int, LoadReport.Second)
  case draining
}

/// An event loop's share of a workload. Everything here runs on that loop.
protocol LoadWorking: AnyObject, SendableMetatype {
  var tally: LoadTally { get set }
  /// How much of what is to be set up is ready.
  var readiness: (ready: Int, all: Int) { get }
  func setUp() -> EventLoopFuture<Void>
  /// - Parameter window: what is counted. It may begin before that, and ends with it.
  func run(_ window: LoadWindow)
  /// Waits for what is on its way. What does not come is an error.
  func drain() -> EventLoopFuture<Void>
  func closeAll() -> EventLoopFuture<Void>
}

/// The measured time, in nanoseconds of the machine's uptime.
struct LoadWindow: Sendable {
  var start: UInt64
  var end: UInt64

  func contains(_ time: UInt64) -> Bool { time >= start && time < end }
}

/// Runs a workload against a server.
package struct LoadRunner: Sendable {
  package let workload: Workload
  package let target: LoadTarget
  /// Is told how it goes.
  package var progress: (@Sendable (LoadProgress) -> Void)?

  package init(_ workload: Workload, target: LoadTarget) {
    self.workload = workload
    self.target = target
  }

  /// Sets up, warms up, measures, waits for what is on its way, and disconnects.
  ///
  /// It takes no longer than the times in the scenario allow, and a few seconds.
  ///
  /// - Throws: `LoadFailure` if the run could not begin. What goes wrong in a run that began is in the report.
  package func run() async throws -> LoadReport {
    if let complaint = workload.parameters.complaint { throw LoadFailure.scenario(complaint) }
    let dialing = try await LoadDialing(target)
    switch workload {
    case .rooms(let scenario):
      return try await run(scenario.eventLoops, warmup: scenario.warmupSeconds, connections: scenario.connections) {
        LoadWorker(
          scenario: scenario, dialing: dialing,
          rooms: Array(stride(from: $0, to: scenario.rooms, by: scenario.eventLoops)), eventLoop: $1)
      }
    case .visits(let scenario):
      return try await run { VisitWorker(scenario: scenario, dialing: dialing, eventLoop: $1) }
    case .rush(let scenario):
      return try await run { RushWorker(scenario: scenario, dialing: dialing, eventLoop: $1) }
    case .storm(let scenario):
      return try await run(connections: scenario.connections) {
        StormWorker(scenario: scenario, dialing: dialing, eventLoop: $1)
      }
    case .requests(let scenario):
      let http2 = try await LoadDialing(target, protocols: ["h2"])
      return try await run(warmup: scenario.warmupSeconds) {
        RequestWorker(scenario: scenario, dialing: http2, makingRoomsBy: dialing, eventLoop: $1)
      }
    case .directory(let scenario):
      let http2 = try await LoadDialing(target, protocols: ["h2"])
      return try await run(warmup: scenario.warmupSeconds) {
        DirectoryWorker(scenario: scenario, dialing: http2, eventLoop: $1)
      }
    }
  }

  private func run<Worker: LoadWorking>(
    _ loops: Int = 1, warmup: Double = 0, connections: Int? = nil,
    _ make: @escaping @Sendable (_ index: Int, any EventLoop) -> Worker
  ) async throws -> LoadReport {
    try await withEventLoops(loops) { group in
      var workers: [NIOLoopBound<Worker>] = []
      for (index, eventLoop) in Array(group.makeIterator()).enumerated() {
        workers.append(
          try await eventLoop.submit { NIOLoopBound(make(index, eventLoop), eventLoop: eventLoop) }.get())
      }
      let measuring = Measuring(runner: self, workers: workers, warmup: warmup, connections: connections)
      do {
        let report = try await measuring.report()
        try await measuring.onAll { $0.closeAll() }
        return report
      } catch {
        // What went wrong first is what counts.
        try? await measuring.onAll { $0.closeAll() }
        throw error
      }
    }
  }
}

/// A run whose workers are there.
private struct Measuring<Worker: LoadWorking> {
  let runner: LoadRunner
  let workers: [NIOLoopBound<Worker>]
  let warmup: Double
  /// How many stay; nil if they come and go.
  let connections: Int?

  private var target: LoadTarget { runner.target }
  private var seconds: Double { runner.workload.parameters.measuredSeconds }

  func report() async throws -> LoadReport {
    let before = try target.usage()
    let setup = try await setUp(before: before)
    let start = NIODeadline.now().uptimeNanoseconds + UInt64(warmup * 1e9)
    let window = LoadWindow(start: start, end: start + UInt64(seconds * 1e9))
    try await onAll { worker in
      worker.run(window)
      return nil
    }
    if warmup > 0 { runner.progress?(.warmingUp) }
    try await sleep(until: window.start)
    let (serverAtStart, driverAtStart) = (try target.usage(), ownCPUSeconds())
    _ = try await takeSecond()
    let timeline = try await gather(window)
    let (serverAtEnd, driverAtEnd) = (try? target.usage(), ownCPUSeconds())
    runner.progress?(.draining)
    try await onAll { $0.drain() }

    var tally = LoadTally()
    for worker in workers { tally.add(try await worker.eventLoop.submit { worker.value.tally }.get()) }
    if !target.processIDs.isEmpty, serverAtEnd == nil { tally.errors.note("the server went away during the run") }
    var server: LoadReport.Server?
    if let before, let serverAtStart, let serverAtEnd {
      let cpuSeconds = serverAtEnd.cpuSeconds - serverAtStart.cpuSeconds
      let grown = connections.map { ratio((serverAtEnd.residentKB - before.residentKB) * 1024, Double($0)) } ?? 0
      server = LoadReport.Server(
        cpuSeconds: cpuSeconds, operationsPerCPUSecond: rounded(ratio(tally.operations, cpuSeconds)),
        deliveriesPerCPUSecond: rounded(ratio(tally.deliveries, cpuSeconds)), residentBeforeKB: before.residentKB,
        residentAfterKB: serverAtEnd.residentKB, bytesPerConnection: rounded(grown))
    }
    let main = runner.workload.parameters.mainLatency
    let driverSeconds = driverAtEnd - driverAtStart
    return LoadReport(
      scenario: runner.workload, target: target, machine: .current(), setup: setup, seconds: seconds,
      operations: tally.operations, operationsPerSecond: rounded(Double(tally.operations) / seconds),
      deliveries: tally.deliveries, deliveriesPerSecond: rounded(Double(tally.deliveries) / seconds),
      bytesPerDelivery: rounded(ratio(tally.deliveredBytes, Double(tally.deliveries))), latencies: tally.summaries,
      percentiles: tally[main].map(LoadReport.Percentile.curve) ?? [], timeline: timeline, server: server,
      driver: LoadReport.Driver(
        cpuSeconds: driverSeconds, cpuMicrosPerOperation: rounded(ratio(driverSeconds * 1e6, Double(tally.operations))),
        busyFraction: (driverSeconds / seconds / Double(workers.count) * 1000).rounded() / 1000),
      errors: tally.errors, judgements: [])
  }

  private func setUp(before: ProcFile.Usage?) async throws -> LoadReport.Setup? {
    let start = NIODeadline.now()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        while !Task.isCancelled {
          try await Task.sleep(for: .seconds(1))
          try await tellReadiness()
        }
      }
      try await onAll { $0.setUp() }
      group.cancelAll()
    }
    guard let connections else { return nil }
    let seconds = Double((NIODeadline.now() - start).nanoseconds) / 1e9
    let after = try target.usage()
    let cpuSeconds = before.flatMap { before in after.map { $0.cpuSeconds - before.cpuSeconds } }
    return LoadReport.Setup(
      connections: connections, seconds: (seconds * 1000).rounded() / 1000,
      connectionsPerSecond: rounded(ratio(connections, seconds)), serverCPUSeconds: cpuSeconds,
      connectionsPerCPUSecond: cpuSeconds.map { rounded(ratio(connections, $0)) })
  }

  private func tellReadiness() async throws {
    var (ready, all) = (0, 0)
    for worker in workers {
      let readiness = try await worker.eventLoop.submit { worker.value.readiness }.get()
      (ready, all) = (ready + readiness.ready, all + readiness.all)
    }
    runner.progress?(.settingUp(ready: ready, of: all))
  }

  /// Waits for the end of the window, and takes each second of it.
  private func gather(_ window: LoadWindow) async throws -> [LoadReport.Second] {
    var timeline: [LoadReport.Second] = []
    while true {
      let next = window.start + UInt64(timeline.count + 1) * 1_000_000_000
      // What is left of a last second is none.
      guard next <= window.end else { break }
      try await sleep(until: next)
      let second = LoadReport.Second(try await takeSecond())
      timeline.append(second)
      runner.progress?(.measured(second: timeline.count, second))
    }
    try await sleep(until: window.end)
    return timeline
  }

  private func takeSecond() async throws -> LoadSecond {
    var second = LoadSecond()
    for worker in workers { second.add(try await worker.eventLoop.submit { worker.value.tally.takeSecond() }.get()) }
    return second
  }

  func onAll(_ body: @escaping @Sendable (Worker) -> EventLoopFuture<Void>?) async throws {
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
