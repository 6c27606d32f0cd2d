import Directory
import HTTPTypes
import Hummingbird
import JSONText
import Ordering
import RoomCore
import Service
import Wire

/// Collaborative orders over HTTP, beside the other records: what changes one goes to its room, wherever that is.
///
/// Whoever is to take part gets a `roomUrl`, which leads into the room as that participant.
struct SharedOrderRoutes: RecordRoutes {
  let desk: RecordDesk
  let doors: RoomDoors

  private var directory: Directory { desk.directory }
  private var orders: CollaborativeOrders { desk.orders }

  func add(to router: Router<GatewayContext>) {
    let base = "v1/tenants/{tenant}"
    starting(router, base)
    takingPart(router, "\(base)/collaborative-orders/{order}")
    reading(router, "\(base)/collaborative-orders/{order}")
  }

  private func starting(_ router: Router<GatewayContext>, _ base: String) {
    router.post("\(base)/circles/{circle}/collaborative-orders") { request, context in
      try await answer(request, context) { call in
        let asked = try StartRequest(try await call.body())
        let seat = try await orders.start(
          call.tenant, circle: call.parameter("circle"), by: try desk.tenant.phone(asked.phone, "phone"),
          kind: asked.kind)
        return try await answer(seat, request, status: seat.isNew ? .created : .ok)
      }
    }
    router.get("\(base)/circles/{circle}/collaborative-orders") { request, context in
      try await answer(request, context) { call in
        guard let status = OrderStatus(rawValue: call.query("status") ?? "active") else {
          throw RecordRejection(
            .invalidField, "status must be one of active, locked, finalized, cancelled, expired")
        }
        let page = try await directory.sharedOrders(
          of: call.parameter("circle"), in: status, call.tenant, size: try call.pageSize(), after: try call.pageToken())
        return Self.list("collaborativeOrders", page) { $0.sharedOrder($1, $1.state, at: nil) }
      }
    }
  }

  private func takingPart(_ router: Router<GatewayContext>, _ order: String) {
    router.post("\(order)/participants") { request, context in
      try await answer(request, context) { call in
        let asked = try StartRequest(try await call.body())
        let seat = try await orders.join(
          call.tenant, call.parameter("order"), by: try desk.tenant.phone(asked.phone, "phone"))
        return try await answer(seat, request)
      }
    }
    router.post("\(order)/items") { request, context in
      try await answer(request, context) { call in
        let asked = try DishRequest(try await call.body())
        return try await perform(
          .addItem(try await orders.item(asked.wish, call.tenant)), call, by: asked.phone)
      }
    }
    router.post("\(order)/finalize") { request, context in
      try await answer(request, context) { call in
        let asked = try MemberOperation(try await call.body(), as: "finalize")
        return try await perform(asked.command, call, by: asked.phone)
      }
    }
    router.post("\(order)/operations") { request, context in
      try await answer(request, context) { call in
        let asked = try MemberOperation(try await call.body())
        return try await perform(asked.command, call, by: asked.phone)
      }
    }
  }

  private func reading(_ router: Router<GatewayContext>, _ order: String) {
    router.get("\(order)") { request, context in
      try await answer(request, context) { call in
        answer(try await orders.view(call.tenant, call.parameter("order")))
      }
    }
    router.get("\(order)/split") { request, context in
      try await answer(request, context) { call in
        let view = try await orders.view(call.tenant, call.parameter("order"))
        let shares = try OrderLogic.previewShares(of: view.state)
        return Self.document { $0.preview(shares, of: view.state) }
      }
    }
    router.get("\(order)/orders") { request, context in
      try await answer(request, context) { call in
        let placed = try await directory.orders(placedBy: call.parameter("order"), call.tenant)
        return Self.list("orders", Page(entries: placed)) { $0.order($1) }
      }
    }
  }

  private func perform(_ command: OrderCommand, _ call: RecordCall, by phone: String) async throws -> Response {
    answer(
      try await orders.perform(
        command, call.tenant, call.parameter("order"), by: try desk.tenant.phone(phone, "phone"),
        operation: try call.operation(otherwise: desk.makeName())))
  }

  private func answer(_ view: SharedOrderView) -> Response {
    Self.document { $0.sharedOrder(view.order, view.state, at: view.sequence) }
  }

  /// `{id, sessionId, participantId, participantName, roomUrl, order}`
  private func answer(
    _ seat: OrderSeat, _ request: Request, status: HTTPResponse.Status = .ok
  ) async throws -> Response {
    let url = try await doors.url(of: seat, asked: request)
    return Self.document(status: status) { writer in
      writer.beginObject()
      writer.field("id", seat.order.id)
      writer.field("sessionId", seat.order.room.name)
      writer.field("participantId", seat.guest.participant.value)
      writer.field("participantName", seat.guest.name)
      writer.field("roomUrl", url)
      writer.key("order")
      writer.sharedOrder(seat.view.order, seat.view.state, at: seat.view.sequence)
      writer.endObject()
    }
  }
}
