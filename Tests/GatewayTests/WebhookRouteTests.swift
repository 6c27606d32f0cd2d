import Foundation
import Gateway
import Load
import TestSupport
import Testing

@Suite("Webhooks over HTTP", .timeLimit(.minutes(3)))
struct WebhookRouteTests {
  private static let base = "/v1/tenants/t/webhooks"

  @Test("a webhook is made, changed, rotated, told of an order, and deleted; its secret is shown to who made it")
  func flow() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      func call(_ line: String, _ body: String = "", headers: [String] = []) async throws -> (Int, JSON) {
        let response = try await connection.call(line, body, headers: headers)
        return (response.status, response.body.isEmpty ? .missing : try JSON(parsing: response.body))
      }
      let draft = #"{"url":"https://example.com/hook","events":["order.created","order.created"]}"#
      var made: [JSON] = []
      for _ in 0..<2 {
        let (status, webhook) = try await call("POST \(Self.base)", draft, headers: ["Idempotency-Key: k"])
        #expect(status == 201)
        made.append(webhook)
      }
      #expect(made[0] == made[1] && made[0]["events"] == .array(["order.created"]) && made[0]["enabled"] == true)
      let (id, secret) = try (#require(made[0]["id"].string), #require(made[0]["secret"].string))
      #expect(secret.wholeMatch(of: /whsec_[A-Za-z0-9+\/]{43}=/) != nil)
      #expect(
        try await call("POST \(Self.base)", draft.replacing("hook", with: "x"), headers: ["Idempotency-Key: k"]).1[
          "code"]
          == "idempotency_conflict")
      let (_, given) = try await call(
        "POST \(Self.base)", #"{"url":"https://example.com/2","secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}"#)
      #expect(given["secret"] == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" && given["events"] == .array([]))

      let shown = try await connection.call("GET \(Self.base)/\(id)")
      #expect(shown.header("etag") == "\"1\"")
      let (_, list) = try await call("GET \(Self.base)?page_size=1")
      #expect(list["webhooks"].elements.count == 1 && list["nextPageToken"] != .missing)
      #expect(!shown.body.contains("whsec_") && list["webhooks"][0]["secret"] == .missing)

      let (late, _) = try await call(
        "PATCH \(Self.base)/\(id)", #"{"enabled":false}"#, headers: ["If-Match: \"7\""])
      #expect(late == 412)
      let (_, disabled) = try await call(
        "PATCH \(Self.base)/\(id)", #"{"enabled":false}"#, headers: ["If-Match: \"1\""])
      #expect(disabled["enabled"] == false && disabled["disabledReason"] == "it was disabled by hand")
      let (_, enabled) = try await call(
        "PATCH \(Self.base)/\(id)", #"{"enabled":true,"events":[],"url":"https://example.com/new"}"#)
      #expect(enabled["enabled"] == true && enabled["events"] == .array([]) && enabled["disabledReason"] == .missing)
      #expect(enabled["url"] == "https://example.com/new" && enabled["version"] == 3)
      let (rotation, rotated) = try await call("POST \(Self.base)/\(id)/rotate")
      #expect(rotation == 200 && rotated["secret"].string.map { $0 != secret } == true)
      #expect(rotated["oldSecretUntil"] != .missing)

      _ = try await call("POST /v1/tenants/t/customers", #"{"phone":"9876543210","name":"Asha"}"#)
      let (_, order) = try await call(
        "POST /v1/tenants/t/orders",
        #"{"phone":"9876543210","orderType":"dine-in","items":[{"dishName":"Dal","quantity":2,"price":299.5}]}"#)
      let (_, deliveries) = try await call("GET \(Self.base)/\(id)/deliveries?status=waiting")
      let delivery = try #require(deliveries["deliveries"][0]["id"].string)
      #expect(deliveries["deliveries"].elements.count == 1 && deliveries["deliveries"][0]["data"] == .missing)
      let (_, whole) = try await call("GET \(Self.base)/\(id)/deliveries/\(delivery)")
      #expect(whole["type"] == "order.created" && whole["data"] == order && whole["attempts"] == .array([]))
      #expect(whole["status"] == "waiting" && whole["attemptCount"] == 0 && whole["endpointId"].string == id)
      let (again, waiting) = try await call("POST \(Self.base)/\(id)/deliveries/\(delivery)/redeliver")
      #expect(again == 202 && waiting["id"] == whole["id"])
      #expect(try await call("GET \(Self.base)/\(id)/deliveries?status=failed").1["deliveries"] == .array([]))
      _ = try await call("PATCH \(Self.base)/\(id)", #"{"enabled":false}"#)
      #expect(try await call("GET \(Self.base)/\(id)/deliveries").1["deliveries"][0]["status"] == "cancelled")
      let (refused, why) = try await call("POST \(Self.base)/\(id)/deliveries/\(delivery)/redeliver")
      #expect(refused == 409 && why["code"] == "webhook_disabled")

      #expect(try await call("DELETE \(Self.base)/\(id)").0 == 204)
      #expect(try await call("GET \(Self.base)/\(id)").1["code"] == "webhook_not_found")
      #expect(try await call("GET \(Self.base)").1["webhooks"].elements.count == 1)
    }
  }

  @Test("what is refused says the field and the rule")
  func refused() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      let made = try JSON(
        parsing: try await connection.call("POST \(Self.base)", #"{"url":"https://example.com/"}"#).body)
      let id = try #require(made["id"].string)
      let refusals: [(line: String, body: String, status: Int, code: String, word: String)] = [
        ("POST ", "", 400, "invalid_json", ""), ("POST ", "[]", 422, "invalid_field", "object"),
        ("POST ", "{}", 422, "invalid_field", "url is missing"), ("POST ", #"{"url":7}"#, 422, "invalid_field", "url"),
        ("POST ", #"{"url":"http://example.com/"}"#, 422, "invalid_field", "https"),
        ("POST ", #"{"url":"https://u:p@example.com/"}"#, 422, "invalid_field", "user"),
        ("POST ", #"{"url":"https://example.com/","events":"all"}"#, 422, "invalid_field", "order.created"),
        ("POST ", #"{"url":"https://example.com/","events":["order.eaten"]}"#, 422, "invalid_field", "events"),
        ("POST ", #"{"url":"https://example.com/","events":[1]}"#, 422, "invalid_field", "events"),
        ("POST ", #"{"url":"https://example.com/","secret":"whsec_short"}"#, 422, "invalid_field", "secret"),
        ("GET /nothing", "", 404, "webhook_not_found", ""), ("GET /%00", "", 404, "webhook_not_found", ""),
        ("PATCH /nothing", "{}", 404, "webhook_not_found", ""), ("DELETE /nothing", "", 404, "webhook_not_found", ""),
        ("POST /nothing/rotate", "", 404, "webhook_not_found", ""),
        ("GET /nothing/deliveries", "", 404, "webhook_not_found", ""),
        ("PATCH /\(id)", #"{"url":"http://10.0.0.1/"}"#, 422, "invalid_field", "https"),
        ("PATCH /\(id)", #"{"enabled":1}"#, 422, "invalid_field", "enabled"),
        ("GET /\(id)/deliveries?status=eaten", "", 422, "invalid_field", "waiting"),
        ("GET /\(id)/deliveries?page_size=0", "", 422, "invalid_field", "page_size"),
        ("GET /\(id)/deliveries?page_token=x", "", 400, "invalid_page_token", ""),
        ("GET /\(id)/deliveries/nothing", "", 404, "delivery_not_found", ""),
        ("POST /\(id)/deliveries/nothing/redeliver", "", 404, "delivery_not_found", ""),
      ]
      for refusal in refusals {
        let line = refusal.line.replacing(" ", with: " \(Self.base)", maxReplacements: 1)
        let response = try await connection.call(line, refusal.body)
        let problem = try JSON(parsing: response.body)
        #expect(response.status == refusal.status, "\(line) \(refusal.body): \(response.body)")
        #expect(problem["code"].string == refusal.code, "\(line) \(refusal.body): \(response.body)")
        #expect(
          refusal.word.isEmpty || problem["detail"].string?.contains(refusal.word) == true,
          "\(line) \(refusal.body): \(response.body)")
        #expect(response.header("content-type") == "application/problem+json")
      }
      let now = try JSON(parsing: try await connection.call("GET \(Self.base)/\(id)").body)
      #expect(now["version"] == 1)
    }
  }

  @Test("where tokens are asked for, webhooks are for who has the admin token")
  func rights() async throws {
    let tokens = try await RoomTokens(secret: "a secret of at least 32 bytes, as it must be")
    let operators = try AdminToken("an operator's token")
    try await withServer {
      $0.gateway.tokens = tokens
      $0.gateway.adminToken = operators
    } _: { server async throws in
      let connection = try await RawConnection.open(server.port)
      let lines = [
        "POST \(Self.base)", "GET \(Self.base)", "GET \(Self.base)/x", "PATCH \(Self.base)/x", "DELETE \(Self.base)/x",
        "POST \(Self.base)/x/rotate", "GET \(Self.base)/x/deliveries", "GET \(Self.base)/x/deliveries/y",
        "POST \(Self.base)/x/deliveries/y/redeliver",
      ]
      for line in lines {
        for headers in [[], ["Authorization: Bearer nonsense"]] {
          #expect(try await connection.call(line, headers: headers).status == 401, "\(line)")
        }
      }
      let right = ["Authorization: Bearer an operator's token"]
      #expect(try await connection.call("GET \(Self.base)", headers: right).status == 200)
    }
  }

  @Test("an operator sets webhooks up by command, and the node sends")
  func commands() async throws {
    try await withPrograms { directory async throws in
      let served = try await ServingProcess.start(
        directory.file("webhooks.sqlite"), ["--webhook-private-addresses"])
      func admin(_ arguments: String...) async throws -> ChildProcess.Result {
        try await ChildProcess.run(
          ["admin", "webhooks"] + arguments + ["--tenant", "t", "--url", "http://127.0.0.1:\(served.port)"])
      }
      // The server is its own receiver: at this path it says 404 to whoever posts.
      let target = "http://127.0.0.1:\(served.port)/nothing"
      let added = try await admin("add", "--to", target, "--events", "order.created")
      #expect(added.exit == .code(0), "\(added.errors)")
      let id = try #require(added.lines.first?.dropFirst("id: ".count)).description
      #expect(added.lines.last?.hasPrefix("secret: whsec_") == true)
      let connection = try await RawConnection.open(served.port)
      _ = try await connection.call("POST /v1/tenants/t/customers", #"{"phone":"9876543210","name":"Asha"}"#)
      _ = try await connection.call(
        "POST /v1/tenants/t/orders",
        #"{"phone":"9876543210","orderType":"dine-in","items":[{"dishName":"Dal","quantity":2,"price":299.5}]}"#)
      var event = ""
      try await eventually("an attempt") {
        let path = "/v1/tenants/t/webhooks/\(id)/deliveries"
        let list = try JSON(parsing: try await connection.call("GET \(path)").body)
        guard let found = list["deliveries"][0]["id"].string else { return false }
        event = found
        let delivery = try JSON(parsing: try await connection.call("GET \(path)/\(event)").body)
        return delivery["attempts"][0]["status"] == 404
          && delivery["attempts"][0]["response"].string?.contains("not_found") == true
      }
      let table = try await admin("deliveries", "--id", id, "--status", "waiting")
      #expect(table.exit == .code(0) && table.lines.count == 2, "\(table.output) \(table.errors)")
      #expect(table.lines.last?.hasPrefix("\(event)  order.created") == true, "\(table.output)")
      let whole = try await admin("deliveries", "--id", id, "--delivery", event)
      #expect(try JSON(parsing: whole.output)["attempts"][0]["status"] == 404)
      #expect(try await admin("redeliver", "--id", id, "--delivery", event).exit == .code(0))
      let rotated = try await admin("rotate", "--id", id)
      #expect(rotated.output.hasPrefix("secret: whsec_") && rotated.lines.last != added.lines.last)
      #expect(try await admin("disable", "--id", id).output == "\(id) is disabled\n")
      #expect(try await admin("list").lines.last?.contains("disabled: it was disabled by hand") == true)
      #expect(try await admin("enable", "--id", id).output == "\(id) is enabled\n")
      #expect(try await admin("list").lines.last?.contains("order.created  \(target)") == true)
      #expect(try await admin("remove", "--id", id).exit == .code(0))
      let gone = try await admin("rotate", "--id", id)
      #expect(gone.exit == .code(1) && gone.errors.contains("there is no such webhook"), "\(gone.errors)")
      let refused = try await admin("add", "--to", "ftp://example.com")
      #expect(refused.exit == .code(1) && refused.errors.contains("url must begin with https://"))
      let metrics = try await connection.get("/metrics").body
      #expect(metrics.contains("stonepot_webhook_attempts_total{outcome=\"retry\"}"), "\(metrics)")
      for gauge in ["deliveries_waiting", "oldest_due_seconds", "attempts_under_way"] {
        #expect(metrics.contains("stonepot_webhook_\(gauge) "), "\(gauge)")
      }
      served.child.kill(SIGTERM)
      #expect(await served.child.exit == .code(0))
    }
  }
}
