import HTTPTypes
import Hummingbird

/// Answers 405 where a path is known, but not with the request's method (RFC 9110 section 15.5.6).
///
/// The known paths are looked up by a router of their own, so that a path is understood as it is everywhere else.
struct MethodRule: RouterMiddleware {
  private let paths: RouterResponder<GatewayContext>

  init(_ routes: [Router<GatewayContext>.RouteDescription]) {
    let router = Router(context: GatewayContext.self)
    for (path, routes) in Dictionary(grouping: routes, by: \.path.description) {
      var methods = Set(routes.map(\.method)).union([.options])
      if methods.contains(.get) { methods.insert(.head) }
      let allowed = methods.map(\.rawValue).sorted().joined(separator: ", ")
      router.get(RouterPath(path)) { _, _ in
        var response = Problem(
          status: 405, code: "method_not_allowed", title: "This path is not for that method",
          detail: "it takes \(allowed)"
        ).response
        response.headers[.allow] = allowed
        return response
      }
    }
    paths = router.buildResponder()
  }

  func handle(
    _ request: Request, context: GatewayContext,
    next: (Request, GatewayContext) async throws -> Response
  ) async throws -> Response {
    guard context.endpointPath == nil else { return try await next(request, context) }
    var head = request.head
    head.method = .get
    let response = try await paths.respond(to: Request(head: head, body: request.body), context: context)
    return response.status == .notFound ? try await next(request, context) : response
  }
}
