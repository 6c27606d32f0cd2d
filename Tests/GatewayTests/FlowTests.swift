import Crypto
import Foundation
import Load
import RoomCore
import ServiceTesting
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

  @Test("over HTTP and WebSockets", arguments: ClusterTests.StoreKind.allCases, Deployment.allCases)
  func overHTTP(kind: ClusterTests.StoreKind, deployment: Deployment) async throws {
    try await withDeployment(deployment, on: kind) { port, receiver async throws in
      let flow = try await Flow(port, receiver)
      try await flow.run(by: flow)
    }
  }

  @Test("by what an agent is told, in each of its dialects", arguments: Agent.Dialect.allCases, Deployment.allCases)
  func byAgents(dialect: Agent.Dialect, deployment: Deployment) async throws {
    try await withDeployment(deployment, on: deployment == .oneNode ? .sqlite : .postgres) {
      port, receiver async throws in
      let flow = try await Flow(port, receiver)
      try await flow.run(by: Agents(flow, dialect))
    }
  }

  /// With tokens: what leads into rooms has one in it, and an operator's token opens the records.
  private func withDeployment(
    _ deployment: Deployment, on kind: ClusterTests.StoreKind, _ body: (Int, Receiver) async throws -> Void
  ) async throws {
    let receiver = try await Receiver.start()
    try await withPrograms { directory async throws in
      let arguments = [
        "--auth", "token", "--token-secret", "0123456789abcdef0123456789abcdef", "--admin-token", Flow.adminToken,
        "--webhook-private-addresses",
      ]
      switch deployment {
      case .threeNodesAndAGateway:
        let cluster = try await ProcessCluster(in: directory, on: kind, arguments: arguments, hasRecords: true)
        try await body(cluster.gateway.port, receiver)
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
        try await body(server.port, receiver)
        server.child.kill(SIGTERM)
        #expect(await server.child.exit == .code(0))
      }
    }
    try await receiver.stop()
  }
}

/// How the people of a circle have it done.
private protocol FlowVoice {
  /// - Returns: the circle's id.
  func makeCircle(_ people: [Flow.Person]) async throws -> String
  /// - Returns: the order's id, and where the owner enters its room.
  func start(_ circle: String, _ owner: Flow.Person) async throws -> (order: String, roomURL: String)
  func join(_ order: String, _ member: Flow.Person) async throws -> String
  func add(_ dish: String, price: String, to order: String, _ member: Flow.Person) async throws
  func splitByItems(_ order: String, _ owner: Flow.Person) async throws
  /// What everybody owes, as the voice says it.
  func preview(_ order: String, _ owner: Flow.Person) async throws -> [JSON]
  func finalize(_ order: String, _ owner: Flow.Person) async throws
}

/// What the people of one circle do.
private struct Flow: FlowVoice {
  struct Person {
    let name: String
    let phone: String
  }

  static let adminToken = "the admin token of a test"
  static let people = [
    Person(name: "Asha", phone: "9876543210"), Person(name: "Ravi", phone: "9876543211"),
    Person(name: "Mina", phone: "9876543212"),
  ]
  private static let base = "/v1/tenants/stonepot"

  private let port: Int
  private let receiver: Receiver
  private let connection: RawConnection

  init(_ port: Int, _ receiver: Receiver) async throws {
    self.port = port
    self.receiver = receiver
    connection = try await RawConnection.open(port)
  }

  func call(_ line: String, _ body: String = "", headers: [String] = []) async throws -> UpgradeResponse {
    let headers = headers + ["Authorization: Bearer \(Self.adminToken)", "Content-Length: \(body.utf8.count)"]
    let parts = line.split(separator: " ")
    connection.send(HTTPText.request("\(parts[0]) \(Self.base)\(parts[1]) HTTP/1.1", headers, body: body))
    return try await connection.response()
  }

  func call(_ line: String, _ body: String = "", status: Int) async throws -> JSON {
    let response = try await call(line, body)
    #expect(response.status == status, "\(line): \(response.body)")
    return try JSON(parsing: response.body)
  }

