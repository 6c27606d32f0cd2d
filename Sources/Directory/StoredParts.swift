import JSONText
import Ordering
import RoomCore
import Store

/// What has parts of its own, as it stands in a column.
enum StoredParts {
  static func text(_ body: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    body(&writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  /// An array of objects, each with the fields that `fields` writes.
  static func objects<Element>(_ elements: [Element], _ fields: (inout JSONWriter, Element) -> Void) -> String {
    text { writer in
      writer.beginArray()
      for element in elements {
        writer.beginObject()
        fields(&writer, element)
        writer.endObject()
      }
      writer.endArray()
    }
  }

  private static func read<Value>(
    _ text: String, _ body: (inout JSONReader) throws(JSONError) -> Value
  ) throws(StoreError) -> Value {
    do throws(JSONError) {
      return try JSONReader.read(Array(text.utf8), body)
    } catch {
      throw .corrupt("a stored column is not what it must be: \(error.reason) at \(error.offset)")
    }
  }

  static func array<Element>(
    _ text: String, _ element: (inout JSONReader) throws(JSONError) -> Element
  ) throws(StoreError) -> [Element] {
    try read(text) { reader throws(JSONError) in
      var elements: [Element] = []
      try reader.beginArray()
      while try reader.nextElement() { elements.append(try element(&reader)) }
      return elements
    }
  }

  private static func word<Value: RawRepresentable<String>>(
    _ reader: inout JSONReader
  ) throws(JSONError) -> Value {
    let text = try reader.string()
    guard let value = Value(rawValue: text) else { throw reader.failure("\(text) is no \(Value.self)") }
    return value
  }

  // MARK: Collaborative orders

  static func text(_ order: CollaborativeOrder) -> String { text { order.write(to: &$0) } }

  static func order(_ text: String) throws(StoreError) -> CollaborativeOrder {
    try read(text) { reader throws(JSONError) in try CollaborativeOrder.read(from: &reader) }
  }

  // MARK: Addresses

  static func text(_ addresses: [SavedAddress]) -> String {
    objects(addresses) { writer, saved in
      writer.field("label", saved.label.rawValue)
      writer.field("isDefault", saved.isDefault)
      for (name, value) in saved.address.parts { writer.field(name, value) }
    }
  }

  static func addresses(_ text: String) throws(StoreError) -> [SavedAddress] {
    try array(text) { reader throws(JSONError) in
      var saved = SavedAddress(label: .other, address: Address())
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "label": saved.label = try word(&reader)
        case "isDefault": saved.isDefault = try reader.bool()
        case "street": saved.address.street = try reader.string()
        case "apartment": saved.address.apartment = try reader.string()
        case "city": saved.address.city = try reader.string()
        case "state": saved.address.state = try reader.string()
        case "pincode": saved.address.pincode = try reader.string()
        case "landmark": saved.address.landmark = try reader.string()
        default: try reader.skip()
        }
      }
      return saved
    }
  }

  // MARK: Orders

  /// `INR/2`.
  static func text(_ currency: Currency) -> String { "\(currency.code)/\(currency.minorDigits)" }

  static func currency(_ text: String) throws(StoreError) -> Currency {
    let parts = text.split(separator: "/")
    guard parts.count == 2, let digits = Int(parts[1]), (0...4).contains(digits) else {
      throw .corrupt("\(text) is no currency")
    }
    return Currency(code: String(parts[0]), minorDigits: digits)
  }

  static func text(_ items: [PlacedOrder.Item]) -> String {
    objects(items) { writer, item in
      writer.field("dishName", item.dishName)
      writer.field("dishType", item.dishType?.rawValue)
      writer.field("quantity", item.quantity)
      writer.field("price", item.price.minorUnits)
      writer.field("customization", item.customization)
      writer.field("addedBy", item.addedBy)
    }
  }

  static func items(_ text: String) throws(StoreError) -> [PlacedOrder.Item] {
    try array(text) { reader throws(JSONError) in
      var item = PlacedOrder.Item(dishName: "", quantity: 1, price: .zero)
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "dishName": item.dishName = try reader.string()
        case "dishType": item.dishType = try word(&reader)
        case "quantity": item.quantity = Int(try reader.integer())
        case "price": item.price = Money(minorUnits: try reader.integer())
        case "customization": item.customization = try reader.string()
        case "addedBy": item.addedBy = try reader.string()
        default: try reader.skip()
        }
      }
      return item
    }
  }

  static func text(_ timeline: [PlacedOrder.Moment]) -> String {
    objects(timeline) { writer, moment in
      writer.field("status", moment.status.rawValue)
      writer.field("at", moment.at.millis)
    }
  }

  static func timeline(_ text: String) throws(StoreError) -> [PlacedOrder.Moment] {
    try array(text) { reader throws(JSONError) in
      var (status, at) = (PlacedOrder.Status.pending, Timestamp(millis: 0))
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "status": status = try word(&reader)
        case "at": at = Timestamp(millis: try reader.integer())
        default: try reader.skip()
        }
      }
      return PlacedOrder.Moment(status: status, at: at)
    }
  }

  // MARK: Menus

  static func text(_ dishes: [Menu.Dish]) -> String {
    objects(dishes) { writer, dish in
      writer.field("id", dish.id)
      writer.field("name", dish.name)
      writer.field("type", dish.type.rawValue)
      writer.field("price", dish.price.minorUnits)
      writer.key("options")
      writer.beginArray()
      for option in dish.options {
        writer.beginObject()
        writer.field("name", option.name)
        writer.field("price", option.price.minorUnits)
        writer.endObject()
      }
      writer.endArray()
      writer.field("isAvailable", dish.isAvailable)
    }
  }

  static func dishes(_ text: String) throws(StoreError) -> [Menu.Dish] {
    try array(text) { reader throws(JSONError) in
      var dish = Menu.Dish(id: "", name: "", type: .veg, price: .zero)
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "id": dish.id = try reader.string()
        case "name": dish.name = try reader.string()
        case "type": dish.type = try word(&reader)
        case "price": dish.price = Money(minorUnits: try reader.integer())
        case "options":
          try reader.beginArray()
          while try reader.nextElement() { dish.options.append(try option(&reader)) }
        case "isAvailable": dish.isAvailable = try reader.bool()
        default: try reader.skip()
        }
      }
      return dish
    }
  }

  private static func option(_ reader: inout JSONReader) throws(JSONError) -> Menu.Option {
    var option = Menu.Option(name: "", price: .zero)
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "name": option.name = try reader.string()
      case "price": option.price = Money(minorUnits: try reader.integer())
      default: try reader.skip()
      }
    }
    return option
  }
}
