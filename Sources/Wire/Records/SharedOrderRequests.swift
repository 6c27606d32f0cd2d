import JSONText
public import Ordering
import RoomCore

/// `{phone, orderType?}`: who starts an order.
public struct StartRequest: Equatable, Sendable {
  public let phone: String
  public let kind: PlacedOrder.Kind

  public init(_ body: [UInt8]) throws(WireError) {
    self = try readObject(body) { reader throws(WireError) in
      var phone = Field<PhoneText>("phone")
      var kind = Field<PlacedOrder.Kind>("orderType")
      while let key = try reader.nextField() {
        switch key {
        case phone: try phone.read(from: &reader)
        case kind: try kind.read(from: &reader)
        default: try reader.skipValue()
        }
      }
      return StartRequest(phone: try phone.required().text, kind: kind.value ?? .dineIn)
    }
  }

  private init(phone: String, kind: PlacedOrder.Kind) {
    self.phone = phone
    self.kind = kind
  }
}

/// `{phone, dishName, quantity?, dishType?, price?, customization?, id?}`: a dish, and who wants it.
public struct DishRequest: Equatable, Sendable {
  public let phone: String
  public let item: OrderCommand.NewItem

  public init(_ body: [UInt8]) throws(WireError) {
    self = try readObject(body) { reader throws(WireError) in try DishRequest(from: &reader) }
  }

  private init(from reader: inout JSONReader) throws(WireError) {
    var phone = Field<PhoneText>("phone")
    var id = Field<String>("id", .invalidItem)
    var dishName = Field<String>("dishName", .invalidItem)
    var dishType = Field<DishType>("dishType", .invalidItem)
    var quantity = Field<DecimalNumber>("quantity", .invalidQuantity)
    var price = Field<DecimalNumber>("price", .invalidPrice)
    var customization = Field<String>("customization", .invalidItem)
    while let key = try reader.nextField() {
      switch key {
      case phone: try phone.read(from: &reader)
      case id: try id.read(from: &reader)
      case dishName: try dishName.read(from: &reader)
      case dishType: try dishType.read(from: &reader)
      case quantity: try quantity.read(from: &reader)
      case price: try price.read(from: &reader)
      case customization: try customization.read(from: &reader)
      default: try reader.skipValue()
      }
    }
    self.phone = try phone.required().text
    item = OrderCommand.NewItem(
      id: id.value, dishName: try dishName.required(), dishType: dishType.value, quantity: quantity.value ?? 1,
      price: price.value, customization: customization.value)
  }
}

/// What a member does in a collaborative order, as over a WebSocket, but with a phone number in the place of the
/// participant's id.
public struct MemberOperation: Equatable, Sendable {
  public let phone: String
  public let command: OrderCommand

  /// `{phone, type, data}`: any message that changes the order.
  public init(_ body: [UInt8]) throws(WireError) {
    self = try readObject(body) { reader throws(WireError) in
      var phone = Field<PhoneText>("phone")
      var type = Field<MessageType>("type", .unknownType)
      var data = Field<JSONReader>("data")
      while let key = try reader.nextField() {
        switch key {
        case phone: try phone.read(from: &reader)
        case type: try type.read(from: &reader)
        case data:
          try data.note()
          data.value = reader
          try reader.skipValue()
        default: try reader.skipValue()
        }
      }
      let message = try type.required()
      let said = if var data = data.value { try message.body(from: &data) } else { try message.bodyWithoutData() }
      return try MemberOperation(phone, said)
    }
  }

  /// The message's data beside `phone`.
  ///
  /// - Parameter type: a message's that clients send.
  public init(_ body: [UInt8], as type: String) throws(WireError) {
    guard let message = MessageType(rawValue: type) else { preconditionFailure("\(type) is no message's type") }
    self = try readObject(body) { reader throws(WireError) in
      var fields = reader
      var phone = Field<PhoneText>("phone")
      while let key = try reader.nextField() {
        switch key {
        case phone: try phone.read(from: &reader)
        default: try reader.skipValue()
        }
      }
      return try MemberOperation(phone, try message.fields(from: &fields))
    }
  }

  private init(_ phone: Field<PhoneText>, _ said: ClientMessage.Body) throws(WireError) {
    self.phone = try phone.required().text
    guard case .operation(let command) = said else {
      throw WireError(.unknownType, "type must be that of a message that changes the order")
    }
    if case .join = command {
      throw WireError(.unknownType, "type must not be join: who is to take part is made a participant")
    }
    self.command = command
  }
}
