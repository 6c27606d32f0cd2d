import Directory
import JSONText
package import Ordering
package import Wire

extension CollaborativeOrders {
  /// A dish as the room takes it. What was not said of it is taken from the tenant's menu; the room looks whether the rest
  /// is right.
  ///
  /// - Throws: `invalid_item`, `invalid_price` if the tenant has no menu and something is missing.
  package func item(_ wish: DishWish, _ tenant: String) async throws -> OrderCommand.NewItem {
    var dish: Menu.Dish?
    var currency: Currency?
    if wish.dishType == nil || wish.price == nil {
      // Without one all has to be said.
      if let menu = try await directory.menuIfAny(tenant) {
        (dish, currency) = (menu.dish(named: wish.dishName), menu.currency)
      }
      if currency != nil, dish == nil { throw OrderRejection(.invalidItem, "dishName is no dish of the menu") }
    }
    guard let type = wish.dishType ?? dish?.type else { throw OrderRejection(.invalidItem, "dishType is missing") }
    let listed = dish.map { dish in
      DecimalNumber(
        significand: dish.price(with: wish.customization).minorUnits, exponent: -(currency?.minorDigits ?? 0))
    }
    guard let price = wish.price ?? listed else { throw OrderRejection(.invalidPrice, "price is missing") }
    return OrderCommand.NewItem(
      id: wish.id, dishName: wish.dishName, dishType: type, quantity: wish.quantity, price: price,
      customization: wish.customization)
  }
}
