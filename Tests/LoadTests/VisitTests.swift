import Foundation
import Load
import Testing

@Suite("Visits", .timeLimit(.minutes(2)))
struct VisitTests {
  private func run(prefix: String, rooms: Int = 1000) async throws -> (LoadReport, [String]) {
    let tiny = TinyRooms(.none)
    let server = try await tiny.start()
    var scenario = VisitScenario(roomPrefix: prefix)
    scenario.rooms = rooms
    scenario.visitsPerSecond = 200
    scenario.measuredSeconds = 0.5
    var target = LoadTarget(host: "127.0.0.1", port: server.port)
    target.processIDs = [ProcessInfo.processInfo.processIdentifier]
    let report = try await LoadRunner(.visits(scenario), target: target).run()
    await server.stop()
    return (report, tiny.visited)
  }

  @Test("each visit is to another room, and lasts until the first sync")
  func visits() async throws {
    let (report, visited) = try await run(prefix: "cold")
    #expect(report.errors == LoadErrors())
    #expect(report.operations == 100)
    #expect(report[.firstSync].count == 100 && report[.afterUpgrade].count == 100)
    #expect(report[.afterUpgrade].p50Micros <= report[.firstSync].p50Micros)
    #expect(Set(visited).count == 100)
    #expect(report.bytesPerDelivery == 25)
    #expect(try #require(report.server).residentAfterKB > 0)
  }

  @Test("a room that says nothing is an error of the report")
  func silence() async throws {
    let (report, _) = try await run(prefix: "silent")
    #expect(report.operations == 0)
    #expect(report.errors.samples.contains { $0.contains("saw no sync") }, "\(report.errors.samples)")
  }

  @Test("a server that is not there is in the report, once for each visit")
  func nobodyThere() async throws {
    let server = try await LoopbackServer.start(answering: "")
    let target = LoadTarget(host: "127.0.0.1", port: server.port)
    await server.stop()
    var scenario = VisitScenario(roomPrefix: "cold")
    scenario.measuredSeconds = 0.1
    let report = try await LoadRunner(.visits(scenario), target: target).run()
    #expect(report.operations == 0)
    #expect(report.errors.count == 20)
  }

  @Test("all rooms are visited once before any is visited again", arguments: [1, 2, 10, 7919, 10_000])
  func order(rooms: Int) {
    var scenario = VisitScenario(roomPrefix: "r")
    scenario.rooms = rooms
    #expect(Set((0..<rooms).map(scenario.room(ofVisit:))).count == rooms)
    #expect(scenario.room(ofVisit: 0) == scenario.room(ofVisit: rooms))
  }
}
