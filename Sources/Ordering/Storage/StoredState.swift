package import JSONText
import RoomCore

/// `{"room":"…","order":{…}}`; no `order` before somebody joins.
extension OrderRoom: Storable {
  package func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.field("room", room.name)
    if let order { writer.field("order", order) }
    writer.endObject()
  }

  package static func read(from reader: inout JSONReader) throws(JSONError) -> OrderRoom {
    var name: String?
    var order: CollaborativeOrder?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "room": name = try reader.string()
      case "order":
        order = try reader.optional { reader throws(JSONError) in try CollaborativeOrder.read(from: &reader) }
      default: try reader.skip()
      }
    }
    guard let room = RoomID(try reader.required(name, "a state", "room")) else {
      throw reader.failure("'room' is no room's name")
    }
    return OrderRoom(room: room, order: order)
  }
}

extension CollaborativeOrder: Storable {
  package func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.field("tenant", tenant)
    writer.field("circle", circle)
    writer.field("currency", currency)
    writer.field("initiatedBy", initiatedBy)
    writer.field("owner", owner)
    writer.field("participants", participants)
    writer.field("items", items)
    writer.field("charges", charges)
    writer.field("split", split)
    writer.field("status", status.rawValue)
    writer.field("deadline", deadline)
    writer.field("limits", limits)
    writer.field("idleLimitMillis", idleLimitMillis)
    writer.field("editing", editing.rawValue)
    writer.field("createdAt", createdAt)
    writer.field("updatedAt", updatedAt)
    writer.field("finalizedAt", finalizedAt)
    if let shares { writer.field("shares", shares) }
    writer.key("undoable")
    writer.beginArray()
    for (participant, change) in undoable.sorted(by: { $0.key < $1.key }) {
      writer.beginObject()
      writer.field("participant", participant)
      writer.field("change", change)
      writer.endObject()
    }
    writer.endArray()
    writer.endObject()
  }

  package static func read(from reader: inout JSONReader) throws(JSONError) -> CollaborativeOrder {
    var tenant: String?
    var circle: String?
    var currency: Currency?
    var initiatedBy: ParticipantID?
    var owner: ParticipantID?
    var participants: [Participant]?
    var items: [OrderItem]?
    var charges = Charges()
    var split: Split?
    var status: OrderStatus?
    var deadline: Timestamp?
    var limits: OrderLimits?
    var idleLimitMillis: Int64?
    var editing: EditingRule?
    var createdAt: Timestamp?
    var updatedAt: Timestamp?
    var finalizedAt: Timestamp?
    var shares: [Share]?
    var undoable: [ParticipantID: ReversibleChange] = [:]
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "tenant": tenant = try reader.string()
      case "circle": circle = try reader.string()
      case "currency": currency = try Currency.read(from: &reader)
      case "initiatedBy": initiatedBy = try reader.participantID()
      case "owner": owner = try reader.participantID()
      case "participants": participants = try [Participant].read(from: &reader)
      case "items": items = try [OrderItem].read(from: &reader)
      case "charges": charges = try Charges.read(from: &reader)
      case "split": split = try Split.read(from: &reader)
      case "status": status = try reader.word(of: OrderStatus.self)
      case "deadline": deadline = try reader.optional { reader throws(JSONError) in try reader.timestamp() }
      case "limits": limits = try OrderLimits.read(from: &reader)
      case "idleLimitMillis": idleLimitMillis = try reader.integer()
      case "editing": editing = try reader.word(of: EditingRule.self)
      case "createdAt": createdAt = try reader.timestamp()
      case "updatedAt": updatedAt = try reader.timestamp()
      case "finalizedAt": finalizedAt = try reader.optional { reader throws(JSONError) in try reader.timestamp() }
      case "shares": shares = try reader.optional { reader throws(JSONError) in try [Share].read(from: &reader) }
      case "undoable": undoable = try readUndoable(from: &reader)
      default: try reader.skip()
      }
    }
    let what: StaticString = "an order"
    return CollaborativeOrder(
      tenant: try reader.required(tenant, what, "tenant"),
      circle: try reader.required(circle, what, "circle"),
      currency: try reader.required(currency, what, "currency"),
      initiatedBy: try reader.required(initiatedBy, what, "initiatedBy"),
      owner: try reader.required(owner, what, "owner"),
      participants: try reader.required(participants, what, "participants"),
      items: try reader.required(items, what, "items"),
      charges: charges,
      split: try reader.required(split, what, "split"),
      status: try reader.required(status, what, "status"),
      deadline: deadline,
      limits: try reader.required(limits, what, "limits"),
      idleLimitMillis: try reader.required(idleLimitMillis, what, "idleLimitMillis"),
      editing: try reader.required(editing, what, "editing"),
      createdAt: try reader.required(createdAt, what, "createdAt"),
      updatedAt: try reader.required(updatedAt, what, "updatedAt"),
      finalizedAt: finalizedAt, shares: shares, undoable: undoable)
  }

  private static func readUndoable(
    from reader: inout JSONReader
  ) throws(JSONError) -> [ParticipantID: ReversibleChange] {
    var undoable: [ParticipantID: ReversibleChange] = [:]
    try reader.beginArray()
    while try reader.nextElement() {
      var participant: ParticipantID?
      var change: ReversibleChange?
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "participant": participant = try reader.participantID()
        case "change": change = try ReversibleChange.read(from: &reader)
        default: try reader.skip()
        }
      }
      let owner = try reader.required(participant, "an undoable change", "participant")
      undoable[owner] = try reader.required(change, "an undoable change", "change")
    }
    return undoable
  }
}
