import HTTPTypes
import Hummingbird
import Link
import NIOCore
import NIOHTTP1
import RoomCore
import Rooms

/// The HTTP face: what is not a WebSocket.
struct Routes: Sendable {
  let hub: SessionHub
  let metrics: PrometheusRegistry
  /// Whether the store takes writes.
  let isReady: @Sendable () async -> Bool
  /// Nil: the process is alone.
  let cluster: (any ClusterDesk)?
  /// Nil: the records are elsewhere.
  let records: RecordFace?

  func responder() -> some HTTPResponder<GatewayContext> { ProblemResponder(wrapped: router().buildResponder()) }

  func router() -> Router<GatewayContext> {
    let router = Router(context: GatewayContext.self, options: .autoGenerateHeadEndpoints)
    router.add(middleware: PermissiveCORS())
    if let records { router.add(middleware: TenantGate(authority: records.authority)) }
    router.get("healthz") { _, _ in Self.text("ok\n") }
    router.get("openapi.json") { _, _ in Self.document }
    router.get("readyz") { _, _ in await ready() }
    router.get("metrics") { _, _ in
      Self.text(metrics.render(), contentType: "text/plain; version=0.0.4; charset=utf-8")
    }
    if let cluster { ClusterRoutes(desk: cluster, hub: hub).add(to: router) }
    if hub.settings.takesClients {
      records?.add(to: router)
      if let tokens = hub.settings.tokens {
        router.get(".well-known/jwks.json") { _, _ in Self.keySet(of: tokens) }
      }
      for path in ["parties/**", "party/**"] as [RouterPath] {
        router.get(path) { request, _ in try await readRoom(request) }
      }
    }
    // Stands before what is not found, as all routes are there already.
    router.add(middleware: MethodRule(router.routes))
    return router
  }

  /// What there is to ask, as OpenAPI has it.
  private static var document: Response {
    var response = Response(json: PackageResources.openapi_json)
    response.headers[.cacheControl] = "public, max-age=300"
    return response
  }

  /// What others need to check tokens, and nobody to make them (RFC 7517). Not to be kept for longer than it takes a
  /// new key to be in use.
  private static func keySet(of tokens: RoomTokens) -> Response {
    var response = Response(json: tokens.publicKeys)
    response.headers[.contentType] = "application/jwk-set+json"
    response.headers[.cacheControl] = "public, max-age=60"
    return response
  }

  private func ready() async -> Response {
    if hub.isStopping { return Self.text("stopping\n", status: .serviceUnavailable) }
    return await isReady()
      ? Self.text("ready\n") : Self.text("the store takes no writes\n", status: .serviceUnavailable)
  }

  /// The order as JSON, as a client would get it in a `sync`.
  private func readRoom(_ request: Request) async throws -> Response {
    guard case .room(let room) = RoomRoute(path: Substring(request.uri.path), servesEcho: false) else {
      throw Problem(status: 404, code: "not_found", title: "There is no such party")
    }
    if let tokens = hub.settings.tokens {
      var headers = HTTPHeaders()
      if let value = request.headers[.authorization] { headers.add(name: "Authorization", value: value) }
      do throws(TokenRefusal) {
        _ = try await tokens.identify(
          query: Query(Substring(request.uri.query ?? "")), headers: headers, protocols: [], room: room)
      } catch {
        throw Problem(error)
      }
    }
    switch await hub.link.read(room) {
    case .state(let text): return Response(json: text)
    case .empty: throw Problem(status: 404, code: "room_not_found", title: "Nobody has started an order in this room")
    case .crowded: throw Problem(status: 503, .crowded)
    case .unavailable: throw Problem(status: 503, code: "store_unavailable", title: "The room cannot be read now")
    }
  }

  private static func text(
    _ text: String, status: HTTPResponse.Status = .ok, contentType: String = "text/plain; charset=utf-8"
  ) -> Response {
    Response(
      status: status, headers: [.contentType: contentType], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
  }
}

extension Response {
  init(json text: [UInt8], status: HTTPResponse.Status = .ok) {
    self.init(
      status: status, headers: [.contentType: "application/json", .cacheControl: "no-store"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: text)))
  }
}

/// Lets any web page read, and answers `OPTIONS`, as the party server did that clients were written for.
private struct PermissiveCORS: RouterMiddleware {
  func handle(
    _ request: Request, context: GatewayContext,
    next: (Request, GatewayContext) async throws -> Response
  ) async throws -> Response {
    var response: Response
    if request.method == .options {
      response = Response(status: .noContent)
      response.headers[.accessControlAllowMethods] = "GET, POST, OPTIONS"
      response.headers[.accessControlAllowHeaders] = "Authorization, Content-Type"
      response.headers[.accessControlMaxAge] = "86400"
    } else {
      do {
        response = try await next(request, context)
      } catch let problem as Problem {
        response = problem.response
      } catch let error as HTTPError {
        response = Problem(error).response
      }
    }
    response.headers[.accessControlAllowOrigin] = "*"
    // A body would be taken for the beginning of the next response.
    return request.method == .head ? response.createHeadResponse() : response
  }
}

/// Sends errors that no route caught as problem documents.
private struct ProblemResponder<Wrapped: HTTPResponder>: HTTPResponder where Wrapped.Context == GatewayContext {
  let wrapped: Wrapped

  func respond(to request: Request, context: GatewayContext) async throws -> Response {
    do {
      return try await wrapped.respond(to: request, context: context)
    } catch let error as HTTPError {
      return Problem(error).response
    }
  }
}

extension Problem {
  init(_ error: HTTPError) {
    let isUnknown = error.status == .notFound
    self.init(
      status: UInt(error.status.code), code: isUnknown ? "not_found" : "bad_request",
      title: isUnknown ? "There is nothing at this path" : "The request is not understood", detail: error.body)
  }

  var response: Response {
    var headers: HTTPFields = [.contentType: "application/problem+json"]
    if status == 401 { headers[.wwwAuthenticate] = "Bearer" }
    return Response(
      status: .init(code: Int(status)), headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: json)))
  }
}
