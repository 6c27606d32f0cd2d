import Crypto
import Directory
import Foundation
import HTTPTypes
import Hummingbird
import JSONText
import NIOCore
import Ordering
import RoomCore
import Store
import Wire

/// Customers, circles and orders over HTTP, a tenant's under `/v1/tenants/{tenant}`. For the tenant's own servers: who
/// asks may see and change all of it.
///
/// In open mode that is anybody; else it takes the admin token.
struct DirectoryRoutes: Sendable {
  let directory: Directory
  let settings: GatewaySettings
  let tenant: TenantContext

  private static let maxBodyBytes = 1 << 20

  func add(to router: Router<BasicRequestContext>) {
    let base = "v1/tenants/{tenant}"
    customers(router, base)
    circles(router, base)
    orders(router, base)
    menus(router, base)
  }

  // MARK: Customers

  private func customers(_ router: Router<BasicRequestContext>, _ base: String) {
    router.post("\(base)/customers") { request, context in
      try await answer(request, context) { call in
        let asked = try CustomerRequest(try await call.body())
        let (customer, isNew) = try await directory.upsertCustomer(
          call.tenant, try phone(asked.phone, "phone"), asked.change, seen: try call.seen())
        return Self.entity(customer.version, status: isNew ? .created : .ok) { writer in
          writer.beginObject()
          writer.field("customerId", customer.id)
          writer.field("isNew", isNew)
          writer.key("customer")
          writer.customer(customer)
          writer.endObject()
        }
      }
    }
    router.get("\(base)/customers/{phone}") { request, context in
      try await answer(request, context) { call in
        let customer = try await directory.customer(call.tenant, try phone(call.parameter("phone"), "phone"))
        return Self.entity(customer.version) { $0.customer(customer) }
      }
    }
    router.get("\(base)/customers/{phone}/orders") { request, context in
      try await answer(request, context) { call in
        let page = try await directory.orders(
          of: try phone(call.parameter("phone"), "phone"), call.tenant, size: try call.pageSize(),
          after: try call.pageToken())
        return Self.list("orders", page) { $0.order($1) }
      }
    }
    router.get("\(base)/customers/{phone}/circles") { request, context in
      try await answer(request, context) { call in
        let page = try await directory.circles(
          of: try phone(call.parameter("phone"), "phone"), call.tenant, size: try call.pageSize(),
          after: try call.pageToken())
        return Self.list("circles", page) { $0.circle($1) }
      }
    }
  }

  // MARK: Circles

  private func circles(_ router: Router<BasicRequestContext>, _ base: String) {
    router.post("\(base)/circles") { request, context in
      try await answer(request, context) { call in
        let asked = try CircleRequest(try await call.body())
        let circle = try await directory.createCircle(
          call.tenant, name: asked.name, kind: asked.kind, owner: try phone(asked.owner, "owner"),
          id: try call.repeatable("circle"))
        return Self.entity(circle.version, status: .created) { $0.circle(circle) }
      }
    }
    router.get("\(base)/circles/{circle}") { request, context in
      try await answer(request, context) { call in
        let circle = try await directory.circle(call.tenant, call.parameter("circle"))
        return Self.entity(circle.version) { $0.circle(circle) }
      }
    }
    router.get("\(base)/circles/{circle}/members") { request, context in
      try await answer(request, context) { call in
        let circle = try await directory.circle(call.tenant, call.parameter("circle"))
        return Self.entity(circle.version) { writer in
          writer.beginObject()
          writer.key("members")
          writer.members(of: circle)
          writer.endObject()
        }
      }
    }
    router.post("\(base)/circles/{circle}/members") { request, context in
      try await answer(request, context) { call in
        let asked = try MemberRequest(try await call.body())
        let circle = try await directory.inviteToCircle(
          call.tenant, call.parameter("circle"), try phone(asked.phone, "phone"), name: asked.name,
          by: try phone(asked.by, "by"))
        return Self.entity(circle.version) { $0.circle(circle) }
      }
    }
    router.post("\(base)/circles/{circle}/members/{phone}/accept") { request, context in
      try await answer(request, context) { call in
        let circle = try await directory.acceptInvitation(
          call.tenant, call.parameter("circle"), try phone(call.parameter("phone"), "phone"))
        return Self.entity(circle.version) { $0.circle(circle) }
      }
    }
    router.delete("\(base)/circles/{circle}/members/{phone}") { request, context in
      try await answer(request, context) { call in
        let circle = try await directory.removeFromCircle(
          call.tenant, call.parameter("circle"), try phone(call.parameter("phone"), "phone"),
          by: try phone(call.query("by") ?? "", "by"))
        return Self.entity(circle.version) { $0.circle(circle) }
      }
    }
    router.post("\(base)/circles/{circle}/transfer") { request, context in
      try await answer(request, context) { call in
        let asked = try MemberRequest(try await call.body())
        let circle = try await directory.transferCircle(
          call.tenant, call.parameter("circle"), to: try phone(asked.phone, "phone"), by: try phone(asked.by, "by"))
        return Self.entity(circle.version) { $0.circle(circle) }
      }
    }
  }

