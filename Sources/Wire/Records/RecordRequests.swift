import JSONText
public import Ordering
import RoomCore

/// Bodies of requests about records: one JSON object each. Fields that nobody knows are skipped, and `null` counts as
/// absent, as everywhere. Errors name the field and the rule.
func read<Value>(
  _ body: [UInt8], _ fields: (inout JSONReader) throws(WireError) -> Value
) throws(WireError) -> Value {
  let result = body.withUnsafeBytes { text in
    Result { () throws(WireError) -> Value in
      var reader = JSONReader(borrowing: text)
      guard case .object = try reader.kind() else { throw WireError(.invalidMessage, "the body must be an object") }
      try reader.enterObject()
      let value = try fields(&reader)
      try reader.strictly { reader throws(JSONError) in try reader.finish() }
      return value
    }
  }
  return try result.get()
}

/// `{phone, name?, email?, deliveryAddress?, addressLabel?}`
public struct CustomerRequest: Equatable, Sendable {
  public let phone: String
  public let change: CustomerChange

  public init(_ body: [UInt8]) throws(WireError) {
    self = try read(body) { reader throws(WireError) in try CustomerRequest(from: &reader) }
  }

  private init(from reader: inout JSONReader) throws(WireError) {
    var phone = Field<PhoneText>("phone")
    var name = Field<String>("name")
    var email = Field<String>("email")
    var address = Field<Address>("deliveryAddress")
    var label = Field<SavedAddress.Label>("addressLabel")
    while let key = try reader.nextField() {
      switch key {
      case phone: try phone.read(from: &reader)
      case name: try name.read(from: &reader)
      case email: try email.read(from: &reader)
      case address: try address.read(from: &reader)
      case label: try label.read(from: &reader)
      default: try reader.skipValue()
      }
    }
    self.phone = try phone.required().text
    change = CustomerChange(
      name: name.value, email: email.value, deliveryAddress: address.value, addressLabel: label.value ?? .home)
  }
}

/// `{name, type, owner}`: the owner's phone number.
public struct CircleRequest: Equatable, Sendable {
  public let name: String
  public let kind: Circle.Kind
  public let owner: String

  public init(_ body: [UInt8]) throws(WireError) {
    self = try read(body) { reader throws(WireError) in try CircleRequest(from: &reader) }
  }

  private init(from reader: inout JSONReader) throws(WireError) {
    var name = Field<String>("name")
    var kind = Field<Circle.Kind>("type")
    var owner = Field<PhoneText>("owner")
    while let key = try reader.nextField() {
      switch key {
      case name: try name.read(from: &reader)
      case kind: try kind.read(from: &reader)
      case owner: try owner.read(from: &reader)
      default: try reader.skipValue()
      }
    }
    self.name = try name.required()
    self.kind = try kind.required()
    self.owner = try owner.required().text
  }
}

/// `{phone, by, name?}`: who is to be in the circle, or to own it, and who says so, by their phone numbers.
public struct MemberRequest: Equatable, Sendable {
  public let phone: String
  public let by: String
  public let name: String?

  public init(_ body: [UInt8]) throws(WireError) {
    self = try read(body) { reader throws(WireError) in try MemberRequest(from: &reader) }
  }

  private init(from reader: inout JSONReader) throws(WireError) {
    var phone = Field<PhoneText>("phone")
    var by = Field<PhoneText>("by")
    var name = Field<String>("name")
    while let key = try reader.nextField() {
      switch key {
      case phone: try phone.read(from: &reader)
      case by: try by.read(from: &reader)
      case name: try name.read(from: &reader)
      default: try reader.skipValue()
      }
    }
    self.phone = try phone.required().text
    self.by = try by.required().text
    self.name = name.value
  }
}

/// `{phone, orderType, items, sessionId?}`; an item is `{dishName, quantity, price, dishType?, customization?, addedBy?}`,
/// its price in major units.
public struct OrderRequest: Equatable, Sendable {
  public let phone: String
  public let kind: PlacedOrder.Kind
  public let items: [PlacedOrder.Item]
  public let session: String?

  public init(_ body: [UInt8], currency: Currency) throws(WireError) {
    self = try read(body) { reader throws(WireError) in try OrderRequest(from: &reader, currency) }
  }

