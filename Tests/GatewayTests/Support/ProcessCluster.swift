import Load
import Membership
import NIOCore
import NIOPosix
import RoomCore
import Store
import StoreTesting
import Synchronization
import TestSupport
import Testing

/// The processes of one cluster on this machine.
final class ProcessCluster: Sendable {
  let begin = Promised<Bool>()
  /// Fulfilled when what was to befall it has.
  let end = Promised<Bool>()
  private let state: Mutex<[ServingProcess]>
  let gateway: ServingProcess
  private let peerPorts: [Int]
  private let kind: ClusterTests.StoreKind
  /// As `--store` has it.
  let store: String
  private let directory: TemporaryDirectory
  private let command: String
  private let arguments: [String]

  private static let secret = "a secret of the tests"

  /// - Parameters:
  ///   - command: of the nodes.
  ///   - arguments: what all processes get beside the usual.
  ///   - hasRecords: whether the gateway serves records, too.
  init(
    in directory: TemporaryDirectory, on kind: ClusterTests.StoreKind, count: Int = 3, command: String = "serve",
    arguments: [String] = [], hasRecords: Bool = false
  ) async throws {
    self.directory = directory
    self.command = command
    self.arguments = arguments
    self.kind = kind
    store =
      switch kind {
      case .sqlite: "sqlite:" + directory.file("rooms.sqlite")
      case .postgres: try await Self.makeDatabase()
      }
    peerPorts = try await FreePorts.find(count + 2)
    var nodes: [ServingProcess] = []
    for index in 0..<count {
      nodes.append(try await Self.start(command, index, peerPorts, store, arguments))
    }
    state = Mutex(nodes)
    gateway = try await ServingProcess(
      try ChildProcess(
        ChildProcess.stonepot,
        Self.gatewayArguments(peerPorts, at: count, count) + arguments + (hasRecords ? ["--store", store] : [])))
    let probe = try await RawConnection.open(gateway.port)
    try await eventually("all slots to have an owner") {
      try JSON(parsing: try await probe.get("/v1/cluster").body)["unownedSlots"] == 0
    }
  }

  private static func makeDatabase() async throws -> String {
    try await PostgresServer.shared().makeDatabase()
  }

  var nodes: [ServingProcess] { state.withLock { $0 } }

  private static func start(
    _ command: String, _ index: Int, _ ports: [Int], _ store: String, _ arguments: [String], at place: Int? = nil
  ) async throws -> ServingProcess {
    let seeds = ports.map { "127.0.0.1:\($0)" }.joined(separator: ",")
    return try await ServingProcess(
      try ChildProcess(
        ChildProcess.stonepot,
        [
          command, "--listen", "127.0.0.1:0", "--store", store, "--peer-listen", "127.0.0.1:\(ports[place ?? index])",
          "--join", seeds, "--name", "node-\(index)", "--peer-secret", secret,
        ] + arguments))
  }

  /// Where any process of the cluster may be, as `--join` has it.
  var peers: String { peerPorts.map { "127.0.0.1:\($0)" }.joined(separator: ",") }

  /// Where the others come to it.
  func peerPort(ofNode index: Int) -> Int { peerPorts[index] }

  /// Another process under a node's name, at a port of its own.
  func startNamesake(ofNode index: Int) async throws -> ServingProcess {
    try await Self.start(command, index, peerPorts, store, arguments, at: peerPorts.count - 1)
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

  /// Of a gateway at a port of its own.
  func gatewayArguments(cluster: String?, secret: String?) -> [String] {
    Self.gatewayArguments(
      peerPorts, at: peerPorts.count - 1, nodes.count, cluster: cluster, secret: secret)
  }

  /// The name of a room that placement gives to a node, if all are there.
  func room(of index: Int, _ number: Int) -> String {
    let names = (0...).lazy.map { "room-\($0)" }.filter { self.owner(of: $0) == index }
    return Array(names.prefix(number + 1))[number]
  }

  private var placement: Placement {
    Placement(over: nodes.indices.map { Placement.Candidate(node: NodeID("\($0)"), name: "node-\($0)", weight: 100) })
  }

  /// How many slots placement gives to a node, if all are there.
  func share(of index: Int) -> Int {
    let placement = placement
    return Slot.all.count { placement.owner(of: $0) == NodeID("\(index)") }
  }

  /// The node that placement gives a room to, if all are there.
  func owner(of room: String) -> Int {
    let owner = RoomID(room).flatMap { placement.owner(of: Slot(of: $0)) }
    return nodes.indices.first { NodeID("\($0)") == owner } ?? 0
  }

  func gatewayMetric(_ name: String) async throws -> Double {
    let lines = try await RawConnection.open(gateway.port).get("/metrics").body.split(separator: "\n")
    return lines.first { $0.hasPrefix(name + " ") }?.split(separator: " ").last.flatMap { Double($0) } ?? 0
  }

  func befall(_ fate: ClusterTests.Fate, node index: Int) async throws {
    let node = nodes[index]
    defer { end.fulfil(true) }
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
      let again = try await Self.start(command, index, peerPorts, store, arguments)
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
enum FreePorts {
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
