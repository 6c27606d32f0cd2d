import Foundation
import Load
import RoomCore
import TestSupport
import Testing

@Suite("What an operator may do with a running cluster", .timeLimit(.minutes(5)))
struct AdminTests {
  private static let token = "a token of the tests"

  /// A cluster that takes orders, and the arguments with which to give them.
  private func withCluster(
    _ body: (_ cluster: ProcessCluster, _ tokenFile: String) async throws -> Void
  ) async throws {
    try await withPrograms { directory async throws in
      let file = directory.file("admin.token")
      try "\(Self.token)\n".write(toFile: file, atomically: true, encoding: .utf8)
      let cluster = try await ProcessCluster(
        in: directory, on: .sqlite, count: 2, arguments: ["--admin-token-file", file])
      for process in cluster.nodes + [cluster.gateway] {
        let probe = try await RawConnection.open(process.port)
        try await eventually("all to know of all, and to own their shares") {
          let view = try JSON(parsing: try await probe.get("/v1/cluster").body)
          let members = view["members"].elements
          return members.count == 3 && members.allSatisfy { $0["status"] == "alive" }
            && cluster.nodes.indices.allSatisfy { index in
              let node = members.first { $0["name"] == .string("node-\(index)") }
              return node?["slots"].int == cluster.share(of: index)
            }
        }
      }
      try await body(cluster, file)
      try await cluster.stop()
    }
  }

  private func admin(_ arguments: String..., on process: ServingProcess, token: String? = nil) async throws
    -> ChildProcess.Result
  {
    let url = "http://127.0.0.1:\(process.port)"
    return try await ChildProcess.run(
      ["admin"] + arguments + ["--url", url] + (token.map { ["--admin-token-file", $0] } ?? []))
  }

  private func post(
    _ line: String, _ headers: [String] = [], body: String = "", to process: ServingProcess
  ) async throws -> UpgradeResponse {
    let connection = try await RawConnection.open(process.port)
    connection.send(HTTPText.request(line, headers + ["Content-Length: \(body.utf8.count)"], body: body))
    return try await connection.response()
  }

