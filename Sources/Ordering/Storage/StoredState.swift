public import JSONText
public import RoomCore

/// `{"room":"…","order":{…}}`; no `order` before somebody joins.
extension OrderRoom: Storable {
  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.field("room", room.name)
    if let order { writer.field("order", order) }
    writer.endObject()
  }

  public static func read(from reader: inout JSONReader) throws(JSONError) -> OrderRoom {
    var name: String?
    var order: CollaborativeOrder?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "room": name = try reader.string()
      case "order":
        order = try reader.null() ? nil : CollaborativeOrder.read(from: &reader)
      default: try reader.skip()
      }
    }
    guard let room = RoomID(try reader.required(name, "room")) else {
      throw reader.failure("'room' is no room's name")
    }
    return OrderRoom(room: room, order: order)
  }
}

extension CollaborativeOrder: Storable {
  public func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.field("tenant", tenant)
    writer.field("circle", circle)
    writer.field("currency", currency)
    writer.field("initiatedBy", initiatedBy)
    if isForMembers { writer.field("forMembers", true) }
    if isUnreported { writer.field("unreported", true) }
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
    if placement != .group { writer.field("orders", placement.rawValue) }
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

  public static func read(from reader: inout JSONReader) throws(JSONError) -> CollaborativeOrder {
    var tenant: String?
    var circle: String?
    var currency: Currency?
    var initiatedBy: ParticipantID?
    var isForMembers = false
    var isUnreported = false
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
    var placement = Placement.group
    var shares: [Share]?
    var undoable: [ParticipantID: ReversibleChange] = [:]
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "tenant": tenant = try reader.string()
      case "circle": circle = try reader.string()
      case "currency": currency = try Currency.read(from: &reader)
      case "initiatedBy": initiatedBy = try reader.participantID()
      case "forMembers": isForMembers = try reader.bool()
      case "unreported": isUnreported = try reader.bool()
      case "owner": owner = try reader.participantID()
      case "participants": participants = try [Participant].read(from: &reader)
      case "items": items = try [OrderItem].read(from: &reader)
      case "charges": charges = try Charges.read(from: &reader)
      case "split": split = try Split.read(from: &reader)
      case "status": status = try reader.word(of: OrderStatus.self)
      case "deadline": deadline = try reader.null() ? nil : reader.timestamp()
      case "limits": limits = try OrderLimits.read(from: &reader)
      case "idleLimitMillis": idleLimitMillis = try reader.integer()
      case "editing": editing = try reader.word(of: EditingRule.self)
      case "createdAt": createdAt = try reader.timestamp()
      case "updatedAt": updatedAt = try reader.timestamp()
      case "finalizedAt": finalizedAt = try reader.null() ? nil : reader.timestamp()
      case "orders": placement = try reader.word(of: Placement.self)
      case "shares": shares = try reader.null() ? nil : [Share].read(from: &reader)
      case "undoable": undoable = try readUndoable(from: &reader)
      default: try reader.skip()
      }
    }
    let order = try CollaborativeOrder(
      tenant: reader.required(tenant, "tenant"),
      circle: reader.required(circle, "circle"),
      currency: reader.required(currency, "currency"),
      initiatedBy: reader.required(initiatedBy, "initiatedBy"),
      isForMembers: isForMembers,
      isUnreported: isUnreported,
      owner: reader.required(owner, "owner"),
      participants: reader.required(participants, "participants"),
      items: reader.required(items, "items"),
      charges: charges,
      split: reader.required(split, "split"),
      status: reader.required(status, "status"),
      deadline: deadline,
      limits: reader.required(limits, "limits"),
      idleLimitMillis: reader.required(idleLimitMillis, "idleLimitMillis"),
      editing: reader.required(editing, "editing"),
      createdAt: reader.required(createdAt, "createdAt"),
      updatedAt: reader.required(updatedAt, "updatedAt"),
      finalizedAt: finalizedAt, placement: placement, shares: shares, undoable: undoable)
    guard order.canBeAddedUp else { throw reader.failure("an order costs more than any order may") }
    return order
  }

  private var canBeAddedUp: Bool {
    var sum = Money.zero
    for item in items {
      sum += item.total
      // A discount can take off some of what lies above the ceiling.
      guard sum <= Bill.ceiling + charges.discount.amount else { return false }
    }
    return total <= Bill.ceiling
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
      let owner = try reader.required(participant, "participant")
      undoable[owner] = try reader.required(change, "change")
    }
    return undoable
  }
}
