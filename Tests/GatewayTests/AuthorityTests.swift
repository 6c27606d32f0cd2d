import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import Load
import Ordering
import RoomCore
import Rooms
import Store
import StoreTesting
import Synchronization
import TestSupport
import Testing

@testable import Directory
@testable import Gateway

/// Who may do what, over real sockets.
@Suite("Who may do what", .timeLimit(.minutes(3)))
struct AuthorityTests {
  private static let operatorToken = "the operator's token of the tests"
  private static let secret = "a secret of at least 32 bytes, as it must be"
  private static let phone = "9876543210"

  /// A server with two tenants, `a` and `b`, and keys of all kinds.
  private struct Scene {
    let server: TestServer
    let tokenKeys: TestTokenKeys
    let a, b, expired, revoked: String
    let aID, bID: String
    let circle, order: String

    func bearer(_ key: String) -> [String] { ["Authorization: Bearer \(key)"] }
    var `operator`: [String] { bearer(AuthorityTests.operatorToken) }
  }

  private func withScene(
    _ configure: (inout TestSettings) -> Void = { _ in }, _ body: (Scene) async throws -> Void
  ) async throws {
    let directory = try TemporaryDirectory()
    let tokenKeys = try TestTokenKeys(in: directory)
    let tokens = try await RoomTokens(secret: Self.secret, keys: try tokenKeys.load())
    let operators = try AdminToken(Self.operatorToken)
    try await withServer {
      $0.gateway.tokens = tokens
      $0.gateway.adminToken = operators
      configure(&$0)
    } _: { server async throws in
      let records = server.directory
      for tenant in ["a", "b"] { _ = try await records.putTenant(tenant, name: "Tenant \(tenant)") }
      let phone = try PhoneNumber(Self.phone)
      _ = try await records.upsertCustomer("a", phone, CustomerChange(name: "Asha", email: "asha@example.com"))
      let circle = try await records.createCircle("a", name: "Ashas", kind: .family, owner: phone)
      let dal = PlacedOrder.Item(dishName: "Secret Dal", quantity: 1, price: Money(minorUnits: 100))
      let order = try await records.createOrder("a", phone, OrderDraft(kind: .delivery, items: [dal]), currency: .inr)
      _ = try await records.putMenu(
        "a", [Menu.Dish(id: "dal", name: "Secret Dal", type: .veg, price: Money(minorUnits: 100))], currency: .inr)
      let (a, b) = (
        try await records.issueKey("a", label: "a"), try await records.issueKey("b", label: "b")
      )
      // Made by a directory whose clock is a minute behind.
      let past = Directory(
        store: records.store, now: { Timestamp(millis: TimeOfDay().now().millis - 60_000) },
        makeID: { UUID().uuidString })
      let expired = try await past.issueKey(
        "a", label: "expired", expiresAt: TimeOfDay().now().advanced(by: .seconds(-1)))
      let revoked = try await records.issueKey("a", label: "revoked")
      _ = try await records.revokeKey("a", revoked.key.id)
      try await body(
        Scene(
          server: server, tokenKeys: tokenKeys, a: a.text.text, b: b.text.text, expired: expired.text.text,
          revoked: revoked.text.text, aID: a.key.id, bID: b.key.id, circle: circle.id, order: order.id))
    }
  }

  // MARK: A table of requests

  private struct Case {
    let name: String
    let request: String
    let status: Int
    /// Nil: it is no problem.
    let code: String?

    init(_ name: String, _ line: String, _ status: Int, _ code: String?) {
      self.init(name, line, [], "", status, code)
    }

    init(_ name: String, _ line: String, _ headers: [String], _ status: Int, _ code: String?) {
      self.init(name, line, headers, "", status, code)
    }

    init(_ name: String, _ line: String, _ headers: [String], _ body: String, _ status: Int, _ code: String?) {
      self.name = name
      let length = body.isEmpty && line.hasPrefix("GET") ? [] : ["Content-Length: \(body.utf8.count)"]
      request = HTTPText.request("\(line) HTTP/1.1", headers + length, body: body)
      self.status = status
      self.code = code
    }

    init(_ name: String, raw: String, _ status: Int, _ code: String?) {
      (self.name, request, self.status, self.code) = (name, raw, status, code)
    }
  }

