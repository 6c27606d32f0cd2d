import Directory
import JSONText
import Ordering
import Wire

extension Tool {
  static let getOrderHistory = Tool(
    "get_order_history", title: "The customer's orders", "Tell what the customer has ordered before, the newest first.",
    parameters: [
      Parameter("limit", .integer(1...20), "How many orders, 1 to 20; 5 if left out"), ToolCall.customerPhone,
    ],
    answers: [Parameter("orders", .list(of: .object([])))], effect: .reads
  ) { call in
    let limit = Int(call.number("limit")?.integer ?? 5)
    let orders = try await call.directory.orders(of: try call.customer(), call.tenant, size: limit).entries
    return ToolOutcome(
      .done("ok", orders.first.map { "Your last order was \($0.spoken)." } ?? "You have not ordered yet.") { writer in
        writer.key("orders")
        writer.beginArray()
        for order in orders { writer.order(order) }
        writer.endArray()
      })
  }

  static let reorder = Tool(
    "reorder", title: "Order again",
    "Order again what the customer has ordered before, at today's prices. Ask the customer whether to do so first.",
    parameters: [
      Parameter("orderId", .text(), "The order's id, as get_order_history has it; left out: the last order"),
      Parameter(
        "orderType", .word(PlacedOrder.Kind.allCases.map(\.rawValue)), "How it is wanted; left out: as before"),
      ToolCall.customerPhone,
    ], answers: [Parameter("order", .object([]))], effect: .adds
  ) { call in
    let phone = try call.customer()
    let before = try await call.placedOrder(of: phone)
    let order = try await call.directory.reorder(
      call.tenant, before.id, kind: call.text("orderType").flatMap { PlacedOrder.Kind(rawValue: $0) },
      session: call.session, id: call.id(of: "order"))
    return ToolOutcome(
      .done("placed", "I have ordered again: \(order.spoken).") { writer in
        writer.key("order")
        writer.order(order)
      })
  }

  private static let mostDishes = 50

  static let getMenu = Tool(
    "get_menu", title: "The menu", "Tell what the restaurant offers, and for how much.",
    parameters: [
      Parameter("search", .text(), "A part of the dish's name"),
      Parameter("dishType", .word(DishType.allCases.map(\.rawValue)), "Only such dishes"),
    ],
    answers: [
      Parameter("currency", .text()), Parameter("dishes", .list(of: .object([]))),
      Parameter("more", .flag, "Whether there are more dishes than these"),
    ], effect: .reads
  ) { call in
    let menu = try await call.directory.menu(call.tenant)
    let (part, type) = (call.text("search").map(folded), call.text("dishType").flatMap { DishType(rawValue: $0) })
    let all = menu.dishes.filter { dish in
      dish.isAvailable && (type == nil || dish.type == type) && (part.map { folded(dish.name).contains($0) } ?? true)
    }
    let dishes = all.prefix(mostDishes)
    let names = dishes.prefix(8).map { "\($0.name) for \(menu.currency.text(of: $0.price))" }
    let message =
      dishes.isEmpty
      ? "There is nothing like this on the menu."
      : "There is \(enumeration(names))\(all.count > names.count ? ", and more" : "")."
    return ToolOutcome(
      .done(dishes.isEmpty ? "nothing_found" : "ok", message) { writer in
        writer.field("currency", menu.currency.code)
        writer.key("dishes")
        writer.beginArray()
        for dish in dishes { writer.dish(dish, menu.currency) }
        writer.endArray()
        writer.field("more", all.count > dishes.count)
      })
  }
}

extension ToolCall {
  /// The order of the customer's that is to be placed again.
  fileprivate func placedOrder(of phone: PhoneNumber) async throws -> PlacedOrder {
    guard let id = text("orderId") else {
      guard let last = try await directory.orders(of: phone, tenant, size: 1).entries.first else {
        throw ToolFailure("order_not_found", "The customer has not ordered before.")
      }
      return last
    }
    let order = try await directory.order(tenant, id)
    guard order.orderer == .customer(phone) else { throw RecordRejection(.orderNotFound, "there is no such order") }
    return order
  }
}

extension PlacedOrder {
  fileprivate var spoken: String {
    let dishes = items.prefix(10).map { "\($0.quantity) \($0.dishName)" }
    let more = items.count > 10 ? ["\(items.count - 10) more"] : []
    return "\(enumeration(dishes + more)) for \(currency.text(of: total)), \(status.rawValue)"
  }
}

extension JSONWriter {
  fileprivate mutating func dish(_ dish: Menu.Dish, _ currency: Currency) {
    beginObject()
    field("name", dish.name)
    field("dishType", dish.type.rawValue)
    money("price", dish.price, currency)
    if !dish.options.isEmpty {
      key("options")
      beginArray()
      for option in dish.options {
        beginObject()
        field("name", option.name)
        money("price", option.price, currency)
        endObject()
      }
      endArray()
    }
    endObject()
  }
}
