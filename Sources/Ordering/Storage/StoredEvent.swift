package import JSONText
import RoomCore

/// `{"type":"item_added","item":{…},"index":0}` and so on, one type for each case.
extension OrderEvent: Storable {
  package func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.key("type")
    switch self {
    case .created(let creation):
      writer.word("order_created")
      creation.writeFields(to: &writer)
    case .participantJoined(let participant):
      writer.word("participant_joined")
      writer.field("participant", participant)
    case .participantLeft(let participant, let name, let reason):
      writer.word("participant_left")
      writer.field("id", participant)
      writer.field("name", name)
      writer.field("reason", reason.rawValue)
    case .ownershipTransferred(let participant):
      writer.word("ownership_transferred")
      writer.field("id", participant)
    case .itemAdded(let item, let index):
      writer.word("item_added")
      writer.field("item", item)
      writer.field("index", index)
    case .itemRemoved(let id):
      writer.word("item_removed")
      writer.field("id", id)
    case .quantityUpdated(let id, let quantity):
      writer.word("quantity_updated")
      writer.field("id", id)
      writer.field("quantity", quantity)
    case .itemUpdated(let item):
      writer.word("item_updated")
      writer.field("item", item)
    case .splitUpdated(let split):
      writer.word("split_updated")
      writer.field("split", split)
    case .readyChanged(let participant, let isReady):
      writer.word("ready_changed")
      writer.field("id", participant)
      writer.field("ready", isReady)
    case .locked: writer.word("order_locked")
    case .unlocked: writer.word("order_unlocked")
    case .cancelled: writer.word("order_cancelled")
    case .expired(let expiry):
      writer.word("order_expired")
      writer.field("reason", expiry.rawValue)
    case .finalized(let shares):
      writer.word("order_finalized")
      writer.field("shares", shares)
    case .deadlineSet(let deadline):
      writer.word("deadline_set")
      writer.field("deadline", deadline)
    case .limitsSet(let limits, let editing):
      writer.word("limits_set")
      writer.field("limits", limits)
      writer.field("editing", editing.rawValue)
    case .chargesSet(let charges):
      writer.word("charges_set")
      writer.field("charges", charges)
    case .undone(let participant):
      writer.word("undone")
      writer.field("id", participant)
    case .unchanged: writer.word("unchanged")
    }
    writer.endObject()
  }

  package static func read(from reader: inout JSONReader) throws(JSONError) -> OrderEvent {
    var fields = Fields()
    try reader.beginObject()
    while let key = try reader.nextKey() { try fields.read(key, from: &reader) }
    let type = try reader.required(fields.type, "an event", "type")
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
  var creation = PartialCreation()

  mutating func read(_ key: JSONKey, from reader: inout JSONReader) throws(JSONError) {
    switch key {
    case "type": type = try reader.string()
    case "id": id = try reader.string()
    case "name": name = try reader.string()
    case "reason": reason = try reader.string()
    case "index": index = try reader.int()
    case "quantity": quantity = try reader.int()
    case "ready": isReady = try reader.bool()
    case "participant": participant = try Participant.read(from: &reader)
    case "item": item = try OrderItem.read(from: &reader)
    case "split": split = try Split.read(from: &reader)
    case "shares": shares = try [Share].read(from: &reader)
    case "charges": charges = try Charges.read(from: &reader)
    case "deadline": deadline = try reader.optional { reader throws(JSONError) in try reader.timestamp() }
    case "tenant": creation.tenant = try reader.string()
    case "circle": creation.circle = try reader.string()
    case "currency": creation.currency = try Currency.read(from: &reader)
    case "owner": creation.owner = try reader.participantID()
    case "limits": creation.limits = try OrderLimits.read(from: &reader)
    case "editing": creation.editing = try reader.word(of: EditingRule.self)
    case "idleLimitMillis": creation.idleLimitMillis = try reader.integer()
    default: try reader.skip()
    }
  }

  func event(_ type: String, _ reader: JSONReader) throws(JSONError) -> OrderEvent {
    let what: StaticString = "the event"
    func about() throws(JSONError) -> String { try reader.required(id, what, "id") }
    func why<Words: RawRepresentable<String>>(_ words: Words.Type) throws(JSONError) -> Words {
      let word = try reader.required(reason, what, "reason")
      guard let reason = Words(rawValue: word) else { throw reader.failure("'\(word)' is no \(words)") }
      return reason
    }
    switch type {
    case "order_created": return .created(try creation.complete(deadline: deadline, reader))
    case "participant_joined":
      return .participantJoined(try reader.required(participant, what, "participant"))
    case "participant_left":
      return .participantLeft(
        ParticipantID(try about()), name: try reader.required(name, what, "name"),
        reason: try why(OrderEvent.Departure.self))
    case "ownership_transferred": return .ownershipTransferred(to: ParticipantID(try about()))
    case "item_added":
      return .itemAdded(
        try reader.required(item, what, "item"), index: try reader.required(index, what, "index"))
    case "item_removed": return .itemRemoved(id: try about())
    case "quantity_updated":
      return .quantityUpdated(id: try about(), quantity: try reader.required(quantity, what, "quantity"))
    case "item_updated": return .itemUpdated(try reader.required(item, what, "item"))
    case "split_updated": return .splitUpdated(try reader.required(split, what, "split"))
    case "ready_changed":
      return .readyChanged(ParticipantID(try about()), isReady: try reader.required(isReady, what, "ready"))
    case "order_locked": return .locked
    case "order_unlocked": return .unlocked
    case "order_cancelled": return .cancelled
    case "order_expired": return .expired(try why(OrderEvent.Expiry.self))
    case "order_finalized": return .finalized(try reader.required(shares, what, "shares"))
    case "deadline_set": return .deadlineSet(deadline)
    case "limits_set":
      return .limitsSet(
        try reader.required(creation.limits, what, "limits"),
        try reader.required(creation.editing, what, "editing"))
    case "charges_set": return .chargesSet(try reader.required(charges, what, "charges"))
    case "undone": return .undone(ParticipantID(try about()))
    case "unchanged": return .unchanged
    default: throw reader.failure("'\(type)' is no type of event that this version knows")
    }
  }
}

private struct PartialCreation {
  var tenant: String?
  var circle: String?
  var currency: Currency?
  var owner: ParticipantID?
  var limits: OrderLimits?
  var editing: EditingRule?
  var idleLimitMillis: Int64?

  func complete(deadline: Timestamp?, _ reader: JSONReader) throws(JSONError) -> OrderEvent.Creation {
    let what: StaticString = "the event"
    return OrderEvent.Creation(
      tenant: try reader.required(tenant, what, "tenant"),
      circle: try reader.required(circle, what, "circle"),
      currency: try reader.required(currency, what, "currency"),
      owner: try reader.required(owner, what, "owner"),
      limits: try reader.required(limits, what, "limits"),
      editing: try reader.required(editing, what, "editing"),
      deadline: deadline,
      idleLimitMillis: try reader.required(idleLimitMillis, what, "idleLimitMillis"))
  }
}

extension OrderEvent.Creation {
  fileprivate func writeFields(to writer: inout JSONWriter) {
    writer.field("tenant", tenant)
    writer.field("circle", circle)
    writer.field("currency", currency)
    writer.field("owner", owner)
    writer.field("limits", limits)
    writer.field("editing", editing.rawValue)
    writer.field("deadline", deadline)
    writer.field("idleLimitMillis", idleLimitMillis)
  }
}