  func run(by voice: some FlowVoice) async throws {
    let people = Self.people
    receiver.at("/hook", .answer(500))
    let hook = try await call("POST /webhooks", "{\"url\":\"\(receiver.url("/hook"))\"}", status: 201)
    let circle = try await voice.makeCircle(people)
    let (order, url) = try await voice.start(circle, people[0])
    #expect(try await call("GET /circles/\(circle)", status: 200)["activeOrders"] == [.string(order)])

    let owner = try await enter(url)
    let ravi = try await enter(try await voice.join(order, people[1]))
    _ = try await voice.join(order, people[2])
    // What was told at first was refused; from now on it is taken.
    try await eventually("a webhook to be sent") { !receiver.requests.isEmpty }
    receiver.at("/hook", .answer(200))

    ravi.client.send(
      "add_item", as: ravi.id,
      data: #"{"id":"a","dishName":"Chicken Biryani","dishType":"non-veg","quantity":2,"price":299}"#)
    _ = try await owner.client.next("item_added")
    try await voice.add("Dal", price: "120.5", to: order, people[2])
    _ = try await ravi.client.next("item_added")
    try await voice.splitByItems(order, people[0])
    _ = try await ravi.client.next("split_updated")
    #expect(try await voice.preview(order, people[0]) == [0, 598, 120.5])
    try await voice.finalize(order, people[0])
    _ = try await ravi.client.next("order_finalized")
    try await checkRecords(circle, order)
    try await checkWebhooks(order, secret: try #require(hook["secret"].string))
    let again = try await voice.start(circle, people[0])
    #expect(again.order != order)
  }

  /// As the participant whom the token in the address names.
  private func enter(_ url: String) async throws -> (id: String, client: RoomClient) {
    let match = try #require(url.firstMatch(of: #/^ws://[^/]+(/.*\?token=[^.]*\.([^.]*)\..*)$/#))
    let claims = String(decoding: try #require(Base64URL.bytes(of: match.output.2)), as: UTF8.self)
    let id = try #require(try JSON(parsing: claims)["sub"].string)
    #expect(!claims.contains("98765432"))
    let client = try await RoomClient.open(port, String(match.output.1))
    client.join(as: id)
    return (id, client)
  }

  private func checkRecords(_ circle: String, _ order: String) async throws {
    let people = Self.people
    // Whoever finalizes in the room does not wait for the records.
    try await eventually("the orders to be placed") {
      try await call("GET /collaborative-orders/\(order)/orders", status: 200)["orders"].elements.count == 2
    }
    let placed = try await call("GET /collaborative-orders/\(order)/orders", status: 200)["orders"].elements
    #expect(placed.map { $0["customerId"] } == people.dropFirst().map { .string("stonepot_\($0.phone)") })
    #expect(placed.map { $0["total"] } == [598, 120.5])
    let history = try await call("GET /customers/\(people[1].phone)/orders", status: 200)["orders"]
    #expect(history.elements.map { $0["collaborativeOrderId"] } == [.string(order)])
    #expect(try await call("GET /circles/\(circle)", status: 200)["activeOrders"] == [])
    let ended = try await call("GET /collaborative-orders/\(order)", status: 200)
    #expect(ended["status"] == "finalized" && ended["splitType"] == "itemized" && ended["total"] == 718.5)
    let refused = try await call(
      "POST /collaborative-orders/\(order)/items",
      #"{"phone":"\#(people[0].phone)","dishName":"Dal","dishType":"veg","quantity":1,"price":1}"#, status: 409)
    #expect(refused["code"] == "order_finalized")
    let list = try await call("GET /circles/\(circle)/collaborative-orders?status=finalized", status: 200)
    #expect(list["collaborativeOrders"].elements.map { $0["id"] } == [.string(order)])
  }

  /// All that has happened was told, and signed; what was told more often than once, under one id.
  private func checkWebhooks(_ order: String, secret: String) async throws {
    let key = SymmetricKey(data: try #require(Data(base64Encoded: String(secret.dropFirst("whsec_".count)))))
    let expected = [
      "collaborative_order.finalized", "collaborative_order.started", "order.created", "order.created",
    ]
    var told: [String: String] = [:]
    try await eventually("all webhooks to be taken") {
      told = try receiver.requests.reduce(into: [:]) { told, request in
        let body = String(decoding: request.body, as: UTF8.self)
        let (id, time) = (
          try #require(request.headers["webhook-id"]), try #require(request.headers["webhook-timestamp"])
        )
        let code = HMAC<SHA256>.authenticationCode(for: Data("\(id).\(time).\(body)".utf8), using: key)
        #expect(request.headers["webhook-signature"] == "v1,\(Data(code).base64EncodedString())")
        #expect(told[id] ?? body == body)
        told[id] = body
      }
      // The first was refused, and is sent again after some seconds.
      return told.count >= expected.count && receiver.requests.count > expected.count
    }
    #expect(try told.values.map { try JSON(parsing: $0)["type"].string ?? "" }.sorted() == expected)
  }

  // MARK: Over HTTP

  func makeCircle(_ people: [Person]) async throws -> String {
    _ = try await call(
      "POST /customers", #"{"phone":"\#(people[0].phone)","name":"\#(people[0].name)"}"#, status: 201)
    let circle = try await call(
      "POST /circles", #"{"name":"Home","type":"family","owner":"\#(people[0].phone)"}"#, status: 201)
    let id = try #require(circle["id"].string)
    for person in people.dropFirst() {
      _ = try await call(
        "POST /circles/\(id)/members",
        #"{"phone":"\#(person.phone)","by":"\#(people[0].phone)","name":"\#(person.name)"}"#, status: 200)
    }
    return id
  }

  func start(_ circle: String, _ owner: Person) async throws -> (order: String, roomURL: String) {
    let started = try await call(
      "POST /circles/\(circle)/collaborative-orders", #"{"phone":"\#(owner.phone)"}"#, status: 201)
    return (try #require(started["id"].string), try #require(started["roomUrl"].string))
  }

  func join(_ order: String, _ member: Person) async throws -> String {
    let seat = try await call(
      "POST /collaborative-orders/\(order)/participants", #"{"phone":"\#(member.phone)"}"#, status: 200)
    return try #require(seat["roomUrl"].string)
  }

  func add(_ dish: String, price: String, to order: String, _ member: Person) async throws {
    _ = try await call(
      "POST /collaborative-orders/\(order)/items",
      #"{"phone":"\#(member.phone)","dishName":"\#(dish)","dishType":"veg","quantity":1,"price":\#(price)}"#,
      status: 200)
  }

  func splitByItems(_ order: String, _ owner: Person) async throws {
    _ = try await call(
      "POST /collaborative-orders/\(order)/operations",
      #"{"phone":"\#(owner.phone)","type":"update_split","data":{"splitType":"itemized"}}"#, status: 200)
  }

  func preview(_ order: String, _ owner: Person) async throws -> [JSON] {
    try await call("GET /collaborative-orders/\(order)/split", status: 200)["shares"].elements.map { $0["amount"] }
  }

  func finalize(_ order: String, _ owner: Person) async throws {
    let final = try await call(
      "POST /collaborative-orders/\(order)/finalize", #"{"phone":"\#(owner.phone)","orders":"individual"}"#,
      status: 200)
    #expect(final["status"] == "finalized")
  }
}

/// What an agent does for a person, in the words of its platform.
final class Agent: Sendable {
  enum Dialect: String, CaseIterable, CustomTestStringConvertible, Sendable {
    case gemini, openai, mcp

    var testDescription: String { rawValue }
  }

  private let dialect: Dialect
  private let flow: Flow
  private let session: String

  fileprivate init(_ dialect: Dialect, _ flow: Flow) async throws {
    self.dialect = dialect
    self.flow = flow
    switch dialect {
    case .gemini, .openai:
      let made = try await flow.call("POST /assistant/sessions", status: 201)
      session = try #require(made["id"].string)
    case .mcp:
      let hello =
        #"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"#
        + #""clientInfo":{"name":"test","version":"1"}}}"#
      let response = try await flow.call(
        "POST /mcp", hello, headers: ["Accept: application/json, text/event-stream"])
      session = try #require(response.header("mcp-session-id"), "\(response.body)")
    }
  }

  /// - Returns: the tool's result, which must be a success.
  func call(_ tool: String, _ arguments: String) async throws -> JSON {
    let id = "\(UInt64.random(in: .min ... .max))"
    let result: JSON
    switch dialect {
    case .gemini:
      let answer = try await flow.call(
        "POST /assistant/sessions/\(session)/tool-calls",
        #"{"toolCall":{"functionCalls":[{"id":"\#(id)","name":"\#(tool)","args":\#(arguments)}]}}"#, status: 200)
      result = answer["toolResponse"]["functionResponses"][0]["response"]
    case .openai:
      let text = arguments.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
      let answer = try await flow.call(
        "POST /assistant/sessions/\(session)/tool-calls",
        #"{"type":"function_call","call_id":"\#(id)","name":"\#(tool)","arguments":"\#(text)"}"#, status: 200)
      result = try JSON(parsing: try #require(answer["item"]["output"].string))
    case .mcp:
      let response = try await flow.call(
        "POST /mcp",
        #"{"jsonrpc":"2.0","id":"\#(id)","method":"tools/call","params":{"name":"\#(tool)","arguments":\#(arguments)}}"#,
        headers: [
          "Accept: application/json, text/event-stream", "Mcp-Session-Id: \(session)",
          "MCP-Protocol-Version: 2025-11-25",
        ])
      result = try JSON(parsing: response.body)["result"]["structuredContent"]
    }
    #expect(result["success"] == true, "\(tool) \(arguments): \(result)")
    return result
  }
}

/// The circle's people with an agent each.
private struct Agents: FlowVoice {
  private let agents: [String: Agent]

  init(_ flow: Flow, _ dialect: Agent.Dialect) async throws {
    var agents: [String: Agent] = [:]
    for person in Flow.people { agents[person.phone] = try await Agent(dialect, flow) }
    self.agents = agents
  }

  private func call(_ tool: String, _ arguments: String = "{}", for person: Flow.Person) async throws -> JSON {
    try await #require(agents[person.phone]).call(tool, arguments)
  }

  func makeCircle(_ people: [Flow.Person]) async throws -> String {
    // As it was said on the telephone.
    let spoken = people[0].phone.map { "\($0)" }.joined(separator: " ")
    let asha = try await call(
      "capture_customer_info", #"{"name":"\#(people[0].name)","phone":"\#(spoken)"}"#, for: people[0])
    #expect(asha["customerId"] == .string("stonepot_\(people[0].phone)") && asha["isNewCustomer"] == true)
    let made = try await call("create_circle", #"{"name":"Home","type":"family"}"#, for: people[0])
    for person in people.dropFirst() {
      _ = try await call(
        "invite_to_circle", #"{"phone":"\#(person.phone)","name":"\#(person.name)"}"#, for: people[0])
      _ = try await call(
        "capture_customer_info", #"{"name":"\#(person.name)","phone":"\#(person.phone)"}"#, for: person)
    }
    return try #require(made["circle"]["id"].string, "\(made)")
  }

  func start(_ circle: String, _ owner: Flow.Person) async throws -> (order: String, roomURL: String) {
    let started = try await call("start_collaborative_order", #"{"circleId":"\#(circle)"}"#, for: owner)
    return (try #require(started["orderId"].string, "\(started)"), try #require(started["roomUrl"].string))
  }

  func join(_ order: String, _ member: Flow.Person) async throws -> String {
    let joined = try await call("join_collaborative_order", #"{"orderId":"\#(order)"}"#, for: member)
    return try #require(joined["roomUrl"].string, "\(joined)")
  }

  func add(_ dish: String, price: String, to order: String, _ member: Flow.Person) async throws {
    _ = try await call("add_item", #"{"dishName":"\#(dish)","dishType":"veg","price":\#(price)}"#, for: member)
  }

  func splitByItems(_ order: String, _ owner: Flow.Person) async throws {
    _ = try await call("update_split", #"{"splitType":"itemized"}"#, for: owner)
  }

  func preview(_ order: String, _ owner: Flow.Person) async throws -> [JSON] {
    try await call("preview_split", for: owner)["shares"].elements.map { $0["amount"] }
  }

  func finalize(_ order: String, _ owner: Flow.Person) async throws {
    let asked = try await call("finalize_collaborative_order", for: owner)
    #expect(asked["status"] == "confirmation_required")
    let token = try #require(asked["confirmationToken"].string)
    let final = try await call(
      "finalize_collaborative_order", #"{"confirmationToken":"\#(token)","orders":"individual"}"#, for: owner)
    #expect(final["status"] == "finalized")
  }
}
