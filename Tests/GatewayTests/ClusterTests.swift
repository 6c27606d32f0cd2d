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
              var participant = LoadedParticipant(2 * index + number, seed: seed, takesStates: fate == .stopped)
              try await participant.live(port, room: room, answered: each, told: progress, until: cluster.end)
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

  @Test("strangers where peers come do no harm to rooms")
  func strangers() async throws {
    let seed = Seed.next()
    try await withPrograms { directory async throws in
      let cluster = try await ProcessCluster(in: directory, on: .sqlite, count: 1)
      let isOver = Promised<Bool>()
      let gateway = cluster.gateway.port
      async let loaded = { () async throws -> LoadedParticipant in
        var participant = LoadedParticipant(0, seed: seed)
        try await participant.live(gateway, room: "room", answered: 100, until: isOver)
        return participant
      }()
      // Some say nothing, some half a hello, and some what is none.
      let words: [[UInt8]] = [
        [], [0, 0, 0, 100, 1], Array("GET / HTTP/1.1\r\n\r\n".utf8), [0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        [0, 0, 0, 2, 5, 1],
      ]
      let port = cluster.peerPort(ofNode: 0)
      var connections: [RawConnection] = []
      for number in 0..<200 {
        let connection = try await RawConnection.open(port)
        connection.send(ByteBuffer(bytes: words[number % words.count]))
        connections.append(connection)
      }
      // All are closed, those that are silent as well.
      for connection in connections { _ = try await connection.rest() }
      isOver.fulfil(true)
      let participant = try await loaded
      #expect(try await cluster.gatewayMetric("stonepot_link_owners_lost_total") == 0)
      try await cluster.stop()
      let store = try await cluster.openStore()
      participant.check(against: try await TestServer.journal(of: "room", in: store), participant.id)
      await store.close()
    }
  }

  @Test("a process ends when a later one runs under its name, says so, and tells its clients to come back")
  func namesake() async throws {
    try await withPrograms { directory async throws in
      let cluster = try await ProcessCluster(in: directory, on: .sqlite, count: 1)
      let (asha, ravi) = (
        try await RoomClient.joined(cluster.gateway.port, as: "asha"),
        try await RoomClient.joined(cluster.nodes[0].port, as: "ravi")
      )
      let successor = try await cluster.startNamesake(ofNode: 0)
      let result = try await cluster.nodes[0].child.result()
      #expect(result.exit == .code(3))
      #expect(result.errors.contains("a later process runs under the name node-0"), "\(result.errors)")
      #expect(try await ravi.closure()?.code == 1012)
      asha.add("Dal", as: "asha")
      #expect(try await asha.next("item_added")["data"]["item"]["dishName"] == "Dal")
      #expect(asha.socket.closure == nil)

      let port = try await FreePorts.find(1)[0]
      let namesake = try await ServingProcess(
        try ChildProcess(
          ChildProcess.stonepot,
          cluster.gatewayArguments(cluster: nil, secret: nil)
            + ["--name", "gateway-1", "--peer-listen", "127.0.0.1:\(port)", "--join", cluster.peers]))
      let gateway = try await cluster.gateway.child.result()
      #expect(gateway.exit == .code(3))
      #expect(try await asha.closure()?.code == 1012)
      for process in [namesake, successor] {
        process.child.kill(SIGTERM)
        #expect(await process.child.exit == .code(0))
      }
    }
  }

  @Test(
    "who shares a file is warned of a SQLite that may damage it; who has it alone is not", arguments: [true, false])
  func oldSQLite(isShared: Bool) async throws {
    try await withPrograms { directory async throws in
      let file = directory.file("rooms.sqlite")
      let port = try await FreePorts.find(1)[0]
      let server = try ChildProcess(
        ChildProcess.stonepot,
        ["serve", "--listen", "127.0.0.1:0", "--store", "sqlite:\(file)"]
          + (isShared ? ["--peer-listen", "127.0.0.1:\(port)"] : []))
      try await eventually("the file") { FileManager.default.fileExists(atPath: file) }
      server.kill(SIGKILL)
      let warned = try await server.result().errors.contains("may damage a file")
      #expect(warned == (isShared && SQLiteStore.mayDamageSharedFiles))
    }
  }

  @Test("a node without clients serves its rooms to gateways, probes and operators, and to nobody else")
  func node() async throws {
    try await withPrograms { directory async throws in
      let alone = try await ChildProcess.run(["node", "--listen", "127.0.0.1:0"], directory: directory.path)
      #expect(alone.exit == .code(64))
      #expect(alone.errors.contains("--peer-listen"), "\(alone.errors)")
      let cluster = try await ProcessCluster(in: directory, on: .sqlite, count: 1, command: "node")
      let port = cluster.nodes[0].port
      let asha = try await RoomClient.joined(cluster.gateway.port, as: "asha")
      asha.add("Dal", as: "asha")
      _ = try await asha.next("item_added")
      #expect(try await refusal(port, RoomClient.path + "room")?.status == 404)
      for (path, status) in [
        (RoomClient.path + "room", 404), ("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/v1/cluster", 200),
        ("/v1/cluster/slots", 200),
      ] {
        #expect(try await RawConnection.open(port).get(path).status == status, "\(path)")
        #expect(try await RawConnection.open(cluster.gateway.port).get(path).status == 200, "\(path)")
      }
      try await cluster.stop()
    }
  }

  enum StoreKind: String, CaseIterable, CustomTestStringConvertible {
    case sqlite, postgres

    var testDescription: String { rawValue }
  }
}
