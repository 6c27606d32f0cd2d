import Gateway
import Load
import Rooms
import Store
import StoreTesting
import TestSupport
import Testing

/// The clients of a drill, and the audit, with real rooms.
@Suite("Drills", .timeLimit(.minutes(3)))
struct DrillTests {
  private func drill(
    _ server: TestServer, _ change: (inout DrillScenario) -> Void = { _ in },
    _ faults: @Sendable () async throws -> Void
  ) async throws -> DrillRunner.Result {
    var scenario = DrillScenario(roomPrefix: "drill")
    scenario.rooms = 4
    scenario.participantsPerRoom = 3
    scenario.operationsPerSecond = 1000
    change(&scenario)
    let target = LoadTarget(host: "127.0.0.1", port: server.port)
    return try await DrillRunner(scenario: scenario, gateways: [target, target]).run {
      var report = FaultReport()
      try await Self.moreOperations(server)
      report.read("fault of the test", at: DrillRunner.now)
      try await faults()
      try await Self.moreOperations(server)
      report.read("proof the test knows", at: DrillRunner.now)
      return report
    }
  }

  private static func moreOperations(_ server: TestServer) async throws {
    let before = TestServer.metric("stonepot_room_events_total")
    try await eventually("more operations") { TestServer.metric("stonepot_room_events_total") > before + 200 }
  }

  @Test("a server whose rooms move, by force and in good order, passes")
  func moves() async throws {
    try await withServer {
      $0.nodes = 2
      $0.gateway.messagesPerSecond = 0
    } _: { server async throws in
      let result = try await drill(server) { _ in
      } _: {
        try await server.owners.claim(for: 1)
        server.owners.tell(1)
        try await Self.moreOperations(server)
        try await server.owners.handOff(from: 1, to: 0)
        server.owners.tell(0)
      }
      let verdict = result.verdict
      #expect(verdict.objections == [])
      #expect(verdict.samples == [])
      #expect(verdict.operations >= 400)
      #expect(verdict.acknowledged == verdict.operations)
      #expect(result.histories.map(\.outcome.journal.count).reduce(0, +) > 400)
      #expect(result.histories.allSatisfy { $0.outcome.head == $0.outcome.journal.count })
    }
  }

  @Test("a store that fails for a while is waited for, and what was refused is sent again")
  func storeFails() async throws {
    try await withServer {
      $0.gateway.messagesPerSecond = 0
    } _: { server async throws in
      let result = try await drill(server) { _ in
      } _: {
        server.store.behaviour = .answer(.failed(.unavailable("broken for the test")))
        let before = server.store.submittedCommits
        try await eventually("failures") { server.store.submittedCommits > before + 20 }
        server.store.behaviour = .pass
      }
      #expect(result.verdict.objections == [])
      #expect(result.verdict.refusals.retried["store_unavailable"] ?? 0 > 0)
      #expect(result.verdict.refusals.final == [:])
    }
  }

  @Test("a room with more events than it replays at once is read all the same")
  func longJournals() async throws {
    try await withServer {
      $0.rooms.replayLimit = 300
      $0.gateway.messagesPerSecond = 0
    } _: { server async throws in
      let result = try await drill(server) {
        $0.journalPiece = 50
        $0.operationsPerSecond = 400
      } _: {
        try await eventually("a long journal") { try await server.journal(of: "drill-0").count > 400 }
      }
      #expect(result.verdict.objections == [])
      #expect(result.histories[0].outcome.journal.count > 400)
    }
  }
}
