import JSONText
import Ordering
import RoomCore

// MARK: - Coming to an order

extension Tool {
  private static let passAnswers = [
    Parameter("orderId", .text()), Parameter("circleId", .text()), Parameter("participantId", .text()),
    Parameter("orderStatus", .text()), Parameter("roomUrl", .text(most: 10_000)),
  ]

  static let startCollaborativeOrder = Tool(
    "start_collaborative_order", title: "Start a collaborative order",
    "Start an order that all members of a circle fill together, or get the one that is running. The customer takes part "
      + "in it.",
    parameters: [ToolCall.circleID, ToolCall.customerPhone], answers: passAnswers, effect: .adds
  ) { call in
    let phone = try call.customer()
    let circle = try await call.circle(of: phone)
    let pass = try await call.desk.start(call.tenant, circle: circle.id, by: phone)
    return ToolOutcome(
      .done("open", "The order of \(circle.name) is open. What would you like to add?") { $0.pass(pass) },
      .circle(OrderState.CircleNote(circle)), .order(OrderState.OrderNote(pass)))
  }

  static let joinCollaborativeOrder = Tool(
    "join_collaborative_order", title: "Join a collaborative order",
    "Have the customer take part in the running order of a circle.",
    parameters: [
      Parameter("orderId", .text(), "The order's id; leave it out for the running order of the circle"),
      ToolCall.circleID, ToolCall.customerPhone,
    ], answers: passAnswers, effect: .adds
  ) { call in
    let phone = try call.customer()
    let order: String
    if call.text("orderId") != nil {
      order = try call.order()
    } else {
      let circle = try await call.circle(of: phone)
      let running = try await call.desk.activeOrders(call.tenant, circle: circle.id, by: phone)
      guard let only = running.first else {
        throw ToolFailure(
          "no_active_order", "\(circle.name) has no running order. Offer to start one with start_collaborative_order.")
      }
      order = only
    }
    let pass = try await call.desk.join(call.tenant, order: order, by: phone)
    return ToolOutcome(
      .done("joined", "You take part in the order. What would you like to add?") { $0.pass(pass) },
      .order(OrderState.OrderNote(pass)))
  }
}

extension OrderState.OrderNote {
  init(_ pass: OrderPass) {
    self.init(id: pass.id, circle: pass.circle, participant: pass.participant, status: pass.status)
  }
}

extension JSONWriter {
  fileprivate mutating func pass(_ pass: OrderPass) {
    field("orderId", pass.id)
    field("circleId", pass.circle)
    field("participantId", pass.participant.value)
    field("orderStatus", pass.status)
    field("roomUrl", pass.roomURL)
  }
}

// MARK: - The cart

extension Tool {
  private static let itemID = Parameter(
    "itemId", .text(), "The item's id, or the name of its dish", isRequired: true)

  private static let orderAnswer = Parameter("order", .object([]), "The order as it is now")
  private static let itemAnswer = Parameter("item", .object([]))

  static let addItem = Tool(
    "add_item", title: "Add a dish",
    "Add a dish to the collaborative order. The price is the menu's, if the restaurant has one.",
    parameters: [
      Parameter("dishName", .text(), "The dish, as the menu calls it", isRequired: true),
      Parameter("quantity", .integer(1...99), "How many, 1 to 99; 1 if left out"),
      Parameter("options", .list(of: .text(), most: 50), "Options of the menu that the dish is wanted with"),
      Parameter("customization", .text(most: 500), "Any other wish, such as less spicy"),
      Parameter("dishType", .word(DishType.allCases.map(\.rawValue)), "Only if the restaurant has no menu"),
      Parameter("price", .number, "Price of one, only if the restaurant has no menu"), ToolCall.orderID,
      ToolCall.customerPhone,
    ], answers: [itemAnswer, orderAnswer], effect: .adds
  ) { call in
    let (phone, order) = (try call.customer(), try call.order())
    let new = try call.newItem(from: try await call.menu())
    let view = try await call.perform(.addItem(new), in: order, by: phone)
    let item = view.order.items.first { $0.id == new.id }
    let total = view.order.currency.text(of: view.order.total)
    let what = item.map { "\($0.quantity) \($0.dishName) at \(view.order.currency.text(of: $0.price)) each" }
    return ToolOutcome(
      .done("added", "Added \(what ?? new.dishName). The total is \(total).") { writer in
        writer.item(item, of: view)
        writer.order(view)
      })
  }

  static let removeItem = Tool(
    "remove_item", title: "Remove a dish", "Take a dish out of the collaborative order.",
    parameters: [itemID, ToolCall.orderID, ToolCall.customerPhone], answers: [orderAnswer], effect: .changes
  ) { call in
    let (phone, order) = (try call.customer(), try call.order())
    let item = try call.item(in: try await call.desk.view(call.tenant, order: order, by: phone))
    let view = try await call.perform(.removeItem(id: item.id), in: order, by: phone)
    let total = view.order.currency.text(of: view.order.total)
    return ToolOutcome(.done("removed", "\(item.dishName) is removed. The total is \(total).") { $0.order(view) })
  }

  static let updateQuantity = Tool(
    "update_quantity", title: "Change how many",
    "Change how many of a dish are in the collaborative order; 0 takes it out.",
    parameters: [
      itemID, Parameter("quantity", .integer(0...99), "How many from now on, 0 to 99", isRequired: true),
      ToolCall.orderID,
      ToolCall.customerPhone,
    ], answers: [itemAnswer, orderAnswer], effect: .changes
  ) { call in
    let (phone, order) = (try call.customer(), try call.order())
    let quantity = call.required(call.number("quantity"), "quantity")
    let item = try call.item(in: try await call.desk.view(call.tenant, order: order, by: phone))
    let view = try await call.perform(.updateQuantity(id: item.id, quantity: quantity), in: order, by: phone)
    let now = view.order.items.first { $0.id == item.id }
    let total = view.order.currency.text(of: view.order.total)
    let what = now.map { "There are \($0.quantity) \($0.dishName) now." } ?? "\(item.dishName) is removed."
    return ToolOutcome(
      .done(now == nil ? "removed" : "updated", "\(what) The total is \(total).") { writer in
        writer.item(now, of: view)
        writer.order(view)
      })
  }

