import HTTPTypes
import Hummingbird
import NIOCore
import Service

/// The Model Context Protocol's endpoint of each tenant, at `/v1/tenants/{tenant}/mcp`.
struct MCPRoutes: RecordRoutes {
  let desk: RecordDesk
  let doors: RoomDoors

  /// What agents are told that they talk to.
  private static let version = "1"

  private static let path: RouterPath = "v1/tenants/{tenant}/mcp"

  func add(to router: Router<GatewayContext>) {
    router.post(Self.path) { request, context in try await answer(.post, request, context) }
    router.get(Self.path) { request, context in try await answer(.get, request, context) }
    router.delete(Self.path) { request, context in try await answer(.delete, request, context) }
  }

  private func answer(
    _ verb: MCPRequest.Verb, _ request: Request, _ context: GatewayContext
  ) async throws -> Response {
    try checkOrigin(of: request)
    let call = try RecordCall(request, context)
    var asked = MCPRequest(verb, body: verb == .post ? try await call.body() : [])
    asked.version = request.headers[.mcpVersion]
    asked.session = request.headers[.mcpSession]
    asked.method = request.headers[.mcpMethod]
    asked.name = request.headers[.mcpName]
    asked.conversation = request.headers[.conversation]
    let endpoint = MCPEndpoint(desk.assistant(for: call, doors), server: MCPServerInfo(version: Self.version))
    return Response(await endpoint.answer(asked, call.tenant))
  }

  /// A web page that has made its own name point at this server is refused (DNS rebinding). Requests without an
  /// `Origin` do not come from a page.
  private func checkOrigin(of request: Request) throws(Problem) {
    guard let origin = request.headers[.origin], !doors.settings.allowedOrigins.contains(origin) else { return }
    let local = /https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?/
    if doors.settings.allowedOrigins.isEmpty, origin.wholeMatch(of: local) != nil { return }
    throw Problem(status: 403, code: "wrong_origin", title: "This origin may not connect")
  }
}

extension Response {
  fileprivate init(_ answer: MCPAnswer) {
    var headers: HTTPFields = [.cacheControl: "no-store"]
    headers[.mcpSession] = answer.session
    headers[.allow] = answer.allows
    if answer.body != nil { headers[.contentType] = "application/json" }
    self.init(
      status: .init(code: answer.status), headers: headers,
      body: answer.body.map { ResponseBody(byteBuffer: ByteBuffer(bytes: $0)) } ?? .init())
  }
}

extension HTTPField.Name {
  fileprivate static let mcpVersion = known("MCP-Protocol-Version")
  fileprivate static let mcpSession = known("Mcp-Session-Id")
  fileprivate static let mcpMethod = known("Mcp-Method")
  fileprivate static let mcpName = known("Mcp-Name")
  fileprivate static let conversation = known("Stonepot-Session")

  private static func known(_ name: String) -> HTTPField.Name {
    guard let name = HTTPField.Name(name) else { preconditionFailure("\(name) is a field's name") }
    return name
  }
}
