import JSONText
import RoomCore

extension Decision {
  func add(_ new: OrderCommand.NewItem) throws(OrderRejection) -> [OrderEvent] {
    try requireUnlocked()
    if let id = new.id {
      try TextRule.identifier.require(id, "data.id", else: .invalidItem)
      if order.items.contains(where: { $0.id == id }) { return [.unchanged] }
    }
    try TextRule.name.require(new.dishName, "data.dishName", else: .invalidItem)
    let listed = try listed(new)
    var item = OrderItem(
      id: new.id ?? mintedItemID, dishName: new.dishName, dishType: listed.type,
      quantity: try requireQuantity(new.quantity), price: listed.price,
      customization: try customization(new.customization), addedBy: actor.id, addedByName: actor.name,
      addedAt: moment.now)
    try bindToMenu(&item)
    try requireRoom(for: item)
    return [.itemAdded(item, index: order.items.count)]
  }

  func removeItem(_ id: String) throws(OrderRejection) -> [OrderEvent] {
    try requireUnlocked()
    try requireMayChange(try item(id))
    return [.itemRemoved(id: id)]
  }

  func updateQuantity(of id: String, to number: DecimalNumber) throws(OrderRejection) -> [OrderEvent] {
    try requireUnlocked()
    let before = try item(id)
    try requireMayChange(before)
    let quantity = try requireQuantity(number, in: 0...quantityRange.upperBound)
    if quantity == 0 { return [.itemRemoved(id: id)] }
    var after = before
    after.quantity = quantity
    return try change(before, to: after)
  }

  func updateItem(_ id: String, _ change: OrderCommand.ItemChange) throws(OrderRejection) -> [OrderEvent] {
    try requireUnlocked()
    let before = try item(id)
    try requireMayChange(before)
    var after = before
    if let dishName = change.dishName {
      try TextRule.name.require(dishName, "data.dishName", else: .invalidItem)
      after.dishName = dishName
    }
    if let dishType = change.dishType { after.dishType = dishType }
    if let quantity = change.quantity { after.quantity = try requireQuantity(quantity) }
    if let number = change.price { after.price = try price(number) }
    if let text = change.customization { after.customization = try customization(text) }
    if (after.dishName, after.dishType, after.price, after.customization)
      != (before.dishName, before.dishType, before.price, before.customization)
    {
      try bindToMenu(&after)
    }
    return try self.change(before, to: after)
  }

  // MARK: - Undo

  /// Takes back the actor's last change to an item.
  ///
  /// `evolve` forgets a change as soon as somebody else touches the same item, so one that is remembered can be taken
  /// back as far as the item goes. The rules of the cart hold for it as for any other change.
  func undo() throws(OrderRejection) -> [OrderEvent] {
    guard let change = order.undoable[actor.id] else { throw nothingToUndo }
    try requireUnlocked()
    switch change {
    case .added(let id):
      guard let item = order.item(id) else { throw nothingToUndo }
      try requireMayChange(item)
      return [.itemRemoved(id: id), .undone(actor.id)]
    case .removed(let item, let index):
      guard order.item(item.id) == nil else { throw nothingToUndo }
      try requireMayChange(item)
      try requireRoom(for: item)
      return [.itemAdded(item, index: min(index, order.items.count)), .undone(actor.id)]
    case .changed(let before, let after):
      guard order.item(after.id) == after else { throw nothingToUndo }
      try requireMayChange(after)
      return try self.change(after, to: before) + [.undone(actor.id)]
    }
  }

  private var nothingToUndo: OrderRejection {
    OrderRejection(.nothingToUndo, "there is no change of yours that still stands as you left it")
  }

  // MARK: - Rules

  private func item(_ id: String) throws(OrderRejection) -> OrderItem {
    guard let item = order.item(id) else {
      throw OrderRejection(.itemNotFound, "data.itemId is no item of this order")
    }
    return item
  }

