import Foundation
import HTTPTypes
import Hummingbird
import Link
import Load
import RoomCore
import Rooms
import StoreTesting
import TestSupport
import Testing

@testable import Gateway

@Suite("The document of the HTTP interface", .timeLimit(.minutes(5)))
struct DocumentTests {
  private static let token = "the operators' token of the tests"
  private static let secret = "a secret of at least 32 bytes, as it must be"
  private static let (asha, ravi, mina) = ("9876543210", "9876543211", "9876543212")

  /// Operations of the document whose routes are not in this program yet.
  private static let toCome: Set<String> = []

  // MARK: What there is

  /// Says nothing, as only its routes are asked for.
  private struct SilentDesk: ClusterDesk {
    func report(sessions: Int) -> [UInt8] { [] }
    func slots() -> [UInt8] { [] }
    func drain() throws(OperatorRefusal) {}
    func endDrain() throws(OperatorRefusal) {}
    func move(_ slot: Slot, to name: String) throws(OperatorRefusal) {}
  }

  @Test("each route is in the document, each operation of the document has a route, and all have names of their own")
  func routes() async throws {
    let tokens = try await RoomTokens(secret: Self.secret)
    try await withServer {
      $0.gateway.tokens = tokens
    } _: { server async throws in
      let own = server.gateway.routes
      let whole = Routes(
        hub: own.hub, metrics: own.metrics, isReady: own.isReady, cluster: SilentDesk(), records: own.records)
      let served = Set(
        whole.router().routes.filter { $0.method != .head }.map { "\($0.method.rawValue) \($0.path.description)" })
      let connection = try await RawConnection.open(server.port)
      let response = try await connection.get("/openapi.json")
      #expect(response.status == 200 && response.header("content-type") == "application/json")
      let document = try ServedDocument(response.body)
      let ids = document.operations.map(\.id)
      #expect(Set(ids).count == ids.count && !ids.contains(""))
      let described = Set(
        document.operations.filter { !Self.toCome.contains($0.id) }.map { "\($0.method) \(Self.route(of: $0.path))" })
      #expect(described.subtracting(served) == [])
      #expect(served.subtracting(document.operations.map { "\($0.method) \(Self.route(of: $0.path))" }) == [])
    }
  }

  /// A room's path may be longer than the document says.
  private static func route(of path: String) -> String {
    for party in ["/parties/", "/party/"] where path.hasPrefix(party) { return party + "**" }
    return path
  }

  @Test("what the seed calls its operations they are called here, or are named beside the name")
  func names() async throws {
    try await withServer { server async throws in
      let document = try ServedDocument(try await RawConnection.open(server.port).get("/openapi.json").body)
      let names = Set(
        document.operations.flatMap { [$0.id] + $0.content["x-aliases"].elements.compactMap(\.string) })
      let wanted: Set<String> = [
        "upsertCustomer", "getCustomer", "getCustomerOrders", "createOrder", "updateOrderStatus", "addCustomerToCircle",
        "removeCustomerFromCircle", "getCircleMembers", "createCircle", "inviteToCircle", "removeMemberFromCircle",
        "getCircle", "getCustomerCircles", "startCollaborativeOrder", "joinCollaborativeOrder",
        "addItemToCollaborativeOrder", "finalizeCollaborativeOrder",
      ]
      #expect(wanted.subtracting(names) == [])
    }
  }

  // MARK: What is answered

  @Test("what each operation answers, granted and refused, is as the document says")
  func answers() async throws {
    try await withPrograms { directory async throws in
      let keys = try TestTokenKeys(in: directory)
      let cluster = try await ProcessCluster(
        in: directory, on: .sqlite, count: 2,
        arguments: [
          "--auth", "token", "--token-secret", Self.secret, "--token-keys", keys.path, "--admin-token", Self.token,
        ])
      let port = cluster.nodes[0].port
      var caller = try await DocumentCaller(port, token: Self.token)
      try await process(&caller)
      try await tenants(&caller)
      try await customers(&caller)
      let circle = try await circles(&caller)
      try await webhooks(&caller)
      try await orders(&caller)
      try await sharedOrders(&caller, circle)
      try await deliveries(&caller)
      try await assistant(&caller)
      try await erasure(&caller)
      try await slots(&caller)
      for operation in caller.document.operations where !Self.toCome.contains(operation.id) {
        if operation.content["security"].elements.isEmpty {
          try await caller.callTooLarge(operation, port)
        } else {
          try await caller.call(operation.id, 401, headers: [])
        }
        let statuses = caller.seen[operation.id, default: []]
        let isEverGranted = operation.content["responses"].keys.contains { $0.hasPrefix("2") }
        #expect(statuses.contains { $0 < 300 } == isEverGranted, "\(operation.id) was never granted")
        #expect(statuses.contains { $0 >= 400 }, "\(operation.id) was never refused")
      }
      try await cluster.stop()
    }
  }

