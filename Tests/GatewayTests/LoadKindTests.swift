import Gateway
import Load
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
