import Directory
import Ordering
import RoomCore
import ServiceTesting
import Testing

@testable import Service

/// How one platform asks and is answered.
protocol Platform {
  var file: String { get }
  /// - Returns: the lines of the transcript, and what the tool answered; nil for an error of the protocol.
  mutating func call(
    _ tool: String, _ arguments: String, _ harness: AssistantHarness
  ) async throws -> (lines: [String], result: JSONTree?)
}

struct GeminiPlatform: Platform {
  let file = "gemini"
  let session: String
  private var number = 0

  init(session: String) { self.session = session }

  mutating func call(
    _ tool: String, _ arguments: String, _ harness: AssistantHarness
  ) async throws -> (lines: [String], result: JSONTree?) {
    number += 1
    let text =
      "{\"toolCall\":{\"functionCalls\":[{\"id\":\"call-\(number)\",\"name\":\"\(tool)\",\"args\":\(arguments)}]}}"
    let message = try ToolMessage(try JSONTree(parsing: Array(text.utf8)))
    let answer = try await harness.assistant.answer(message, AssistantHarness.tenant, session: session)
    let tree = try JSONTree(parsing: answer)
    let response = tree["toolResponse"]?["functionResponses"]?.elements?.first
    #expect(response?["id"] == .string("call-\(number)") && response?["name"] == .string(tool))
    return (["> " + text, "< " + String(decoding: answer, as: UTF8.self)], response?["response"])
  }
}

struct OpenAIPlatform: Platform {
  let file = "openai"
  let session: String
  private var number = 0

  init(session: String) { self.session = session }

  mutating func call(
    _ tool: String, _ arguments: String, _ harness: AssistantHarness
  ) async throws -> (lines: [String], result: JSONTree?) {
    number += 1
    let quoted = arguments.replacing("\"", with: "\\\"")
    let item =
      "{\"type\":\"function_call\",\"call_id\":\"call_\(number)\",\"name\":\"\(tool)\",\"arguments\":\"\(quoted)\"}"
    let text = "{\"type\":\"response.output_item.done\",\"item\":\(item)}"
    let message = try ToolMessage(try JSONTree(parsing: Array(text.utf8)))
    let answer = try await harness.assistant.answer(message, AssistantHarness.tenant, session: session)
    let tree = try JSONTree(parsing: answer)
    #expect(tree["type"] == .string("conversation.item.create"))
    #expect(tree["item"]?["type"] == .string("function_call_output"))
    #expect(tree["item"]?["call_id"] == .string("call_\(number)"))
    let output = try #require(tree["item"]?["output"]?.text)
    return (
      ["> " + text, "< " + String(decoding: answer, as: UTF8.self)], try JSONTree(parsing: Array(output.utf8))
    )
  }
}

/// A client of MCP of one of the two kinds of revisions.
struct MCPPlatform: Platform {
  enum Kind { case sessions, stateless }

  let kind: Kind
  let session: String
  private var number = 0

  init(_ kind: Kind, session: String) {
    self.kind = kind
    self.session = session
  }

  var file: String { kind == .sessions ? "mcp-2025-11-25" : "mcp-2026-07-28" }

  static let meta = """
    "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",\
    "io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}
    """

  static func request(
    _ kind: Kind, id: Int, _ method: String, _ params: String, name: String? = nil, session: String? = nil
  ) -> MCPRequest {
    let fields = kind == .sessions ? params : [meta, params].filter { !$0.isEmpty }.joined(separator: ",")
    let text = "{\"jsonrpc\":\"2.0\",\"id\":\(id),\"method\":\"\(method)\",\"params\":{\(fields)}}"
    var request = MCPRequest(.post, body: Array(text.utf8))
    switch kind {
    case .sessions:
      request.version = method == "initialize" ? nil : "2025-11-25"
      request.session = session
    case .stateless:
      request.version = "2026-07-28"
      request.method = method
      request.name = name
      request.conversation = session
    }
    return request
  }

  static func lines(_ request: MCPRequest, _ answer: MCPAnswer) -> [String] {
    var headers: [(String, String?)] = [
      ("MCP-Protocol-Version", request.version), ("Mcp-Session-Id", request.session), ("Mcp-Method", request.method),
      ("Mcp-Name", request.name), ("Stonepot-Session", request.conversation),
    ]
    headers = headers.filter { $0.1 != nil }
    return [
      "> \(request.verb)" + headers.map { " \($0.0): \($0.1 ?? "");" }.joined(),
      "> " + String(decoding: request.body, as: UTF8.self),
      "< \(answer.status)" + (answer.session.map { " Mcp-Session-Id: \($0)" } ?? "")
        + (answer.allows.map { " Allow: \($0)" } ?? ""),
      "< " + String(decoding: answer.body ?? [], as: UTF8.self),
    ]
  }

