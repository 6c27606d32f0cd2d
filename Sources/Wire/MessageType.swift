import JSONText
import Ordering
import RoomCore

/// The `type` of a client's message, which says what its `data` must hold.
enum MessageType: String, CaseIterable, FieldValue {
  case join
  case leave
  case addItem = "add_item"
  case removeItem = "remove_item"
  case updateQuantity = "update_quantity"
  case updateItem = "update_item"
  case updateSplit = "update_split"
  case finalize
  case lock
  case unlock
  case cancel
  case ready
  case removeParticipant = "remove_participant"
  case transferOwnership = "transfer_ownership"
  case setDeadline = "set_deadline"
  case setLimits = "set_limits"
  case setCharges = "set_charges"
  case undo
  case speaking

  /// The error that a `data` of the wrong kind, or none, is.
  private var code: WireError.Code {
    switch self {
    case .join: .invalidJoin
    case .addItem, .removeItem, .updateItem: .invalidItem
    case .updateQuantity: .invalidQuantity
    case .updateSplit: .invalidSplit
    case .setDeadline: .invalidDeadline
    case .setLimits: .invalidLimit
    case .setCharges: .invalidCharge
    case .leave, .finalize, .lock, .unlock, .cancel, .ready, .removeParticipant, .transferOwnership, .undo,
      .speaking:
      .invalidMessage
    }
  }

  /// What a message without `data` asks for.
  func bodyWithoutData() throws(WireError) -> ClientMessage.Body {
    switch self {
    case .join: .operation(.join(OrderCommand.Join(name: "")))
    case .leave: .operation(.leave(removeItems: false))
    case .finalize: .operation(.finalize())
    case .lock: .operation(.lock)
    case .unlock: .operation(.unlock)
    case .cancel: .operation(.cancel)
    case .undo: .operation(.undo)
    case .ready: .operation(.ready(true))
    case .speaking: .speaking(true)
    case .addItem, .removeItem, .updateQuantity, .updateItem, .updateSplit, .removeParticipant,
      .transferOwnership, .setDeadline, .setLimits, .setCharges:
      throw WireError(code, "data is missing")
    }
  }

  /// Reads the value of `data`.
  func body(from reader: inout JSONReader) throws(WireError) -> ClientMessage.Body {
    switch self {
    case .lock, .unlock, .cancel, .undo:
      try reader.skipValue()
      return try bodyWithoutData()
    // Clients have always sent what they liked.
    case .finalize where try !reader.isAtObject():
      try reader.skipValue()
      return try bodyWithoutData()
    default: break
    }
    switch try reader.kind() {
    case .object: try reader.enterObject()
    case .null:
      try reader.skipValue()
      return try bodyWithoutData()
    default: throw WireError(code, "data must be an object")
    }
    do throws(WireError) { return try fields(from: &reader) } catch { throw error.inside("data") }
  }

  // MARK: - Inside data

  func fields(from reader: inout JSONReader) throws(WireError) -> ClientMessage.Body {
    switch self {
    case .join: .operation(try join(&reader))
    case .leave: .operation(.leave(removeItems: try only("removeItems", in: &reader).value ?? false))
    case .addItem: .operation(try ItemFields.newItem(from: &reader))
    case .removeItem: .operation(.removeItem(id: try only("itemId", in: &reader).required()))
    case .updateQuantity: .operation(try ItemFields.newQuantity(from: &reader))
    case .updateItem: .operation(try ItemFields.change(from: &reader))
    case .updateSplit: .operation(.updateSplit(try SplitFields.read(from: &reader).request()))
    case .ready: .operation(.ready(try only("ready", in: &reader).value ?? true))
    case .speaking: .speaking(try only("speaking", in: &reader).value ?? true)
    case .removeParticipant: .operation(try removeParticipant(&reader))
    case .transferOwnership: .operation(.transferOwnership(to: try only("participantId", in: &reader).required()))
    case .setDeadline: .operation(try setDeadline(&reader))
    case .setLimits: .operation(try setLimits(&reader))
    case .setCharges: .operation(try setCharges(&reader))
    case .finalize: .operation(.finalize(try only("orders", in: &reader).value ?? .group))
    case .lock, .unlock, .cancel, .undo: try bodyWithoutData()
    }
  }

  /// The one field that counts.
  private func only<Value: FieldValue>(
    _ name: StaticString, in reader: inout JSONReader
  ) throws(WireError) -> Field<Value> {
    var field = Field<Value>(name, code)
    while let key = try reader.nextField() {
      switch key {
      case field: try field.read(from: &reader)
      default: try reader.skipValue()
      }
    }
    return field
  }

  private func join(_ reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var tenant = Field<String>("tenantId", code)
    var circle = Field<String>("circleId", code)
    var phone = Field<PhoneText>("phone", code)
    while let key = try reader.nextField() {
      switch key {
      case tenant: try tenant.read(from: &reader)
      case circle: try circle.read(from: &reader)
      case phone: try phone.read(from: &reader)
      default: try reader.skipValue()
      }
    }
    return .join(
      OrderCommand.Join(name: "", tenant: tenant.value, circle: circle.value, phone: phone.value?.text))
  }

  private func removeParticipant(_ reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var participant = Field<ParticipantID>("participantId", code)
    var removeItems = Field<Bool>("removeItems", code)
    while let key = try reader.nextField() {
      switch key {
      case participant: try participant.read(from: &reader)
      case removeItems: try removeItems.read(from: &reader)
      default: try reader.skipValue()
      }
    }
    return .removeParticipant(try participant.required(), removeItems: removeItems.value ?? false)
  }

