internal import Foundation
import JSONText

/// What is to be done about a request to the endpoint.
enum MCPStep: Sendable {
  case answer(MCPAnswer)
  /// Begin a conversation, or take the one that is named, and answer with its id.
  case begin(MCPAnswer, conversation: String?, MCPReply)
  /// Answer so if there is such a session, and with 404 if not.
  case within(session: String, MCPAnswer, MCPReply)
  case end(session: String)
  case call(Assistant.Request, Conversation, MCPReply)

  enum Conversation: Sendable {
    /// A session of the protocol: without it, the request fails.
    case session(String)
    /// Named by the request itself; without it, the tool fails, so that the model hears of it. Nil: none.
    case named(String?)
  }
}

/// The Model Context Protocol over streamable HTTP, as a value: a request comes in, what to do comes out.
///
/// Two kinds of revisions are spoken at the same address. In those up to 2025-11-25 a client begins with `initialize`
/// and names its session in a header. From 2026-07-28 on each request says for itself what it speaks, in `_meta` and in
/// headers that must agree with it. A request is taken for what it looks like.
///
/// Source: modelcontextprotocol.io/specification, 2025-11-25 and 2026-07-28, "Streamable HTTP" and "Versioning".
struct MCPProtocol: Sendable {
  static let sessionVersions = ["2025-11-25", "2025-06-18"]
  static let statelessVersions = ["2026-07-28"]

  let registry: ToolRegistry
  let server: MCPServerInfo

  /// Tools on one page of the list.
  private static let pageSize = 10
  private static let prefix = "io.modelcontextprotocol/"
  private static let prompt = "voice_ordering"

  func step(for request: MCPRequest) -> MCPStep {
    switch request.verb {
    // Nothing is ever sent that was not asked for.
    case .get: return .answer(MCPAnswer(status: 405, allows: "POST, DELETE"))
    case .delete:
      guard let session = request.session else {
        return .answer(reply(nil, .sessions).error(.invalidRequest, "Mcp-Session-Id is missing", status: 400))
      }
      return .end(session: session)
    case .post: break
    }
    do throws(MCPMessage.Fault) {
      let message = try MCPMessage(request.body)
      return isStateless(request, message) ? stateless(request, message) : inSession(request, message)
    } catch {
      let isStateless = request.version.map { !Self.sessionVersions.contains($0) } ?? false
      return .answer(
        reply(error.id, isStateless ? .stateless : .sessions).error(error.code, error.message, status: 400))
    }
  }

  private func reply(_ id: MCPRequestID?, _ era: MCPReply.Era) -> MCPReply {
    MCPReply(id: id, era: era, server: server)
  }

  private func isStateless(_ request: MCPRequest, _ message: MCPMessage) -> Bool {
    if case .request(_, "initialize") = message.kind { return false }
    if case .request(_, "server/discover") = message.kind { return true }
    return message.meta("protocolVersion") != nil
      || request.version.map { !Self.sessionVersions.contains($0) } ?? false
  }

  // MARK: - With sessions

  private func inSession(_ request: MCPRequest, _ message: MCPMessage) -> MCPStep {
    guard case .request(let id, let method) = message.kind else {
      guard let session = request.session else { return .answer(sessionMissing(nil)) }
      return .within(session: session, .accepted, reply(nil, .sessions))
    }
    let reply = reply(id, .sessions)
    if method == "initialize" { return initialize(request, message.params, reply) }
    guard let session = request.session else { return .answer(sessionMissing(id)) }
    switch method {
    case "ping": return .within(session: session, reply.result { _ in }, reply)
    case "tools/call":
      return call(request, message, reply, in: .session(session))
    default: return .within(session: session, list(method, message.params, reply), reply)
    }
  }

  private func sessionMissing(_ id: MCPRequestID?) -> MCPAnswer {
    reply(id, .sessions).error(
      .invalidRequest, "Mcp-Session-Id is missing; begin with initialize", status: 400)
  }

