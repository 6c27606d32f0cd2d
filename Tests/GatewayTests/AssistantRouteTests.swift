import Gateway
import Load
import Testing

@Suite("The assistant over HTTP", .timeLimit(.minutes(3)))
struct AssistantRouteTests {
  private static let base = "/v1/tenants/t"

  private static func call(_ id: String, _ tool: String, _ arguments: String) -> String {
    "{\"toolCall\":{\"functionCalls\":[{\"id\":\"\(id)\",\"name\":\"\(tool)\",\"args\":\(arguments)}]}}"
  }

  @Test("a session is begun, its agent calls tools, and its state is read")
  func flow() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      func ask(_ line: String, _ body: String = "") async throws -> (UpgradeResponse, JSON) {
        let response = try await connection.ask(line, body)
        return (response, try JSON(parsing: response.body))
      }

      let (made, session) = try await ask(
        "POST \(Self.base)/assistant/sessions?dialect=openai", #"{"phone":"98765 43210"}"#)
      #expect(made.status == 201 && session["declarations"]["type"] == "session.update", "\(made.body)")
      #expect(session["orderState"]["customer"]["phone"] == "9876543210")
      #expect(session["orderState"]["customer"]["name"] == .null && session["orderState"]["order"] == .null)
      let id = try #require(session["id"].string)
      let path = "\(Self.base)/assistant/sessions/\(id)"
      let (answered, first) = try await ask(
        "POST \(path)/tool-calls", Self.call("a", "capture_customer_info", #"{"name":"Asha","phone":"9876543210"}"#))
      let response = first["toolResponse"]["functionResponses"][0]
      #expect(answered.status == 200 && response["id"] == "a" && response["response"]["isNewCustomer"] == true)
      let again = try await connection.ask(
        "POST \(path)/tool-calls", Self.call("a", "capture_customer_info", #"{"name":"Asha","phone":"9876543210"}"#))
      #expect(again.body == answered.body)
      let (_, event) = try await ask(
        "POST \(path)/tool-calls",
        #"{"type":"function_call","call_id":"b","name":"create_circle","arguments":"{\"name\":\"Home\",\"type\":\"family\"}"}"#
      )
      #expect(event["item"]["call_id"] == "b" && event["item"]["output"].string?.contains("\"success\":true") == true)
      let (read, state) = try await ask("GET \(path)")
      #expect(read.status == 200 && state["orderState"]["customer"]["name"] == "Asha")
      #expect(state["orderState"]["circle"]["name"] == "Home" && state["version"] == 3)
      // What the agent has made is there for everybody.
      #expect(try await ask("GET \(Self.base)/customers/9876543210/circles").1["circles"].elements.count == 1)
      #expect(try await ask("POST \(Self.base)/assistant/sessions").0.status == 201)
    }
  }

  @Test("a call that arrives over many connections at once runs once")
  func atOnce() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      let made = try await connection.ask("POST \(Self.base)/assistant/sessions")
      let id = try #require(try JSON(parsing: made.body)["id"].string)
      let path = "POST \(Self.base)/assistant/sessions/\(id)/tool-calls"
      _ = try await connection.ask(
        path, Self.call("a", "capture_customer_info", #"{"name":"Asha","phone":"9876543210"}"#))
      let bodies = try await withThrowingTaskGroup(of: String.self) { group in
        for _ in 0..<16 {
          group.addTask {
            let other = try await RawConnection.open(server.port)
            return try await other.ask(path, Self.call("b", "create_circle", #"{"name":"Home","type":"family"}"#)).body
          }
        }
        return try await group.reduce(into: [String]()) { $0.append($1) }
      }
      #expect(Set(bodies).count == 1 && bodies[0].contains("\"created\""))
      let circles = try JSON(parsing: try await connection.ask("GET \(Self.base)/customers/9876543210/circles").body)
      #expect(circles["circles"].elements.count == 1)
    }
  }

  @Test("declarations and instructions are there for whoever sets up an agent")
  func declarations() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      let gemini = try JSON(parsing: try await connection.ask("GET \(Self.base)/assistant/tools").body)
      let tools = gemini["tools"][0]["functionDeclarations"].elements
      #expect(tools.count == 17 && tools[0]["name"] == "capture_customer_info")
      let openAI = try JSON(parsing: try await connection.ask("GET \(Self.base)/assistant/tools?dialect=openai").body)
      #expect(openAI["session"]["tools"].elements.map { $0["name"] } == tools.map { $0["name"] })
      let mcp = try JSON(parsing: try await connection.ask("GET \(Self.base)/assistant/tools?dialect=mcp").body)
      #expect(mcp["tools"].elements.map { $0["name"] } == tools.map { $0["name"] })
      let text = try JSON(parsing: try await connection.ask("GET \(Self.base)/assistant/instructions").body)[
        "instructions"]
      #expect(text.string?.contains("**Collecting Customer Information:**") == true)
      #expect(text == openAI["session"]["instructions"] && text == gemini["systemInstruction"]["parts"][0]["text"])
    }
  }

  @Test("what is refused says why")
  func refused() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      let sessions = "\(Self.base)/assistant/sessions"
      let id = try #require(try JSON(parsing: try await connection.ask("POST \(sessions)").body)["id"].string)
      let refusals = [
        ("POST \(sessions)", "{", 400, "invalid_json"), ("POST \(sessions)", "[]", 422, "invalid_field"),
        ("POST \(sessions)", #"{"phone":9876543210}"#, 422, "invalid_field"),
        ("POST \(sessions)", #"{"phone":"nine million"}"#, 422, "invalid_field"),
        ("POST \(sessions)?dialect=morse", "", 422, "invalid_field"),
        ("GET \(Self.base)/assistant/tools?dialect=morse", "", 422, "invalid_field"),
        ("GET \(sessions)/nowhere", "", 404, "session_not_found"),
        ("GET \(sessions)/%00", "", 404, "session_not_found"),
        ("GET /v1/tenants/u/assistant/sessions/\(id)", "", 404, "session_not_found"),
        ("POST \(sessions)/nowhere/tool-calls", Self.call("a", "get_menu", "{}"), 404, "session_not_found"),
        ("POST \(sessions)/nowhere/tool-calls", #"{"functionCalls":[]}"#, 404, "session_not_found"),
        ("POST \(sessions)/\(id)/tool-calls", "", 400, "invalid_json"),
        ("POST \(sessions)/\(id)/tool-calls", "{}", 422, "invalid_field"),
        ("POST \(sessions)/\(id)/tool-calls?dialect=mcp", "{}", 422, "invalid_field"),
        ("POST \(sessions)/\(id)/tool-calls?dialect=openai", Self.call("a", "get_menu", "{}"), 422, "invalid_field"),
        ("GET /v1/tenants/a%2Fb/assistant/tools", "", 404, "not_found"),
      ]
      for (line, body, status, code) in refusals {
        let response = try await connection.ask(line, body)
        #expect(response.status == status, "\(line) \(body): \(response.body)")
        #expect(try JSON(parsing: response.body)["code"].string == code, "\(line) \(body): \(response.body)")
      }
      let large = try await connection.ask(
        "POST \(sessions)/\(id)/tool-calls", "\"" + String(repeating: "x", count: 1 << 20) + "\"")
      #expect(large.status == 413)
    }
  }

  @Test("where tokens are asked for, the assistant is for who has the admin token")
  func rights() async throws {
    let tokens = try await RoomTokens(secret: "a secret of at least 32 bytes, as it must be")
    let operators = try AdminToken("an operator's token")
    try await withServer {
      $0.gateway.tokens = tokens
      $0.gateway.adminToken = operators
    } _: { server async throws in
      let connection = try await RawConnection.open(server.port)
      for line in [
        "GET \(Self.base)/assistant/tools", "GET \(Self.base)/assistant/instructions",
        "GET \(Self.base)/assistant/sessions/x", "POST \(Self.base)/assistant/sessions",
        "POST \(Self.base)/assistant/sessions/x/tool-calls", "POST \(Self.base)/mcp", "GET \(Self.base)/mcp",
        "DELETE \(Self.base)/mcp",
      ] {
        #expect(try await connection.ask(line).status == 401, "\(line)")
        let known = try await connection.ask(line, headers: ["Authorization: Bearer an operator's token"])
        #expect(known.status != 401, "\(line)")
      }
    }
  }

  private static let hello =
    #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"#
    + #""clientInfo":{"name":"test","version":"1"}}}"#

  @Test("both kinds of revisions of MCP are spoken on the wire")
  func mcp() async throws {
    try await withServer { server async throws in
      let connection = try await RawConnection.open(server.port)
      let path = "\(Self.base)/mcp"
      let begun = try await connection.ask("POST \(path)", Self.hello)
      let session = try #require(begun.header("mcp-session-id"))
      #expect(begun.status == 200 && begun.header("content-type") == "application/json")
      let headers = ["Mcp-Session-Id: \(session)", "MCP-Protocol-Version: 2025-11-25"]
      let noted = try await connection.ask(
        "POST \(path)", #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, headers: headers)
      #expect(noted.status == 202 && noted.body.isEmpty)
      let called = try await connection.ask(
        "POST \(path)",
        #"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"capture_customer_info","arguments":{"name":"Asha","phone":"9876543210"}}}"#,
        headers: headers)
      let result = try JSON(parsing: called.body)["result"]
      #expect(result["structuredContent"]["customerId"] == "t_9876543210" && result["isError"] == false)
      // The protocol's session is the assistant's.
      let state = try JSON(parsing: try await connection.ask("GET \(Self.base)/assistant/sessions/\(session)").body)
      #expect(state["orderState"]["customer"]["name"] == "Asha")
      let listening = try await connection.ask("GET \(path)", headers: headers)
      #expect(listening.status == 405 && listening.header("allow") == "POST, DELETE")

      let meta =
        #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#
      let stateless = try await connection.ask(
        "POST \(path)",
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/call\",\"params\":{\(meta),\"name\":\"get_my_circles\"}}",
        headers: [
          "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: get_my_circles",
          "Stonepot-Session: \(session)",
        ])
      let content = try JSON(parsing: stateless.body)["result"]
      #expect(stateless.status == 200 && stateless.header("mcp-session-id") == nil)
      #expect(
        content["resultType"] == "complete" && content["structuredContent"]["status"] == "ok", "\(stateless.body)")

      #expect(try await connection.ask("DELETE \(path)", headers: headers).status == 204)
      #expect(
        try await connection.ask("POST \(path)", #"{"jsonrpc":"2.0","id":4,"method":"ping"}"#, headers: headers).status
          == 404)
      #expect(try await connection.ask("GET \(Self.base)/assistant/sessions/\(session)").status == 404)
    }
  }

  @Test("a page that is not of this machine may not talk MCP, unless it is allowed")
  func origins() async throws {
    for (allowed, origin, status) in [
      ([], "http://evil.example", 403), ([], "http://localhost:3000", 200), ([], "http://127.0.0.1", 200),
      ([], "http://localhost.evil.example", 403), ([], "null", 403),
      (["https://shop.example"], "https://shop.example", 200),
      (["https://shop.example"], "http://localhost:3000", 403),
    ] as [(Set<String>, String, Int)] {
      try await withServer {
        $0.gateway.allowedOrigins = allowed
      } _: { server async throws in
        let connection = try await RawConnection.open(server.port)
        let response = try await connection.ask("POST \(Self.base)/mcp", Self.hello, headers: ["Origin: \(origin)"])
        #expect(response.status == status, "\(origin) \(allowed)")
      }
    }
  }
}

extension RawConnection {
  fileprivate func ask(_ line: String, _ body: String = "", headers: [String] = []) async throws -> UpgradeResponse {
    let length = line.hasPrefix("POST") ? ["Content-Length: \(body.utf8.count)"] : []
    send(HTTPText.request("\(line) HTTP/1.1", headers + length, body: body))
    return try await response()
  }
}