  /// What a dish is and costs: as it was said, or else as the menu has it.
  private func listed(_ new: OrderCommand.NewItem) throws(OrderRejection) -> (type: DishType, price: Money) {
    let dish = binding?.dish(named: new.dishName)
    guard let type = new.dishType ?? dish?.type else {
      throw OrderRejection(.invalidItem, binding == nil ? "data.dishType is missing" : Self.unknownDish)
    }
    if let number = new.price { return (type, try price(number)) }
    guard let dish else {
      throw OrderRejection(
        binding == nil ? .invalidPrice : .invalidItem, binding == nil ? "data.price is missing" : Self.unknownDish)
    }
    return (type, dish.price(with: new.customization))
  }

  private static let unknownDish = "data.dishName is no dish of the menu"

  /// The menu that the order is held to, if any.
  private var binding: Menu? { context.menu.flatMap { $0.currency == order.currency ? $0 : nil } }

  /// Where there is a menu, a dish is called and costs what stands there.
  private func bindToMenu(_ item: inout OrderItem) throws(OrderRejection) {
    guard let menu = binding else { return }
    guard let dish = menu.dish(named: item.dishName) else {
      throw OrderRejection(.invalidItem, Self.unknownDish)
    }
    guard dish.isAvailable else {
      throw OrderRejection(.dishUnavailable, "\(dish.name) is not to be had now")
    }
    let price = dish.price(with: item.customization)
    guard item.price == price else {
      throw OrderRejection(
        .invalidPrice, "data.price must be \(order.currency.text(of: price)), which is what \(dish.name) costs")
    }
    item.dishName = dish.name
    item.dishType = dish.type
  }

  private func requireMayChange(_ item: OrderItem) throws(OrderRejection) {
    guard order.editing == .everyone || item.addedBy == actor.id || order.owner == actor.id else {
      throw OrderRejection(.notYourItem, "only the owner and the participant who added an item may change it")
    }
  }

  private func requireRoom(for item: OrderItem) throws(OrderRejection) {
    guard order.items.count < order.limits.maxItems else {
      throw OrderRejection(.limitExceeded, "the order has its \(order.limits.maxItems) items already")
    }
    try requireTotal(items: order.itemsTotal + item.total, charges: order.charges)
  }

  private func change(_ before: OrderItem, to after: OrderItem) throws(OrderRejection) -> [OrderEvent] {
    guard before != after else { return [.unchanged] }
    try requireTotal(items: order.itemsTotal - before.total + after.total, charges: order.charges)
    var requantified = before
    requantified.quantity = after.quantity
    return requantified == after
      ? [.quantityUpdated(id: after.id, quantity: after.quantity)] : [.itemUpdated(after)]
  }

  /// The total may grow up to the limit. Where it is above already, it may still shrink.
  func requireTotal(items: Money, charges: Charges) throws(OrderRejection) {
    let total = Bill(items: items, charges: charges).total
    let limit = order.limits.maxTotal.map { min($0, Bill.ceiling) } ?? Bill.ceiling
    guard total <= limit || total <= order.total else {
      throw OrderRejection(
        .limitExceeded, "the order's total may not exceed \(order.currency.text(of: limit))")
    }
  }

  private func price(_ number: DecimalNumber) throws(OrderRejection) -> Money {
    try order.currency.amount(number, "data.price", else: .invalidPrice)
  }

  /// An empty customization is none.
  private func customization(_ text: String?) throws(OrderRejection) -> String? {
    guard let text, !text.isEmpty else { return nil }
    try TextRule.note.require(text, "data.customization", else: .invalidItem)
    return text
  }

  /// Unique in the room, for the position is; unless a client chose the same words for an item of its own.
  private var mintedItemID: String {
    let base = "item_\(moment.sequence)"
    var id = base
    var attempt = 1
    while order.items.contains(where: { $0.id == id }) {
      attempt += 1
      id = "\(base)_\(attempt)"
    }
    return id
  }
}

extension CollaborativeOrder {
  func item(_ id: String) -> OrderItem? { items.first { $0.id == id } }
}
