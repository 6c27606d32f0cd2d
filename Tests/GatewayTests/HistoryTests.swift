import Foundation
import Load
import RoomCore
import Rooms
import StoreTesting
import TestSupport
import Testing
import Wire

/// What becomes of clients when the store has lost what they were told.
@Suite("A store with another past", .timeLimit(.minutes(5)))
struct HistoryTests {
  private static let path = RoomClient.path + "room?v=2"

  @Test("in one process: clients are closed with 1012, and what they saw in the old history is worth nothing")
  func alone() async throws {
    try await withServer { server async throws in
      let asha = try await RoomClient.joined(server.port, Self.path, as: "asha")
      server.registry.beginAnew(with: OrderVoice(history: "another"))
      #expect(try await asha.closure()?.code == 1012)
      for (query, type) in [
        ("since=1&history=\(TestServer.history)", "sync"), ("since=1&history=another", "resumed"),
        ("since=1", "resumed"),
      ] {
        let again = try await RoomClient.open(server.port, Self.path + "&" + query)
        let message = try await again.next()
        #expect(message["type"] == .string(type), "\(query)")
        let history = type == "sync" ? message["history"] : message["data"]["history"]
        #expect(history == "another", "\(query)")
      }
    }
  }

  @Test("a room that goes on under another history does not go on for those who knew it under the first")
  func moved() async throws {
    try await withServer {
      $0.nodes = 2
    } _: { server async throws in
      let owners = server.owners
      let asha = try await RoomClient.joined(server.port, Self.path, as: "asha")
      let page = try await RoomClient.open(server.port)
      #expect(try await page.next()["history"] == .string(TestServer.history))
      server.registries[1].beginAnew(with: OrderVoice(history: "another"))
      owners.tell(nil)
      try await owners.handOff(from: 0, to: 1)
      owners.tell(1)
      for client in [asha, page] { #expect(try await client.closure()?.code == 1012) }

      let again = try await RoomClient.open(server.port, Self.path + "&since=2&history=\(TestServer.history)")
      let sync = try await again.next()
      #expect(sync["type"] == "sync")
      #expect(sync["history"] == "another")
      // From now on it moves as ever.
      server.registries[0].beginAnew(with: OrderVoice(history: "another"))
      owners.tell(nil)
      try await owners.handOff(from: 1, to: 0)
      owners.tell(0)
      again.add("Dal", as: "asha", opId: "one")
      #expect(try await again.next("ack")["opId"] == "one")
      #expect(again.socket.closure == nil)
    }
  }

  // MARK: Processes on PostgreSQL

  /// A new timeline, as a promoted standby begins one, is feigned by what was noted of the last.
  private func rewind(_ url: String, room: String, to last: Int) throws {
    let raw = try RawPostgres(url)
    try raw.query(
      "DELETE FROM journal WHERE first > \(last) AND room = (SELECT id FROM rooms WHERE name = '\(room)')")
    // Claims may be lost as well.
    try raw.query("UPDATE slots SET epoch = 0, owner = NULL")
    try raw.query("UPDATE meta SET value = '0' WHERE key = 'timeline'")
    try raw.query(
      """
      SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'stonepot'
      """)
  }

  /// A client that has seen three positions of a room, of which the store then forgets the last.
  private func loseLast(_ url: String, _ port: Int, log child: ChildProcess) async throws {
    let asha = try await RoomClient.joined(port, Self.path, as: "asha")
    asha.add("Dal", as: "asha", opId: "one")
    let ack = try await asha.next("ack")
    let seen = try #require(ack["seq"].int)
    let first = try JSON(parsing: try await RawConnection.open(port).get(RoomClient.path + "room").body)
    #expect(first["data"]["items"].elements.count == 1)
    let history = try #require(first["history"].string)

    try rewind(url, room: "room", to: seen - 1)
    #expect(try await asha.closure()?.code == 1012)
    _ = try await child.errorLine { $0.contains("has a new history") }
    let deadline = ContinuousClock.now + patience
    /// Nodes may hear of it one after the other, and one that hears of it closes whoever came before.
    func comeBack() async throws -> (RoomClient, JSON) {
      while true {
        let client = try await RoomClient.open(port, Self.path + "&since=\(seen)&history=\(history)")
        do {
          let sync = try await client.next()
          if sync["history"] != .string(history) || ContinuousClock.now > deadline { return (client, sync) }
          _ = try await client.closure()
        } catch is RoomClient.Closed where ContinuousClock.now < deadline {}
      }
    }
    let (returned, sync) = try await comeBack()
    var again = returned
    #expect(sync["type"] == "sync")
    #expect(sync["seq"] == .number(Double(seen - 1)))
    #expect(sync["history"] != .string(history))
    #expect(sync["data"]["items"].elements.isEmpty)
    // As claims were lost, too, it may have to come back once more.
    var answer: JSON?
    while answer == nil {
      again.add("Dal", as: "asha", opId: "one")
      do {
        answer = try await again.next("ack")
      } catch is RoomClient.Closed where ContinuousClock.now < deadline {
        again = try await RoomClient.open(port, Self.path)
      }
    }
    #expect(answer?["seq"] == .number(Double(seen)))
  }

  @Test("a server on a database that was rewound loads its rooms anew")
  func serve() async throws {
    try await withPrograms { _ async throws in
      let url = try await PostgresServer.shared().makeDatabase()
      let server = try await ServingProcess(
        try ChildProcess(ChildProcess.stonepot, ["serve", "--listen", "127.0.0.1:0", "--store", url]))
      try await loseLast(url, server.port, log: server.child)
      server.child.kill(SIGTERM)
      #expect(await server.child.exit == .code(0))
    }
  }

  @Test("nodes on a database that was rewound load their rooms anew, and gateways follow")
  func cluster() async throws {
    try await withPrograms { directory async throws in
      let cluster = try await ProcessCluster(in: directory, on: .postgres, count: 2)
      try await loseLast(cluster.store, cluster.gateway.port, log: cluster.nodes[cluster.owner(of: "room")].child)
      try await cluster.stop()
    }
  }
}