  @Test("looking is for everybody; changes are for whoever has the token, and for nobody where there is none")
  func strangers() async throws {
    try await withCluster { cluster, _ async throws in
      let node = cluster.nodes[0]
      let right = "Authorization: Bearer \(Self.token)"
      let orders = [("POST /v1/cluster/drain HTTP/1.1", ""), ("DELETE /v1/cluster/drain HTTP/1.1", "")]
      let move = "POST /v1/cluster/move HTTP/1.1"
      for headers in [[], ["Authorization: Basic x"], ["Authorization: Bearer"]] {
        for (line, body) in orders + [(move, #"{"slot":1,"to":"node-1"}"#), (move, "nonsense")] {
          let response = try await post(line, headers, body: body, to: node)
          #expect(response.status == 401, "\(line) \(headers)")
          #expect(response.header("www-authenticate") == "Bearer")
          #expect(try JSON(parsing: response.body)["code"] == "unauthorized")
        }
      }
      for wrong in [Self.token.dropLast().description, Self.token + "x", Self.token.uppercased()] {
        let response = try await post(orders[0].0, ["Authorization: Bearer \(wrong)"], to: node)
        #expect(response.status == 401, "\(wrong)")
      }
      let faults: [(body: String, status: Int, code: String)] = [
        ("", 400, "bad_request"), ("[]", 400, "bad_request"), (#"{"slot":1}"#, 400, "bad_request"),
        (#"{"slot":1024,"to":"node-1"}"#, 400, "bad_request"), (#"{"slot":-1,"to":"node-1"}"#, 400, "bad_request"),
        (#"{"slot":1,"to":"node-1","x":1}"#, 400, "bad_request"),
        (#"{"slot":1,"to":"nobody"}"#, 409, "unknown_node"), (#"{"slot":1,"to":"gateway-2"}"#, 409, "takes_nothing"),
        (String(repeating: " ", count: 5000), 413, "too_large"),
      ]
      for (body, status, code) in faults {
        let response = try await post(move, [right], body: body, to: node)
        #expect(response.status == status, "\(body): \(response.body)")
        #expect(try JSON(parsing: response.body)["code"] == .string(code), "\(body)")
      }
      let gateway = try await post(orders[0].0, [right], to: cluster.gateway)
      #expect(gateway.status == 409)
      #expect(try JSON(parsing: gateway.body)["code"] == "owns_nothing")
      let view = try JSON(parsing: try await RawConnection.open(node.port).get("/v1/cluster").body)
      #expect(view["draining"] == false)
      #expect(view["members"].elements.allSatisfy { $0["kind"] == "gateway" || $0["weight"] == 100 })
    }
    try await withPrograms { directory async throws in
      let cluster = try await ProcessCluster(in: directory, on: .sqlite, count: 1)
      let response = try await post(
        "POST /v1/cluster/drain HTTP/1.1", ["Authorization: Bearer \(Self.token)"], to: cluster.nodes[0])
      #expect(response.status == 403)
      #expect(try JSON(parsing: response.body)["code"] == "no_admin_token")
      try await cluster.stop()
      let alone = try await ServingProcess.start(directory.file("alone.sqlite"))
      #expect(try await post("POST /v1/cluster/drain HTTP/1.1", to: alone).status == 404)
      let members = try await admin("members", on: alone)
      #expect(members.exit == .code(1))
      #expect(members.errors.contains("no cluster"), "\(members.errors)")
      alone.child.kill(SIGTERM)
      #expect(await alone.child.exit == .code(0))
    }
  }

  @Test("a node that is drained stays up without slots, its rooms go on elsewhere, and it takes slots again")
  func drain() async throws {
    try await withCluster { cluster, token async throws in
      let room = cluster.room(of: 0, 0)
      let asha = try await RoomClient.joined(cluster.gateway.port, RoomClient.path + room + "?v=2", as: "asha")
      let node = cluster.nodes[0]
      let refused = try await admin("drain", on: node)
      #expect(refused.exit == .code(1))
      #expect(refused.errors.contains("token"), "\(refused.errors)")

      let drained = try await admin("drain", on: node, token: token)
      #expect(drained.exit == .code(0), "\(drained.errors)")
      #expect(drained.output == "node-0 owns no slots\n")
      asha.add("Dal", as: "asha", opId: "one")
      #expect(try await asha.next("ack")["opId"] == "one")
      try await eventually("the other one to have all") {
        let view = try JSON(parsing: try await admin("members", "--json", on: node).output)
        #expect(view["draining"] == true)
        let members = view["members"].elements
        #expect(members.first { $0["name"] == "node-0" }?["weight"] == 0)
        return members.first { $0["name"] == "node-1" }?["slots"] == 1024
      }
      // It still serves clients.
      let ravi = try await RoomClient.joined(node.port, RoomClient.path + room + "?v=2", as: "ravi")
      #expect(try await asha.next("participant_joined")["participantId"] == "ravi")
      // The other one has nobody to hand anything to.
      let last = try await admin("drain", on: cluster.nodes[1], token: token)
      #expect(last.exit == .code(1))
      #expect(last.errors.contains("no other node"), "\(last.errors)")

      let undone = try await admin("drain", "--undo", on: node, token: token)
      #expect(undone.exit == .code(0), "\(undone.errors)")
      #expect(undone.output == "node-0 takes slots again\n")
      let probe = try await RawConnection.open(node.port)
      try await eventually("its rooms to be back") { try await owner(of: room, through: probe) == "node-0" }
      asha.add("Naan", as: "asha", opId: "two")
      #expect(try await asha.next("ack")["opId"] == "two")
      #expect(asha.socket.closure == nil && ravi.socket.closure == nil)
      // And it ends as any other.
      #expect(try await admin("drain", on: node, token: token).exit == .code(0))
      node.child.kill(SIGTERM)
      #expect(await node.child.exit == .code(0))
    }
  }

  @Test("a slot goes to the node that is named, whichever process is told, and stays until a node goes")
  func move() async throws {
    try await withCluster { cluster, token async throws in
      let room = cluster.room(of: 0, 0)
      let slot = try Slot(of: #require(RoomID(room)))
      let asha = try await RoomClient.joined(cluster.gateway.port, RoomClient.path + room + "?v=2", as: "asha")
      let moved = try await admin("move", "--room", room, "--to", "node-1", on: cluster.gateway, token: token)
      #expect(moved.exit == .code(0), "\(moved.errors)")
      #expect(moved.output.hasPrefix("slot \(slot) is node-1's, at epoch "), "\(moved.output)")
      asha.add("Dal", as: "asha", opId: "one")
      #expect(try await asha.next("ack")["opId"] == "one")
      let table = try await admin("slots", "--owner", "node-1", on: cluster.nodes[1])
      let pinned = table.lines.filter { $0.hasSuffix("pinned") }
      #expect(pinned.map { $0.split(separator: " ").first } == ["\(slot)"], "\(table.output)")

      // Back by the other's hand, and there again by its own.
      for (name, process) in [("node-0", cluster.nodes[0]), ("node-1", cluster.nodes[0])] {
        let moved = try await admin("move", "--slot", "\(slot)", "--to", name, on: process, token: token)
        #expect(moved.exit == .code(0), "\(moved.errors)")
      }
      let unknown = try await admin("move", "--slot", "\(slot)", "--to", "nobody", on: cluster.nodes[0], token: token)
      #expect(unknown.exit == .code(1))
      #expect(unknown.errors.contains("nobody"), "\(unknown.errors)")
      let wrong = try await admin("move", "--to", "node-1", on: cluster.nodes[0], token: token)
      #expect(wrong.exit == .code(64))

      // The drain of either changes who can own slots: afterwards placement counts again.
      #expect(try await admin("drain", on: cluster.nodes[1], token: token).exit == .code(0))
      #expect(try await owner(of: room, through: RawConnection.open(cluster.nodes[0].port)) == "node-0")
      #expect(try await admin("drain", "--undo", on: cluster.nodes[1], token: token).exit == .code(0))
      asha.add("Naan", as: "asha", opId: "two")
      #expect(try await asha.next("ack")["opId"] == "two")
      #expect(asha.socket.closure == nil)
    }
  }

  private func owner(of room: String, through probe: RawConnection) async throws -> String? {
    let slot = try Slot(of: #require(RoomID(room)))
    let view = try JSON(parsing: try await probe.get("/v1/cluster/slots").body)
    #expect(view["slots"].elements.count == Slot.count)
    return view["slots"][slot.number]["name"].string
  }

  @Test("who is there, what each owns, and how old the news is, as a table")
  func members() async throws {
    try await withCluster { cluster, _ async throws in
      let asha = try await RoomClient.joined(cluster.gateway.port, as: "asha")
      try await eventually("news of all") {
        let view = try JSON(parsing: try await admin("members", "--json", on: cluster.nodes[0]).output)
        let members = view["members"].elements
        #expect(view["sessions"] == 0)
        #expect(view["storeReadMillisAgo"].int ?? .max < 60_000)
        return members.count == 3 && view["remoteSessions"].int ?? 0 <= 1
          && members.allSatisfy { $0["node"] == view["node"] || $0["heardMillisAgo"] != .missing }
          && members.allSatisfy { ($0["wroteMillisAgo"] != .missing) == ($0["kind"] == "node") }
      }
      let view = try JSON(parsing: try await admin("members", "--json", on: cluster.gateway).output)
      #expect(view["sessions"] == 1)
      #expect(view["rooms"] == 1)
      let table = try await admin("members", on: cluster.gateway)
      #expect(table.exit == .code(0), "\(table.errors)")
      #expect(table.lines.first?.split(separator: " ").first == "NAME")
      #expect(table.lines.count == 6)
      #expect(table.lines.contains { $0.hasPrefix("gateway-2 *") })
      #expect(table.output.contains("slots without an owner: 0\n* gateway-2: sessions 1, rooms with sessions 1\n"))
      #expect(asha.socket.closure == nil)
    }
  }
}
