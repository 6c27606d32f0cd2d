import Directory
import RoomCore
import Testing

@testable import Service

@Suite("The Model Context Protocol", .timeLimit(.minutes(2)))
struct MCPTests {
  private typealias Client = MCPPlatform

  private static func post(_ body: String, _ change: (inout MCPRequest) -> Void = { _ in }) -> MCPRequest {
    var request = MCPRequest(.post, body: Array(body.utf8))
    change(&request)
    return request
  }

  @Test("revision 2025-11-25: from initialize to the end of the session")
  func sessions() async throws {
    let harness = try await AssistantHarness(.sqlite)
    var transcript = Transcript()
    func ask(_ title: String, _ request: MCPRequest, _ status: Int) async throws -> JSONTree {
      let answer = await harness.mcp.answer(request, AssistantHarness.tenant)
      transcript.add(title, Client.lines(request, answer).joined(separator: "\n"))
      #expect(answer.status == status, "\(title)")
      return try answer.body.map { try JSONTree(parsing: $0) } ?? .null
    }

    let hello = Client.request(
      .sessions, id: 1, "initialize",
      #""protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}"#)
    let session = try #require(await harness.mcp.answer(hello, AssistantHarness.tenant).session)
    func within(_ id: Int, _ method: String, _ params: String = "") -> MCPRequest {
      Client.request(.sessions, id: id, method, params, session: session)
    }
    let begun = try await ask("initialize", hello, 200)
    #expect(begun["result"]?["protocolVersion"] == .string("2025-11-25"))
    _ = try await ask(
      "a client of an earlier revision",
      Client.request(.sessions, id: 1, "initialize", #""protocolVersion":"2024-11-05""#),
      200)
    let known = try await harness.assistant.begin(AssistantHarness.tenant, phone: "9876543210").record.id
    for (conversation, status, begun) in [(known, 200, Optional(known)), ("nobody's", 404, nil)] {
      var request = hello
      request.conversation = conversation
      let answer = await harness.mcp.answer(request, AssistantHarness.tenant)
      #expect(answer.status == status && answer.session == begun)
    }
    _ = try await ask(
      "initialized",
      Self.post(#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#) {
        $0.session = session
        $0.version = "2025-11-25"
      }, 202)
    _ = try await ask("ping", within(2, "ping"), 200)
    let first = try await ask("the first tools", within(3, "tools/list"), 200)
    let cursor = try #require(first["result"]?["nextCursor"]?.text)
    let second = try await ask("the next tools", within(4, "tools/list", "\"cursor\":\"\(cursor)\""), 200)
    let names = [first, second].flatMap { $0["result"]?["tools"]?.elements ?? [] }.compactMap { $0["name"]?.text }
    #expect(names == ToolRegistry.standard().tools.map(\.name) && second["result"]?["nextCursor"] == nil)
    _ = try await ask("a cursor of nobody's", within(5, "tools/list", #""cursor":"x""#), 200)
    _ = try await ask("the prompts", within(6, "prompts/list"), 200)
    _ = try await ask("the prompt", within(7, "prompts/get", #""name":"voice_ordering""#), 200)
    _ = try await ask("no such prompt", within(8, "prompts/get", #""name":"x""#), 200)
    _ = try await ask("no such tool", within(9, "tools/call", #""name":"x","arguments":{}"#), 200)
    _ = try await ask("arguments that are none", within(10, "tools/call", #""name":"get_menu","arguments":[]"#), 200)
    _ = try await ask("a tool that fails", within(11, "tools/call", #""name":"get_menu""#), 200)
    _ = try await ask("no such method", within(12, "resources/list"), 200)
    _ = try await ask("a response", Self.post(#"{"jsonrpc":"2.0","id":1,"result":{}}"#) { $0.session = session }, 202)
    _ = try await ask("no stream", MCPRequest(.get), 405)
    _ = try await ask("without a session", Client.request(.sessions, id: 13, "tools/list", ""), 400)
    _ = try await ask("nobody's session", Client.request(.sessions, id: 14, "ping", "", session: "nobody's"), 404)
    _ = try await ask(
      "a version that nobody has",
      Self.post(#"{"jsonrpc":"2.0","id":15,"method":"ping"}"#) { $0.version = "1900-01-01" },
      400)
    var end = MCPRequest(.delete)
    _ = try await ask("the end of no session", end, 400)
    end.session = session
    _ = try await ask("the end", end, 204)
    _ = try await ask("after the end", within(16, "ping"), 404)
    _ = try await ask("once more", end, 404)
    try transcript.compare(with: "mcp-2025-11-25-protocol")
    await harness.close()
    let gone = await harness.mcp.answer(hello, AssistantHarness.tenant)
    #expect(gone.status >= 500 && gone.session == nil)
    #expect(try JSONTree(parsing: gone.body ?? [])["error"]?["code"]?.number == -32603)
  }

  @Test("revision 2026-07-28: each request stands by itself")
  func stateless() async throws {
    let harness = try await AssistantHarness(.sqlite)
    var transcript = Transcript()
    func ask(_ title: String, _ request: MCPRequest, _ status: Int) async throws -> JSONTree {
      let answer = await harness.mcp.answer(request, AssistantHarness.tenant)
      transcript.add(title, Client.lines(request, answer).joined(separator: "\n"))
      #expect(answer.status == status && answer.session == nil, "\(title)")
      return try answer.body.map { try JSONTree(parsing: $0) } ?? .null
    }
    func request(
      _ id: Int, _ method: String, _ params: String = "", name: String? = nil,
      _ change: (inout MCPRequest) -> Void = { _ in }
    ) -> MCPRequest {
      var request = Client.request(.stateless, id: id, method, params, name: name)
      change(&request)
      return request
    }

    let found = try await ask("discover", request(1, "server/discover"), 200)
    #expect(
      found["result"]?["supportedVersions"]?.elements?.compactMap(\.text) == ["2026-07-28", "2025-11-25", "2025-06-18"])
    let tools = try await ask("tools", request(2, "tools/list"), 200)
    #expect(tools["result"]?["cacheScope"] == .string("public") && tools["result"]?["ttlMs"]?.number == 300_000)
    _ = try await ask("prompts", request(3, "prompts/list"), 200)
    _ = try await ask(
      "a prompt", request(4, "prompts/get", #""name":"voice_ordering""#, name: "voice_ordering"), 200)
    let unknown = try await ask("no such method", request(5, "ping"), 404)
    #expect(unknown["error"]?["code"]?.number == -32601)
    _ = try await ask("no such tool", request(6, "tools/call", #""name":"x""#, name: "x"), 200)
    _ = try await ask(
      "a customer without a session",
      request(
        7, "tools/call", #""name":"capture_customer_info","arguments":{"name":"Asha","phone":"9876543210"}"#,
        name: "capture_customer_info"), 200)
    _ = try await ask(
      "who must be named without a session",
      request(
        8, "tools/call", #""name":"get_my_circles","arguments":{"customerPhone":"9876543210"}"#, name: "get_my_circles"),
      200)
    let nobody = try await ask(
      "nobody's session", request(9, "tools/call", #""name":"get_menu""#, name: "get_menu") { $0.conversation = "x" },
      200)
    #expect(nobody["result"]?["structuredContent"]?.status == "session_not_found")
    _ = try await ask(
      "a name in base64", request(10, "tools/call", #""name":"get_menu""#, name: "=?base64?Z2V0X21lbnU=?="), 200)

    let mismatches: [(String, MCPRequest, Int64)] = [
      ("no version header", request(20, "tools/list") { $0.version = nil }, -32020),
      ("another version in the header", request(21, "tools/list") { $0.version = "2025-11-25" }, -32020),
      ("no method header", request(22, "tools/list") { $0.method = nil }, -32020),
      ("another method in the header", request(23, "tools/list") { $0.method = "tools/call" }, -32020),
      ("no name header", request(24, "tools/call", #""name":"get_menu""#), -32020),
      ("another name in the header", request(25, "tools/call", #""name":"get_menu""#, name: "reorder"), -32020),
      ("base64 that is none", request(26, "tools/call", #""name":"get_menu""#, name: "=?base64?*?="), -32020),
      (
        "a version that nobody has",
        Self.post(
          #"{"jsonrpc":"2.0","id":27,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"1900-01-01"}}}"#
        ) { $0.version = "1900-01-01" }, -32022
      ),
      (
        "no _meta", Self.post(#"{"jsonrpc":"2.0","id":28,"method":"tools/list"}"#) { $0.version = "2026-07-28" }, -32602
      ),
      (
        "no capabilities",
        Self.post(
          #"{"jsonrpc":"2.0","id":29,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#
        ) { $0.version = "2026-07-28" }, -32602
      ),
    ]
    for (title, request, code) in mismatches {
      #expect(try await ask(title, request, 400)["error"]?["code"]?.number == code, "\(title)")
    }
    _ = try await ask(
      "a notification", Self.post(#"{"jsonrpc":"2.0","method":"notifications/x"}"#) { $0.version = "2026-07-28" }, 202)
    try transcript.compare(with: "mcp-2026-07-28-protocol")
    await harness.close()
  }

  @Test(
    "what is no message",
    arguments: [
      ("{", -32700), ("", -32700), ("[]", -32600), ("1", -32600), ("{}", -32600), (#"{"jsonrpc":"1.0"}"#, -32600),
      (#"{"jsonrpc":"2.0"}"#, -32600), (#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
      (#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600), (#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600),
      (#"{"jsonrpc":"2.0","id":1,"method":1}"#, -32600),
      (#"{"jsonrpc":"2.0","id":1,"method":"ping","params":1}"#, -32602),
      (#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
      (#"{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}"#, -32700),
    ])
  func strange(text: String, code: Int64) async throws {
    let step = MCPProtocol(registry: .standard(), server: MCPServerInfo(version: "1")).step(for: Self.post(text))
    guard case .answer(let answer) = step else {
      Issue.record("\(step)")
      return
    }
    #expect(answer.status == 400)
    #expect(try JSONTree(parsing: answer.body ?? [])["error"]?["code"]?.number == code)
  }

  @Test(
    "a client may use a request id again for another call, but the same call runs once",
    arguments: AssistantHarness.Engine.allCases)
  func requestIDs(engine: AssistantHarness.Engine) async throws {
    let harness = try await AssistantHarness(engine)
    let session = try await harness.assistant.begin(AssistantHarness.tenant, phone: "9876543210").record.id
    func call(_ tool: String, _ arguments: String, meta: String = "") async throws -> JSONTree {
      let fields = MCPPlatform.meta.dropLast() + meta + "}"
      let text =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\(fields),\"name\":\"\(tool)\","
        + "\"arguments\":\(arguments)}}"
      let request = Self.post(text) {
        $0.version = "2026-07-28"
        $0.method = "tools/call"
        $0.name = tool
        $0.conversation = session
      }
      let answer = await harness.mcp.answer(request, AssistantHarness.tenant)
      return try #require(try JSONTree(parsing: answer.body ?? [])["result"]?["structuredContent"])
    }

    try await harness.call(
      "capture_customer_info", #"{"name":"Asha","phone":"9876543210"}"#, in: session)
    let home = try await call("create_circle", #"{"name":"Home","type":"family"}"#)
    #expect(try await call("create_circle", #"{"type":"family","name":"Home"}"#) == home)
    let work = try await call("create_circle", #"{"name":"Work","type":"friends"}"#)
    #expect(work["circleId"] != home["circleId"])
    #expect(try await call("get_my_circles", "{}")["circles"]?.elements?.count == 2)
    // What only reads is read anew.
    let named = #","stonepot/callId":"k","stonepot/session":"\#(session)""#
    let third = try await call("create_circle", #"{"name":"Third","type":"friends"}"#, meta: named)
    #expect(try await call("create_circle", #"{"name":"Third","type":"friends"}"#, meta: named) == third)
    #expect(try await call("get_my_circles", "{}")["circles"]?.elements?.count == 3)
    await harness.close()
  }
}