  private func initialize(_ request: MCPRequest, _ params: JSONTree, _ reply: MCPReply) -> MCPStep {
    guard let wanted = params["protocolVersion"]?.text else {
      return .answer(reply.error(.invalidParams, "protocolVersion must be a string"))
    }
    let version = Self.sessionVersions.contains(wanted) ? wanted : Self.sessionVersions[0]
    let answer = reply.result { writer in
      writer.field("protocolVersion", version)
      writer.key("capabilities")
      writer.capabilities()
      writer.key("serverInfo")
      writer.implementation(server)
      writer.field("instructions", registry.instructions)
    }
    return .begin(answer, conversation: request.conversation, reply)
  }

  // MARK: - Stateless

  private func stateless(_ request: MCPRequest, _ message: MCPMessage) -> MCPStep {
    guard case .request(let id, let method) = message.kind else {
      // There are none that a client would have to send; whatever comes is nothing to act upon.
      if case .notification = message.kind { return .answer(.accepted) }
      return .answer(reply(nil, .stateless).error(.invalidRequest, "there is nothing to respond to", status: 400))
    }
    let reply = reply(id, .stateless)
    if let refusal = refusal(of: request, message, method, reply) { return .answer(refusal) }
    switch method {
    case "server/discover": return .answer(discovery(reply))
    case "tools/call":
      let named = message.params["_meta"]?["stonepot/session"]?.text
      if let named, let conversation = request.conversation, named != conversation {
        return .answer(
          reply.error(.invalidParams, "Stonepot-Session and _meta name different sessions", status: 400))
      }
      return call(request, message, reply, in: .named(named ?? request.conversation))
    default: return .answer(list(method, message.params, reply))
    }
  }

  /// What keeps a request from being looked at; nil: nothing.
  private func refusal(
    of request: MCPRequest, _ message: MCPMessage, _ method: String, _ reply: MCPReply
  ) -> MCPAnswer? {
    func mismatch(_ text: String) -> MCPAnswer { reply.error(.headerMismatch, text, status: 400) }

    guard let version = request.version else { return mismatch("MCP-Protocol-Version is missing") }
    let claimed = message.meta("protocolVersion")?.text
    if let claimed, claimed != version {
      return mismatch("MCP-Protocol-Version is not the version that _meta names")
    }
    guard Self.statelessVersions.contains(version) else { return unsupported(version, reply) }
    for field in ["protocolVersion", "clientCapabilities"] where message.meta(field) == nil {
      return reply.error(.invalidParams, "_meta must have \(Self.prefix)\(field)", status: 400)
    }
    guard request.method == method else {
      return mismatch(request.method == nil ? "Mcp-Method is missing" : "Mcp-Method is not the body's method")
    }
    guard ["tools/call", "prompts/get", "resources/read"].contains(method) else { return nil }
    let named = message.params[method == "resources/read" ? "uri" : "name"]?.text
    guard let header = request.name else { return mismatch("Mcp-Name is missing") }
    guard let name = Self.decoded(header), name == named else {
      return mismatch("Mcp-Name is not the name that the body has")
    }
    return nil
  }

  private func unsupported(_ version: String, _ reply: MCPReply) -> MCPAnswer {
    reply.error(.unsupportedVersion, "Unsupported protocol version", status: 400) { writer in
      writer.key("data")
      writer.beginObject()
      writer.versions("supported")
      writer.field("requested", version)
      writer.endObject()
    }
  }

  private func discovery(_ reply: MCPReply) -> MCPAnswer {
    reply.cacheable { writer in
      writer.versions("supportedVersions")
      writer.key("capabilities")
      writer.capabilities()
      writer.field("instructions", registry.instructions)
    }
  }

  /// A header's value, which stands in base64 where it is no plain ASCII; nil if it is not what it says.
  private static func decoded(_ header: String) -> String? {
    let (prefix, suffix) = ("=?base64?", "?=")
    guard header.hasPrefix(prefix), header.hasSuffix(suffix), header.count >= prefix.count + suffix.count else {
      return header
    }
    guard let data = Data(base64Encoded: String(header.dropFirst(prefix.count).dropLast(suffix.count))) else {
      return nil
    }
    return String(data: data, encoding: .utf8)
  }

  // MARK: - Methods

  private func list(_ method: String, _ params: JSONTree, _ reply: MCPReply) -> MCPAnswer {
    switch method {
    case "tools/list": tools(params, reply)
    case "prompts/list": prompts(reply)
    case "prompts/get": prompt(params, reply)
    default: reply.error(.methodNotFound, "there is no method of this name")
    }
  }