  static let getOrder = Tool(
    "get_order", title: "The collaborative order",
    "Tell what is in the collaborative order, who added it, and the total.",
    parameters: [ToolCall.orderID, ToolCall.customerPhone], answers: [orderAnswer], effect: .reads
  ) { call in
    let view = try await call.desk.view(call.tenant, order: try call.order(), by: try call.customer())
    return ToolOutcome(
      .done(view.order.status.rawValue, view.order.spoken) { $0.order(view) },
      .orderStatus(view.order.status.rawValue, of: view.id))
  }
}

extension ToolCall {
  func perform(
    _ command: OrderCommand, in order: String, by phone: PhoneNumber, step: String = ""
  ) async throws -> OrderView {
    try await desk.perform(command, tenant, order: order, by: phone, operation: id(of: "operation\(step)"))
  }

  /// What is to be added, with the menu's price and name; with those of the arguments if there is no menu.
  fileprivate func newItem(from menu: MenuChoice?) throws -> OrderCommand.NewItem {
    let name = required(text("dishName"), "dishName")
    let quantity = number("quantity") ?? 1
    // Of the call, so that it is found again, and added once however late the call is repeated.
    let id = "item_\(self.id(of: "item").prefix(12))"
    guard let menu else {
      guard let price = number("price") else {
        throw ToolFailure("missing_argument", "The restaurant has no menu here. Give the price of one as price.")
      }
      guard let type = text("dishType").flatMap({ DishType(rawValue: $0) }) else {
        throw ToolFailure("missing_argument", "Ask whether the dish is veg or non-veg, and give it as dishType.")
      }
      return OrderCommand.NewItem(
        id: id, dishName: name, dishType: type, quantity: quantity, price: price, customization: text("customization"))
    }
    let dish = try menu.dish(name)
    let options = try (arguments["options"]?.elements ?? []).compactMap(\.text).map { try menu.option($0, of: dish) }
    let customization = (options.map(\.name) + [text("customization")].compactMap { $0 }).joined(separator: ", ")
    let price = dish.price(with: customization)
    return OrderCommand.NewItem(
      id: id, dishName: dish.name, dishType: dish.type, quantity: quantity,
      price: DecimalNumber(significand: price.minorUnits, exponent: -menu.menu.currency.minorDigits),
      customization: customization.isEmpty ? nil : customization)
  }

  /// The item that is meant: by its id, or by its dish, of which one's own come first.
  fileprivate func item(in view: OrderView) throws(ToolFailure) -> OrderItem {
    let given = required(text("itemId"), "itemId")
    let items = view.order.items
    if let item = items.first(where: { $0.id == given }) { return item }
    let named = items.filter { folded($0.dishName) == folded(given) }
    let own = named.filter { $0.addedBy == state.order?.participant }
    let meant = own.isEmpty ? named : own
    guard let item = meant.first else {
      throw ToolFailure("item_not_found", "There is no such dish in the order. Look with get_order what there is.")
    }
    guard meant.count == 1 else {
      let choices = meant.prefix(10).map { item in
        "\(item.quantity) \(item.dishName)\(item.customization.map { ", \($0)," } ?? "") of \(item.addedByName) "
          + "(id \(item.id))"
      }
      throw ToolFailure("choose_item", "Ask which one is meant, and give its id: \(enumeration(choices, "or")).")
    }
    return item
  }
}

extension CollaborativeOrder {
  /// The order as it is read aloud.
  var spoken: String {
    let state =
      switch status {
      case .active: ""
      case .locked: " The cart is locked."
      case .finalized, .cancelled, .expired: " The order is \(status.rawValue)."
      }
    guard !items.isEmpty else { return "The order is empty." + state }
    let dishes = items.prefix(20).map { "\($0.quantity) \($0.dishName) by \($0.addedByName)" }
    let more = items.count > 20 ? ["\(items.count - 20) more"] : []
    return "In the order there are \(enumeration(dishes + more)). The total is \(currency.text(of: total)).\(state)"
  }
}

extension JSONWriter {
  /// What an agent needs of an order.
  mutating func order(_ view: OrderView) {
    let order = view.order
    key("order")
    beginObject()
    field("id", view.id)
    field("seq", view.sequence.number)
    field("status", order.status.rawValue)
    field("currency", order.currency.code)
    key("participants")
    beginArray()
    for participant in order.participants {
      beginObject()
      field("id", participant.id.value)
      field("name", participant.name)
      field("role", word: participant.id == order.owner ? "owner" : "member")
      field("ready", participant.isReady)
      endObject()
    }
    endArray()
    key("items")
    beginArray()
    for item in order.items { self.item(item, order.currency) }
    endArray()
    money("total", order.total, order.currency)
    endObject()
  }

  fileprivate mutating func item(_ item: OrderItem?, of view: OrderView) {
    guard let item else { return }
    key("item")
    self.item(item, view.order.currency)
  }

  private mutating func item(_ item: OrderItem, _ currency: Currency) {
    beginObject()
    field("id", item.id)
    field("dishName", item.dishName)
    field("dishType", item.dishType.rawValue)
    field("quantity", item.quantity)
    money("price", item.price, currency)
    money("itemTotal", item.total, currency)
    field("customization", item.customization)
    field("addedByName", item.addedByName)
    endObject()
  }
}