  mutating func call(
    _ tool: String, _ arguments: String, _ harness: AssistantHarness
  ) async throws -> (lines: [String], result: JSONTree?) {
    number += 1
    let request = Self.request(
      kind, id: number, "tools/call", "\"name\":\"\(tool)\",\"arguments\":\(arguments)", name: tool, session: session)
    let answer = await harness.mcp.answer(request, AssistantHarness.tenant)
    let tree = try JSONTree(parsing: answer.body ?? [])
    guard let result = tree["result"] else { return (Self.lines(request, answer), nil) }
    let structured = try #require(result["structuredContent"])
    let text = try #require(result["content"]?.elements?.first?["text"]?.text)
    #expect(try JSONTree(parsing: Array(text.utf8)) == structured)
    #expect(result["isError"] == .bool(!structured.isDone))
    #expect((result["resultType"] == .string("complete")) == (kind == .stateless))
    try Self.conforms(structured, to: harness, tool)
    return (Self.lines(request, answer), structured)
  }

  /// Results must be as `outputSchema` says.
  private static func conforms(_ result: JSONTree, to harness: AssistantHarness, _ tool: String) throws {
    let tool = try #require(harness.assistant.registry[tool])
    let known = Tool.commonAnswers + tool.answers
    do throws(ToolFailure) {
      try Parameter.check(result, against: known)
    } catch {
      Issue.record("\(tool.name): \(error.advice)")
    }
    guard case .object(let fields) = result else { return }
    for name in fields.keys where !known.contains(where: { $0.name == name }) {
      Issue.record("\(tool.name) answers with \(name), of which its schema says nothing")
    }
  }
}

@Suite("Whole conversations, in each dialect", .timeLimit(.minutes(3)))
struct ConversationTests {
  @Test("with Gemini", arguments: AssistantHarness.Engine.allCases)
  func gemini(engine: AssistantHarness.Engine) async throws {
    try await converse(engine) { GeminiPlatform(session: $0) }
  }

  @Test("with OpenAI", arguments: AssistantHarness.Engine.allCases)
  func openAI(engine: AssistantHarness.Engine) async throws {
    try await converse(engine) { OpenAIPlatform(session: $0) }
  }

  @Test("over MCP with sessions", arguments: AssistantHarness.Engine.allCases)
  func mcpSessions(engine: AssistantHarness.Engine) async throws {
    try await converse(engine) { MCPPlatform(.sessions, session: $0) }
  }

  @Test("over stateless MCP", arguments: AssistantHarness.Engine.allCases)
  func mcpStateless(engine: AssistantHarness.Engine) async throws {
    try await converse(engine) { MCPPlatform(.stateless, session: $0) }
  }