  private init(from reader: inout JSONReader, _ currency: Currency) throws(WireError) {
    var phone = Field<PhoneText>("phone")
    var kind = Field<PlacedOrder.Kind>("orderType")
    var items = Field<List<ItemFields>>("items")
    var session = Field<String>("sessionId")
    while let key = try reader.nextField() {
      switch key {
      case phone: try phone.read(from: &reader)
      case kind: try kind.read(from: &reader)
      case items: try items.read(from: &reader)
      case session: try session.read(from: &reader)
      default: try reader.skipValue()
      }
    }
    self.phone = try phone.required().text
    self.kind = try kind.required()
    self.session = session.value
    self.items = try items.required().items(in: currency)
  }
}

/// `{status}`
public struct StatusRequest: Equatable, Sendable {
  public let status: PlacedOrder.Status

  public init(_ body: [UInt8]) throws(WireError) {
    self = try read(body) { reader throws(WireError) in
      var status = Field<PlacedOrder.Status>("status")
      while let key = try reader.nextField() {
        switch key {
        case status: try status.read(from: &reader)
        default: try reader.skipValue()
        }
      }
      return StatusRequest(status: try status.required())
    }
  }

  private init(status: PlacedOrder.Status) { self.status = status }
}

/// `{dishes}`; a dish is `{id, name, type, price, options?, available?}`, an option `{name, price}`, prices in major units.
public struct MenuRequest: Equatable, Sendable {
  public let dishes: [Menu.Dish]

  public init(_ body: [UInt8], currency: Currency) throws(WireError) {
    self = try read(body) { reader throws(WireError) in
      var dishes = Field<List<DishFields>>("dishes")
      while let key = try reader.nextField() {
        switch key {
        case dishes: try dishes.read(from: &reader)
        default: try reader.skipValue()
        }
      }
      let read = try dishes.required()
      do throws(WireError) {
        var found: [Menu.Dish] = []
        for fields in read.elements { found.append(try fields.dish(in: currency)) }
        return MenuRequest(dishes: found)
      } catch {
        throw error.inside("dishes")
      }
    }
  }

  private init(dishes: [Menu.Dish]) { self.dishes = dishes }
}

// MARK: - Parts

/// What is read from an object, and checked when it is known what it is for.
private protocol ObjectFields {
  static var most: Int { get }
  init(from reader: inout JSONReader) throws(WireError)
}

/// An array of objects. More than there may be are not read.
private struct List<Element: ObjectFields>: FieldValue {
  let elements: [Element]

  static var rule: String { "an array of at most \(Element.most) objects" }

  static func read(_ kind: JSONReader.Kind, from reader: inout JSONReader) throws(WireError) -> List? {
    guard case .array = kind else { return nil }
    var elements: [Element] = []
    try reader.strictly { reader throws(JSONError) in try reader.beginArray() }
    while try reader.strictly({ reader throws(JSONError) in try reader.nextElement() }) {
      guard elements.count < Element.most, case .object = try reader.kind() else { return nil }
      try reader.enterObject()
      elements.append(try Element(from: &reader))
    }
    return List(elements: elements)
  }
}

extension Field<DecimalNumber> {
  /// An amount in major units, exactly.
  fileprivate func money(in currency: Currency) throws(WireError) -> Money {
    guard let units = try required().scaled(byDigits: currency.minorDigits) else {
      throw failure("must be an amount with at most \(currency.minorDigits) decimals")
    }
    return Money(minorUnits: units)
  }
}

private struct DishFields: ObjectFields {
  static var most: Int { Menu.maxDishes }
  private var id = Field<String>("id")
  private var name = Field<String>("name")
  private var type = Field<DishType>("type")
  private var price = Field<DecimalNumber>("price", .invalidPrice)
  private var options = Field<List<OptionFields>>("options")
  private var isAvailable = Field<Bool>("available")

  init(from reader: inout JSONReader) throws(WireError) {
    while let key = try reader.nextField() {
      switch key {
      case id: try id.read(from: &reader)
      case name: try name.read(from: &reader)
      case type: try type.read(from: &reader)
      case price: try price.read(from: &reader)
      case options: try options.read(from: &reader)
      case isAvailable: try isAvailable.read(from: &reader)
      default: try reader.skipValue()
      }
    }
  }

