import Foundation
import Load
import Membership
import NIOCore
import NIOPosix
import Ordering
import RoomCore
import Store
import StoreTesting
import Synchronization
import TestSupport
import Testing

/// Three nodes and a gateway, each a process of its own, on one store: what becomes of the clients of the gateway when
/// something becomes of a node.
@Suite("A cluster of processes", .timeLimit(.minutes(5)))
struct ClusterTests {
  /// What happens to a node, beyond what it is asked to do.
  enum Fate: String, CaseIterable, CustomTestStringConvertible {
    case killed = "killed with SIGKILL"
    case stopped = "frozen with SIGSTOP for a while"
    case drained = "told to end with SIGTERM"
    case replaced = "told to end, and started again"

    var testDescription: String { rawValue }
  }

  @Test(
    "no client of the gateway is cut off, and all is exactly once, when a node is", arguments: Fate.allCases,
    StoreKind.allCases)
  func fate(_ fate: Fate, on kind: StoreKind) async throws {
    let seed = Seed.next()
    try await withPrograms { directory async throws in
      let cluster = try await ProcessCluster(in: directory, on: kind)
      let port = cluster.gateway.port
      // Two rooms of the node that it is about, and one of another.
      let rooms = [cluster.room(of: 0, 0), cluster.room(of: 0, 1), cluster.room(of: 1, 0)]
      let each = 240
      let progress = Countdown(rooms.count * 2 * each / 10) { cluster.begin.fulfil(true) }
      var participants: [(room: String, LoadedParticipant)] = []
      try await withThrowingTaskGroup(of: (String, LoadedParticipant)?.self) { group in
        for (index, room) in rooms.enumerated() {
          for number in 0..<2 {
            group.addTask {
              var participant = LoadedParticipant(2 * index + number, seed: seed)
              try await participant.live(port, room: room, exactly: each, told: progress)
              return (room, participant)
            }
          }
        }
        group.addTask {
          _ = await cluster.begin.value
          try await cluster.befall(fate, node: 0)
          return nil
        }
        for try await result in group {
          if let result { participants.append(result) }
        }
      }
      // The rooms had to be found elsewhere, while operations were on their way to them.
      #expect(try await cluster.gatewayMetric("stonepot_link_owners_lost_total") > 0)
      #expect(try await cluster.gatewayMetric("stonepot_link_rooms_given_up_total") == 0)
      try await cluster.stop()
      let store = try await cluster.openStore()
      for (room, participant) in participants {
        let journal = try await TestServer.journal(of: room, in: store)
        #expect(participant.acknowledged.count == each)
        #expect(participant.view.resumes == 0, "a client was told that it had moved")
        participant.check(against: journal, "\(room), \(participant.id)")
      }
      await store.close()
    }
  }

  @Test("a process of another cluster is not let in, and one without the secret neither", arguments: [true, false])
  func strangers(isOtherCluster: Bool) async throws {
    try await withPrograms { directory async throws in
      let cluster = try await ProcessCluster(in: directory, on: .sqlite, count: 1)
      let arguments = cluster.gatewayArguments(
        cluster: isOtherCluster ? "another" : nil, secret: isOtherCluster ? nil : "not the secret at all")
      let stranger = try ChildProcess(ChildProcess.stonepot, arguments)
      _ = try await cluster.nodes[0].child.errorLine { $0.contains("a peer's connection came to nothing") }
      stranger.kill(SIGTERM)
      try await cluster.stop()
    }
  }

  enum StoreKind: String, CaseIterable, CustomTestStringConvertible {
    case sqlite, postgres

    var testDescription: String { rawValue }
  }
}

/// The processes of one cluster on this machine.
private final class ProcessCluster: Sendable {
  let begin = Promised<Bool>()
  private let state: Mutex<[ServingProcess]>
  let gateway: ServingProcess
  private let peerPorts: [Int]
  private let kind: ClusterTests.StoreKind
  private let store: String
  private let directory: TemporaryDirectory

  private static let secret = "a secret of the tests"

