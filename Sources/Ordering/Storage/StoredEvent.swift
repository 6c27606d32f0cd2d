public import JSONText
public import RoomCore

/// `{"type":"item_added","item":{…},"index":0}` and so on, one type for each case.
extension OrderEvent: Storable {
  /// What an event's `type` is, in the journal as in the messages of dialect `delta`.
  public var word: StaticString {
    switch self {
    case .created: "order_created"
    case .participantJoined: "participant_joined"
    case .participantLeft: "participant_left"
    case .ownershipTransferred: "ownership_transferred"
    case .itemAdded: "item_added"
    case .itemRemoved: "item_removed"
    case .quantityUpdated: "quantity_updated"
    case .itemUpdated: "item_updated"
    case .splitUpdated: "split_updated"
    case .readyChanged: "ready_changed"
    case .locked: "order_locked"
    case .unlocked: "order_unlocked"
    case .cancelled: "order_cancelled"
    case .expired: "order_expired"
    case .finalized: "order_finalized"
    case .deadlineSet: "deadline_set"
    case .limitsSet: "limits_set"
    case .chargesSet: "charges_set"
    case .undone: "undone"
    case .unchanged: "unchanged"
    }
  }

  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.field("type", word: word)
    switch self {
    case .created(let creation):
      writer.field("tenant", creation.tenant)
      writer.field("circle", creation.circle)
      writer.field("currency", creation.currency)
      writer.field("owner", creation.owner)
      if creation.isForMembers { writer.field("forMembers", true) }
      if creation.isUnreported { writer.field("unreported", true) }
      writer.field("limits", creation.limits)
      writer.field("editing", creation.editing.rawValue)
      writer.field("deadline", creation.deadline)
      writer.field("idleLimitMillis", creation.idleLimitMillis)
    case .participantJoined(let participant): writer.field("participant", participant)
    case .participantLeft(let participant, let name, let reason):
      writer.field("id", participant)
      writer.field("name", name)
      writer.field("reason", reason.rawValue)
    case .ownershipTransferred(let participant): writer.field("id", participant)
    case .itemAdded(let item, let index):
      writer.field("item", item)
      writer.field("index", index)
    case .itemRemoved(let id): writer.field("id", id)
    case .quantityUpdated(let id, let quantity):
      writer.field("id", id)
      writer.field("quantity", quantity)
    case .itemUpdated(let item): writer.field("item", item)
    case .splitUpdated(let split): writer.field("split", split)
    case .readyChanged(let participant, let isReady):
      writer.field("id", participant)
      writer.field("ready", isReady)
    case .locked, .unlocked, .cancelled, .unchanged: break
    case .expired(let expiry): writer.field("reason", expiry.rawValue)
    case .finalized(let shares, let placement):
      writer.field("shares", shares)
      if placement != .group { writer.field("orders", placement.rawValue) }
    case .deadlineSet(let deadline): writer.field("deadline", deadline)
    case .limitsSet(let limits, let editing):
      writer.field("limits", limits)
      writer.field("editing", editing.rawValue)
    case .chargesSet(let charges): writer.field("charges", charges)
    case .undone(let participant): writer.field("id", participant)
    }
    writer.endObject()
  }

  public static func read(from reader: inout JSONReader) throws(JSONError) -> OrderEvent {
    var fields = Fields()
    try reader.beginObject()
    while let key = try reader.nextKey() { try fields.read(key, from: &reader) }
    let type = try reader.required(fields.type, "type")
    return try fields.event(type, reader)
  }
}

/// All that any event may hold. `id` names the item or the participant that the event is about.
private struct Fields {
  var type: String?
  var id: String?
  var name: String?
  var reason: String?
  var index: Int?
  var quantity: Int?
  var isReady: Bool?
  var participant: Participant?
  var item: OrderItem?
  var split: Split?
  var shares: [Share]?
  var deadline: Timestamp?
  var charges: Charges?
  var tenant: String?
  var circle: String?
  var currency: Currency?
  var owner: ParticipantID?
  var isForMembers = false
  var isUnreported = false
  var placement = Placement.group
  var limits: OrderLimits?
  var editing: EditingRule?
  var idleLimitMillis: Int64?