  func dish(in currency: Currency) throws(WireError) -> Menu.Dish {
    var found: [Menu.Option] = []
    for fields in options.value?.elements ?? [] {
      do throws(WireError) { found.append(try fields.option(in: currency)) } catch { throw error.inside("options") }
    }
    return Menu.Dish(
      id: try id.required(), name: try name.required(), type: try type.required(), price: try price.money(in: currency),
      options: found, isAvailable: isAvailable.value ?? true)
  }
}

private struct OptionFields: ObjectFields {
  static var most: Int { Menu.maxOptions }
  private var name = Field<String>("name")
  private var price = Field<DecimalNumber>("price", .invalidPrice)

  init(from reader: inout JSONReader) throws(WireError) {
    while let key = try reader.nextField() {
      switch key {
      case name: try name.read(from: &reader)
      case price: try price.read(from: &reader)
      default: try reader.skipValue()
      }
    }
  }

  func option(in currency: Currency) throws(WireError) -> Menu.Option {
    Menu.Option(name: try name.required(), price: try price.money(in: currency))
  }
}

extension SavedAddress.Label: FieldValue {}
extension Circle.Kind: FieldValue {}
extension PlacedOrder.Kind: FieldValue {}
extension PlacedOrder.Status: FieldValue {}

extension Address: FieldValue {
  static var rule: String { "an object" }

  static func read(_ kind: JSONReader.Kind, from reader: inout JSONReader) throws(WireError) -> Address? {
    guard case .object = kind else { return nil }
    var street = Field<String>("street")
    var apartment = Field<String>("apartment")
    var city = Field<String>("city")
    var state = Field<String>("state")
    var pincode = Field<String>("pincode")
    var landmark = Field<String>("landmark")
    try reader.enterObject()
    while let key = try reader.nextField() {
      switch key {
      case street: try street.read(from: &reader)
      case apartment: try apartment.read(from: &reader)
      case city: try city.read(from: &reader)
      case state: try state.read(from: &reader)
      case pincode: try pincode.read(from: &reader)
      case landmark: try landmark.read(from: &reader)
      default: try reader.skipValue()
      }
    }
    return Address(
      street: street.value, apartment: apartment.value, city: city.value, state: state.value, pincode: pincode.value,
      landmark: landmark.value)
  }
}

/// An item whose price waits for a currency.
private struct ItemFields: ObjectFields {
  static var most: Int { PlacedOrder.maxItems }
  private var dishName = Field<String>("dishName", .invalidItem)
  private var dishType = Field<DishType>("dishType", .invalidItem)
  private var quantity = Field<Int64>("quantity", .invalidQuantity)
  private var price = Field<DecimalNumber>("price", .invalidPrice)
  private var customization = Field<String>("customization", .invalidItem)
  private var addedBy = Field<String>("addedBy", .invalidItem)

  init(from reader: inout JSONReader) throws(WireError) {
    while let key = try reader.nextField() {
      switch key {
      case dishName: try dishName.read(from: &reader)
      case dishType: try dishType.read(from: &reader)
      case quantity: try quantity.read(from: &reader)
      case price: try price.read(from: &reader)
      case customization: try customization.read(from: &reader)
      case addedBy: try addedBy.read(from: &reader)
      default: try reader.skipValue()
      }
    }
  }

  func item(in currency: Currency) throws(WireError) -> PlacedOrder.Item {
    guard let count = Int(exactly: try quantity.required()) else { throw quantity.failure("is too large") }
    return PlacedOrder.Item(
      dishName: try dishName.required(), dishType: dishType.value, quantity: count,
      price: try price.money(in: currency), customization: customization.value, addedBy: addedBy.value)
  }
}

extension List<ItemFields> {
  fileprivate func items(in currency: Currency) throws(WireError) -> [PlacedOrder.Item] {
    var items: [PlacedOrder.Item] = []
    for element in elements {
      do throws(WireError) { items.append(try element.item(in: currency)) } catch { throw error.inside("items") }
    }
    return items
  }
}
