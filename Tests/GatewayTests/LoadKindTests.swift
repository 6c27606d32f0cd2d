import Directory
import Gateway
import Load
import Ordering
import TestSupport
import Testing

/// What `stonepot load` does to a server, done to a real one.
@Suite("Kinds of load", .timeLimit(.minutes(3)))
struct LoadKindTests {
  private func target(_ server: TestServer) -> LoadTarget { LoadTarget(host: "127.0.0.1", port: server.port) }

  private func withCalmServer(_ body: (TestServer) async throws -> Void) async throws {
    try await withServer {
      $0.gateway.messagesPerSecond = 0
    } _: { server async throws in
      try await body(server)
    }
  }

  @Test("in a rush, each order is filled, finalized, and seen to be", arguments: [1, 2])
  func rush(dialect: Int) async throws {
    try await withCalmServer { server async throws in
      var scenario = RushScenario(roomPrefix: "rush")
      scenario.ordersPerSecond = 10
      scenario.measuredSeconds = 1
      scenario.patienceSeconds = 60
      scenario.dialect = try #require(LoadScenario.Dialect(rawValue: dialect))
      let report = try await LoadRunner(.rush(scenario), target: target(server)).run()
      #expect(report.errors == LoadErrors())
      #expect(report.operations == 10 && report[.order].count == 10)
      for number in 0..<10 {
        let state = try JSON(
          parsing: try await RawConnection.open(server.port).get(RoomClient.path + "rush-\(number)").body)
        #expect(state["data"]["status"] == "finalized")
        #expect(state["data"]["items"].elements.count == 12)
      }
    }
  }

  @Test("in a storm, all come back", arguments: [1, 2])
  func storm(dialect: Int) async throws {
    try await withCalmServer { server async throws in
      var scenario = StormScenario(roomPrefix: "storm")
      scenario.rooms = 10
      scenario.secondsApart = 0.3
      scenario.measuredSeconds = 1
      scenario.dialect = try #require(LoadScenario.Dialect(rawValue: dialect))
      let report = try await LoadRunner(.storm(scenario), target: target(server)).run()
      #expect(report.errors == LoadErrors())
      #expect(report.operations >= 50 && report.operations % 50 == 0)
      #expect(report[.comeBack].count == UInt64(report.operations))
    }
  }

  @Test("states of rooms are asked for over HTTP/2, as fast as they come and at a rate", arguments: [0, 100])
  func requests(rate: Double) async throws {
    try await withTLSServer { server, certificate, _ async throws in
      var target = target(server)
      target.host = "localhost"
      target.isSecure = true
      target.authorityPath = certificate.certificate
      var scenario = RequestScenario(roomPrefix: "requests")
      scenario.rooms = 5
      scenario.requestsPerSecond = rate
      scenario.warmupSeconds = 0
      scenario.measuredSeconds = 1
      scenario.patienceSeconds = 60
      let report = try await LoadRunner(.requests(scenario), target: target).run()
      #expect(report.errors == LoadErrors())
      #expect(report.operations > 0 && report.bytesPerDelivery > 500)
      #expect(report[.response].count > 0 && report.timeline.count == 1)
    }
  }

  /// A mix of few records, in which every operation comes as often as any other.
  private func directory(_ rate: Double = 0) -> DirectoryScenario {
    var scenario = DirectoryScenario(tenant: "load")
    scenario.customers = 20
    scenario.circles = 6
    scenario.ordersPerCustomer = 2
    scenario.mix = scenario.mix.mapValues { _ in 1 }
    scenario.requestsPerSecond = rate
    scenario.warmupSeconds = 0
    scenario.measuredSeconds = 1
    scenario.patienceSeconds = 60
    return scenario
  }

  private func withRecordServer(
    _ configure: (inout TestSettings) -> Void = { _ in }, _ body: (TestServer, LoadTarget) async throws -> Void
  ) async throws {
    try await withTLSServer(configure) { server, certificate, _ async throws in
      var target = target(server)
      target.host = "localhost"
      target.isSecure = true
      target.authorityPath = certificate.certificate
      try await body(server, target)
    }
  }

  @Test("records are read and changed over HTTP/2, as fast as they come and at a rate", arguments: [0, 100])
  func records(rate: Double) async throws {
    try await withRecordServer { server, target async throws in
      let report = try await LoadRunner(.directory(directory(rate)), target: target).run()
      #expect(report.errors == LoadErrors())
      // On a machine that does much else they may all be answered after the second is over.
      #expect(report[.response].count > 0 && report.timeline.count == 1)
      let counts = DirectoryOperation.allCases.map { report[$0.latency].count }
      #expect(counts.allSatisfy { $0 > 0 }, "\(counts)")
      #expect(counts.reduce(0, +) == report[.response].count)
      let first = try PhoneNumber("9000000000")
      #expect(try await server.directory.orders(of: first, "load").entries.count >= 2)
      #expect(try await server.directory.customer("load", first).version > 1)
      #expect(try await server.directory.circles(of: first, "load").entries.contains { $0.members.count >= 4 })
      #expect(try await !server.directory.orders(in: .confirmed, "load").entries.isEmpty)
    }
  }

