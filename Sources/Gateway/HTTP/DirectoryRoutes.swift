import Directory
import Hummingbird
import JSONText
import Ordering
import RoomCore
import Service
import Wire

/// Customers, circles and orders over HTTP, a tenant's under `/v1/tenants/{tenant}`. For the tenant's own servers: who
/// may ask may see and change all of it.
struct DirectoryRoutes: RecordRoutes {
  let desk: RecordDesk

  private var directory: Directory { desk.directory }
  private var tenant: TenantContext { desk.tenant }

  func add(to router: Router<GatewayContext>) {
    let base = "v1/tenants/{tenant}"
    customers(router, base)
    personalData(router, base)
    circles(router, base)
    orders(router, base)
    menus(router, base)
  }

  // MARK: Customers

  private func customers(_ router: Router<GatewayContext>, _ base: String) {
    router.post("\(base)/customers") { request, context in
      try await answer(request, context) { call in
        let asked = try CustomerRequest(try await call.body())
        let (customer, isNew) = try await directory.upsertCustomer(
          call.tenant, try tenant.phone(asked.phone, "phone"), asked.change, seen: try call.seen())
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
        let customer = try await directory.customer(call.tenant, try tenant.phone(call.parameter("phone"), "phone"))
        return Self.entity(customer.version) { $0.customer(customer) }
      }
    }
    router.get("\(base)/customers/{phone}/orders") { request, context in
      try await answer(request, context) { call in
        let page = try await directory.orders(
          of: try tenant.phone(call.parameter("phone"), "phone"), call.tenant, size: try call.pageSize(),
          after: try call.pageToken())
        return Self.list("orders", page) { $0.order($1) }
      }
    }
    router.get("\(base)/customers/{phone}/circles") { request, context in
      try await answer(request, context) { call in
        let page = try await directory.circles(
          of: try tenant.phone(call.parameter("phone"), "phone"), call.tenant, size: try call.pageSize(),
          after: try call.pageToken())
        return Self.list("circles", page) { $0.circle($1) }
      }
    }
  }

  // MARK: What the records have on somebody

  private func personalData(_ router: Router<GatewayContext>, _ base: String) {
    router.get("\(base)/customers/{phone}/export") { request, context in
      try await answer(request, context) { call in
        let phone = try tenant.phone(call.parameter("phone"), "phone")
        let export = try await directory.exportCustomer(call.tenant, phone)
        var writer = JSONWriter()
        writer.beginObject()
        writer.field("exportedAt", export.exportedAt.millis)
        writer.key("customer")
        writer.customer(export.customer)
        writer.key("circles")
        writer.beginArray()
        for circle in export.circles { writer.membership(circle, of: phone) }
        writer.endArray()
        writer.key("orders")
        writer.beginArray()
        for order in export.orders { writer.order(order) }
        writer.endArray()
        writer.endObject()
        return Response(json: writer.bytes)
      }
    }
    router.delete("\(base)/customers/{phone}") { request, context in
      try await answer(request, context) { call in
        let phone = try tenant.phone(call.parameter("phone"), "phone")
        try await desk.orders.dismiss(call.tenant, phone)
        try await directory.eraseCustomer(call.tenant, phone)
        return Response(status: .noContent)
      }
    }
  }

  // MARK: Circles

  private func circles(_ router: Router<GatewayContext>, _ base: String) {
    router.post("\(base)/circles") { request, context in
      try await answer(request, context) { call in
        let asked = try CircleRequest(try await call.body())
        let circle = try await directory.createCircle(
          call.tenant, name: asked.name, kind: asked.kind, owner: try tenant.phone(asked.owner, "owner"),
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
          call.tenant, call.parameter("circle"), try tenant.phone(asked.phone, "phone"), name: asked.name,
          by: try tenant.phone(asked.by, "by"))
        return Self.entity(circle.version) { $0.circle(circle) }
      }
    }
    router.post("\(base)/circles/{circle}/members/{phone}/accept") { request, context in
      try await answer(request, context) { call in
        let circle = try await directory.acceptInvitation(
          call.tenant, call.parameter("circle"), try tenant.phone(call.parameter("phone"), "phone"))
        return Self.entity(circle.version) { $0.circle(circle) }
      }
    }
    router.delete("\(base)/circles/{circle}/members/{phone}") { request, context in
      try await answer(request, context) { call in
        let phone = try tenant.phone(call.parameter("phone"), "phone")
        let circle = try await desk.orders.removeFromCircle(
          call.tenant, call.parameter("circle"), phone, by: try tenant.phone(call.query("by") ?? "", "by"))
        return Self.entity(circle.version) { $0.circle(circle) }
      }
    }
    router.post("\(base)/circles/{circle}/transfer") { request, context in
      try await answer(request, context) { call in
        let asked = try MemberRequest(try await call.body())
        let circle = try await directory.transferCircle(
          call.tenant, call.parameter("circle"), to: try tenant.phone(asked.phone, "phone"),
          by: try tenant.phone(asked.by, "by"))
        return Self.entity(circle.version) { $0.circle(circle) }
      }
    }
  }

  // MARK: Orders

  private func orders(_ router: Router<GatewayContext>, _ base: String) {
    router.post("\(base)/orders") { request, context in
      try await answer(request, context) { call in
        let asked = try OrderRequest(try await call.body(), currency: tenant.currency)
        let order = try await directory.createOrder(
          call.tenant, try tenant.phone(asked.phone, "phone"),
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
    router.post("\(base)/orders/{order}/reorder") { request, context in
      try await answer(request, context) { call in
        let order = try await directory.reorder(
          call.tenant, call.parameter("order"), id: try call.repeatable("order"))
        return Self.entity(order.version, status: .created) { $0.order(order) }
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

  private func menus(_ router: Router<GatewayContext>, _ base: String) {
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
}