  init(in directory: TemporaryDirectory, on kind: ClusterTests.StoreKind, count: Int = 3) async throws {
    self.directory = directory
    self.kind = kind
    store =
      switch kind {
      case .sqlite: "sqlite:" + directory.file("rooms.sqlite")
      case .postgres: try await Self.makeDatabase()
      }
    peerPorts = try await FreePorts.find(count + 2)
    var nodes: [ServingProcess] = []
    for index in 0..<count {
      nodes.append(try await Self.start(index, peerPorts, store))
    }
    state = Mutex(nodes)
    gateway = try await ServingProcess(
      try ChildProcess(ChildProcess.stonepot, Self.gatewayArguments(peerPorts, at: count, count)))
    let probe = try await RawConnection.open(gateway.port)
    try await eventually("all slots to have an owner") {
      try JSON(parsing: try await probe.get("/v1/cluster").body)["unownedSlots"] == 0
    }
  }

  private static func makeDatabase() async throws -> String {
    try await PostgresServer.shared().makeDatabase()
  }

  var nodes: [ServingProcess] { state.withLock { $0 } }

  private static func start(_ index: Int, _ ports: [Int], _ store: String) async throws -> ServingProcess {
    let seeds = ports.map { "127.0.0.1:\($0)" }.joined(separator: ",")
    return try await ServingProcess(
      try ChildProcess(
        ChildProcess.stonepot,
        [
          "serve", "--listen", "127.0.0.1:0", "--store", store, "--peer-listen", "127.0.0.1:\(ports[index])", "--join",
          seeds, "--name", "node-\(index)", "--peer-secret", secret,
        ]))
  }

  private static func gatewayArguments(
    _ ports: [Int], at index: Int, _ count: Int, cluster: String? = nil, secret: String? = nil
  ) -> [String] {
    let seeds = ports.prefix(count).map { "127.0.0.1:\($0)" }.joined(separator: ",")
    return [
      "gateway", "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:\(ports[index])", "--join", seeds, "--name",
      "gateway-\(index)", "--peer-secret", secret ?? Self.secret, "--cluster", cluster ?? "stonepot", "--message-rate",
      "off",
    ]
  }

  func gatewayArguments(cluster: String?, secret: String?) -> [String] {
    Self.gatewayArguments(
      peerPorts, at: peerPorts.count - 1, nodes.count, cluster: cluster, secret: secret)
  }

  /// The name of a room that placement gives to a node, if all are there.
  func room(of index: Int, _ number: Int) -> String {
    let placement = Placement(
      over: nodes.indices.map { Placement.Candidate(node: NodeID("\($0)"), name: "node-\($0)", weight: 100) })
    let names = (0...).lazy.map { "room-\($0)" }.filter { name in
      RoomID(name).map { placement.owner(of: Slot(of: $0)) == NodeID("\(index)") } ?? false
    }
    return Array(names.prefix(number + 1))[number]
  }

  func gatewayMetric(_ name: String) async throws -> Double {
    let lines = try await RawConnection.open(gateway.port).get("/metrics").body.split(separator: "\n")
    return lines.first { $0.hasPrefix(name + " ") }?.split(separator: " ").last.flatMap { Double($0) } ?? 0
  }

  func befall(_ fate: ClusterTests.Fate, node index: Int) async throws {
    let node = nodes[index]
    switch fate {
    case .killed:
      node.child.kill(SIGKILL)
      #expect(await node.child.exit == .signal(SIGKILL))
    case .stopped:
      node.child.kill(SIGSTOP)
      try await Task.sleep(for: .seconds(5))
      node.child.kill(SIGCONT)
    case .drained, .replaced:
      node.child.kill(SIGTERM)
      #expect(await node.child.exit == .code(0))
      guard fate == .replaced else { return }
      let again = try await Self.start(index, peerPorts, store)
      state.withLock { $0[index] = again }
    }
  }

  func stop() async throws {
    for process in nodes + [gateway] where !process.child.hasExited { process.child.kill(SIGTERM) }
    for process in nodes + [gateway] { _ = await process.child.exit }
  }

  func openStore() async throws -> any RoomStore {
    switch kind {
    case .sqlite:
      return try await SQLiteStore.open(
        SQLiteConfiguration(path: directory.file("rooms.sqlite"), history: "", mode: .readOnly))
    case .postgres:
      var configuration = PostgresConfiguration(url: store, history: "")
      configuration.migrates = false
      return try await PostgresStore.open(configuration)
    }
  }
}

/// Ports that nobody listened on a moment ago.
private enum FreePorts {
  static func find(_ count: Int) async throws -> [Int] {
    let group = MultiThreadedEventLoopGroup.singleton
    var channels: [any Channel] = []
    for _ in 0..<count {
      channels.append(try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get())
    }
    let ports = channels.compactMap { $0.localAddress?.port }
    for channel in channels { try await channel.close().get() }
    return ports
  }
}