  private func check(_ cases: [Case], on server: TestServer) async throws {
    for one in cases {
      let connection = try await RawConnection.open(server.port)
      connection.send(one.request)
      let response = try await connection.response()
      #expect(response.status == one.status, "\(one.name): \(response.body)")
      if let code = one.code {
        #expect(response.header("content-type") == "application/problem+json", "\(one.name)")
        #expect(try JSON(parsing: response.body)["code"] == .string(code), "\(one.name): \(response.body)")
      } else {
        #expect((200..<300).contains(response.status) || response.status == 101, "\(one.name)")
      }
      if response.status == 401 { #expect(response.header("www-authenticate") == "Bearer", "\(one.name)") }
      for word in ["asha@example.com", "Secret Dal"] where one.code != nil {
        #expect(!response.body.contains(word), "\(one.name)")
      }
      await connection.close()
    }
  }

  private static let list = "GET /v1/tenants/a/orders?status=pending"

  private func keyCases(_ scene: Scene) -> [Case] {
    let (list, a, b) = (Self.list, scene.a, scene.b)
    func refused(_ name: String, _ headers: [String], line: String = list) -> Case {
      Case("with \(name)", line, headers, 401, "unauthorized")
    }
    func bearing(_ name: String, _ key: String) -> Case { refused(name, ["Authorization: Bearer \(key)"]) }
    let secret = String(a.split(separator: "_", maxSplits: 2)[2])
    let other = String(b.split(separator: "_", maxSplits: 2)[2])
    let long = String(repeating: "A", count: 43)
    return [
      Case("the tenant's key", list, scene.bearer(a), 200, nil),
      Case("the scheme in capitals", list, ["AUTHORIZATION: BEARER \(a)"], 200, nil),
      Case("the operator", list, scene.operator, 200, nil),
      refused("nothing", []), refused("an empty field", ["Authorization:"]), bearing("an empty key", ""),
      refused("the scheme alone", ["Authorization: Bearer"]), refused("no scheme", ["Authorization: \(a)"]),
      refused("Basic", ["Authorization: Basic \(Data(":\(a)".utf8).base64EncodedString())"]),
      refused("Token", ["Authorization: Token \(a)"]), refused("two schemes", ["Authorization: Bearer Bearer \(a)"]),
      bearing("nonsense", "nonsense"), bearing("a prefix", "spk_"), bearing("no secret", "spk_\(scene.aID)_"),
      bearing("no id", "spk__\(secret)"), bearing("an id alone", scene.aID), bearing("a secret alone", secret),
      bearing("an unknown id", "spk_nobody_\(secret)"), bearing("another's secret", "spk_\(scene.aID)_\(other)"),
      bearing("a made-up secret", "spk_\(scene.aID)_\(long)"), bearing("less", String(a.dropLast())),
      bearing("more", a + "A"), bearing("capitals", a.uppercased()), bearing("small letters", a.lowercased()),
      bearing("quotes", "\"\(a)\""), bearing("something behind", "\(a) x"), bearing("a comma", "\(a),"),
      bearing("an expired key", scene.expired), bearing("a revoked key", scene.revoked),
      bearing("SQL", "spk_' OR '1'='1_\(long)"), bearing("more SQL", "spk_a'; DROP TABLE api_keys;--_\(long)"),
      bearing("a wildcard", "spk_%_\(secret)"), bearing("Unicode", "spk_ключ_\(secret)"),
      bearing("digits of another script", "spk_\(scene.aID)_\(String(repeating: "९", count: 43))"),
      bearing("a room token", ForgedToken(header: #"{"alg":"HS256"}"#).signed(secret: Self.secret.utf8)),
      bearing("less of the operator's", String(Self.operatorToken.dropLast())),
      bearing("more than a key can have", "spk_\(scene.aID)_" + String(repeating: "A", count: 8000)),
      refused("a cookie", ["Cookie: key=\(a)"]), refused("X-Api-Key", ["X-Api-Key: \(a)"]),
      refused("Proxy-Authorization", ["Proxy-Authorization: Bearer \(a)"]),
      refused("two keys", ["Authorization: Bearer \(b)", "Authorization: Bearer \(a)"]),
      refused("two keys in the other order", ["Authorization: Bearer \(a)", "Authorization: Bearer \(b)"]),
      refused("a key in the query", [], line: "\(list)&token=\(a)"),
      refused("a key in the query by its old name", [], line: "\(list)&access_token=\(a)"),
      refused("nothing, as the original user", ["X-Forwarded-User: operator", "X-Original-URL: /healthz"]),
      refused("nothing, by another method", ["X-HTTP-Method-Override: OPTIONS"]),
      refused("nothing, with a body", [], line: "POST /v1/tenants/a/customers"),
      refused("nothing, erasing", [], line: "DELETE /v1/tenants/a/customers/\(Self.phone)"),
    ]
  }

  private func foreignCases(_ scene: Scene) -> [Case] {
    let (own, b) = (scene.bearer(scene.a), scene.bearer(scene.b))
    func forbidden(_ line: String, _ headers: [String], _ body: String = "") -> Case {
      Case("\(line) with a key that may not", line, headers, body, 403, "forbidden")
    }
    let customer = "/v1/tenants/a/customers/\(Self.phone)"
    return [
      forbidden(Self.list, b), forbidden("GET \(customer)", b), forbidden("GET \(customer)/export", b),
      forbidden("DELETE \(customer)", b), forbidden("PUT /v1/tenants/a/menu", b, #"{"dishes":[]}"#),
      forbidden("POST /v1/tenants/a/customers", b, #"{"phone":"1234567890","name":"X"}"#),
      // However the path is written.
      forbidden("GET /v1/tenants/%61/orders?status=pending", b), forbidden("GET //v1//tenants/a/menu", b),
      forbidden("GET /v1/tenants/a/menu/", b), forbidden("GET /v1/tenants/A/menu", b),
      forbidden("GET /v1/tenants/b%2F..%2Fa/menu", b), forbidden("GET /v1/tenants/b%00/menu", b),
      forbidden("GET /v1/tenants/b%20/menu", b), forbidden("GET /v1/tenants/*/menu", b),
      forbidden("GET /v1/tenants/' OR '1'='1/menu".replacing(" OR ", with: "%20OR%20"), b),
      forbidden("GET /v1/tenants/ａ/menu".replacing("ａ", with: "%EF%BD%81"), b),
      Case("steps up", "GET /v1/tenants/b/../a/menu", b, 404, "not_found"),
      Case("written otherwise", "GET /v1/%74enants/a/menu", b, 404, "not_found"),
      Case(
        "steps up to what is there", "GET /v1/tenants/b/customers/../../a/customers/\(Self.phone)", b, 404, "not_found"),
      // Ids of another tenant's under the own name.
      Case("another's circle", "GET /v1/tenants/b/circles/\(scene.circle)", b, 404, "circle_not_found"),
      Case("another's order", "GET /v1/tenants/b/orders/\(scene.order)", b, 404, "order_not_found"),
      Case("another's customer", "GET /v1/tenants/b/customers/\(Self.phone)", b, 404, "customer_not_found"),
      Case("erasing another's", "DELETE /v1/tenants/b/customers/\(Self.phone)", b, 404, "customer_not_found"),
      Case("taking another's along", "GET /v1/tenants/b/customers/\(Self.phone)/export", b, 404, "customer_not_found"),
      Case("no phone number", "GET /v1/tenants/a/customers/'%20OR%201=1--/export", own, 422, "invalid_field"),
      Case("no phone number to erase", "DELETE /v1/tenants/a/customers/%25", own, 422, "invalid_field"),
      // Tenants and keys are the operators'.
      forbidden("GET /v1/tenants", own), forbidden("GET /v1/tenants/a", own),
      forbidden("PUT /v1/tenants/a", own, #"{"name":"Mine"}"#), forbidden("GET /v1/tenants/a/keys", own),
      forbidden("POST /v1/tenants/a/keys", own, #"{"label":"mine"}"#), forbidden("GET /v1/tenants/", own),
      forbidden("DELETE /v1/tenants/a/keys/\(scene.aID)", own),
      forbidden("DELETE /v1/tenants/b/keys/\(scene.bID)", own),
      forbidden("POST /v1/tenants/b/keys", own, #"{"label":"mine"}"#), forbidden("GET /v1/tenants/b/keys", own),
      Case("a move", "POST /v1/cluster/drain", own, 404, "not_found"),
    ]
  }

  private func managementCases(_ scene: Scene) -> [Case] {
    let right = scene.operator
    func invalid(_ name: String, _ line: String, _ body: String) -> Case {
      Case(name, line, right, body, 422, "invalid_field")
    }
    let (put, post) = ("PUT /v1/tenants/a", "POST /v1/tenants/a/keys")
    return [
      Case("all tenants of a stranger", "GET /v1/tenants", 401, "unauthorized"),
      Case("a tenant of a stranger", put, [], #"{"name":"Mine"}"#, 401, "unauthorized"),
      Case("a key for a stranger", post, [], #"{"label":"mine"}"#, 401, "unauthorized"),
      Case("a key by a revoked key", post, scene.bearer(scene.revoked), #"{"label":"x"}"#, 401, "unauthorized"),
      Case("no JSON", put, right, "{", 400, "invalid_json"), Case("no body", put, right, "", 400, "invalid_json"),
      invalid("an array", put, "[]"), invalid("no name", put, "{}"), invalid("an empty name", put, #"{"name":""}"#),
      invalid("a blank name", put, #"{"name":"  "}"#), invalid("a number", put, #"{"name":7}"#),
      invalid("two names", put, #"{"name":"A","name":"B"}"#),
      invalid("a control character", put, #"{"name":"a\u0007"}"#),
      invalid("a long name", put, "{\"name\":\"\(String(repeating: "n", count: 121))\"}"),
      Case("what nobody has seen", put, right + ["If-Match: \"9\""], #"{"name":"A"}"#, 412, "version_mismatch"),
      Case("what is no ETag", put, right + ["If-Match: 1"], #"{"name":"A"}"#, 412, "version_mismatch"),
      Case("a large body", put, right, String(repeating: " ", count: 1 << 20 + 1), 413, "too_large"),
      Case("a slash", "PUT /v1/tenants/x%2Fy", right, #"{"name":"A"}"#, 404, "not_found"),
      Case("a NUL", "PUT /v1/tenants/%00", right, #"{"name":"A"}"#, 404, "not_found"),
      Case(
        "a long id", "PUT /v1/tenants/\(String(repeating: "a", count: 65))", right, #"{"name":"A"}"#, 404, "not_found"),
      Case("Unicode", "PUT /v1/tenants/%D0%B0", right, #"{"name":"A"}"#, 404, "not_found"),
      Case("nobody", "GET /v1/tenants/nobody", right, 404, "tenant_not_found"),
      Case("nobody's keys", "GET /v1/tenants/nobody/keys", right, 404, "tenant_not_found"),
      Case("a key of nobody", "POST /v1/tenants/nobody/keys", right, #"{"label":"x"}"#, 404, "tenant_not_found"),
      invalid("no label", post, "{}"), invalid("a label of another kind", post, #"{"label":["x"]}"#),
      invalid("a time that is past", post, #"{"label":"x","expiresAt":1}"#),
      invalid("a time below zero", post, #"{"label":"x","expiresAt":-1}"#),
      invalid("a time beyond all", post, #"{"label":"x","expiresAt":1e30}"#),
      invalid("a time in words", post, #"{"label":"x","expiresAt":"tomorrow"}"#),
      Case("no key", "DELETE /v1/tenants/a/keys/nothing", right, 404, "key_not_found"),
      Case("another's key", "DELETE /v1/tenants/a/keys/\(scene.bID)", right, 404, "key_not_found"),
      Case("SQL for a key", "DELETE /v1/tenants/a/keys/'%20OR%201=1--", right, 404, "key_not_found"),
      Case("no size", "GET /v1/tenants?page_size=0", right, 422, "invalid_field"),
      Case("no token", "GET /v1/tenants?page_token=x", right, 400, "invalid_page_token"),
      Case("no token of keys", "GET /v1/tenants/a/keys?page_token='", right, 400, "invalid_page_token"),
      Case("another method", "PATCH /v1/tenants/a", right, "{}", 405, "method_not_allowed"),
    ]
  }

  /// What makes two servers disagree on where a request ends, or on what is in it.
  private func smugglingCases(_ scene: Scene) -> [Case] {
    let (line, key) = ("POST /v1/tenants/a/customers HTTP/1.1", "Authorization: Bearer \(scene.a)")
    func bad(_ name: String, _ headers: [String], _ body: String = "") -> Case {
      Case(name, raw: HTTPText.request(line, headers, body: body), 400, "bad_request")
    }
    return [
      bad("two lengths", [key, "Content-Length: 0", "Content-Length: 5"], "12345"),
      bad("a length and chunks", [key, "Content-Length: 5", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
      bad("an unknown coding", [key, "Transfer-Encoding: xchunked"]),
      bad("two codings", [key, "Transfer-Encoding: identity, chunked"]),
      bad("a negative length", [key, "Content-Length: -1"]),
      bad("a length with a sign", [key, "Content-Length: +5"], "12345"),
      bad("two hosts", [key, "Host: other", "Content-Length: 0"]),
      bad("a space before the colon", ["Authorization : Bearer \(scene.a)", "Content-Length: 0"]),
      bad("a folded field", ["Authorization: Bearer", " \(scene.a)", "Content-Length: 0"]),
      bad("a NUL", ["Authorization: Bearer \u{0}\(scene.a)", "Content-Length: 0"]),
      bad("a bare CR", ["Authorization: Bearer x\r\(scene.a)", "Content-Length: 0"]),
      Case("no version", raw: "GET /v1/tenants/a/menu\r\n\r\n", 400, "bad_request"),
      Case(
        "too much", raw: HTTPText.request(line, [key, "X: " + String(repeating: "x", count: 20_000)]), 431,
        "header_fields_too_large"),
    ]
  }

  private func tokenCases(_ scene: Scene) throws -> [Case] {
    let keys = scene.tokenKeys
    let pair = keys.pair
    let publicBytes = Array(pair.publicKey.rawRepresentation)
    let secret = Array(Self.secret.utf8)
    func header(_ alg: String, _ kid: String? = nil, _ more: String = "") -> ForgedToken {
      ForgedToken(header: "{\"alg\":\"\(alg)\"" + (kid.map { ",\"kid\":\"\($0)\"" } ?? "") + more + "}")
    }
    func claims(_ text: String) -> ForgedToken { ForgedToken(header: #"{"alg":"EdDSA","kid":"ed"}"#, claims: text) }
    let good = try header("EdDSA", "ed").signed(by: pair)
    let stranger = Curve25519.Signing.PrivateKey()
    let x = Base64URL.text(of: stranger.publicKey.rawRepresentation)
    let jwk = #","jwk":{"kty":"OKP","crv":"Ed25519","x":"\#(x)"}"#
    let accepted: [(String, String)] = [
      ("the pair's", good), ("the secret's of the file", header("HS256", "hs").signed(secret: keys.secret)),
      ("one of a key that signs no more", try header("EdDSA", "old").signed(by: keys.retired)),
      ("the secret's without a kid", header("HS256").signed(secret: secret)),
      ("one with a type", try header("EdDSA", "ed", #","typ":"JWT""#).signed(by: pair)),
    ]
    let refused: [(String, String)] = [
      ("alg none", header("none").unsigned), ("alg None", header("None").unsigned),
      ("alg none with a kid", header("none", "ed").unsigned),
      ("alg none, signed", try header("none", "ed").signed(by: pair)),
      ("no alg", try ForgedToken(header: #"{"kid":"ed"}"#).signed(by: pair)),
      ("HS256 by the public key", header("HS256", "ed").signed(secret: publicBytes)),
      ("HS256 by the public key's text", header("HS256", "ed").signed(secret: Base64URL.text(of: publicBytes).utf8)),
      ("HS256 by the public key, without a kid", header("HS256").signed(secret: publicBytes)),
      ("EdDSA, but HS256 by the public key", header("EdDSA", "ed").signed(secret: publicBytes)),
      ("EdDSA under the secret's kid", try header("EdDSA", "hs").signed(by: pair)),
      ("HS256 under the pair's kid", header("HS256", "ed").signed(secret: keys.secret)),
      ("HS512", header("HS512", "hs").signed(secret: keys.secret)),
      ("ES256", try header("ES256", "ed").signed(by: pair)),
      ("an unknown kid", try header("EdDSA", "nobody").signed(by: pair)),
      ("an unknown kid, by the secret", header("HS256", "nobody").signed(secret: secret)),
      ("an empty kid", header("HS256", "").signed(secret: secret)),
      ("a kid in capitals", try header("EdDSA", "ED").signed(by: pair)),
      ("another key's kid", try header("EdDSA", "old").signed(by: pair)),
      ("a kid that is a path", header("HS256", "../../dev/null").signed(secret: [])),
      ("a kid that is SQL", header("HS256", "' UNION SELECT 'k").signed(secret: Array("k".utf8))),
      ("a kid that is a number", try ForgedToken(header: #"{"alg":"EdDSA","kid":1}"#).signed(by: pair)),
      ("a kid that is null", header("HS256", nil, #","kid":null"#).signed(secret: secret)),
      ("two kids", try ForgedToken(header: #"{"alg":"EdDSA","kid":"nobody","kid":"ed"}"#).signed(by: pair)),
      ("two algs", header("HS256", "hs", #","alg":"none""#).signed(secret: keys.secret)),
      ("the file's secret without a kid", header("HS256").signed(secret: keys.secret)),
      ("the pair without a kid", try header("EdDSA").signed(by: pair)),
      ("the secret under a kid", header("HS256", "hs").signed(secret: secret)),
      ("a key of its own", try header("EdDSA", "ed", jwk).signed(by: stranger)),
      ("a key of its own, without a kid", try header("EdDSA", nil, jwk).signed(by: stranger)),
      ("keys elsewhere", try header("EdDSA", "ed", #","jku":"http://127.0.0.1/keys""#).signed(by: stranger)),
      ("an extension", try header("EdDSA", "ed", #","crit":["exp"]"#).signed(by: pair)),
      ("a header that is no object", try ForgedToken(header: "[]").signed(by: pair)),
      ("a header that is nothing", try ForgedToken(header: "").signed(by: pair)),
      ("another signature", String(good.dropLast(4)) + "AAAA"), ("no signature", header("EdDSA", "ed").unsigned),
      ("a part more", good + ".AA"), ("padding", good + "=="),
      (
        "an old one's claims",
        good.replacing(
          ForgedToken.text(of: #"{"sub":"asha""#).prefix(12), with: ForgedToken.text(of: #"{"sub":"ravi""#).prefix(12))
      ),
      ("an expired one", try claims(#"{"sub":"asha","room":"room","exp":1000000000}"#).signed(by: pair)),
      ("one that never expires", try claims(#"{"sub":"asha","room":"room"}"#).signed(by: pair)),
      ("an expiry in words", try claims(#"{"sub":"asha","room":"room","exp":"never"}"#).signed(by: pair)),
      ("nobody's", try claims(#"{"room":"room","exp":4102444800}"#).signed(by: pair)),
      ("one of an empty name", try claims(#"{"sub":"","room":"room","exp":4102444800}"#).signed(by: pair)),
      ("one of a control character", try claims(#"{"sub":"a\u0000","room":"room","exp":4102444800}"#).signed(by: pair)),
      ("one of several rooms", try claims(#"{"sub":"asha","room":["room"],"exp":4102444800}"#).signed(by: pair)),
      (
        "a large one",
        try claims(#"{"sub":"\#(String(repeating: "a", count: 5000))","room":"room","exp":4102444800}"#).signed(
          by: pair)
      ),
      ("an API key", scene.a),
      ("the operator's token", Self.operatorToken.replacing(" ", with: "%20").replacing("'", with: "%27")),
    ]
    let forbidden: [(String, String)] = [
      ("another room's", try claims(#"{"sub":"asha","room":"other","exp":4102444800}"#).signed(by: pair)),
      ("another case's", try claims(#"{"sub":"asha","room":"Room","exp":4102444800}"#).signed(by: pair)),
    ]
    func cases(_ tokens: [(String, String)], _ upgrade: Int, _ read: Int, _ code: String?, _ readCode: String?)
      -> [Case]
    {
      let path = RoomClient.path + "room"
      return tokens.flatMap { name, token in
        [
          Case("an upgrade with \(name)", raw: HTTPText.upgrade("\(path)?token=\(token)"), upgrade, code),
          Case("a look with \(name)", "GET \(path)?token=\(token)", read, readCode),
        ]
      }
    }
    return cases(accepted, 101, 404, nil, "room_not_found") + cases(refused, 401, 401, "unauthorized", "unauthorized")
      + cases(forbidden, 403, 403, "forbidden", "forbidden")
  }

  @Test("records are for the tenant's keys and the operators, whatever else is tried")
  func keys() async throws {
    try await withScene { scene async throws in
      let cases = keyCases(scene) + foreignCases(scene) + managementCases(scene) + smugglingCases(scene)
      #expect(cases.count >= 120)
      try await check(cases, on: scene.server)
      // Nothing of it has changed anything.
      let phone = try PhoneNumber(Self.phone)
      #expect(try await scene.server.directory.customer("a", phone).version == 1)
      #expect(try await scene.server.directory.tenant("a").version == 1)
      #expect(try await scene.server.directory.tenants().entries.count == 2)
      #expect(try await scene.server.directory.keys(of: "a").entries.count == 3)
      #expect(try await scene.server.directory.keys(of: "b").entries.allSatisfy { $0.revokedAt == nil })
    }
  }

  @Test("a room is for the tokens of its keys, whatever else is tried")
  func tokens() async throws {
    try await withScene { scene async throws in
      let cases = try tokenCases(scene)
      #expect(cases.count >= 100)
      try await check(cases, on: scene.server)
    }
  }

  @Test("in open mode anybody may do all, and needs no key")
  func open() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      #expect(try await connection.call("PUT /v1/tenants/a", #"{"name":"A"}"#).status == 201)
      let made = try await connection.call("POST /v1/tenants/a/keys", #"{"label":"x"}"#)
      #expect(made.status == 201 && made.header("cache-control") == "no-store")
      let key = try JSON(parsing: made.body)
      #expect(key["key"].string?.hasPrefix("spk_") == true)
      let id = try #require(key["id"].string)
      let listed = try JSON(parsing: try await connection.call("GET /v1/tenants/a/keys").body)
      #expect(listed["keys"][0] == key.dropping("key"))
      #expect(try await connection.call("DELETE /v1/tenants/a/keys/\(id)").status == 200)
      #expect(try await connection.get("/v1/tenants/a/orders?status=pending").status == 200)
      #expect(try await connection.get("/.well-known/jwks.json").status == 404)
    }
  }

  // MARK: Tenants among themselves

  @Test("a tenant's key sees and does nothing of another's, by whichever route there is")
  func everyRoute() async throws {
    try await withScene { scene async throws in
      var routes = scene.server.gateway.routes.router().routes
        .map { (method: $0.method.rawValue, path: $0.path.description) }
        .filter { $0.path.hasPrefix("/v1/tenants") }
      // The router answers these by itself.
      routes += routes.filter { $0.method == "GET" }.map { ("HEAD", $0.path) }
      #expect(routes.count >= 36, "\(routes)")
      let records = scene.server.directory
      let phone = try PhoneNumber(Self.phone)
      let before = (
        try await records.exportCustomer("a", phone), try await records.menu("a"),
        try await records.circle("a", scene.circle)
      )
      let body =
        #"{"name":"B","phone":"9876543210","by":"9876543210","label":"b","status":"confirmed","dishes":[],"owner":"9876543210","type":"family","orderType":"delivery","items":[{"dishName":"D","quantity":1,"price":1}]}"#
      for (method, path) in routes {
        func target(_ tenant: String) -> String {
          path.replacing("{tenant}", with: tenant).replacing("{phone}", with: Self.phone)
            .replacing("{circle}", with: scene.circle).replacing("{order}", with: scene.order)
            .replacing("{key}", with: scene.aID).replacing(/\{[a-z]+\}/, with: "x")
            + "?by=\(Self.phone)&status=pending"
        }
        func call(_ tenant: String, _ headers: [String]) async throws -> UpgradeResponse {
          let connection = try await RawConnection.open(scene.server.port)
          if ["GET", "HEAD"].contains(method) {
            connection.send(HTTPText.request("\(method) \(target(tenant)) HTTP/1.1", headers))
            return try await connection.response(toHead: method == "HEAD")
          }
          return try await connection.call("\(method) \(target(tenant))", body, headers: headers)
        }
        #expect(try await call("a", []).status == 401, "\(method) \(path)")
        let foreign = try await call("a", scene.bearer(scene.b))
        #expect(foreign.status == 403, "\(method) \(path): \(foreign.body)")
        if method != "HEAD" {
          #expect(try JSON(parsing: foreign.body)["code"] == "forbidden", "\(method) \(path)")
        }
        // Under its own name it may act, but not on what is another's.
        let own = try await call("b", scene.bearer(scene.b))
        #expect(own.status < 500 && own.status != 401, "\(method) \(path): \(own.body)")
        for word in ["asha@example.com", "Secret Dal", "Ashas", "Tenant a"] {
          #expect(!own.body.contains(word), "\(method) \(path): \(own.body)")
        }
      }
      let after = try await records.exportCustomer("a", phone)
      #expect(
        after.customer == before.0.customer && after.circles == before.0.circles && after.orders == before.0.orders)
      #expect(try await records.menu("a") == before.1)
      #expect(try await records.circle("a", scene.circle) == before.2)
      #expect(try await records.keys(of: "a").entries.first { $0.id == scene.aID }?.revokedAt == nil)
    }
  }

  @Test("a customer's records come as one document, go once, and are found no more")
  func personalData() async throws {
    try await withScene { scene async throws in
      let connection = try await RawConnection.open(scene.server.port)
      let (path, key) = ("/v1/tenants/a/customers/\(Self.phone)", scene.bearer(scene.a))
      let export = try JSON(parsing: try await connection.get("\(path)/export", headers: key).body)
      #expect(export["customer"]["email"] == "asha@example.com" && export["circles"][0]["role"] == "owner")
      #expect(export["orders"][0]["items"][0]["dishName"] == "Secret Dal")
      let erased = try await connection.call("DELETE \(path)", headers: key)
      #expect(erased.status == 204 && erased.body == "")
      for line in ["DELETE \(path)", "GET \(path)", "GET \(path)/export", "GET \(path)/orders"] {
        let again = try await connection.call(line, headers: key)
        #expect(again.status == 404, "\(line)")
        #expect(try JSON(parsing: again.body)["code"] == "customer_not_found", "\(line)")
      }
      let order = try await connection.get("/v1/tenants/a/orders/\(scene.order)", headers: key)
      #expect(order.status == 200 && order.body.contains("Secret Dal") && !order.body.contains(Self.phone))
      #expect(try JSON(parsing: order.body)["customerId"].string?.hasPrefix("a_erased_") == true)
    }
  }

  // MARK: Revoking

  @Test("a key that is revoked elsewhere is refused within five seconds, and here at once")
  func revocation() async throws {
    try await withScene { scene async throws in
      let connection = try await RawConnection.open(scene.server.port)
      let path = "/v1/tenants/a/orders?status=pending"
      func ask(_ key: String) async throws -> Int {
        try await connection.get(path, headers: scene.bearer(key)).status
      }
      #expect(try await ask(scene.a) == 200)
      _ = try await scene.server.directory.revokeKey("a", scene.aID)
      let clock = ContinuousClock()
      let deadline = clock.now + .seconds(5)
      // However long it takes to be answered, what is asked five seconds later is refused.
      var isRefused = false
      while !isRefused {
        let isLate = clock.now >= deadline
        isRefused = try await ask(scene.a) == 401
        try #require(isRefused || !isLate)
        try await Task.sleep(for: .milliseconds(50))
      }
      let second = try await scene.server.directory.issueKey("a", label: "second")
      #expect(try await ask(second.text.text) == 200)
      #expect(
        try await connection.call("DELETE /v1/tenants/a/keys/\(second.key.id)", headers: scene.operator).status == 200)
      #expect(try await ask(second.text.text) == 401)
      let used = try await scene.server.directory.keys(of: "a").entries.filter { $0.lastUsedAt != nil }
      #expect(Set(used.map(\.id)) == [scene.aID, second.key.id])
    }
  }

  /// A store that counts how often it is asked.
  private final class CountingStore: RecordStore {
    let wrapped: any RecordStore
    let reads = Atomic<Int>(0)
    let writes = Atomic<Int>(0)

    init(_ wrapped: any RecordStore) { self.wrapped = wrapped }

    func readRecords<Value: Sendable>(
      _ body: @escaping @Sendable (any RecordTransaction) throws -> Value
    ) async throws -> Value {
      reads.add(1, ordering: .relaxed)
      return try await wrapped.readRecords(body)
    }

    func writeRecords<Value: Sendable>(
      _ body: @escaping @Sendable (any RecordTransaction) throws -> Value
    ) async throws -> Value {
      writes.add(1, ordering: .relaxed)
      return try await wrapped.writeRecords(body)
    }
  }

  @Test("neither a busy key nor a flood of wrong ones floods the store")
  func flood() async throws {
    try await withScene { scene async throws in
      let store = CountingStore(scene.server.directory.store)
      let directory = Directory(store: store, now: { TimeOfDay().now() }, makeID: { UUID().uuidString })
      var settings = GatewaySettings()
      settings.tokens = try await RoomTokens(secret: Self.secret)
      settings.requestsPerSecond = 50
      let authority = Authority(
        directory: directory, settings: settings, time: TimeOfDay(), metrics: GatewayMetrics())
      func admit(_ key: String, from address: String) async -> Int {
        let head = HTTPRequest(
          method: .get, scheme: nil, authority: nil, path: "/", headerFields: [.authorization: "Bearer \(key)"])
        let admission = await authority.admit(
          Request(head: head, body: .init(buffer: .init())), to: "a", from: address)
        switch admission.caller {
        case .success: return 200
        case .failure(let problem): return Int(problem.status)
        }
      }
      var answers: [Int: Int] = [:]
      for _ in 0..<60 { answers[await admit(scene.a, from: "1.1.1.1"), default: 0] += 1 }
      #expect(answers == [200: 60])
      // The look, and the note that it is in use; another look if all that took more than five seconds.
      #expect(store.reads.load(ordering: .relaxed) <= 2 && store.writes.load(ordering: .relaxed) == 1)
      // A wrong secret for an id that was seen costs no look, nor does the same unknown id again.
      let wrong = "spk_\(scene.aID)_" + String(repeating: "A", count: 43)
      let unknown = "spk_unknown_" + String(repeating: "A", count: 43)
      let before = store.reads.load(ordering: .relaxed)
      for number in 0..<40 {
        #expect(await admit(wrong, from: "2.2.2.\(number)") == 401)
        #expect(await admit(unknown, from: "3.3.3.\(number)") == 401)
      }
      #expect(store.reads.load(ordering: .relaxed) <= before + 2)
      // Ids without end are looked up no more often than their address may ask.
      let later = store.reads.load(ordering: .relaxed)
      answers = [:]
      for number in 0..<1000 {
        let key = "spk_made-up-\(number)_" + String(repeating: "A", count: 43)
        answers[await admit(key, from: "4.4.4.4"), default: 0] += 1
      }
      let looks = store.reads.load(ordering: .relaxed) - later
      #expect(looks == answers[401] && answers[429, default: 0] + looks == 1000)
      #expect(looks >= 100 && looks < 600, "\(answers)")
      // Who has a key is not in their way, though at the same address.
      #expect(await admit(scene.a, from: "4.4.4.4") == 200)
    }
  }

  // MARK: Rates

  @Test("a key has its own rate, is told what is left of it, and when to come again")
  func rates() async throws {
    try await withScene {
      $0.gateway.requestsPerSecond = 5
    } _: { scene async throws in
      let connection = try await RawConnection.open(scene.server.port)
      func ask(_ headers: [String], _ tenant: String = "a") async throws -> UpgradeResponse {
        try await connection.get("/v1/tenants/\(tenant)/orders?status=pending", headers: headers)
      }
      let first = try await ask(scene.bearer(scene.a))
      #expect(first.status == 200)
      #expect(first.header("ratelimit-policy") == #""default";q=10;w=2"#)
      #expect(first.header("ratelimit") == #""default";r=9;t=1"#)
      var limited: UpgradeResponse?
      var passed = 1
      while limited == nil, passed < 200 {
        let response = try await ask(scene.bearer(scene.a))
        if response.status == 429 { limited = response } else { passed += 1 }
      }
      #expect(passed >= 10 && passed < 100)
      #expect(limited?.header("retry-after") == "1" && limited?.header("ratelimit") == #""default";r=0;t=2"#)
      #expect(limited?.header("content-type") == "application/problem+json")
      #expect(try JSON(parsing: limited?.body ?? "")["code"] == "rate_limited")
      // Others go on: another's key, and operators, who have no limit.
      #expect(try await ask(scene.bearer(scene.b), "b").status == 200)
      for _ in 0..<20 { #expect(try await ask(scene.operator).status == 200) }
      #expect(try await ask(scene.operator).header("ratelimit") == nil)
      // A refusal counts as well, and is told.
      #expect(try await ask(scene.bearer(scene.b), "a").header("ratelimit") != nil)
      // Without a key it is the address that counts.
      var answers: Set<Int> = []
      for _ in 0..<40 { answers.insert(try await ask([]).status) }
      #expect(answers == [401, 429])
      #expect(TestServer.metric("stonepot_requests_rate_limited_total") > 0)
      try await eventually("the rate to be there again") { try await ask(scene.bearer(scene.a)).status == 200 }
    }
  }

  @Test("in open mode an address has a rate")
  func openRates() async throws {
    try await withServer {
      $0.gateway.requestsPerSecond = 2
    } _: { server async throws in
      let connection = try await RawConnection.open(server.port)
      var answers: [Int] = []
      for _ in 0..<20 { answers.append(try await connection.get("/v1/tenants/a/orders?status=pending").status) }
      #expect(answers.prefix(4) == [200, 200, 200, 200] && answers.contains(429))
      // What is no record has none.
      for _ in 0..<20 { #expect(try await connection.get("/healthz").status == 200) }
    }
  }

  private static let second: UInt64 = 1_000_000_000

  @Test("what is told of a rate adds up, and idle callers take no memory")
  func readings() {
    let rates = RequestRates(perSecond: 3)
    var seen: [RequestRates.Reading?] = []
    for _ in 0..<7 { seen.append(rates.take("a", now: 0)) }
    #expect(seen.map { $0?.remaining } == [5, 4, 3, 2, 1, 0, 0])
    #expect(seen.map { $0?.isAdmitted } == [true, true, true, true, true, true, false])
    #expect(seen.map { $0?.fullInSeconds } == [1, 1, 1, 2, 2, 2, 2])
    #expect(rates.take("a", now: Self.second)?.remaining == 2)
    for number in 1..<RequestRates.maxCallers { _ = rates.take("\(number)", now: Self.second) }
    #expect(rates.callerCount == RequestRates.maxCallers)
    // All are busy: the new one is not counted. A while later all others are as who was never there.
    #expect(rates.take("new", now: Self.second) == nil)
    #expect(rates.take("new", now: Self.second * 4)?.remaining == 5)
    #expect(rates.callerCount == 1)
  }

  @Test("a key is believed for five seconds, its wrong secrets never, and no more are kept than there is room for")
  func knownKeys() throws {
    func key(_ id: String, _ byte: UInt8 = 1) -> ApiKeyText {
      ApiKeyText(id: id, secret: [UInt8](repeating: byte, count: 32))
    }
    func stored(_ id: String) -> StoredApiKey {
      let time = Timestamp(millis: 1)
      return StoredApiKey(
        key: ApiKey(id: id, tenant: "t", label: "l", createdAt: time, expiresAt: nil), digest: key(id).digest)
    }
    var keys = KnownKeys()
    #expect(keys.look(for: key("a"), now: 0) == .unseen)
    keys.learn(stored("a"), of: "a", lookedAt: 0)
    #expect(keys.look(for: key("a"), now: 5 * Self.second - 1) == .fresh(stored("a").key))
    #expect(keys.look(for: key("a"), now: 5 * Self.second) == .stale(stored("a").key))
    #expect(keys.look(for: key("a", 2), now: 0) == .wrongSecret)
    #expect(keys.look(for: key("a", 2), now: 100 * Self.second) == .wrongSecret)
    // Who asked first and hears last does not make it older.
    keys.learn(stored("a"), of: "a", lookedAt: 9 * Self.second)
    keys.learn(stored("a"), of: "a", lookedAt: 6 * Self.second)
    #expect(keys.look(for: key("a"), now: 12 * Self.second) == .fresh(stored("a").key))
    #expect(keys.isNoteDue(for: "a", now: 0) && !keys.isNoteDue(for: "a", now: 59 * Self.second))
    #expect(keys.isNoteDue(for: "a", now: 60 * Self.second) && !keys.isNoteDue(for: "b", now: 0))
    keys.forget("a")
    #expect(keys.look(for: key("a"), now: 9 * Self.second) == .unseen)
    keys.learn(nil, of: "b", lookedAt: 0)
    #expect(keys.look(for: key("b"), now: 5 * Self.second - 1) == .noSuchKey)
    #expect(keys.look(for: key("b"), now: 5 * Self.second) == .unseen)
    for number in 0..<(3 * KnownKeys.most) {
      keys.learn(nil, of: "n\(number)", lookedAt: 0)
      keys.learn(stored("k"), of: "k\(number)", lookedAt: 0)
      if number % 5000 == 0 { #expect(keys.count <= 2 * KnownKeys.most) }
    }
    #expect(keys.count <= 2 * KnownKeys.most)
  }
}
