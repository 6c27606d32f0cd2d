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
struct AssistantRoutes: RecordRoutes {
  let desk: RecordDesk
  let doors: RoomDoors

  private var registry: ToolRegistry { desk.assistant.registry }

  func add(to router: Router<GatewayContext>) {
    let base = "v1/tenants/{tenant}/assistant"
    router.get("\(base)/tools") { request, context in
      try await ask(request, context) { call in
        Response(json: registry.declarations(try call.dialect() ?? .gemini))
      }
    }
    router.get("\(base)/instructions") { request, context in
      try await ask(request, context) { _ in
        Response.object { $0.field("instructions", registry.instructions) }
      }
    }
    router.post("\(base)/sessions") { request, context in
      try await ask(request, context) { call in
        let dialect = try call.dialect() ?? .gemini
        let session = try await desk.assistant.begin(call.tenant, phone: try Self.phone(in: try await call.body()))
        return Response.object(status: .created) { writer in
          writer.session(session)
          writer.field("dialect", dialect.rawValue)
          writer.key("declarations")
          writer.verbatim(registry.declarations(dialect))
        }
      }
    }
    router.get("\(base)/sessions/{session}") { request, context in
      try await ask(request, context) { call in
        let session = try await desk.assistant.session(call.tenant, call.parameter("session"))
        return Response.object { $0.session(session) }
      }
    }
    router.post("\(base)/sessions/{session}/tool-calls") { request, context in
      try await ask(request, context) { call in
        let message = try ToolMessage(try JSONTree(parsing: try await call.body()), dialect: try call.dialect())
        return Response(
          json: try await assistant(for: call).answer(message, call.tenant, session: call.parameter("session")))
      }
    }
    MCPRoutes(desk: desk, doors: doors).add(to: router)
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

  /// The assistant for one request: where it says that rooms are, its client has reached this server.
  private func assistant(for call: RecordCall) -> Assistant { desk.assistant(for: call, doors) }

  private func ask(
    _ request: Request, _ context: GatewayContext, _ body: (RecordCall) async throws -> Response
  ) async throws -> Response {
    try await answer(request, context) { call in
      do {
        return try await body(call)
      } catch let error as JSONError {
        throw Problem(
          status: 400, code: "invalid_json", title: "The request's body is not what it must be", detail: "\(error)")
      } catch let fault as ToolMessage.Fault {
        throw Problem(
          status: 422, code: "invalid_field", title: "The request's body is not what it must be", detail: fault.message)
      }
    }
  }
}

extension RecordDesk {
  func assistant(for call: RecordCall, _ doors: RoomDoors) -> Assistant {
    assistant.at(
      CircleOrderDesk(orders) { [request = call.request] seat in try await doors.url(of: seat, asked: request) })
  }
}

extension RecordCall {
  /// Nil: the request does not say.
  func dialect() throws(RecordRejection) -> ToolDialect? {
    guard let word = query("dialect") else { return nil }
    guard let dialect = ToolDialect(rawValue: word) else {
      let words = ToolDialect.allCases.map(\.rawValue).joined(separator: ", ")
      throw RecordRejection(.invalidField, "dialect must be one of \(words)")
    }
    return dialect
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