  /// Here null has a meaning of its own, so that the field must be given.
  private func setDeadline(_ reader: inout JSONReader) throws(WireError) -> OrderCommand {
    let deadline: Field<Int64> = try only("deadline", in: &reader)
    guard deadline.isGiven else { throw deadline.failure("must be milliseconds since 1970, or null for none") }
    return .setDeadline(deadline.value.map { Timestamp(millis: $0) })
  }

  private func setLimits(_ reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var maxItems = Field<Int64>("maxItems", code)
    var maxParticipants = Field<Int64>("maxParticipants", code)
    var maxTotal = Field<DecimalNumber>("maxTotal", code)
    var editing = Field<EditingRule>("editing", code)
    while let key = try reader.nextField() {
      switch key {
      case maxItems: try maxItems.read(from: &reader)
      case maxParticipants: try maxParticipants.read(from: &reader)
      case maxTotal: try maxTotal.read(from: &reader)
      case editing: try editing.read(from: &reader)
      default: try reader.skipValue()
      }
    }
    return .setLimits(
      OrderCommand.LimitsRequest(
        maxItems: maxItems.value.map { Int($0) }, maxParticipants: maxParticipants.value.map { Int($0) },
        maxTotal: maxTotal.value, editing: editing.value))
  }

  private func setCharges(_ reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var tax = Field<OrderCommand.ChargesRequest.Charge>("tax", code)
    var delivery = Field<OrderCommand.ChargesRequest.Charge>("delivery", code)
    var tip = Field<OrderCommand.ChargesRequest.Charge>("tip", code)
    var discount = Field<OrderCommand.ChargesRequest.Charge>("discount", code)
    while let key = try reader.nextField() {
      switch key {
      case tax: try tax.read(from: &reader)
      case delivery: try delivery.read(from: &reader)
      case tip: try tip.read(from: &reader)
      case discount: try discount.read(from: &reader)
      default: try reader.skipValue()
      }
    }
    return .setCharges(
      OrderCommand.ChargesRequest(
        tax: tax.value, delivery: delivery.value, tip: tip.value, discount: discount.value))
  }
}

/// A phone number. What it looks like is the tenant's to say; here it only must not have been a number.
struct PhoneText: FieldValue {
  static let rule = "a string, in quotes: a number would lose zeros"
  let text: String

  static func read(_ kind: JSONReader.Kind, from reader: inout JSONReader) throws(WireError) -> PhoneText? {
    try String.read(kind, from: &reader).map { PhoneText(text: $0) }
  }
}

extension OrderCommand.ChargesRequest.Charge: FieldValue {
  static var rule: String { "a number or {amount, allocation}" }

  static func read(_ kind: JSONReader.Kind, from reader: inout JSONReader) throws(WireError) -> Self? {
    if let amount = try DecimalNumber.read(kind, from: &reader) { return Self(amount: amount) }
    guard case .object = kind else { return nil }
    var amount = Field<DecimalNumber>("amount", .invalidCharge)
    var allocation = Field<Allocation>("allocation", .invalidCharge)
    try reader.enterObject()
    while let key = try reader.nextField() {
      switch key {
      case amount: try amount.read(from: &reader)
      case allocation: try allocation.read(from: &reader)
      default: try reader.skipValue()
      }
    }
    return Self(amount: try amount.required(), allocation: allocation.value)
  }
}

/// The fields of a dish, as `add_item`, `update_item` and `update_quantity` give them.
private struct ItemFields {
  private var id = Field<String>("id", .invalidItem)
  private var itemID = Field<String>("itemId", .invalidItem)
  private var dishName = Field<String>("dishName", .invalidItem)
  private var dishType = Field<DishType>("dishType", .invalidItem)
  private var quantity = Field<DecimalNumber>("quantity", .invalidQuantity)
  private var price = Field<DecimalNumber>("price", .invalidPrice)
  private var customization = Field<String>("customization", .invalidItem)

  private mutating func read(_ key: JSONKey, from reader: inout JSONReader) throws(WireError) {
    switch key {
    case dishName: try dishName.read(from: &reader)
    case dishType: try dishType.read(from: &reader)
    case quantity: try quantity.read(from: &reader)
    case price: try price.read(from: &reader)
    case customization: try customization.read(from: &reader)
    case id: try id.read(from: &reader)
    case itemID: try itemID.read(from: &reader)
    default: try reader.skipValue()
    }
  }

  private mutating func readAll(from reader: inout JSONReader) throws(WireError) {
    while let key = try reader.nextField() { try read(key, from: &reader) }
  }

  static func newItem(from reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var fields = ItemFields()
    try fields.readAll(from: &reader)
    return .addItem(
      OrderCommand.NewItem(
        id: fields.id.value, dishName: try fields.dishName.required(), dishType: try fields.dishType.required(),
        quantity: try fields.quantity.required(), price: try fields.price.required(),
        customization: fields.customization.value))
  }

  static func newQuantity(from reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var fields = ItemFields()
    try fields.readAll(from: &reader)
    return .updateQuantity(id: try fields.itemID.required(), quantity: try fields.quantity.required())
  }

  static func change(from reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var fields = ItemFields()
    try fields.readAll(from: &reader)
    return .updateItem(
      id: try fields.itemID.required(),
      OrderCommand.ItemChange(
        dishName: fields.dishName.value, dishType: fields.dishType.value, quantity: fields.quantity.value,
        price: fields.price.value,
        customization: fields.customization.value))
  }
}
