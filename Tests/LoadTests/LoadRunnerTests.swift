import Foundation
import Load
import NIOCore
import NIOWebSocket
import Synchronization
import Testing

/// A server of rooms with as much sense as the driver needs, and a fault on request.
private final class TinyRooms: Sendable {
  enum Fault: Sendable {
    case none
    /// The n-th change is not broadcast to one participant.
    case losesDelivery(of: Int)
    /// The n-th change is refused.
    case refuses(Int)
    /// The n-th change makes the server hang up.
    case hangsUp(at: Int)
    /// Joins are refused.
    case refusesJoins
  }

  private struct State {
    var rooms: [String: [(ObjectIdentifier, LoopbackServer.Peer)]] = [:]
    var roomOf: [ObjectIdentifier: String] = [:]
    var items = 0
    var changes = 0
  }

  private let fault: Fault
  private let state = Mutex(State())

  init(_ fault: Fault) {
    self.fault = fault
  }

  func start() async throws -> LoopbackServer {
    try await LoopbackServer.start { path, peer in
      self.state.withLock {
        $0.rooms[path, default: []].append((ObjectIdentifier(peer.channel), peer))
        $0.roomOf[ObjectIdentifier(peer.channel)] = path
      }
    } behavior: { frame, peer in
      guard frame.opcode == .text else { return }
      self.receive(String(buffer: frame.unmaskedData), from: peer)
    }
  }

  private func receive(_ text: String, from peer: LoopbackServer.Peer) {
    guard let message = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any],
      let type = message["type"] as? String, let participant = message["participantId"] as? String
    else { return peer.send(.text, #"{"type":"error","error":"no JSON"}"#) }
    var peers: [LoopbackServer.Peer] = []
    var item = 0
    var change = 0
    state.withLock { state in
      peers = state.rooms[state.roomOf[ObjectIdentifier(peer.channel)] ?? ""]?.map(\.1) ?? []
      if type == "add_item" { state.items += 1 }
      if type == "update_quantity" { state.changes += 1 }
      (item, change) = (state.items, state.changes)
    }
    func broadcast(_ kind: String, data: String) {
      for peer in peers { peer.send(.text, #"{"type":"\#(kind)","participantId":"\#(participant)","data":\#(data)}"#) }
    }
    switch type {
    case "join":
      if case .refusesJoins = fault { return peer.send(.text, #"{"type":"error","error":"no seat"}"#) }
      broadcast("participant_joined", data: "{}")
    case "add_item": broadcast("item_added", data: #"{"item":{"id":"i-\#(item)"}}"#)
    default:
      switch fault {
      case .losesDelivery(of: change): peers.removeLast()
      case .refuses(change): return peer.send(.text, #"{"type":"error","error":"not today"}"#)
      case .hangsUp(at: change): return peer.channel.close(promise: nil)
      default: break
      }
      if let opID = message["opId"] { peer.send(.text, #"{"type":"ack","opId":"\#(opID)","seq":\#(change)}"#) }
      broadcast("quantity_updated", data: "{}")
    }
  }
}

@Suite("LoadRunner", .timeLimit(.minutes(2)))
struct LoadRunnerTests {
  private func run(
    _ fault: TinyRooms.Fault = .none, _ change: (inout LoadScenario) -> Void = { _ in }
  ) async throws -> LoadReport {
    let server = try await TinyRooms(fault).start()
    var scenario = LoadScenario(roomPrefix: "test")
    scenario.rooms = 3
    scenario.participantsPerRoom = 4
    scenario.warmupSeconds = 0
    scenario.measuredSeconds = 1
    change(&scenario)
    var target = LoadTarget(host: "127.0.0.1", port: server.port)
    target.processIDs = [ProcessInfo.processInfo.processIdentifier]
    let report = try await LoadRunner(scenario: scenario, target: target).run()
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
    #expect(report.others.count == 3 * report.ownEcho.count)
    #expect(report.ownEcho.p50Micros > 0)
    #expect(report.ownEcho.p50Micros <= report.ownEcho.p999Micros)
    #expect(try #require(report.server).residentAfterKB > 0)
    #expect(report.bytesPerBroadcast > 60)
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
      $0.pacing = .openLoop(operationsPerSecond: 500)
      $0.measuredSeconds = 1
    }
    #expect(report.errors == LoadErrors())
    #expect((1...501).contains(report.ownEcho.count))
  }

  @Test("a report survives JSON")
  func codable() async throws {
    let report = try await run()
    let again = try JSONDecoder().decode(LoadReport.self, from: JSONEncoder().encode(report))
    #expect(again.scenario == report.scenario && again.ownEcho == report.ownEcho && again.server == report.server)
  }

  @Test(
    "what the server does wrong is in the report",
    arguments: [
      (.losesDelivery(of: 2), "never came"),
      (.refuses(2), "not today"),
      (.hangsUp(at: 2), "the server closed a connection"),
    ] as [(TinyRooms.Fault, String)])
  fileprivate func faults(fault: TinyRooms.Fault, sample: String) async throws {
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
    await #expect(throws: LoadFailure.self) { try await LoadRunner(scenario: scenario, target: target).run() }
    scenario.rooms = 0
    await #expect(throws: LoadFailure.scenario("rooms must be 1 to 100000")) {
      try await LoadRunner(scenario: scenario, target: target).run()
    }
  }
}
