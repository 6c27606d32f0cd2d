public import RoomCore

/// What a tenant's kitchen cooks, and for how much.
public struct Menu: Equatable, Sendable {
  public struct Dish: Equatable, Sendable {
    public var id: String
    public var name: String
    public var type: DishType
    public var price: Money
    public var options: [Option]
    public var isAvailable: Bool

    public init(
      id: String, name: String, type: DishType, price: Money, options: [Option] = [], isAvailable: Bool = true
    ) {
      self.id = id
      self.name = name
      self.type = type
      self.price = price
      self.options = options
      self.isAvailable = isAvailable
    }
  }

  /// Something that a dish can be had with, for so much more.
  public struct Option: Equatable, Sendable {
    public var name: String
    public var price: Money

    public init(name: String, price: Money) {
      self.name = name
      self.price = price
    }
  }

  public static let maxDishes = 2000
  public static let maxOptions = 50

  public let tenant: String
  public let currency: Currency
  /// In the order in which they are shown.
  public let dishes: [Dish]
  public let updatedAt: Timestamp
  /// Counts the changes, from 1.
  public let version: Int64
  /// Where each dish stands, by its name in small letters.
  private let places: [String: Int]

  public init(tenant: String, currency: Currency, dishes: [Dish], updatedAt: Timestamp, version: Int64) {
    self.tenant = tenant
    self.currency = currency
    self.dishes = dishes
    self.updatedAt = updatedAt
    self.version = version
    places = Dictionary(
      dishes.enumerated().map { ($0.element.name.lowercased(), $0.offset) }, uniquingKeysWith: { first, _ in first })
  }

  /// The dish of this name, however it is capitalized.
  public func dish(named name: String) -> Dish? { places[name.lowercased()].map { dishes[$0] } }

  /// - Throws: if two dishes cannot be told apart, or one is not what it must be.
  public func check() throws(RecordRejection) {
    guard dishes.count <= Self.maxDishes else {
      throw RecordRejection(.limitExceeded, "a menu has at most \(Self.maxDishes) dishes")
    }
    var (ids, names): (Set<String>, Set<String>) = ([], [])
    for (index, dish) in dishes.enumerated() {
      let field = "dishes[\(index)]"
      try dish.check(field, currency)
      guard ids.insert(dish.id).inserted else {
        throw RecordRejection(.invalidField, "\(field).id is another dish's as well")
      }
      guard names.insert(dish.name.lowercased()).inserted else {
        throw RecordRejection(.invalidField, "\(field).name is another dish's as well")
      }
    }
  }
}

extension Menu.Dish {
  /// What it costs with the options that a customization names: `extra raita, less spicy` costs what extra raita costs
  /// more, if the dish can be had with it.
  public func price(with customization: String?) -> Money {
    let wishes = Set((customization ?? "").split(separator: ",").map { $0.trimmed.lowercased() })
    return options.filter { wishes.contains($0.name.lowercased()) }.reduce(price) { $0 + $1.price }
  }

  fileprivate func check(_ field: String, _ currency: Currency) throws(RecordRejection) {
    try TextRule.identifier.require(id, "\(field).id")
    try TextRule.name.require(name, "\(field).name")
    try currency.require(price, "\(field).price")
    guard options.count <= Menu.maxOptions else {
      throw RecordRejection(.limitExceeded, "\(field) has at most \(Menu.maxOptions) options")
    }
    for (index, option) in options.enumerated() {
      try TextRule.name.require(option.name, "\(field).options[\(index)].name")
      guard !option.name.contains(",") else {
        throw RecordRejection(.invalidField, "\(field).options[\(index)].name must not have a comma")
      }
      try currency.require(option.price, "\(field).options[\(index)].price")
    }
  }
}

extension Substring {
  fileprivate var trimmed: Substring {
    let start = drop { $0.isWhitespace }
    guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return start[...last]
  }
}

extension Currency {
  /// The bounds of a price.
  func require(_ price: Money, _ field: String) throws(RecordRejection) {
    guard (0...maxAmount.minorUnits).contains(price.minorUnits) else {
      throw RecordRejection(.invalidField, "\(field) must be from 0 to \(text(of: maxAmount))")
    }
  }
}