  /// From the first hello to the finished order, with what goes wrong on the way.
  private func converse(_ engine: AssistantHarness.Engine, _ platform: (String) -> any Platform) async throws {
    let harness = try await AssistantHarness(engine)
    try await harness.putMenu()
    var platform = platform(try await harness.assistant.begin(AssistantHarness.tenant).record.id)
    var transcript = Transcript()
    func say(
      _ title: String, _ tool: String, _ arguments: String, _ status: String, isDone: Bool = true
    ) async throws -> JSONTree {
      let (lines, result) = try await platform.call(tool, arguments, harness)
      transcript.add(title, lines.joined(separator: "\n"))
      let found = try #require(result, "\(tool)")
      #expect(found.status == status && found.isDone == isDone && !found.message.isEmpty, "\(tool): \(found)")
      return found
    }

    _ = try await say(
      "nobody knows yet whom it is with", "create_circle", #"{"name":"Home","type":"family"}"#, "customer_unknown",
      isDone: false)
    _ = try await say(
      "a phone number as a number", "capture_customer_info", #"{"name":"Asha","phone":9876543210}"#, "invalid_phone",
      isDone: false)
    _ = try await say(
      "a phone number as a large number", "capture_customer_info", #"{"name":"Asha","phone":"nine million"}"#,
      "invalid_phone", isDone: false)
    let captured = try await say(
      "who it is with", "capture_customer_info",
      #"{"name":"Asha","phone":"nine eight seven six five four three two one oh","email":"","#
        + #""deliveryAddress":{"street":"12 MG Road","city":"Pune","landmark":null}}"#, "saved")
    #expect(captured["customerId"] == .string("t_9876543210") && captured["isNewCustomer"] == .bool(true))
    #expect(captured["customer"]?["phone"] == .string("9876543210"))
    #expect(captured["phoneReadBack"]?.text == "nine, eight, seven, six, five, four, three, two, one, zero")
    _ = try await say("no circle yet", "get_my_circles", "{}", "ok")
    _ = try await say("a circle", "create_circle", #"{"name":"Home","type":"family"}"#, "created")
    _ = try await say(
      "somebody is invited", "invite_to_circle", #"{"phone":"98765 43211","name":"Ravi"}"#, "invited")
    _ = try await say(
      "and somebody else", "invite_to_circle", #"{"phone":"double nine eight seven six five four three two one"}"#,
      "invited")
    let members = try await say("who is in it", "get_circle_members", #"{"circleId":"home"}"#, "ok")
    #expect(
      members["members"]?.elements?.compactMap { $0["phone"]?.text } == ["********10", "********11", "********21"])
    _ = try await say(
      "an order without an order", "add_item", #"{"dishName":"Dal"}"#, "no_order", isDone: false)
    let started = try await say("the order begins", "start_collaborative_order", "{}", "open")
    let order = try #require(started["orderId"]?.text)
    _ = try await harness.desk.join(AssistantHarness.tenant, order: order, by: try PhoneNumber("9876543211"))
    _ = try await say("what there is", "get_menu", #"{"search":"dal"}"#, "ok")
    _ = try await say("no such dish", "add_item", #"{"dishName":"Chicken Briyani"}"#, "dish_not_found", isDone: false)
    _ = try await say(
      "a dish that is out", "add_item", #"{"dishName":"fish curry"}"#, "dish_unavailable", isDone: false)
    _ = try await say(
      "too many", "add_item", #"{"dishName":"Dal","quantity":100}"#, "invalid_argument", isDone: false)
    _ = try await say(
      "a dish", "add_item",
      #"{"dishName":"dal  MAKHANI","quantity":2,"options":["ghee"],"customization":"less spicy"}"#, "added")
    _ = try await say("another", "add_item", #"{"dishName":"Naan","quantity":3}"#, "added")
    _ = try await say("how many", "update_quantity", #"{"itemId":"naan","quantity":4}"#, "updated")
    _ = try await say("and one too much", "add_item", #"{"dishName":"Chicken Biryani"}"#, "added")
    _ = try await say("which goes again", "remove_item", #"{"itemId":"Chicken Biryani"}"#, "removed")
    let read = try await say("what is in it", "get_order", "{}", "active")
    #expect(read["order"]?["items"]?.elements?.count == 2)
    let preview = try await say(
      "who would pay what", "preview_split",
      #"{"splitType":"percentage","parts":[{"participant":"Asha","value":33.33},{"participant":"ravi","value":66.67}]}"#,
      "preview")
    #expect(preview["shares"]?.elements?.count == 2)
    _ = try await say(
      "which does not add up", "preview_split",
      #"{"splitType":"percentage","parts":[{"participant":"Asha","value":33}]}"#, "invalid_split", isDone: false)
    _ = try await say("how it is divided", "update_split", #"{"splitType":"equal"}"#, "updated")
    let asked = try await say("is it right?", "finalize_collaborative_order", "{}", "confirmation_required")
    let token = try #require(asked["confirmationToken"]?.text)
    let done = try await say(
      "yes", "finalize_collaborative_order", "{\"confirmationToken\":\"\(token)\"}", "finalized")
    #expect(done["order"]?["status"] == .string("finalized"))
    _ = try await say(
      "nothing more", "add_item", #"{"dishName":"Dal"}"#, "order_finalized", isDone: false)
    _ = try await say("what was ordered before", "get_order_history", "{}", "ok")
    _ = try await say("nothing to order again", "reorder", "{}", "order_not_found", isDone: false)
    try transcript.compare(with: platform.file)
    await harness.close()
  }

  @Test("tools are declared as each platform wants it", arguments: ToolDialect.allCases)
  func declarations(dialect: ToolDialect) throws {
    var transcript = Transcript()
    transcript.add(
      "declarations",
      String(decoding: ToolRegistry.standard().declarations(dialect), as: UTF8.self)
        .replacing(#"{"name":"#, with: "\n{\"name\":").replacing(
          #"{"type":"function","#, with: "\n{\"type\":\"function\","))
    try transcript.compare(with: "declarations-\(dialect.rawValue)")
  }

  @Test("capture_customer_info is declared word for word as agents were written for it")
  func contract() throws {
    let contract = """
      {
        "name": "capture_customer_info",
        "description": "Store customer information when provided...",
        "parameters": {
          "type": "object",
          "properties": {
            "name": { "type": "string", "description": "Customer full name" },
            "phone": {
              "type": "string",
              "description": "Phone number as string of exactly 10 digits (e.g., \\"9876543210\\")"
            },
            "email": { "type": "string", "description": "Customer email address (optional)" },
            "deliveryAddress": {
              "type": "object",
              "description": "Delivery address details (optional)",
              "properties": {
                "street": { "type": "string" },
                "apartment": { "type": "string" },
                "city": { "type": "string" },
                "state": { "type": "string" },
                "pincode": { "type": "string" },
                "landmark": { "type": "string" }
              }
            }
          },
          "required": ["name", "phone"]
        }
      }
      """
    let declared = try JSONTree(parsing: ToolRegistry.standard().declarations(.gemini))
    let first = declared["tools"]?.elements?.first?["functionDeclarations"]?.elements?.first
    #expect(try first == JSONTree(parsing: Array(contract.utf8)))
  }

  @Test("where phone numbers have country codes, agents are told so")
  func countryCodes() async throws {
    let declared = String(decoding: ToolRegistry.standard(.e164).declarations(.gemini), as: UTF8.self)
    #expect(!declared.contains("10 digits") && declared.contains("+919876543210"))
    let harness = try await AssistantHarness(.sqlite, context: TenantContext(phoneRule: .e164))
    let session = try await harness.assistant.begin(AssistantHarness.tenant).record.id
    func capture(_ phone: String) async throws -> JSONTree {
      try await harness.call("capture_customer_info", "{\"name\":\"Asha\",\"phone\":\(phone)}", in: session)
    }
    #expect(try await capture("\"9876543210\"").status == "invalid_phone")
    #expect(try await capture("919876543210").message.contains("country code"))
    let captured = try await capture("\"plus one four one five 555 oh one two three\"")
    #expect(captured["customerId"] == .string("t_+14155550123"))
    #expect(captured["phoneReadBack"]?.text == "plus, one, four, one, five, five, five, five, zero, one, two, three")
    let state = try await harness.assistant.session(AssistantHarness.tenant, session).state
    #expect(state.customer?.phone.text == "+14155550123")
    await harness.close()
  }

  @Test("several calls in one message run in their order")
  func several() async throws {
    let harness = try await AssistantHarness(.sqlite)
    let session = try await harness.assistant.begin(AssistantHarness.tenant).record.id
    let gemini = try ToolMessage(
      try JSONTree(
        parsing: Array(
          #"""
          {"toolCall":{"functionCalls":[
            {"id":"a","name":"capture_customer_info","args":{"name":"Asha","phone":"9876543210"}},
            {"name":"create_circle","args":{"name":"Home","type":"family"}},
            {"id":"c","name":"do_magic"}]}}
          """#.utf8)))
    let answer = try JSONTree(
      parsing: try await harness.assistant.answer(gemini, AssistantHarness.tenant, session: session))
    let responses = try #require(answer["toolResponse"]?["functionResponses"]?.elements)
    #expect(responses.map { $0["response"]?.status } == ["saved", "created", "unknown_tool"])
    #expect(responses.map { $0["id"]?.text } == ["a", nil, "c"])

    let openAI = try ToolMessage(
      try JSONTree(
        parsing: Array(
          #"""
          {"type":"response.done","response":{"output":[{"type":"message"},
            {"type":"function_call","call_id":"d","name":"get_my_circles","arguments":""},
            {"type":"function_call","call_id":"e","name":"get_menu","arguments":"{"},
            {"type":"function_call","call_id":"f","name":"create_circle","arguments":{"name":"W","type":"friends"}}]}}
          """#.utf8)))
    let events = try JSONTree(
      parsing: try await harness.assistant.answer(openAI, AssistantHarness.tenant, session: session))
    let outputs = try #require(events.elements).map {
      try JSONTree(parsing: Array(($0["item"]?["output"]?.text ?? "").utf8))
    }
    #expect(outputs.map(\.status) == ["ok", "invalid_json", "created"])
    await harness.close()
  }

  @Test(
    "messages that are none",
    arguments: [
      "{}", "[]", "1", #"{"toolCall":{}}"#, #"{"toolCall":{"functionCalls":{}}}"#,
      #"{"functionCalls":[{"id":"a"}]}"#, #"{"type":"function_call","name":"get_menu"}"#,
      #"{"type":"message","name":"get_menu","call_id":"a"}"#,
      #"{"item":{"type":"function_call","call_id":1,"name":"x"}}"#,
    ])
  func strange(text: String) {
    #expect(throws: ToolMessage.Fault.self) { try ToolMessage(try JSONTree(parsing: Array(text.utf8))) }
  }
}
