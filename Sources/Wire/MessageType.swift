import JSONText
import Ordering
import RoomCore

/// The `type` of a client's message, which says what its `data` must hold.
enum MessageType: String, CaseIterable {
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

  /// Compares with literals, so that no string is made for the type of each message.
  init?(_ word: JSONKey) {
    switch word {
    case "add_item": self = .addItem
    case "update_quantity": self = .updateQuantity
    case "remove_item": self = .removeItem
    case "join": self = .join
    case "leave": self = .leave
    case "update_item": self = .updateItem
    case "update_split": self = .updateSplit
    case "finalize": self = .finalize
    case "lock": self = .lock
    case "unlock": self = .unlock
    case "cancel": self = .cancel
    case "ready": self = .ready
    case "remove_participant": self = .removeParticipant
    case "transfer_ownership": self = .transferOwnership
    case "set_deadline": self = .setDeadline
    case "set_limits": self = .setLimits
    case "set_charges": self = .setCharges
    case "undo": self = .undo
    case "speaking": self = .speaking
    default: return nil
    }
  }

  static var all: String { allCases.map(\.rawValue).joined(separator: ", ") }

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
    case .finalize: .operation(.finalize)
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
    case .finalize, .lock, .unlock, .cancel, .undo:
      try reader.skipValue()
      return try bodyWithoutData()
    default:
      guard try reader.enterObject("data", code) else { return try bodyWithoutData() }
    }
    return switch self {
    case .join: .operation(try join(&reader))
    case .leave: .operation(.leave(removeItems: try onlyFlag("removeItems", "data.removeItems", &reader) ?? false))
    case .addItem: .operation(try addItem(&reader))
    case .removeItem: .operation(.removeItem(id: try onlyItemID(&reader)))
    case .updateQuantity: .operation(try updateQuantity(&reader))
    case .updateItem: .operation(try updateItem(&reader))
    case .updateSplit: .operation(.updateSplit(try SplitFields.read(from: &reader)))
    case .ready: .operation(.ready(try onlyFlag("ready", "data.ready", &reader) ?? true))
    case .speaking: .speaking(try onlyFlag("speaking", "data.speaking", &reader) ?? true)
    case .removeParticipant: .operation(try removeParticipant(&reader))
    case .transferOwnership: .operation(try transferOwnership(&reader))
    case .setDeadline: .operation(try setDeadline(&reader))
    case .setLimits: .operation(try setLimits(&reader))
    case .setCharges: .operation(try setCharges(&reader))
    case .finalize, .lock, .unlock, .cancel, .undo: try bodyWithoutData()
    }
  }

  // MARK: - Inside data

  private func join(_ reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var join = OrderCommand.Join(name: "")
    var seen = SeenKeys()
    while let key = try reader.nextField() {
      switch key {
      case "tenantId":
        try seen.note(0, "data.tenantId", code)
        join.tenant = try reader.text("data.tenantId", code)
      case "circleId":
        try seen.note(1, "data.circleId", code)
        join.circle = try reader.text("data.circleId", code)
      case "phone":
        try seen.note(2, "data.phone", code)
        join.phone = try reader.text(
          "data.phone", code, "a string of ten digits, in quotes: a number would lose zeros")
      default: try reader.skipValue()
      }
    }
    return .join(join)
  }

  private func addItem(_ reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var fields = ItemFields()
    while let key = try reader.nextField() { try fields.read(key, from: &reader) }
    guard let dishName = fields.dishName else { throw WireError(code, "data.dishName is missing") }
    guard let dishType = fields.dishType else { throw WireError(code, "data.dishType is missing") }
    guard let quantity = fields.quantity else { throw WireError(.invalidQuantity, "data.quantity is missing") }
    guard let price = fields.price else { throw WireError(.invalidPrice, "data.price is missing") }
    return .addItem(
      OrderCommand.NewItem(
        id: fields.id, dishName: dishName, dishType: dishType, quantity: quantity, price: price,
        customization: fields.customization))
  }

  private func updateItem(_ reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var fields = ItemFields()
    while let key = try reader.nextField() { try fields.read(key, from: &reader) }
    guard let id = fields.itemID else { throw WireError(code, "data.itemId is missing") }
    return .updateItem(
      id: id,
      OrderCommand.ItemChange(
        dishName: fields.dishName, dishType: fields.dishType, quantity: fields.quantity, price: fields.price,
        customization: fields.customization))
  }

  private func updateQuantity(_ reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var fields = ItemFields()
    while let key = try reader.nextField() { try fields.read(key, from: &reader) }
    guard let id = fields.itemID else { throw WireError(.invalidItem, "data.itemId is missing") }
    guard let quantity = fields.quantity else { throw WireError(code, "data.quantity is missing") }
    return .updateQuantity(id: id, quantity: quantity)
  }

  private func onlyItemID(_ reader: inout JSONReader) throws(WireError) -> String {
    var id: String?
    var seen = SeenKeys()
    while let key = try reader.nextField() {
      switch key {
      case "itemId":
        try seen.note(0, "data.itemId", code)
        id = try reader.text("data.itemId", code)
      default: try reader.skipValue()
      }
    }
    guard let id else { throw WireError(code, "data.itemId is missing") }
    return id
  }

  private func onlyFlag(
    _ key: StaticString, _ field: StaticString, _ reader: inout JSONReader
  ) throws(WireError) -> Bool? {
    var flag: Bool?
    var seen = SeenKeys()
    while let found = try reader.nextField() {
      if key ~= found {
        try seen.note(0, field, code)
        flag = try reader.flag(field, code)
      } else {
        try reader.skipValue()
      }
    }
    return flag
  }

  private func removeParticipant(_ reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var participant: ParticipantID?
    var removeItems = false
    var seen = SeenKeys()
    while let key = try reader.nextField() {
      switch key {
      case "participantId":
        try seen.note(0, "data.participantId", code)
        participant = try reader.participantID("data.participantId", code)
      case "removeItems":
        try seen.note(1, "data.removeItems", code)
        removeItems = try reader.flag("data.removeItems", code) ?? false
      default: try reader.skipValue()
      }
    }
    guard let participant else { throw WireError(code, "data.participantId is missing") }
    return .removeParticipant(participant, removeItems: removeItems)
  }

  private func transferOwnership(_ reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var participant: ParticipantID?
    var seen = SeenKeys()
    while let key = try reader.nextField() {
      switch key {
      case "participantId":
        try seen.note(0, "data.participantId", code)
        participant = try reader.participantID("data.participantId", code)
      default: try reader.skipValue()
      }
    }
    guard let participant else { throw WireError(code, "data.participantId is missing") }
    return .transferOwnership(to: participant)
  }

  /// Here null has a meaning of its own, so that the field must be given.
  private func setDeadline(_ reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var deadline: Timestamp??
    var seen = SeenKeys()
    while let key = try reader.nextField() {
      switch key {
      case "deadline":
        try seen.note(0, "data.deadline", code)
        deadline = .some(try reader.count("data.deadline", code).map { Timestamp(millis: $0) })
      default: try reader.skipValue()
      }
    }
    guard let deadline else {
      throw WireError(code, "data.deadline must be milliseconds since 1970, or null for none")
    }
    return .setDeadline(deadline)
  }

  private func setLimits(_ reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var limits = OrderCommand.LimitsRequest()
    var seen = SeenKeys()
    while let key = try reader.nextField() {
      switch key {
      case "maxItems":
        try seen.note(0, "data.maxItems", code)
        limits.maxItems = try reader.count("data.maxItems", code).map { Int($0) }
      case "maxParticipants":
        try seen.note(1, "data.maxParticipants", code)
        limits.maxParticipants = try reader.count("data.maxParticipants", code).map { Int($0) }
      case "maxTotal":
        try seen.note(2, "data.maxTotal", code)
        limits.maxTotal = try reader.number("data.maxTotal", code)
      case "editing":
        try seen.note(3, "data.editing", code)
        let rule: StaticString = "'everyone' or 'own'"
        guard let word = try reader.word("data.editing", code, rule) else { continue }
        switch word {
        case "everyone": limits.editing = .everyone
        case "own": limits.editing = .own
        default: throw WireError(code, "data.editing must be \(rule)")
        }
      default: try reader.skipValue()
      }
    }
    return .setLimits(limits)
  }

  private func setCharges(_ reader: inout JSONReader) throws(WireError) -> OrderCommand {
    var charges = OrderCommand.ChargesRequest()
    var seen = SeenKeys()
    while let key = try reader.nextField() {
      switch key {
      case "tax":
        try seen.note(0, "data.tax", code)
        charges.tax = try charge("data.tax", &reader)
      case "delivery":
        try seen.note(1, "data.delivery", code)
        charges.delivery = try charge("data.delivery", &reader)
      case "tip":
        try seen.note(2, "data.tip", code)
        charges.tip = try charge("data.tip", &reader)
      case "discount":
        try seen.note(3, "data.discount", code)
        charges.discount = try charge("data.discount", &reader)
      default: try reader.skipValue()
      }
    }
    return .setCharges(charges)
  }

  /// A number, or `{amount, allocation}`.
  private func charge(
    _ field: StaticString, _ reader: inout JSONReader
  ) throws(WireError) -> OrderCommand.ChargesRequest.Charge? {
    if try reader.kind() == .number {
      return try reader.number(field, code).map { OrderCommand.ChargesRequest.Charge(amount: $0) }
    }
    guard try reader.enterObject(field, code, "a number or {amount, allocation}") else { return nil }
    var amount: DecimalNumber?
    var allocation: Allocation?
    var seen = SeenKeys()
    while let key = try reader.nextField() {
      switch key {
      case "amount":
        try seen.note(0, "amount", code)
        amount = try reader.number("amount", code)
      case "allocation":
        try seen.note(1, "allocation", code)
        let rule: StaticString = "'proportional' or 'equal'"
        guard let word = try reader.word("allocation", code, rule) else { continue }
        switch word {
        case "proportional": allocation = .proportional
        case "equal": allocation = .equal
        default: throw WireError(code, "\(field).allocation must be \(rule)")
        }
      default: try reader.skipValue()
      }
    }
    guard let amount else { throw WireError(code, "\(field).amount is missing") }
    return OrderCommand.ChargesRequest.Charge(amount: amount, allocation: allocation)
  }
}

