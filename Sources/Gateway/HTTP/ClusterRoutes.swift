import HTTPTypes
import Hummingbird
import JSONText
import Link
import NIOCore
import RoomCore

/// What is known of the cluster, and what an operator may have done in it.
///
/// The port is open to strangers. Looking is for everybody, as with metrics; whoever wants a change needs the admin
/// token, and without one there are no changes.
struct ClusterRoutes: Sendable {
  let desk: any ClusterDesk
  let hub: SessionHub

  private static let maxBodyBytes = 4096

  func add(to router: Router<GatewayContext>) {
    router.get("v1/cluster") { _, _ in report() }
    router.get("v1/cluster/slots") { _, _ in Response(json: desk.slots()) }
    router.post("v1/cluster/drain") { request, _ in
      try change(request) { () throws(OperatorRefusal) in try desk.drain() }
    }
    router.delete("v1/cluster/drain") { request, _ in
      try change(request) { () throws(OperatorRefusal) in try desk.endDrain() }
    }
    router.post("v1/cluster/move") { request, _ in
      // Strangers' bodies are not read.
      try authorize(request)
      let order = try MoveOrder(try await request.wholeBody(upTo: Self.maxBodyBytes))
      return try change(request) { () throws(OperatorRefusal) in try desk.move(order.slot, to: order.node) }
    }
  }

  private func report(status: HTTPResponse.Status = .ok) -> Response {
    Response(json: desk.report(sessions: hub.sessionCount), status: status)
  }

  /// What was asked for has begun when this answers, and not ended.
  private func change(_ request: Request, _ body: () throws(OperatorRefusal) -> Void) throws -> Response {
    try authorize(request)
    do throws(OperatorRefusal) {
      try body()
    } catch {
      throw Problem(status: 409, code: error.code, title: "The cluster does not do that now", detail: error.message)
    }
    return report(status: .accepted)
  }

  private func authorize(_ request: Request) throws(Problem) {
    guard let token = hub.settings.adminToken else {
      throw Problem(
        status: 403, code: "no_admin_token", title: "This process takes no orders",
        detail: "it was started without an admin token")
    }
    try request.require(token)
  }
}

extension Request {
  /// - Parameter token: nil if there is none that would do.
  func require(_ token: AdminToken?) throws(Problem) {
    guard let token, let bearer, token.matches(bearer) else {
      throw Problem(status: 401, code: "unauthorized", title: "The admin token is required")
    }
  }

  func wholeBody(upTo limit: Int) async throws -> [UInt8] {
    do {
      return Array(buffer: try await body.collect(upTo: limit))
    } catch is NIOTooManyBytesError {
      throw Problem(status: 413, code: "too_large", title: "The request's body is too large")
    }
  }
}

/// `{"slot": 17, "to": "node-2"}`
struct MoveOrder: Equatable {
  let slot: Slot
  let node: String

  init(_ text: [UInt8]) throws(Problem) {
    do throws(JSONError) {
      self = try JSONReader.read(text) { reader throws(JSONError) in try Self(from: &reader) }
    } catch {
      throw Problem(
        status: 400, code: "bad_request", title: #"The body must be as {"slot": 17, "to": "node-2"}"#,
        detail: error.reason)
    }
  }

  private init(from reader: inout JSONReader) throws(JSONError) {
    var slot: Int64?
    var node: String?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "slot": slot = try reader.integer()
      case "to": node = try reader.string()
      default: throw reader.failure("there is no such field")
      }
    }
    guard let slot, let node else { throw reader.failure("slot and to are required") }
    guard slot >= 0, slot < Int64(Slot.count) else { throw reader.failure("slots are 0 to \(Slot.count - 1)") }
    self.init(slot: Slot(Int(slot)), node: node)
  }

  private init(slot: Slot, node: String) {
    self.slot = slot
    self.node = node
  }
}
