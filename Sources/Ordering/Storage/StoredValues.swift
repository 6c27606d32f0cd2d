public import JSONText
public import RoomCore

extension Participant: Storable {
  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.field("id", id)
    writer.field("name", name)
    writer.field("phoneEnding", phoneEnding)
    writer.field("ready", isReady)
    writer.field("joinedAt", joinedAt)
    writer.endObject()
  }

  public static func read(from reader: inout JSONReader) throws(JSONError) -> Participant {
    var id: ParticipantID?
    var name: String?
    var phoneEnding: String?
    var isReady = false
    var joinedAt: Timestamp?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "id": id = try reader.participantID()
      case "name": name = try reader.string()
      case "phoneEnding": phoneEnding = try reader.null() ? nil : reader.string()
      case "ready": isReady = try reader.bool()
      case "joinedAt": joinedAt = try reader.timestamp()
      default: try reader.skip()
      }
    }
    return try Participant(
      id: reader.required(id, "id"),
      name: reader.required(name, "name"),
      phoneEnding: phoneEnding, isReady: isReady,
      joinedAt: reader.required(joinedAt, "joinedAt"))
  }
}

extension OrderItem: Storable {
  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.field("id", id)
    writer.field("dishName", dishName)
    writer.field("dishType", dishType.rawValue)
    writer.field("quantity", quantity)
    writer.field("priceMinor", price)
    writer.field("customization", customization)
    writer.field("addedBy", addedBy)
    writer.field("addedByName", addedByName)
    writer.field("addedAt", addedAt)
    writer.endObject()
  }

  public static func read(from reader: inout JSONReader) throws(JSONError) -> OrderItem {
    var id: String?
    var dishName: String?
    var dishType: DishType?
    var quantity: Int?
    var price: Money?
    var customization: String?
    var addedBy: ParticipantID?
    var addedByName: String?
    var addedAt: Timestamp?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "id": id = try reader.string()
      case "dishName": dishName = try reader.string()
      case "dishType": dishType = try reader.word(of: DishType.self)
      case "quantity": quantity = try reader.quantity()
      case "priceMinor": price = try reader.money()
      case "customization": customization = try reader.null() ? nil : reader.string()
      case "addedBy": addedBy = try reader.participantID()
      case "addedByName": addedByName = try reader.string()
      case "addedAt": addedAt = try reader.timestamp()
      default: try reader.skip()
      }
    }
    return try OrderItem(
      id: reader.required(id, "id"),
      dishName: reader.required(dishName, "dishName"),
      dishType: reader.required(dishType, "dishType"),
      quantity: reader.required(quantity, "quantity"),
      price: reader.required(price, "priceMinor"),
      customization: customization,
      addedBy: reader.required(addedBy, "addedBy"),
      addedByName: reader.required(addedByName, "addedByName"),
      addedAt: reader.required(addedAt, "addedAt"))
  }
}

extension Charge: Storable {
  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.field("amountMinor", amount)
    writer.field("allocation", allocation.rawValue)
    writer.endObject()
  }

  public static func read(from reader: inout JSONReader) throws(JSONError) -> Charge {
    var amount: Money?
    var allocation: Allocation?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "amountMinor": amount = try reader.money()
      case "allocation": allocation = try reader.word(of: Allocation.self)
      default: try reader.skip()
      }
    }
    return try Charge(
      amount: reader.required(amount, "amountMinor"),
      allocation: reader.required(allocation, "allocation"))
  }
}

extension Charges: Storable {
  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.field("tax", tax)
    writer.field("delivery", delivery)
    writer.field("tip", tip)
    writer.field("discount", discount)
    writer.endObject()
  }

  public static func read(from reader: inout JSONReader) throws(JSONError) -> Charges {
    var charges = Charges()
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "tax": charges.tax = try Charge.read(from: &reader)
      case "delivery": charges.delivery = try Charge.read(from: &reader)
      case "tip": charges.tip = try Charge.read(from: &reader)
      case "discount": charges.discount = try Charge.read(from: &reader)
      default: try reader.skip()
      }
    }
    return charges
  }
}