  @Test("records that are another's than was asked for, or changed by somebody else, are errors of the run")
  func wrongRecords() async throws {
    try await withRecordServer { server, target async throws in
      var scenario = directory()
      scenario.mix = ["changeStatus": 1]
      scenario.warmupSeconds = 0.5
      let plan = scenario
      let run = Task { try await LoadRunner(.directory(plan), target: target).run() }
      var cancelled = 0
      while cancelled == 0 {
        for order in try await server.directory.orders(in: .confirmed, "load").entries {
          do {
            _ = try await server.directory.updateOrderStatus("load", order.id, to: .cancelled)
            cancelled += 1
          } catch is RecordRejection {
            // It has gone on.
          }
        }
      }
      let report = try await run.value
      #expect(!report.errors.isEmpty && !report.isPassed)
      #expect(report.errors.samples.contains { $0.contains("invalid_transition") }, "\(report.errors.samples)")
    }
  }

  @Test("a server that refuses requests because there are too many is an error of the run")
  func refusedRecords() async throws {
    try await withRecordServer {
      $0.gateway.requestsPerSecond = 200
    } _: { server, target async throws in
      let report = try await LoadRunner(.directory(directory(2000)), target: target).run()
      #expect(report.errors.samples.contains { $0.contains("rate_limited") }, "\(report.errors.samples)")
    }
  }

  @Test("a server that shows records to those with a key is given it, and without one the run does not begin")
  func recordsKey() async throws {
    let tokens = try await RoomTokens(secret: "a secret of at least 32 bytes, as it must be")
    let operators = try AdminToken("an operator's token")
    try await withRecordServer {
      $0.gateway.tokens = tokens
      $0.gateway.adminToken = operators
    } _: { server, target async throws in
      _ = try await server.directory.putTenant("load", name: "Load")
      let key = try await server.directory.issueKey("load", label: "load").text.text
      var target = target
      for wrong in [nil, "nonsense"] {
        target.recordsKey = wrong
        await #expect(throws: LoadFailure.self) {
          try await LoadRunner(.directory(directory()), target: target).run()
        }
      }
      for right in [key, "an operator's token"] {
        target.recordsKey = right
        var scenario = directory(50)
        // An operator, too, has customers that a key has made before.
        scenario.ordersPerCustomer = 1
        let report = try await LoadRunner(.directory(scenario), target: target).run()
        #expect(report.errors == LoadErrors() && report[.response].count > 0)
      }
    }
  }

  @Test("a server that asks for tokens is given them, in both dialects")
  func tokens() async throws {
    let secret = "a secret of at least 32 bytes, as it must be"
    let tokens = try await RoomTokens(secret: secret)
    try await withServer {
      $0.gateway.messagesPerSecond = 0
      $0.gateway.tokens = tokens
    } _: { server async throws in
      var target = target(server)
      var rush = RushScenario(roomPrefix: "rush")
      rush.ordersPerSecond = 5
      rush.measuredSeconds = 1
      rush.patienceSeconds = 60
      var storm = StormScenario(roomPrefix: "storm")
      storm.rooms = 2
      storm.secondsApart = 0.3
      storm.measuredSeconds = 1
      let workloads: [Workload] = [.rush(rush), .storm(storm)]
      for workload in workloads {
        await #expect(throws: (any Error).self) {
          guard try await LoadRunner(workload, target: target).run().errors == LoadErrors() else {
            throw LoadFailure.setup("refused, as it should be")
          }
        }
      }
      target.tokens = RoomTokenMaker(secret: secret, expiry: Int.max / 2)
      for workload in workloads {
        let report = try await LoadRunner(workload, target: target).run()
        #expect(report.errors == LoadErrors() && report.operations > 0)
      }
      var drill = DrillScenario(roomPrefix: "drill")
      drill.rooms = 2
      drill.operationsPerSecond = 100
      let verdict = try await DrillRunner(scenario: drill, gateways: [target]).run {
        try await Task.sleep(for: .milliseconds(300))
        return FaultReport(isOthers: true)
      }.verdict
      #expect(verdict.objections == [] && verdict.acknowledged > 0)
    }
  }

  @Test("a server that does not speak HTTP/2 is a failure that says so")
  func noHTTP2() async throws {
    try await withCalmServer { server async throws in
      var scenario = RequestScenario(roomPrefix: "requests")
      scenario.rooms = 1
      await #expect(throws: LoadFailure.self) {
        try await LoadRunner(.requests(scenario), target: target(server)).run()
      }
    }
  }
}