/// The fields of a dish, as `add_item`, `update_item` and `update_quantity` give them.
private struct ItemFields {
  var id: String?
  var itemID: String?
  var dishName: String?
  var dishType: DishType?
  var quantity: DecimalNumber?
  var price: DecimalNumber?
  var customization: String?
  private var seen = SeenKeys()

  init() {}

  mutating func read(_ key: JSONKey, from reader: inout JSONReader) throws(WireError) {
    let code = WireError.Code.invalidItem
    switch key {
    case "dishName":
      try seen.note(0, "data.dishName", code)
      dishName = try reader.text("data.dishName", code)
    case "dishType":
      try seen.note(1, "data.dishType", code)
      let rule: StaticString = "'veg' or 'non-veg'"
      guard let word = try reader.word("data.dishType", code, rule) else { return }
      switch word {
      case "veg": dishType = .veg
      case "non-veg": dishType = .nonVeg
      default: throw WireError(code, "data.dishType must be \(rule)")
      }
    case "quantity":
      try seen.note(2, "data.quantity", .invalidQuantity)
      quantity = try reader.number("data.quantity", .invalidQuantity)
    case "price":
      try seen.note(3, "data.price", .invalidPrice)
      price = try reader.number("data.price", .invalidPrice)
    case "customization":
      try seen.note(4, "data.customization", code)
      customization = try reader.text("data.customization", code)
    case "id":
      try seen.note(5, "data.id", code)
      id = try reader.text("data.id", code)
    case "itemId":
      try seen.note(6, "data.itemId", code)
      itemID = try reader.text("data.itemId", code)
    default: try reader.skipValue()
    }
  }
}