/// `{"type":"equal"}`, `{"type":"custom","amountsMinor":{"asha":29900}}`,
/// `{"type":"percentage","basisPoints":{"asha":3333}}`, `{"type":"shares","weights":{"asha":2}}`.
extension Split: Storable {
  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    switch self {
    case .equal: writer.field("type", word: "equal")
    case .itemized: writer.field("type", word: "itemized")
    case .custom(let amounts):
      writer.field("type", word: "custom")
      writer.key("amountsMinor")
      Self.write(amounts.mapValues { $0.minorUnits }, to: &writer)
    case .percentage(let points):
      writer.field("type", word: "percentage")
      writer.key("basisPoints")
      Self.write(points.mapValues { Int64($0) }, to: &writer)
    case .shares(let weights):
      writer.field("type", word: "shares")
      writer.key("weights")
      Self.write(weights.mapValues { Int64($0) }, to: &writer)
    }
    writer.endObject()
  }

  public static func read(from reader: inout JSONReader) throws(JSONError) -> Split {
    var type: String?
    var amounts: [ParticipantID: Int64]?
    var points: [ParticipantID: Int64]?
    var weights: [ParticipantID: Int64]?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "type": type = try reader.string()
      case "amountsMinor": amounts = try numbers(from: &reader)
      case "basisPoints": points = try numbers(from: &reader)
      case "weights": weights = try numbers(from: &reader)
      default: try reader.skip()
      }
    }
    switch type {
    case "equal": return .equal
    case "itemized": return .itemized
    case "custom":
      return try .custom(
        reader.required(amounts, "amountsMinor").mapValues { Money(minorUnits: $0) })
    case "percentage":
      return try .percentage(reader.required(points, "basisPoints").mapValues { Int($0) })
    case "shares":
      return try .shares(reader.required(weights, "weights").mapValues { Int($0) })
    case .some(let other): throw reader.failure("'\(other)' is no type of split")
    case nil: throw reader.failure("a split has no 'type'")
    }
  }

  /// Sorted by participant, so that equal states have equal texts.
  private static func write(_ numbers: [ParticipantID: Int64], to writer: inout JSONWriter) {
    writer.beginObject()
    for (participant, number) in numbers.sorted(by: { $0.key < $1.key }) {
      writer.key(dynamic: participant.value)
      writer.integer(number)
    }
    writer.endObject()
  }

  private static func numbers(from reader: inout JSONReader) throws(JSONError) -> [ParticipantID: Int64] {
    var numbers: [ParticipantID: Int64] = [:]
    try reader.beginObject()
    while let key = try reader.nextKey() {
      let participant = ParticipantID(try key.string())
      // What parts are counted in, money or points or weights, has no more than money has.
      numbers[participant] = try reader.money().minorUnits
    }
    return numbers
  }
}

extension Share: Storable {
  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.field("participant", participant)
    writer.field("name", name)
    writer.field("amountMinor", amount)
    writer.endObject()
  }

  public static func read(from reader: inout JSONReader) throws(JSONError) -> Share {
    var participant: ParticipantID?
    var name: String?
    var amount: Money?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "participant": participant = try reader.participantID()
      case "name": name = try reader.string()
      case "amountMinor": amount = try reader.money()
      default: try reader.skip()
      }
    }
    return try Share(
      participant: reader.required(participant, "participant"),
      name: reader.required(name, "name"),
      amount: reader.required(amount, "amountMinor"))
  }
}

extension OrderLimits: Storable {
  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.field("maxItems", maxItems)
    writer.field("maxParticipants", maxParticipants)
    if let maxTotal { writer.field("maxTotalMinor", maxTotal) }
    writer.endObject()
  }

  public static func read(from reader: inout JSONReader) throws(JSONError) -> OrderLimits {
    var limits = OrderLimits()
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "maxItems": limits.maxItems = try reader.int()
      case "maxParticipants": limits.maxParticipants = try reader.int()
      case "maxTotalMinor": limits.maxTotal = try reader.null() ? nil : reader.money()
      default: try reader.skip()
      }
    }
    return limits
  }
}

extension Currency: Storable {
  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.field("code", code)
    writer.field("minorDigits", minorDigits)
    writer.endObject()
  }

  public static func read(from reader: inout JSONReader) throws(JSONError) -> Currency {
    var code: String?
    var minorDigits: Int?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "code": code = try reader.string()
      case "minorDigits": minorDigits = try reader.int()
      default: try reader.skip()
      }
    }
    let digits = try reader.required(minorDigits, "minorDigits")
    guard (0...4).contains(digits) else { throw reader.failure("a currency has 0 to 4 minor digits") }
    return try Currency(code: reader.required(code, "code"), minorDigits: digits)
  }
}

/// `{"type":"added","itemID":"…"}`, `{"type":"removed","item":{…},"index":0}`,
/// `{"type":"changed","before":{…},"after":{…}}`.
extension ReversibleChange: Storable {
  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    switch self {
    case .added(let itemID):
      writer.field("type", word: "added")
      writer.field("itemID", itemID)
    case .removed(let item, let index):
      writer.field("type", word: "removed")
      writer.field("item", item)
      writer.field("index", index)
    case .changed(let before, let after):
      writer.field("type", word: "changed")
      writer.field("before", before)
      writer.field("after", after)
    }
    writer.endObject()
  }

  public static func read(from reader: inout JSONReader) throws(JSONError) -> ReversibleChange {
    var type: String?
    var itemID: String?
    var item: OrderItem?
    var index: Int?
    var before: OrderItem?
    var after: OrderItem?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "type": type = try reader.string()
      case "itemID": itemID = try reader.string()
      case "item": item = try OrderItem.read(from: &reader)
      case "index": index = try reader.int()
      case "before": before = try OrderItem.read(from: &reader)
      case "after": after = try OrderItem.read(from: &reader)
      default: try reader.skip()
      }
    }
    switch type {
    case "added": return try .added(itemID: reader.required(itemID, "itemID"))
    case "removed":
      return try .removed(
        reader.required(item, "item"), index: reader.required(index, "index"))
    case "changed":
      return try .changed(
        before: reader.required(before, "before"),
        after: reader.required(after, "after"))
    case .some(let other): throw reader.failure("'\(other)' is no type of change")
    case nil: throw reader.failure("a change has no 'type'")
    }
  }
}