  mutating func read(_ key: JSONKey, from reader: inout JSONReader) throws(JSONError) {
    switch key {
    case "type": type = try reader.string()
    case "id": id = try reader.string()
    case "name": name = try reader.string()
    case "reason": reason = try reader.string()
    case "index": index = try reader.int()
    case "quantity": quantity = try reader.quantity()
    case "ready": isReady = try reader.bool()
    case "participant": participant = try Participant.read(from: &reader)
    case "item": item = try OrderItem.read(from: &reader)
    case "split": split = try Split.read(from: &reader)
    case "shares": shares = try [Share].read(from: &reader)
    case "charges": charges = try Charges.read(from: &reader)
    case "deadline": deadline = try reader.null() ? nil : reader.timestamp()
    case "tenant": tenant = try reader.string()
    case "circle": circle = try reader.string()
    case "currency": currency = try Currency.read(from: &reader)
    case "owner": owner = try reader.participantID()
    case "forMembers": isForMembers = try reader.bool()
    case "unreported": isUnreported = try reader.bool()
    case "orders": placement = try reader.word(of: Placement.self)
    case "limits": limits = try OrderLimits.read(from: &reader)
    case "editing": editing = try reader.word(of: EditingRule.self)
    case "idleLimitMillis": idleLimitMillis = try reader.integer()
    default: try reader.skip()
    }
  }

  func event(_ type: String, _ reader: JSONReader) throws(JSONError) -> OrderEvent {
    func about() throws(JSONError) -> String { try reader.required(id, "id") }
    func why<Words: RawRepresentable<String>>(_ words: Words.Type) throws(JSONError) -> Words {
      let word = try reader.required(reason, "reason")
      guard let reason = Words(rawValue: word) else { throw reader.failure("'\(word)' is no \(words)") }
      return reason
    }
    switch type {
    case "order_created":
      return try .created(
        OrderEvent.Creation(
          tenant: reader.required(tenant, "tenant"), circle: reader.required(circle, "circle"),
          currency: reader.required(currency, "currency"), owner: reader.required(owner, "owner"),
          isForMembers: isForMembers, isUnreported: isUnreported, limits: reader.required(limits, "limits"),
          editing: reader.required(editing, "editing"),
          deadline: deadline, idleLimitMillis: reader.required(idleLimitMillis, "idleLimitMillis")))
    case "participant_joined": return try .participantJoined(reader.required(participant, "participant"))
    case "participant_left":
      return try .participantLeft(
        ParticipantID(about()), name: reader.required(name, "name"), reason: why(OrderEvent.Departure.self))
    case "ownership_transferred": return try .ownershipTransferred(to: ParticipantID(about()))
    case "item_added":
      return try .itemAdded(reader.required(item, "item"), index: reader.required(index, "index"))
    case "item_removed": return try .itemRemoved(id: about())
    case "quantity_updated":
      return try .quantityUpdated(id: about(), quantity: reader.required(quantity, "quantity"))
    case "item_updated": return try .itemUpdated(reader.required(item, "item"))
    case "split_updated": return try .splitUpdated(reader.required(split, "split"))
    case "ready_changed":
      return try .readyChanged(ParticipantID(about()), isReady: reader.required(isReady, "ready"))
    case "order_locked": return .locked
    case "order_unlocked": return .unlocked
    case "order_cancelled": return .cancelled
    case "order_expired": return try .expired(why(OrderEvent.Expiry.self))
    case "order_finalized": return try .finalized(reader.required(shares, "shares"), placement)
    case "deadline_set": return .deadlineSet(deadline)
    case "limits_set":
      return try .limitsSet(reader.required(limits, "limits"), reader.required(editing, "editing"))
    case "charges_set": return try .chargesSet(reader.required(charges, "charges"))
    case "undone": return try .undone(ParticipantID(about()))
    case "unchanged": return .unchanged
    default: throw reader.failure("'\(type)' is no type of event that this version knows")
    }
  }
}