  // MARK: Orders

  private func orders(_ router: Router<BasicRequestContext>, _ base: String) {
    router.post("\(base)/orders") { request, context in
      try await answer(request, context) { call in
        let asked = try OrderRequest(try await call.body(), currency: tenant.currency)
        let order = try await directory.createOrder(
          call.tenant, try phone(asked.phone, "phone"),
          OrderDraft(session: asked.session, kind: asked.kind, items: asked.items), currency: tenant.currency,
          id: try call.repeatable("order"))
        return Self.entity(order.version, status: .created) { $0.order(order) }
      }
    }
    router.get("\(base)/orders") { request, context in
      try await answer(request, context) { call in
        guard let status = PlacedOrder.Status(rawValue: call.query("status") ?? "") else {
          let words = PlacedOrder.Status.allCases.map(\.rawValue).joined(separator: ", ")
          throw RecordRejection(.invalidField, "status must be one of \(words)")
        }
        let page = try await directory.orders(
          in: status, call.tenant, size: try call.pageSize(), after: try call.pageToken())
        return Self.list("orders", page) { $0.order($1) }
      }
    }
    router.get("\(base)/orders/{order}") { request, context in
      try await answer(request, context) { call in
        let order = try await directory.order(call.tenant, call.parameter("order"))
        return Self.entity(order.version) { $0.order(order) }
      }
    }
    router.put("\(base)/orders/{order}/status") { request, context in
      try await answer(request, context) { call in
        let asked = try StatusRequest(try await call.body())
        let order = try await directory.updateOrderStatus(
          call.tenant, call.parameter("order"), to: asked.status, seen: try call.seen())
        return Self.entity(order.version) { $0.order(order) }
      }
    }
  }

  // MARK: Menus

  private func menus(_ router: Router<BasicRequestContext>, _ base: String) {
    router.put("\(base)/menu") { request, context in
      try await answer(request, context) { call in
        let asked = try MenuRequest(try await call.body(), currency: tenant.currency)
        let menu = try await directory.putMenu(
          call.tenant, asked.dishes, currency: tenant.currency, seen: try call.seen())
        return Self.entity(menu.version, status: menu.version == 1 ? .created : .ok) { $0.menu(menu) }
      }
    }
    router.get("\(base)/menu") { request, context in
      try await answer(request, context) { call in
        let menu = try await directory.menu(call.tenant)
        return Self.entity(menu.version) { $0.menu(menu) }
      }
    }
  }

  // MARK: Asking and answering

  private func phone(_ text: String, _ field: String) throws(RecordRejection) -> PhoneNumber {
    do throws(PhoneNumberFault) {
      return try PhoneNumber(text, rule: tenant.phoneRule)
    } catch {
      throw RecordRejection(.invalidField, "\(field) \(error.message)")
    }
  }

  private func answer(
    _ request: Request, _ context: BasicRequestContext, _ body: (RecordCall) async throws -> Response
  ) async throws -> Response {
    try authorize(request)
    do {
      return try await body(try RecordCall(request, context, maxBodyBytes: Self.maxBodyBytes))
    } catch let rejection as RecordRejection {
      throw Problem(rejection)
    } catch let error as WireError {
      throw Problem(
        status: error.code == .invalidJSON ? 400 : 422,
        code: error.code == .invalidJSON ? "invalid_json" : "invalid_field",
        title: "The request's body is not what it must be", detail: error.message)
    } catch StoreError.unavailable(let reason) {
      throw Problem(status: 503, code: "store_unavailable", title: "The records cannot be reached now", detail: reason)
    }
  }

