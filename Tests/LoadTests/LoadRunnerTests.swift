import Foundation
import Load
import NIOCore
import Synchronization
import Testing

@Suite("LoadRunner", .timeLimit(.minutes(5)))
struct LoadRunnerTests {
  /// A run in which something was measured: a machine that does much else at the time may need more than a second.
  private func run(
    _ fault: TinyRooms.Fault = .none, _ change: (inout LoadScenario) throws -> Void = { _ in }
  ) async throws -> LoadReport {
    for seconds in [1.0, 4, 16] {
      let report = try await run(fault, seconds: seconds, change)
      guard case .rooms(let scenario) = report.scenario else { return report }
      if scenario.kind == .idle || !report.errors.isEmpty || report.operations >= 3 { return report }
    }
    return try await run(fault, seconds: 60, change)
  }

  private func run(
    _ fault: TinyRooms.Fault, seconds: Double, _ change: (inout LoadScenario) throws -> Void
  ) async throws -> LoadReport {
    let server = try await TinyRooms(fault).start()
    var scenario = LoadScenario(roomPrefix: "test")
    scenario.rooms = 3
    scenario.participantsPerRoom = 4
    scenario.warmupSeconds = 0
    scenario.measuredSeconds = seconds
    // What is late here is not lost, unless the server loses it.
    if case .losesDelivery = fault {} else { scenario.patienceSeconds = 30 }
    try change(&scenario)
    var target = LoadTarget(host: "127.0.0.1", port: server.port)
    target.processIDs = [ProcessInfo.processInfo.processIdentifier]
    let report = try await LoadRunner(.rooms(scenario), target: target).run()
    await server.stop()
    return report
  }

  @Test("a closed loop counts each operation once and each delivery once for everybody", arguments: [1, 2])
  func closedLoop(loops: Int) async throws {
    let report = try await run { $0.eventLoops = loops }
    #expect(report.errors == LoadErrors())
    #expect(report.operations > 0)
    // What was on its way at the edges of the window makes a difference of at most one operation per participant.
    #expect(abs(report.deliveries - 4 * report.operations) <= 4 * 12)
    #expect(report[.others].count == 3 * report[.ownEcho].count)
    #expect(report[.ownEcho].p50Micros > 0)
    #expect(report[.ownEcho].p50Micros <= report[.ownEcho].p999Micros)
    #expect(try #require(report.server).residentAfterKB > 0)
    #expect(report.bytesPerDelivery > 60)
  }

  @Test("deltas are asked for, and each operation's ack is waited for")
  func deltas() async throws {
    let report = try await run { $0.dialect = .deltas }
    #expect(report.errors == LoadErrors())
    #expect(report.operations > 0)
  }

  @Test("an open loop keeps its rate")
  func openLoop() async throws {
    let report = try await run {
      $0.kind = .openLoop
      $0.operationsPerSecond = 500
    }
    #expect(report.errors == LoadErrors())
    #expect((1...UInt64(500 * report.seconds + 1)).contains(report[.ownEcho].count))
  }

  @Test(
    "a participant has as many operations on their way as the scenario says, in both pacings", arguments: [nil, 500])
  func inFlight(rate: Double?) async throws {
    // This server answers nothing before it has three of them.
    let report = try await run(.answersInThrees) {
      $0.rooms = 1
      $0.participantsPerRoom = 1
      $0.operationsInFlight = 3
      if let rate {
        $0.kind = .openLoop
        $0.operationsPerSecond = rate
      }
      // At the end one or two may be left that the server waits to answer.
      $0.patienceSeconds = 2
    }
    #expect(report.operations >= 3)
  }

  @Test("who listens and did not join sees each operation once, and none of them makes one", arguments: [1, 2])
  func listeners(dialect: Int) async throws {
    let report = try await run {
      $0.listenersPerRoom = 3
      $0.dialect = try #require(LoadScenario.Dialect(rawValue: dialect))
    }
    #expect(report.errors == LoadErrors())
    #expect(report.setup?.connections == 3 * 7)
    #expect(report[.ownEcho].count > 0)
    #expect(report[.others].count == 6 * report[.ownEcho].count)
  }

  @Test("what a listener misses is in the report")
  func listenerMisses() async throws {
    let report = try await run(.losesDelivery(of: 2)) { $0.listenersPerRoom = 1 }
    #expect(report.errors.samples.contains { $0.contains("never came") }, "\(report.errors.samples)")
  }

  @Test("participants that are idle join, and send nothing more")
  func idle() async throws {
    let report = try await run {
      $0.kind = .idle
      $0.itemsPerRoom = 0
    }
    #expect(report.errors == LoadErrors())
    #expect(report.operations == 0 && report.deliveries == 0)
    #expect(report.setup?.connections == 12)
    #expect(report.setup?.connectionsPerSecond ?? 0 > 0)
    #expect(report.setup?.serverCPUSeconds != nil)
  }

  @Test("connections come from as many addresses as are asked for")
  func sources() async throws {
    let addresses = Mutex<Set<String>>([])
    let rooms = TinyRooms(.none) { peer in
      if let address = peer.channel.remoteAddress?.ipAddress { addresses.withLock { _ = $0.insert(address) } }
    }
    let server = try await rooms.start()
    var scenario = LoadScenario(roomPrefix: "test")
    scenario.rooms = 1
    scenario.warmupSeconds = 0
    scenario.measuredSeconds = 0.1
    var target = LoadTarget(host: "127.0.0.1", port: server.port)
    target.sourceAddresses = 2
    let report = try await LoadRunner(.rooms(scenario), target: target).run()
    await server.stop()
    #expect(report.errors == LoadErrors())
    #expect(addresses.withLock { $0 } == ["127.0.0.1", "127.0.0.2"])
  }

  @Test("a report survives JSON")
  func codable() async throws {
    let report = try await run()
    let again = try JSONDecoder().decode(LoadReport.self, from: JSONEncoder().encode(report))
    #expect(again.scenario == report.scenario && again.latencies == report.latencies && again.server == report.server)
  }

  @Test(
    "what the server does wrong is in the report",
    arguments: [
      (.losesDelivery(of: 2), "never came"),
      (.refuses(2), "not today"),
      (.hangsUp(at: 2), "the server closed a connection"),
    ] as [(TinyRooms.Fault, String)])
  func faults(fault: TinyRooms.Fault, sample: String) async throws {
    let report = try await run(fault)
    #expect(!report.errors.isEmpty)
    #expect(report.errors.samples.contains { $0.contains(sample) }, "\(report.errors.samples)")
  }

  @Test("a run whose rooms cannot be set up does not begin")
  func cannotSetUp() async throws {
    let error = await #expect(throws: LoadFailure.self) { try await run(.refusesJoins) { $0.eventLoops = 2 } }
    #expect("\(String(describing: error))".contains("no seat"))
  }

  @Test("a server that is not there is a failure, and so is a scenario without sense")
  func cannotBegin() async throws {
    let server = try await LoopbackServer.start(answering: "")
    let target = LoadTarget(host: "127.0.0.1", port: server.port)
    await server.stop()
    var scenario = LoadScenario(roomPrefix: "test")
    scenario.rooms = 2
    await #expect(throws: LoadFailure.self) { try await LoadRunner(.rooms(scenario), target: target).run() }
    scenario.rooms = 0
    await #expect(throws: LoadFailure.scenario("rooms must be 1 to 100000")) {
      try await LoadRunner(.rooms(scenario), target: target).run()
    }
  }
}
