import Foundation
import Load
import StoreTesting
import TestSupport
import Testing

/// The whole way of an order: people become customers, customers a circle, the circle fills a cart, and the cart is placed.
@Suite("From a name and a number to orders that are placed", .timeLimit(.minutes(5)))
struct FlowTests {
  enum Deployment: String, CaseIterable, CustomTestStringConvertible, Sendable {
    case oneNode = "one node"
    case threeNodesAndAGateway = "three nodes and a gateway"

    var testDescription: String { rawValue }
  }

  @Test(
    "over HTTP and WebSockets", arguments: ClusterTests.StoreKind.allCases, Deployment.allCases)
  func overHTTP(kind: ClusterTests.StoreKind, deployment: Deployment) async throws {
    try await withDeployment(deployment, on: kind) { port async throws in
      var flow = try await Flow(port)
      try await flow.run()
    }
  }

  /// With tokens: what leads into rooms has one in it, and an operator's token opens the records.
  private func withDeployment(
    _ deployment: Deployment, on kind: ClusterTests.StoreKind, _ body: (Int) async throws -> Void
  ) async throws {
    try await withPrograms { directory async throws in
      let arguments = [
        "--auth", "token", "--token-secret", "0123456789abcdef0123456789abcdef", "--admin-token", Flow.adminToken,
      ]
      switch deployment {
      case .threeNodesAndAGateway:
        let cluster = try await ProcessCluster(in: directory, on: kind, arguments: arguments, hasRecords: true)
        try await body(cluster.gateway.port)
        try await cluster.stop()
      case .oneNode:
        let store =
          switch kind {
          case .sqlite: "sqlite:" + directory.file("rooms.sqlite")
          case .postgres: try await PostgresServer.shared().makeDatabase()
          }
        let server = try await ServingProcess(
          try ChildProcess(
            ChildProcess.stonepot, ["serve", "--listen", "127.0.0.1:0", "--store", store] + arguments))
        try await body(server.port)
        server.child.kill(SIGTERM)
        #expect(await server.child.exit == .code(0))
      }
    }
  }
}

/// What the people of one circle do.
private struct Flow {
  static let adminToken = "the admin token of a test"
  private static let base = "/v1/tenants/stonepot"

  private let port: Int
  private let connection: RawConnection

  init(_ port: Int) async throws {
    self.port = port
    connection = try await RawConnection.open(port)
  }

  func call(_ line: String, _ body: String = "", status: Int = 200) async throws -> JSON {
    let headers = ["Authorization: Bearer \(Self.adminToken)", "Content-Length: \(body.utf8.count)"]
    let parts = line.split(separator: " ")
    connection.send(HTTPText.request("\(parts[0]) \(Self.base)\(parts[1]) HTTP/1.1", headers, body: body))
    let response = try await connection.response()
    #expect(response.status == status, "\(line): \(response.body)")
    return try JSON(parsing: response.body)
  }

  mutating func run() async throws {
    let phones = ["9876543210", "9876543211", "9876543212"]
    _ = try await call("POST /customers", #"{"phone":"\#(phones[0])","name":"Asha"}"#, status: 201)
    let circle = try #require(
      try await call("POST /circles", #"{"name":"Home","type":"family","owner":"\#(phones[0])"}"#, status: 201)["id"]
        .string)
    for (phone, name) in [(phones[1], "Ravi"), (phones[2], "Mina")] {
      _ = try await call(
        "POST /circles/\(circle)/members", #"{"phone":"\#(phone)","by":"\#(phones[0])","name":"\#(name)"}"#)
    }
    let started = try await call(
      "POST /circles/\(circle)/collaborative-orders", #"{"phone":"\#(phones[0])","orderType":"delivery"}"#,
      status: 201)
    let order = try #require(started["id"].string)
    #expect(try await call("GET /circles/\(circle)")["activeOrders"] == [.string(order)])

    var guests: [(id: String, client: RoomClient)] = []
    for phone in phones {
      let seat =
        phone == phones[0]
        ? started
        : try await call("POST /collaborative-orders/\(order)/participants", #"{"phone":"\#(phone)"}"#)
      let id = try #require(seat["participantId"].string)
      #expect(!id.contains("98765432"))
      let url = try #require(seat["roomUrl"].string)
      let path = try #require(url.firstMatch(of: #/^ws://[^/]+(/.*)$/#)?.output.1)
      let client = try await RoomClient.open(port, String(path))
      client.join(as: id)
      guests.append((id, client))
    }
    let (owner, ravi) = (guests[0], guests[1])
    ravi.client.send(
      "add_item", as: ravi.id,
      data: #"{"id":"a","dishName":"Chicken Biryani","dishType":"non-veg","quantity":2,"price":299}"#)
    _ = try await owner.client.next("item_added")
    _ = try await call(
      "POST /collaborative-orders/\(order)/items",
      #"{"phone":"\#(phones[2])","dishName":"Dal","dishType":"veg","quantity":1,"price":120.5}"#)
    _ = try await ravi.client.next("item_added")
    owner.client.send("update_split", as: owner.id, data: #"{"splitType":"itemized"}"#)
    _ = try await ravi.client.next("split_updated")
    let preview = try await call("GET /collaborative-orders/\(order)/split")
    #expect(preview["total"] == 718.5)
    #expect(preview["shares"].elements.map { $0["amount"] } == [0, 598, 120.5])

    // The owner finalizes where the others are: in the room.
    owner.client.send("finalize", as: owner.id, data: #"{"orders":"individual"}"#)
    _ = try await ravi.client.next("order_finalized")
    try await eventually("the records to have the orders") {
      try await call("GET /collaborative-orders/\(order)/orders")["orders"].elements.count == 2
    }
    let placed = try await call("GET /collaborative-orders/\(order)/orders")["orders"].elements
    #expect(placed.map { $0["customerId"] } == [.string("stonepot_\(phones[1])"), .string("stonepot_\(phones[2])")])
    #expect(placed.map { $0["total"] } == [598, 120.5])
    let history = try await call("GET /customers/\(phones[1])/orders")["orders"]
    #expect(history.elements.map { $0["collaborativeOrderId"] } == [.string(order)])
    #expect(try await call("GET /circles/\(circle)")["activeOrders"] == [])
    let ended = try await call("GET /collaborative-orders/\(order)")
    #expect(ended["status"] == "finalized" && ended["splitType"] == "itemized" && ended["total"] == 718.5)
    // What has ended takes nothing more.
    let refused = try await call(
      "POST /collaborative-orders/\(order)/items",
      #"{"phone":"\#(phones[0])","dishName":"Dal","dishType":"veg","quantity":1,"price":1}"#, status: 409)
    #expect(refused["code"] == "order_finalized")
    let list = try await call("GET /circles/\(circle)/collaborative-orders?status=finalized")
    #expect(list["collaborativeOrders"].elements.map { $0["id"] } == [.string(order)])
    let next = try await call(
      "POST /circles/\(circle)/collaborative-orders", #"{"phone":"\#(phones[1])"}"#, status: 201)
    #expect(next["id"] != started["id"])
  }
}