  private func authorize(_ request: Request) throws(Problem) {
    if settings.tokens == nil { return }
    try request.require(settings.adminToken)
  }

  private static func entity(
    _ version: Int64, status: HTTPResponse.Status = .ok, _ write: (inout JSONWriter) -> Void
  ) -> Response {
    var writer = JSONWriter()
    write(&writer)
    var response = Response(json: writer.bytes, status: status)
    response.headers[.eTag] = "\"\(version)\""
    return response
  }

  private static func list<Entry>(
    _ name: StaticString, _ page: Page<Entry>, _ write: (inout JSONWriter, Entry) -> Void
  ) -> Response {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key(name)
    writer.beginArray()
    for entry in page.entries { write(&writer, entry) }
    writer.endArray()
    writer.field("nextPageToken", page.next?.text)
    writer.endObject()
    return Response(json: writer.bytes)
  }
}

/// A request about records, and what it says.
private struct RecordCall {
  let tenant: String
  private let request: Request
  private let context: BasicRequestContext
  private let maxBodyBytes: Int

  init(_ request: Request, _ context: BasicRequestContext, maxBodyBytes: Int) throws(Problem) {
    self.request = request
    self.context = context
    self.maxBodyBytes = maxBodyBytes
    tenant = context.parameters.get("tenant") ?? ""
    guard tenant.wholeMatch(of: /[A-Za-z0-9_.~-]{1,64}/) != nil else {
      throw Problem(
        status: 404, code: "not_found", title: "There is no such tenant",
        detail: "a tenant has 1 to 64 of A-Z a-z 0-9 _ . ~ -")
    }
  }

  /// Empty, which nothing is called, if it is no name.
  func parameter(_ name: String) -> String {
    guard let text = context.parameters.get(name), text.isName(maxBytes: 200) else { return "" }
    return text
  }

  /// The id of what this request makes, if it has a name by which it may be repeated.
  func repeatable(_ kind: String) throws(RecordRejection) -> String? {
    guard let name = Self.idempotencyKey.flatMap({ request.headers[$0] }) else { return nil }
    guard name.isName(maxBytes: 200) else {
      throw RecordRejection(.invalidField, "Idempotency-Key must have 1 to 200 bytes without control characters")
    }
    let digest = SHA256.hash(data: Array("\(tenant)\n\(kind)\n\(name)".utf8))
    return digest.prefix(16).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  private static let idempotencyKey = HTTPField.Name("Idempotency-Key")

  func query(_ name: Substring) -> String? { request.uri.queryParameters[name].map(String.init) }

  func pageSize() throws(RecordRejection) -> Int {
    guard let text = query("page_size") else { return 20 }
    guard let size = Int(text) else { throw RecordRejection(.invalidField, "page_size must be a number") }
    return size
  }

  func pageToken() throws(RecordRejection) -> PageToken? {
    guard let text = query("page_token") else { return nil }
    return try PageToken(text: text)
  }

  /// The version that the caller wants to change, if they say.
  func seen() throws(RecordRejection) -> Int64? {
    guard let tag = request.headers[.ifMatch], tag != "*" else { return nil }
    guard tag.hasPrefix("\""), tag.hasSuffix("\""), let version = Int64(tag.dropFirst().dropLast()) else {
      throw RecordRejection(.versionMismatch, "If-Match must be an ETag that was given for this record")
    }
    return version
  }

  func body() async throws -> [UInt8] { try await request.wholeBody(upTo: maxBodyBytes) }
}

extension Problem {
  init(_ rejection: RecordRejection) {
    let status: UInt =
      switch rejection.code {
      case .invalidField, .idempotencyConflict: 422
      case .invalidPageToken: 400
      case .customerNotFound, .circleNotFound, .orderNotFound, .menuNotFound, .sessionNotFound: 404
      case .notMember, .notOwner: 403
      case .ownerStays, .limitExceeded, .invalidTransition: 409
      case .versionMismatch: 412
      }
    self.init(
      status: status, code: rejection.code.rawValue, title: "The request was refused, and nothing has changed",
      detail: rejection.message)
  }
}
