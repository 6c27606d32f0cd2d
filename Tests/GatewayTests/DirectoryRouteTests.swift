import Gateway
import Load
import StoreTesting
import Testing

@Suite("Customers, circles and orders over HTTP", .timeLimit(.minutes(3)))
struct DirectoryRouteTests {
  private static let base = "/v1/tenants/t"
  private static let asha =
    #"{"phone":"9876543210","name":"Asha","email":"asha@example.com","deliveryAddress":{"city":"Pune"}}"#

  @Test("a customer is made and changed, a circle filled, an order placed and brought to its end")
  func flow() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      func call(_ line: String, _ body: String = "", headers: [String] = []) async throws -> (UpgradeResponse, JSON) {
        let response = try await connection.call(line, body, headers: headers)
        return (response, try JSON(parsing: response.body))
      }

      let (made, asha) = try await call("POST \(Self.base)/customers", Self.asha)
      #expect(made.status == 201 && made.header("etag") == "\"1\"")
      #expect(asha["customerId"] == "t_9876543210" && asha["isNew"] == true)
      #expect(asha["customer"]["deliveryAddress"]["city"] == "Pune")
      let (changed, again) = try await call(
        "POST \(Self.base)/customers", #"{"phone":"9876543210","email":null,"name":"Asha R"}"#,
        headers: ["If-Match: \"1\""])
      #expect(changed.status == 200 && again["isNew"] == false)
      #expect(again["customer"]["email"] == "asha@example.com" && again["customer"]["name"] == "Asha R")
      let (late, problem) = try await call(
        "POST \(Self.base)/customers", #"{"phone":"9876543210","name":"X"}"#, headers: ["If-Match: \"1\""])
      #expect(late.status == 412 && problem["code"] == "version_mismatch")
      #expect(try await call("GET \(Self.base)/customers/9876543210").1 == again["customer"])

      let (created, circle) = try await call(
        "POST \(Self.base)/circles", #"{"name":"Home","type":"family","owner":"9876543210"}"#)
      #expect(created.status == 201)
      let id = try #require(circle["id"].string)
      let (_, full) = try await call(
        "POST \(Self.base)/circles/\(id)/members", #"{"phone":"9876543211","by":"9876543210","name":"Ravi"}"#)
      #expect(full["members"].elements.map { $0["status"] } == ["accepted", "invited"])
      #expect(try await call("GET \(Self.base)/customers/9876543211").1["isVerified"] == false)
      #expect(try await call("POST \(Self.base)/circles/\(id)/members/9876543211/accept").0.status == 200)
      #expect(
        try await call("POST \(Self.base)/circles/\(id)/transfer", #"{"phone":"9876543211","by":"9876543210"}"#).0
          .status
          == 200)
      #expect(
        try await call("DELETE \(Self.base)/circles/\(id)/members/9876543210?by=9876543210").1["members"].elements.count
          == 1)
      #expect(try await call("GET \(Self.base)/circles/\(id)/members").1["members"][0]["role"] == "owner")
      #expect(try await call("GET \(Self.base)/customers/9876543211/circles").1["circles"][0]["id"] == circle["id"])

      let (placed, order) = try await call(
        "POST \(Self.base)/orders",
        #"{"phone":"9876543210","orderType":"dine-in","items":[{"dishName":"Dal","quantity":2,"price":299.5}]}"#)
      #expect(placed.status == 201 && order["total"] == 599 && order["status"] == "pending")
      let number = try #require(order["id"].string)
      // However often it is sent, it is there once.
      let named = #"{"phone":"9876543210","orderType":"delivery","items":[{"dishName":"Roti","quantity":1,"price":1}]}"#
      var ids: Set<JSON> = []
      for _ in 0..<3 {
        ids.insert(try await call("POST \(Self.base)/orders", named, headers: ["Idempotency-Key: k"]).1["id"])
      }
      #expect(ids.count == 1 && ids != [order["id"]])
      let (other, conflict) = try await call(
        "POST \(Self.base)/orders", named.replacing("Roti", with: "Naan"), headers: ["Idempotency-Key: k"])
      #expect(other.status == 422 && conflict["code"] == "idempotency_conflict")
      #expect(try await call("GET \(Self.base)/orders?status=pending").1["orders"].elements.count == 2)
      for _ in 0..<2 {
        let (_, again) = try await call(
          "POST \(Self.base)/circles", #"{"name":"Two","type":"friends","owner":"9876543211"}"#,
          headers: ["Idempotency-Key: k"])
        ids.insert(again["id"])
      }
      #expect(ids.count == 2)
      for status in ["confirmed", "preparing", "ready", "delivered"] {
        #expect(
          try await call("PUT \(Self.base)/orders/\(number)/status", "{\"status\":\"\(status)\"}").0.status == 200)
      }
      let (refused, why) = try await call("PUT \(Self.base)/orders/\(number)/status", #"{"status":"cancelled"}"#)
      #expect(refused.status == 409 && why["code"] == "invalid_transition")
      let (_, first) = try await call("GET \(Self.base)/customers/9876543210/orders?page_size=1")
      let token = try #require(first["nextPageToken"].string)
      let (_, history) = try await call("GET \(Self.base)/customers/9876543210/orders?page_size=1&page_token=\(token)")
      #expect(history["orders"][0]["timeline"].elements.count == 5 && history["nextPageToken"] == .missing)
      #expect(try await call("GET \(Self.base)/orders?status=delivered").1["orders"][0]["id"] == order["id"])
    }
  }

  @Test("a menu is put, seen, and changed only by who has seen it")
  func menu() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      let path = "\(Self.base)/menu"
      #expect(try await connection.call("GET \(path)").status == 404)
      let dal = #"{"id":"dal","name":"Dal","type":"veg","price":299.5,"options":[{"name":"Ghee","price":20}]}"#
      let made = try await connection.call("PUT \(path)", "{\"dishes\":[\(dal)]}")
      #expect(made.status == 201 && made.header("etag") == "\"1\"", "\(made.body)")
      let menu = try JSON(parsing: try await connection.call("GET \(path)").body)
      #expect(menu == (try JSON(parsing: made.body)))
      #expect(menu["dishes"][0]["price"] == 299.5 && menu["dishes"][0]["options"][0]["name"] == "Ghee")
      #expect(menu["dishes"][0]["available"] == true)
      let gone = dal.replacing("\"type\"", with: "\"available\":false,\"type\"")
      let put = "PUT \(path)"
      #expect(try await connection.call(put, "{\"dishes\":[\(gone)]}", headers: ["If-Match: \"1\""]).status == 200)
      #expect(try await connection.call(put, "{\"dishes\":[]}", headers: ["If-Match: \"1\""]).status == 412)
      let refusals = [
        ("{}", "dishes is missing"), (#"{"dishes":{}}"#, "array"), ("{\"dishes\":[\(dal),\(dal)]}", "another dish's"),
        (#"{"dishes":[{"id":"a","name":"A","type":"fish","price":1}]}"#, "non-veg"),
        (#"{"dishes":[{"id":"a","name":"A","type":"veg","price":0.001}]}"#, "dishes.price"),
        (#"{"dishes":[{"id":"a","name":"A","type":"veg"}]}"#, "dishes.price is missing"),
        (
          #"{"dishes":[{"id":"a","name":"A","type":"veg","price":1,"options":[{"name":"x"}]}]}"#, "dishes.options.price"
        ),
        (#"{"dishes":[{"id":"","name":"A","type":"veg","price":1}]}"#, "dishes[0].id"),
      ]
      for (body, word) in refusals {
        let response = try await connection.call(put, body)
        let problem = try JSON(parsing: response.body)
        #expect(response.status == 422 && problem["detail"].string?.contains(word) == true, "\(body): \(response.body)")
      }
      let now = try JSON(parsing: try await connection.call("GET \(path)").body)
      #expect(now["version"] == 2 && now["dishes"][0]["available"] == false)
    }
  }

  struct Refusal: Sendable, CustomTestStringConvertible {
    let line: String
    let body: String
    let status: Int
    let code: String
    /// In the problem's detail.
    let word: String

    init(_ line: String, _ body: String, _ status: Int, _ code: String, _ word: String = "") {
      self.line = line
      self.body = body
      self.status = status
      self.code = code
      self.word = word
    }

    var testDescription: String { "\(line) \(body.prefix(80))" }
  }

  private static let dal = #"{"dishName":"Dal","quantity":1,"price":10}"#

  private static func order(_ items: String, phone: String = #""9876543210""#, kind: String = "delivery") -> String {
    "{\"phone\":\(phone),\"orderType\":\"\(kind)\",\"items\":\(items)}"
  }

  static let refusals: [Refusal] = [
    Refusal("POST /customers", "", 400, "invalid_json"), Refusal("POST /customers", "{", 400, "invalid_json"),
    Refusal("POST /customers", "[]", 422, "invalid_field", "object"),
    Refusal("POST /customers", "{}", 422, "invalid_field", "phone is missing"),
    Refusal("POST /customers", #"{"phone":9876543210,"name":"A"}"#, 422, "invalid_field", "in quotes"),
    Refusal("POST /customers", #"{"phone":"987654321","name":"A"}"#, 422, "invalid_field", "exactly 10 digits"),
    Refusal("POST /customers", #"{"phone":"98765 43210","name":"A"}"#, 422, "invalid_field", "phone"),
    Refusal("POST /customers", #"{"phone":"९८७६५४३२१०","name":"A"}"#, 422, "invalid_field", "digit"),
    Refusal("POST /customers", #"{"phone":"1234567890"}"#, 422, "invalid_field", "name"),
    Refusal("POST /customers", #"{"phone":"1234567890","name":""}"#, 422, "invalid_field", "name"),
    Refusal("POST /customers", #"{"phone":"1234567890","name":"a\u0000b"}"#, 422, "invalid_field", "control"),
    Refusal("POST /customers", #"{"phone":"1234567890","name":7}"#, 422, "invalid_field", "name must be a string"),
    Refusal("POST /customers", #"{"phone":"1234567890","name":"A","name":"B"}"#, 422, "invalid_field", "twice"),
    Refusal("POST /customers", #"{"phone":"1234567890","name":"A","email":"x"}"#, 422, "invalid_field", "email"),
    Refusal(
      "POST /customers", #"{"phone":"1234567890","name":"A","deliveryAddress":"Pune"}"#, 422, "invalid_field",
      "deliveryAddress must be an object"),
    Refusal(
      "POST /customers", #"{"phone":"1234567890","name":"A","deliveryAddress":{}}"#, 422, "invalid_field", "one part"),
    Refusal(
      "POST /customers", #"{"phone":"1234567890","name":"A","deliveryAddress":{"city":1}}"#, 422, "invalid_field",
      "deliveryAddress.city"),
    Refusal(
      "POST /customers", #"{"phone":"1234567890","name":"A","addressLabel":"moon"}"#, 422, "invalid_field", "home"),
    Refusal("GET /customers/1234567890", "", 404, "customer_not_found"),
    Refusal("GET /customers/12", "", 422, "invalid_field", "phone"),
    Refusal("GET /customers/'%20OR%201=1--", "", 422, "invalid_field", "phone"),
    Refusal("GET /customers/1234567890/orders", "", 404, "customer_not_found"),
    Refusal("GET /customers/9876543210/orders?page_size=0", "", 422, "invalid_field", "page_size"),
    Refusal("GET /customers/9876543210/orders?page_size=x", "", 422, "invalid_field", "page_size"),
    Refusal("GET /customers/9876543210/orders?page_size=201", "", 422, "invalid_field", "200"),
    Refusal("GET /customers/9876543210/orders?page_token=x", "", 400, "invalid_page_token"),
    Refusal("POST /circles", #"{"name":"H","type":"clan","owner":"9876543210"}"#, 422, "invalid_field", "family"),
    Refusal("POST /circles", #"{"name":"","type":"family","owner":"9876543210"}"#, 422, "invalid_field", "name"),
    Refusal("POST /circles", #"{"name":"H","type":"family","owner":"1234567890"}"#, 404, "customer_not_found"),
    Refusal("POST /circles", #"{"name":"H","type":"family"}"#, 422, "invalid_field", "owner"),
    Refusal("GET /circles/nowhere", "", 404, "circle_not_found"),
    Refusal("GET /circles/%00", "", 404, "circle_not_found"),
    Refusal("GET /orders/%00", "", 404, "order_not_found"),
    Refusal("GET /customers/9876543210/orders?page_token=1.%00", "", 400, "invalid_page_token"),
    Refusal(
      "POST /circles/nowhere/members", #"{"phone":"1234567890","by":"9876543210"}"#, 404, "circle_not_found"),
    Refusal("POST /circles/nowhere/members", #"{"phone":"1234567890"}"#, 422, "invalid_field", "by"),
    Refusal("DELETE /circles/nowhere/members/1234567890", "", 422, "invalid_field", "by"),
    Refusal("POST /orders", order("[]"), 422, "invalid_field", "items"),
    Refusal("POST /orders", order("{}"), 422, "invalid_field", "items"),
    Refusal("POST /orders", order("[1]"), 422, "invalid_field", "items"),
    Refusal("POST /orders", order("[\(dal)]", kind: "moon"), 422, "invalid_field", "orderType"),
    Refusal("POST /orders", order("[\(dal)]", phone: #""1234567890""#), 404, "customer_not_found"),
    Refusal("POST /orders", order(#"[{"quantity":1,"price":10}]"#), 422, "invalid_field", "items.dishName"),
    Refusal("POST /orders", order(#"[{"dishName":"D","price":10}]"#), 422, "invalid_field", "items.quantity"),
    Refusal("POST /orders", order(#"[{"dishName":"D","quantity":0,"price":10}]"#), 422, "invalid_field", "quantity"),
    Refusal("POST /orders", order(#"[{"dishName":"D","quantity":1.5,"price":10}]"#), 422, "invalid_field", "quantity"),
    Refusal("POST /orders", order(#"[{"dishName":"D","quantity":1e30,"price":10}]"#), 422, "invalid_field", "quantity"),
    Refusal("POST /orders", order(#"[{"dishName":"D","quantity":1,"price":"10"}]"#), 422, "invalid_field", "price"),
    Refusal("POST /orders", order(#"[{"dishName":"D","quantity":1,"price":-1}]"#), 422, "invalid_field", "price"),
    Refusal("POST /orders", order(#"[{"dishName":"D","quantity":1,"price":0.001}]"#), 422, "invalid_field", "decimals"),
    Refusal("POST /orders", order(#"[{"dishName":"D","quantity":1,"price":1e309}]"#), 422, "invalid_field", "price"),
    Refusal(
      "POST /orders", order("[" + Array(repeating: dal, count: 502).joined(separator: ",") + "]"), 422, "invalid_field"),
    Refusal("GET /orders", "", 422, "invalid_field", "status"),
    Refusal("GET /orders?status=eaten", "", 422, "invalid_field", "pending"),
    Refusal("GET /orders/nothing", "", 404, "order_not_found"),
    Refusal("PUT /orders/nothing/status", #"{"status":"confirmed"}"#, 404, "order_not_found"),
    Refusal("PUT /orders/nothing/status", #"{"status":"eaten"}"#, 422, "invalid_field", "status"),
    Refusal("PUT /orders/nothing/status", "{}", 422, "invalid_field", "status is missing"),
    Refusal("GET /nothing", "", 404, "not_found"),
  ]

  @Test("what is refused says the field and the rule, and changes nothing")
  func refused() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      _ = try await connection.call("POST \(Self.base)/customers", Self.asha)
      let before = try await connection.call("GET \(Self.base)/customers/9876543210").body
      for refusal in Self.refusals {
        let line = refusal.line.replacing(" /", with: " \(Self.base)/", maxReplacements: 1)
        let response = try await connection.call(line, refusal.body)
        let problem = try JSON(parsing: response.body)
        #expect(response.status == refusal.status, "\(refusal.testDescription): \(response.body)")
        #expect(problem["code"].string == refusal.code, "\(refusal.testDescription): \(response.body)")
        #expect(
          refusal.word.isEmpty || problem["detail"].string?.contains(refusal.word) == true,
          "\(refusal.testDescription): \(response.body)")
        #expect(response.header("content-type") == "application/problem+json")
      }
      let large = try await connection.call(
        "POST \(Self.base)/customers", "{\"phone\":\"" + String(repeating: "9", count: 1 << 20) + "\"}")
      #expect(large.status == 413)
      let again = try await RawConnection.open(server.port)
      #expect(try await again.call("GET \(Self.base)/customers/9876543210").body == before)
      #expect(try await again.call("GET \(Self.base)/orders?status=pending").body == #"{"orders":[]}"#)
      #expect(try await again.call("GET /v1/tenants/a%2Fb/customers/9876543210").status == 404)
    }
  }

  @Test("a tenant has 1 to 64 of A-Z a-z 0-9 _ . ~ -")
  func tenantNames() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      func status(_ name: String) async throws -> Int {
        try await connection.call("GET /v1/tenants/\(name)/orders?status=pending").status
      }
      let longest = String(repeating: "n", count: 64)
      for name in ["a", "AZaz09_.~-", longest] { #expect(try await status(name) == 200, "\(name)") }
      for name in ["a@", "a%5B", "%60a", "a%7B", "a:b", "a%20b", "a%2Fb", "%C3%A9", "e%CC%81", "a%00", longest + "n"] {
        #expect(try await status(name) == 404, "\(name)")
      }
    }
  }

  @Test("where tokens are asked for, records are for who has the admin token")
  func rights() async throws {
    let tokens = try await RoomTokens(secret: "a secret of at least 32 bytes, as it must be")
    let operators = try AdminToken("an operator's token")
    try await withServer {
      $0.gateway.tokens = tokens
      $0.gateway.adminToken = operators
    } _: { server async throws in
      let connection = try await RawConnection.open(server.port)
      for header in ["", "Authorization: Bearer nonsense", "Authorization: an operator's token"] {
        let response = try await connection.call(
          "GET \(Self.base)/orders?status=pending", headers: header.isEmpty ? [] : [header])
        #expect(response.status == 401 && response.header("www-authenticate") == "Bearer", "\(header)")
      }
      #expect(
        try await connection.call(
          "GET \(Self.base)/orders?status=pending", headers: ["Authorization: Bearer an operator's token"]
        ).status == 200)
    }
  }
}
