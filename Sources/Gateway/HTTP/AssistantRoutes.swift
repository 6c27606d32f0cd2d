import Directory
import HTTPTypes
import Hummingbird
import JSONText
import Ordering
import RoomCore
import Service
import Store

/// The assistant over HTTP: its declarations, its sessions, and the calls of their agents. For a tenant's own servers,
/// as the records are.
struct AssistantRoutes: Sendable {
  let assistant: Assistant
  let settings: GatewaySettings

  static let maxBodyBytes = 1 << 20
  /// What agents are told that they talk to.
  private static let version = "1"

  func add(to router: Router<BasicRequestContext>) {
    let base = "v1/tenants/{tenant}/assistant"
    router.get("\(base)/tools") { request, context in
      try await answer(request, context) { call in
        Response(json: assistant.registry.declarations(try call.dialect() ?? .gemini))
      }
    }
    router.get("\(base)/instructions") { request, context in
      try await answer(request, context) { _ in
        Response.object { $0.field("instructions", assistant.registry.instructions) }
      }
    }
    router.post("\(base)/sessions") { request, context in
      try await answer(request, context) { call in
        let dialect = try call.dialect() ?? .gemini
        let session = try await assistant.begin(call.tenant, phone: try Self.phone(in: try await call.body()))
        return Response.object(status: .created) { writer in
          writer.session(session)
          writer.field("dialect", dialect.rawValue)
          writer.key("declarations")
          writer.verbatim(assistant.registry.declarations(dialect))
        }
      }
    }
    router.get("\(base)/sessions/{session}") { request, context in
      try await answer(request, context) { call in
        let session = try await assistant.session(call.tenant, call.session)
        return Response.object { $0.session(session) }
      }
    }
    router.post("\(base)/sessions/{session}/tool-calls") { request, context in
      try await answer(request, context) { call in
        let message = try ToolMessage(try JSONTree(parsing: try await call.body()), dialect: try call.dialect())
        return Response(json: try await assistant.answer(message, call.tenant, session: call.session))
      }
    }
    MCPRoutes(
      endpoint: MCPEndpoint(assistant, server: MCPServerInfo(version: Self.version)), settings: settings
    ).add(to: router)
  }

  /// `{phone?}`, or nothing.
  private static func phone(in body: [UInt8]) throws -> String? {
    if body.isEmpty { return nil }
    let asked = try JSONTree(parsing: body)
    guard asked.isObject else { throw RecordRejection(.invalidField, "the body must be an object") }
    guard let phone = asked["phone"] else { return nil }
    guard let text = phone.text else {
      throw RecordRejection(.invalidField, "phone must be a string, in quotes: a number would lose zeros")
    }
    return text
  }

  private func answer(
    _ request: Request, _ context: BasicRequestContext, _ body: (AssistantCall) async throws -> Response
  ) async throws -> Response {
    try settings.authorize(request)
    do {
      return try await body(try AssistantCall(request, context))
    } catch let rejection as RecordRejection {
      throw Problem(rejection)
    } catch let error as JSONError {
      throw Problem(
        status: 400, code: "invalid_json", title: "The request's body is not what it must be", detail: "\(error)")
    } catch let fault as ToolMessage.Fault {
      throw Problem(
        status: 422, code: "invalid_field", title: "The request's body is not what it must be", detail: fault.message)
    } catch StoreError.unavailable(let reason) {
      throw Problem(status: 503, code: "store_unavailable", title: "The records cannot be reached now", detail: reason)
    }
  }
}

/// A request to the assistant.
struct AssistantCall {
  let tenant: String
  let request: Request
  private let context: BasicRequestContext

  init(_ request: Request, _ context: BasicRequestContext) throws(Problem) {
    self.request = request
    self.context = context
    tenant = context.parameters.get("tenant") ?? ""
    guard tenant.wholeMatch(of: /[A-Za-z0-9_.~-]{1,64}/) != nil else {
      throw Problem(
        status: 404, code: "not_found", title: "There is no such tenant",
        detail: "a tenant has 1 to 64 of A-Z a-z 0-9 _ . ~ -")
    }
  }

  var session: String { context.parameters.get("session") ?? "" }

  /// Nil: the request does not say.
  func dialect() throws(RecordRejection) -> ToolDialect? {
    guard let word = request.uri.queryParameters["dialect"] else { return nil }
    guard let dialect = ToolDialect(rawValue: String(word)) else {
      let words = ToolDialect.allCases.map(\.rawValue).joined(separator: ", ")
      throw RecordRejection(.invalidField, "dialect must be one of \(words)")
    }
    return dialect
  }

  func body() async throws -> [UInt8] { try await request.wholeBody(upTo: AssistantRoutes.maxBodyBytes) }
}

extension GatewaySettings {
  /// In open mode anybody may ask; else it takes the admin token.
  func authorize(_ request: Request) throws(Problem) {
    if tokens != nil { try request.require(adminToken) }
  }
}

extension Response {
  fileprivate static func object(
    status: HTTPResponse.Status = .ok, _ fields: (inout JSONWriter) -> Void
  ) -> Response {
    var writer = JSONWriter()
    writer.beginObject()
    fields(&writer)
    writer.endObject()
    return Response(json: writer.bytes, status: status)
  }
}

extension JSONWriter {
  fileprivate mutating func session(_ session: Assistant.Session) {
    let record = session.record
    field("id", record.id)
    field("tenantId", record.tenant)
    key("orderState")
    session.state.write(to: &self)
    field("createdAt", record.createdAt.millis)
    field("updatedAt", record.updatedAt.millis)
    field("version", record.version)
  }
}
