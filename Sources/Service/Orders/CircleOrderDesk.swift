import Directory
package import Ordering
import RoomCore

/// Collaborative orders for the assistant.
package struct CircleOrderDesk: OrderDesk {
  private let orders: CollaborativeOrders
  /// Where somebody enters the room.
  private let roomURL: @Sendable (OrderSeat) async throws -> String

  package init(_ orders: CollaborativeOrders, roomURL: @escaping @Sendable (OrderSeat) async throws -> String) {
    self.orders = orders
    self.roomURL = roomURL
  }

  package func start(_ tenant: String, circle: String, by phone: PhoneNumber) async throws -> OrderPass {
    try await pass(to: try await orders.start(tenant, circle: circle, by: phone))
  }

  package func join(_ tenant: String, order: String, by phone: PhoneNumber) async throws -> OrderPass {
    try await pass(to: try await orders.join(tenant, order, by: phone))
  }

  private func pass(to seat: OrderSeat) async throws -> OrderPass {
    OrderPass(
      id: seat.order.id, circle: seat.order.circle, status: seat.view.state.status.rawValue,
      participant: seat.guest.participant, roomURL: try await roomURL(seat))
  }

  package func perform(
    _ command: OrderCommand, _ tenant: String, order: String, by phone: PhoneNumber, operation: String
  ) async throws -> OrderView {
    view(try await orders.perform(command, tenant, order, by: phone, operation: operation))
  }

  package func view(_ tenant: String, order: String, by phone: PhoneNumber) async throws -> OrderView {
    view(try await orders.view(tenant, order, by: phone))
  }

  /// Of an order that has ended the records may say how; nothing is done at a position of it any more.
  private func view(_ view: SharedOrderView) -> OrderView {
    OrderView(id: view.order.id, sequence: view.sequence ?? .zero, order: view.state)
  }

  package func activeOrders(_ tenant: String, circle: String, by phone: PhoneNumber) async throws -> [String] {
    let circle = try await orders.directory.circle(tenant, circle)
    try circle.requireMember(phone)
    return circle.activeOrders
  }
}