  /// A cursor is where a page begins.
  private func tools(_ params: JSONTree, _ reply: MCPReply) -> MCPAnswer {
    var first = 0
    if let cursor = params["cursor"] {
      guard let start = cursor.text.flatMap({ Int($0) }), registry.tools.indices.contains(start) else {
        return reply.error(.invalidParams, "cursor must be one that a list has given")
      }
      first = start
    }
    let end = min(first + Self.pageSize, registry.tools.count)
    return reply.cacheable { writer in
      writer.key("tools")
      writer.beginArray()
      for tool in registry.tools[first..<end] { writer.mcp(tool) }
      writer.endArray()
      if end < registry.tools.count { writer.field("nextCursor", "\(end)") }
    }
  }

  private func prompts(_ reply: MCPReply) -> MCPAnswer {
    reply.cacheable { writer in
      writer.key("prompts")
      writer.beginArray()
      writer.beginObject()
      writer.field("name", Self.prompt)
      writer.field("title", word: "Take orders by voice")
      writer.field("description", word: "How to collect customer information, order together, and finish an order")
      writer.endObject()
      writer.endArray()
    }
  }

  private func prompt(_ params: JSONTree, _ reply: MCPReply) -> MCPAnswer {
    guard params["name"]?.text == Self.prompt else {
      return reply.error(.invalidParams, "there is no prompt of this name")
    }
    return reply.result { writer in
      writer.field("description", word: "How to collect customer information, order together, and finish an order")
      writer.key("messages")
      writer.beginArray()
      writer.beginObject()
      writer.field("role", word: "user")
      writer.key("content")
      writer.beginObject()
      writer.field("type", word: "text")
      writer.field("text", registry.instructions)
      writer.endObject()
      writer.endObject()
      writer.endArray()
    }
  }

  /// A call that changes something is named, so that it runs once in its conversation: by the client, in `_meta`, or by
  /// its request id. Clients may use an id again once it was answered, so that an id alone is no name: call and id are.
  private func call(
    _ request: MCPRequest, _ message: MCPMessage, _ reply: MCPReply, in conversation: MCPStep.Conversation
  ) -> MCPStep {
    guard let name = message.params["name"]?.text else {
      return .answer(reply.error(.invalidParams, "name must be a string"))
    }
    guard let tool = registry[name] else {
      return .answer(reply.error(.invalidParams, "Unknown tool: \(name.prefix(100))"))
    }
    let arguments = message.params["arguments"] ?? .object([:])
    guard arguments.isObject else { return .answer(reply.error(.invalidParams, "arguments must be an object")) }
    var id: String?
    if let given = message.params["_meta"]?["stonepot/callId"]?.text {
      id = "mcp/named/\(given)"
    } else if tool.effect != .reads, let request = reply.id {
      let fingerprint = Assistant.Request(id: nil, tool: name, arguments: arguments).fingerprint
      id = "mcp/" + ToolCall.digest("\(request.name)\n\(fingerprint)")
    }
    return .call(Assistant.Request(id: id, tool: name, arguments: arguments), conversation, reply)
  }
}

extension MCPMessage {
  /// One of the protocol's own fields of `_meta`.
  fileprivate func meta(_ name: String) -> JSONTree? { params["_meta"]?["io.modelcontextprotocol/\(name)"] }
}

extension MCPReply {
  func called(_ result: ToolResult) -> MCPAnswer {
    self.result { writer in
      writer.key("content")
      writer.beginArray()
      writer.beginObject()
      writer.field("type", word: "text")
      writer.field("text", String(decoding: result.json, as: UTF8.self))
      writer.endObject()
      writer.endArray()
      writer.key("structuredContent")
      writer.verbatim(result.json)
      writer.field("isError", !result.isSuccess)
    }
  }
}

extension JSONWriter {
  /// The lists never change while the server runs, so nobody is told of changes.
  fileprivate mutating func capabilities() {
    beginObject()
    key("tools")
    beginObject()
    endObject()
    key("prompts")
    beginObject()
    endObject()
    endObject()
  }

  fileprivate mutating func versions(_ key: StaticString) {
    self.key(key)
    beginArray()
    for version in MCPProtocol.statelessVersions + MCPProtocol.sessionVersions { string(version) }
    endArray()
  }
}