  private func process(_ caller: inout DocumentCaller) async throws {
    for id in ["getHealth", "getReadiness", "getMetrics", "getDocument", "getTokenKeys", "getCluster", "getSlots"] {
      try await caller.call(id, 200, headers: [])
    }
  }

  private func tenants(_ caller: inout DocumentCaller) async throws {
    try await caller.call("getTenant", 404)
    try await caller.call("putTenant", 201, #"{"name":"Spice Garden"}"#)
    try await caller.call("putTenant", 200, #"{"name":"Spice Gardens"}"#, headers: ifMatch("1"))
    try await caller.call("putTenant", 412, #"{"name":"Spice Gardens"}"#, headers: ifMatch("1"))
    try await caller.call("putTenant", 422, "{}")
    try await caller.call("putTenant", 400, "{")
    try await caller.call("putTenant", 413, String(repeating: " ", count: 1 << 20 + 1))
    try await caller.call("putTenant", 404, ["tenant": "%20"], #"{"name":"x"}"#)
    try await caller.call("getTenant", 200)
    try await caller.call("putTenant", 201, ["tenant": "u"], #"{"name":"Other"}"#)
    try await caller.call("listTenants", 200, query: "?page_size=1")
    try await caller.call("listTenants", 400, query: "?page_token=x")
    try await caller.call("listTenants", 422, query: "?page_size=0")
    let key = try await caller.call("issueKey", 201, #"{"label":"website","expiresAt":4102444800000}"#)
    let (id, text) = (try #require(key["id"].string), try #require(key["key"].string))
    try await caller.call("issueKey", 404, ["tenant": "nobody"], #"{"label":"website"}"#)
    try await caller.call("issueKey", 403, #"{"label":"website"}"#, headers: ["Authorization: Bearer \(text)"])
    try await caller.call("getMenu", 404, headers: ["Authorization: Bearer \(text)"])
    try await caller.call("getMenu", 403, ["tenant": "u"], headers: ["Authorization: Bearer \(text)"])
    try await caller.call("listKeys", 200)
    try await caller.call("listKeys", 404, ["tenant": "nobody"])
    try await caller.call("revokeKey", 200, ["key": id])
    try await caller.call("revokeKey", 404, ["key": "nothing"])
  }

  private func customers(_ caller: inout DocumentCaller) async throws {
    let address = #"{"street":"12 MG Road","city":"Pune","pincode":"411001"}"#
    let customer = #"{"phone":"\#(Self.asha)","name":"Asha","email":"asha@example.com","deliveryAddress":\#(address)}"#
    try await caller.call("upsertCustomer", 201, customer)
    try await caller.call("upsertCustomer", 200, #"{"phone":"\#(Self.asha)","email":null,"addressLabel":"work"}"#)
    try await caller.call("upsertCustomer", 201, #"{"phone":"\#(Self.ravi)","name":"Ravi"}"#)
    try await caller.call("upsertCustomer", 412, customer, headers: ifMatch("9"))
    try await caller.call("upsertCustomer", 422, #"{"phone":"1"}"#)
    try await caller.call("upsertCustomer", 400, "")
    try await caller.call("getCustomer", 200, ["phone": Self.asha])
    try await caller.call("getCustomer", 404, ["phone": "0000000000"])
    try await caller.call("getCustomer", 422, ["phone": "12"])
    for id in ["getCustomerOrders", "getCustomerCircles"] {
      try await caller.call(id, 404, ["phone": "0000000000"])
      try await caller.call(id, 400, ["phone": Self.asha], query: "?page_token=x")
    }
  }

  private func circles(_ caller: inout DocumentCaller) async throws -> String {
    let home = #"{"name":"Home","type":"family","owner":"\#(Self.asha)"}"#
    let circle = try await caller.call("createCircle", 201, home, headers: named("home"))
    let names = ["circle": try #require(circle["id"].string)]
    try await caller.call("createCircle", 422, home.replacing("Home", with: "House"), headers: named("home"))
    try await caller.call("createCircle", 404, home.replacing(Self.asha, with: "0000000000"))
    try await caller.call("getCircle", 200, names)
    try await caller.call("getCircle", 404, ["circle": "nothing"])
    let invitation = #"{"phone":"\#(Self.ravi)","by":"\#(Self.asha)"}"#
    try await caller.call("inviteToCircle", 200, names, invitation)
    try await caller.call(
      "inviteToCircle", 200, names, #"{"phone":"\#(Self.mina)","by":"\#(Self.ravi)","name":"Mina"}"#)
    try await caller.call("inviteToCircle", 403, names, invitation.replacing(Self.asha, with: "0000000000"))
    try await caller.call("acceptInvitation", 200, names.merging(["phone": Self.ravi]) { $1 })
    try await caller.call("acceptInvitation", 403, names.merging(["phone": "0000000000"]) { $1 })
    try await caller.call("getCircleMembers", 200, names)
    try await caller.call("transferCircle", 403, names, #"{"phone":"\#(Self.asha)","by":"\#(Self.ravi)"}"#)
    try await caller.call("transferCircle", 200, names, #"{"phone":"\#(Self.ravi)","by":"\#(Self.asha)"}"#)
    try await caller.call("transferCircle", 200, names, #"{"phone":"\#(Self.asha)","by":"\#(Self.ravi)"}"#)
    func removal(_ phone: String) -> [String: String] { names.merging(["phone": phone]) { $1 } }
    try await caller.call("removeMemberFromCircle", 409, removal(Self.asha), query: "?by=\(Self.asha)")
    try await caller.call("removeMemberFromCircle", 422, removal(Self.asha))
    try await caller.call("removeMemberFromCircle", 403, removal(Self.mina), query: "?by=\(Self.ravi)")
    try await caller.call("removeMemberFromCircle", 200, removal(Self.mina), query: "?by=\(Self.asha)")
    try await caller.call("getCustomerCircles", 200, ["phone": Self.asha])
    return names["circle", default: ""]
  }

  private func orders(_ caller: inout DocumentCaller) async throws {
    let dal = #"{"id":"dal","name":"Dal","type":"veg","price":249.5,"options":[{"name":"ghee","price":20}]}"#
    try await caller.call("putMenu", 201, #"{"dishes":[\#(dal)]}"#)
    try await caller.call("putMenu", 200, #"{"dishes":[\#(dal)]}"#, headers: ifMatch("1"))
    try await caller.call("putMenu", 412, #"{"dishes":[]}"#, headers: ifMatch("1"))
    try await caller.call("putMenu", 422, #"{"dishes":[\#(dal),\#(dal)]}"#)
    try await caller.call("getMenu", 200)
    let item =
      #"{"dishName":"Dal","dishType":"veg","quantity":2,"price":249.5,"customization":"ghee\nhot","addedBy":"Asha"}"#
    let asked = #"{"phone":"\#(Self.asha)","orderType":"delivery","items":[\#(item)],"sessionId":"voice-1"}"#
    let order = try await caller.call("createOrder", 201, asked, headers: named("order"))
    let names = ["order": try #require(order["id"].string)]
    try await caller.call("createOrder", 422, asked.replacing("hot", with: "cold"), headers: named("order"))
    try await caller.call("createOrder", 422, asked, headers: named("órdér"))
    try await caller.call("createOrder", 404, asked.replacing(Self.asha, with: "0000000000"))
    try await caller.call("getOrder", 200, names)
    try await caller.call("getOrder", 404, ["order": "nothing"])
    try await caller.call("listOrders", 200, query: "?status=pending&unknown=1")
    try await caller.call("listOrders", 422)
    try await caller.call("reorder", 201, names)
    try await caller.call("reorder", 404, ["order": "nothing"])
    try await caller.call("updateOrderStatus", 200, names, #"{"status":"confirmed"}"#)
    try await caller.call("updateOrderStatus", 412, names, #"{"status":"preparing"}"#, headers: ifMatch("1"))
    try await caller.call("updateOrderStatus", 409, names, #"{"status":"delivered"}"#)
    try await caller.call(
      "putMenu", 200, #"{"dishes":[\#(dal.replacing("\"id\"", with: "\"available\":false,\"id\""))]}"#)
    try await caller.call("reorder", 409, names)
    try await caller.call("putMenu", 200, #"{"dishes":[\#(dal)]}"#)
    try await caller.call("getCustomerOrders", 200, ["phone": Self.asha], query: "?page_size=1")
  }

  private func sharedOrders(_ caller: inout DocumentCaller, _ circle: String) async throws {
    let start = #"{"phone":"\#(Self.asha)","orderType":"takeaway"}"#
    let seat = try await caller.call("startCollaborativeOrder", 201, ["circle": circle], start)
    try await caller.call("startCollaborativeOrder", 200, ["circle": circle], start)
    try await caller.call("startCollaborativeOrder", 403, ["circle": circle], #"{"phone":"0000000000"}"#)
    try await caller.call("startCollaborativeOrder", 404, ["circle": "nothing"], start)
    let names = ["order": try #require(seat["id"].string)]
    try await caller.call("joinCollaborativeOrder", 200, names, #"{"phone":"\#(Self.ravi)"}"#)
    try await caller.call("joinCollaborativeOrder", 403, names, #"{"phone":"0000000000"}"#)
    let dish = #"{"phone":"\#(Self.ravi)","dishName":"Dal","customization":"ghee"}"#
    let id = "addItemToCollaborativeOrder"
    let order = try await caller.call(id, 200, names, dish, headers: named("dal"))
    try await caller.call(id, 200, names, dish, headers: named("dal"))
    try await caller.call(id, 409, names, dish.replacing("ghee", with: "salt"), headers: named("dal"))
    try await caller.call(id, 422, names, dish.replacing("Dal", with: "Naan"))
    try await caller.call(id, 403, names, dish.replacing(Self.ravi, with: Self.mina))
    let item = try #require(order["items"][0]["id"].string)
    let participant = try #require(seat["participantId"].string)
    for (phone, type, data) in [
      (Self.asha, "add_item", #"{"dishName":"Dal","dishType":"veg","quantity":1,"price":249.5}"#),
      (Self.ravi, "update_quantity", #"{"itemId":"\#(item)","quantity":3}"#),
      (Self.ravi, "update_item", #"{"itemId":"\#(item)","price":249.5,"customization":""}"#),
      (Self.asha, "set_charges", #"{"tax":36.75,"tip":{"amount":20,"allocation":"equal"}}"#),
      (Self.asha, "set_limits", #"{"maxItems":50,"maxTotal":5000,"editing":"own"}"#),
      (Self.asha, "set_deadline", #"{"deadline":\#(Self.inAnHour)}"#),
      (Self.asha, "update_split", #"{"splitType":"percentage","percentages":{"\#(participant)":100}}"#),
      (Self.ravi, "ready", "{}"), (Self.asha, "lock", "{}"), (Self.asha, "unlock", "{}"),
    ] {
      let body = #"{"phone":"\#(phone)","type":"\#(type)","data":\#(data)}"#
      try await caller.call("changeCollaborativeOrder", 200, names, body)
    }
    let removal = #"{"phone":"\#(Self.asha)","type":"remove_item","data":{"itemId":"nothing"}}"#
    try await caller.call("changeCollaborativeOrder", 404, names, removal)
    try await caller.call("changeCollaborativeOrder", 422, names, #"{"phone":"\#(Self.asha)","type":"join"}"#)
    try await caller.call("previewSplit", 200, names)
    try await caller.call("previewSplit", 404, ["order": "nothing"])
    try await caller.call("getCollaborativeOrder", 200, names)
    try await caller.call("listCollaborativeOrders", 200, ["circle": circle])
    try await caller.call("listCollaborativeOrders", 422, ["circle": circle], query: "?status=eaten")
    try await caller.call("getPlacedOrders", 200, names)
    let token = try #require(seat["roomUrl"].string?.split(separator: "?").last)
    let room = ["party": "main", "room": try #require(seat["sessionId"].string)]
    try await caller.call("getRoom", 200, room, query: "?\(token)", headers: [])
    try await caller.call("getRoom", 403, ["party": "main", "room": "x"], query: "?\(token)", headers: [])
    try await caller.call("getRoomByName", 200, room, query: "?\(token)", headers: [])
    let end = #"{"phone":"\#(Self.asha)","orders":"individual"}"#
    try await caller.call("finalizeCollaborativeOrder", 403, names, end.replacing(Self.asha, with: Self.ravi))
    let final = try await caller.call("finalizeCollaborativeOrder", 200, names, end)
    #expect(final["shares"].elements.count == 2)
    try await caller.call(id, 409, names, dish)
    try await caller.call("getCollaborativeOrder", 200, names)
    try await caller.call("getPlacedOrders", 200, names)
    try await caller.call("getPlacedOrders", 404, ["order": "nothing"])
    try await caller.call("listCollaborativeOrders", 200, ["circle": circle], query: "?status=finalized")
  }

  private static var inAnHour: Int64 { Int64(Date().timeIntervalSince1970 + 3600) * 1000 }

  private func webhooks(_ caller: inout DocumentCaller) async throws {
    let asked = #"{"url":"https://receiver.invalid/hook","events":["order.created"]}"#
    let webhook = try await caller.call("createWebhook", 201, asked, headers: named("hook"))
    try await caller.call("createWebhook", 422, asked.replacing("hook", with: "x"), headers: named("hook"))
    try await caller.call("createWebhook", 422, asked.replacing("https", with: "http"))
    let names = ["webhook": try #require(webhook["id"].string)]
    try await caller.call("listWebhooks", 200)
    try await caller.call("getWebhook", 200, names)
    try await caller.call("getWebhook", 404, ["webhook": "nothing"])
    try await caller.call("changeWebhook", 200, names, #"{"events":null,"enabled":true}"#, headers: ifMatch("1"))
    try await caller.call("changeWebhook", 412, names, "{}", headers: ifMatch("9"))
    try await caller.call("rotateWebhookSecret", 200, names)
    try await caller.call("rotateWebhookSecret", 404, ["webhook": "nothing"])
  }

  private func deliveries(_ caller: inout DocumentCaller) async throws {
    let webhook = try await caller.call("listWebhooks", 200)["webhooks"][0]
    var names = ["webhook": try #require(webhook["id"].string)]
    let list = try await caller.call("listDeliveries", 200, names)
    try await caller.call("listDeliveries", 422, names, query: "?status=lost")
    let delivery = try #require(list["deliveries"][0]["id"].string)
    names["delivery"] = delivery
    try await caller.call("getDelivery", 200, names)
    try await caller.call("getDelivery", 404, names.merging(["delivery": "nothing"]) { $1 })
    try await caller.call("redeliver", 202, names)
    try await caller.call("changeWebhook", 200, names, #"{"enabled":false}"#)
    try await caller.call("redeliver", 409, names)
    try await caller.call("deleteWebhook", 412, names, headers: ifMatch("1"))
    try await caller.call("deleteWebhook", 204, names)
    try await caller.call("deleteWebhook", 404, names)
  }

  private func assistant(_ caller: inout DocumentCaller) async throws {
    for dialect in ["gemini", "openai", "mcp"] { try await caller.call("getTools", 200, query: "?dialect=\(dialect)") }
    try await caller.call("getTools", 422, query: "?dialect=latin")
    try await caller.call("getInstructions", 200)
    try await caller.call("beginSession", 201)
    try await caller.call("beginSession", 422, #"{"phone":"12"}"#)
    let session = try await caller.call("beginSession", 201, #"{"phone":"\#(Self.asha)"}"#)
    let names = ["session": try #require(session["id"].string)]
    let call = #"{"toolCall":{"functionCalls":[{"id":"1","name":"get_my_circles","args":{}},{"name":"nothing"}]}}"#
    try await caller.call("callTools", 200, names, call)
    let item = #"{"type":"function_call","call_id":"c1","name":"get_menu","arguments":"{}"}"#
    try await caller.call("callTools", 200, names, item)
    try await caller.call("callTools", 200, names, #"{"type":"response.done","response":{"output":[\#(item)]}}"#)
    try await caller.call("callTools", 400, names, "{")
    try await caller.call("callTools", 422, names, "{}")
    try await caller.call("callTools", 404, ["session": "nothing"], call)
    try await caller.call("getSession", 200, names)
    try await caller.call("getSession", 404, ["session": "nothing"])
    func within(_ session: String?) -> [String] {
      ["Authorization: Bearer \(Self.token)"] + (session.map { ["Mcp-Session-Id: \($0)"] } ?? [])
    }
    let client = #"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"agent","version":"1"}}"#
    try await caller.call("callMCP", 200, #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":\#(client)}"#)
    try await caller.call(
      "callMCP", 200, #"{"jsonrpc":"2.0","id":"2","method":"tools/list"}"#, headers: within(names["session"]))
    try await caller.call(
      "callMCP", 202, #"{"jsonrpc":"2.0","method":"notifications/x"}"#, headers: within(names["session"]))
    try await caller.call("callMCP", 400, #"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#)
    try await caller.call("callMCP", 404, #"{"jsonrpc":"2.0","id":4,"method":"ping"}"#, headers: within("nothing"))
    try await caller.call("callMCP", 403, "{}", headers: within(nil) + ["Origin: https://elsewhere.example"])
    try await caller.call("openMCPStream", 405)
    try await caller.call("endMCPSession", 400)
    try await caller.call("endMCPSession", 404, headers: within("nothing"))
    try await caller.call("endMCPSession", 204, headers: within(names["session"]))
  }

  private func erasure(_ caller: inout DocumentCaller) async throws {
    try await caller.call("exportCustomer", 200, ["phone": Self.asha])
    try await caller.call("exportCustomer", 404, ["phone": "0000000000"])
    try await caller.call("eraseCustomer", 204, ["phone": Self.asha])
    try await caller.call("eraseCustomer", 404, ["phone": Self.asha])
    // Their orders stay, under another name.
    try await caller.call("listOrders", 200, query: "?status=pending")
  }

  private func slots(_ caller: inout DocumentCaller) async throws {
    try await caller.call("moveSlot", 400, #"{"slot":1024,"to":"node-0"}"#)
    try await caller.call("moveSlot", 409, #"{"slot":1,"to":"nobody"}"#)
    try await caller.call("moveSlot", 413, String(repeating: " ", count: 5000))
    try await caller.call("moveSlot", 202, #"{"slot":1,"to":"node-1"}"#)
    try await caller.call("drainNode", 202)
    try await caller.call("endDrain", 202)
    try await caller.call("getSlots", 200, headers: [])
  }

  private func ifMatch(_ version: String) -> [String] {
    ["Authorization: Bearer \(Self.token)", "If-Match: \"\(version)\""]
  }

  private func named(_ name: String) -> [String] {
    ["Authorization: Bearer \(Self.token)", "Idempotency-Key: \(name)"]
  }

  // MARK: The looking itself

  @Test("what is not as a schema says is found")
  func schemas() throws {
    let schema = JSONSchema(document: try JSON(parsing: #"{"a":{"type":"string","maxLength":2}}"#))
    let cases: [(schema: String, right: String, wrong: String)] = [
      (#"{"type":"integer"}"#, "1", "1.5"), (#"{"type":["string","null"]}"#, "null", "1"),
      (#"{"type":"number"}"#, "1.5", "true"), (#"{"type":"boolean"}"#, "true", "1"),
      (#"{"enum":["a",null]}"#, "null", #""b""#), (#"{"const":1}"#, "1", "2"),
      (##"{"$ref":"#/a"}"##, #""ab""#, #""abc""#),
      (#"{"pattern":"^[a-z]+$"}"#, #""ab""#, #""aB""#), (#"{"minLength":1}"#, #""ä""#, #""""#),
      (#"{"minimum":0,"maximum":2}"#, "2", "-1"), (#"{"maximum":2}"#, "2", "3"), (#"{"minItems":1}"#, "[1]", "[]"),
      (#"{"maxItems":1}"#, "[1]", "[1,2]"), (#"{"items":{"type":"null"}}"#, "[null]", "[null,1]"),
      (#"{"required":["a"]}"#, #"{"a":1}"#, "{}"), (#"{"properties":{"a":{"const":1}}}"#, #"{"b":2}"#, #"{"a":2}"#),
      (#"{"properties":{"a":{}},"additionalProperties":false}"#, #"{"a":1}"#, #"{"b":1}"#),
      (#"{"additionalProperties":{"type":"number"}}"#, #"{"a":1}"#, #"{"a":"1"}"#),
      (#"{"allOf":[{"minimum":1},{"maximum":2}]}"#, "1", "3"), (#"{"anyOf":[{"const":1},{"const":2}]}"#, "2", "3"),
      (#"{"oneOf":[{"minimum":1},{"minimum":2}]}"#, "1", "2"), (#"{"description":"x"}"#, "1", ""),
      (#"{"maximun":1}"#, "", "1"),
    ]
    for (rules, right, wrong) in cases {
      let rules = try JSON(parsing: rules)
      if !right.isEmpty { #expect(schema.faults(of: try JSON(parsing: right), by: rules) == [], "\(rules) \(right)") }
      if !wrong.isEmpty { #expect(schema.faults(of: try JSON(parsing: wrong), by: rules) != [], "\(rules) \(wrong)") }
    }
  }
}
