import JSONText
public import Ordering
public import RoomCore

extension ServerMessage {
  /// What happened, with the whole order as it is after it: dialect `full`.
  ///
  /// What the first clients know has a message of its own. Anything else is a `sync` with the change's name under
  /// `event`.
  /// - Parameter room: the state after the event.
  /// - Returns: nil if this dialect has nothing to say about it.
  public static func full(
    _ record: Recorded<OrderEvent>, after room: OrderRoom, online: Set<ParticipantID>, history: String
  ) -> [UInt8]? {
    switch record.event {
    case .created, .undone, .unchanged: return nil
    default: break
    }
    guard let order = room.order else { return nil }
    /// What changed, and the whole order under `orderState`.
    func change(_ type: StaticString, _ writer: inout JSONWriter, _ fields: (inout JSONWriter) -> Void) {
      writer.field("type", word: type)
      writer.actor(of: record, in: order)
      writer.key("data")
      writer.beginObject()
      fields(&writer)
      writer.key("orderState")
      writer.state(of: order, in: room.room, online: online)
      writer.endObject()
    }
    var writer = JSONWriter(reservingCapacity: 4096)
    writer.beginObject()
    switch record.event {
    case .participantJoined(let participant):
      writer.field("type", word: "participant_joined")
      writer.field("participantId", participant.id.value)
      writer.field("participantName", participant.name)
      writer.key("data")
      writer.beginObject()
      writer.stateFields(of: order, in: room.room, online: online)
      writer.phone(of: participant)
      writer.role(of: participant.id, in: order)
      writer.endObject()
    case .participantLeft(let participant, let name, _):
      writer.field("type", word: "participant_left")
      writer.field("participantId", participant.value)
      writer.field("participantName", name)
      writer.key("data")
      writer.state(of: order, in: room.room, online: online)
    case .itemAdded(let item, _):
      change("item_added", &writer) { writer in
        writer.key("item")
        writer.item(item, order.currency)
      }
    case .itemRemoved(let id):
      change("item_removed", &writer) { $0.field("itemId", id) }
    case .quantityUpdated(let id, let quantity):
      change("quantity_updated", &writer) { writer in
        writer.field("itemId", id)
        writer.field("quantity", quantity)
      }
    case .splitUpdated(let split):
      change("split_updated", &writer) { $0.field("splitType", word: split.word) }
    case .finalized:
      writer.field("type", word: "order_finalized")
      writer.actor(of: record, in: order)
      writer.key("data")
      writer.state(of: order, in: room.room, online: online)
    default:
      writer.field("type", word: "sync")
      writer.field("event", word: record.event.word)
      writer.key("data")
      writer.state(of: order, in: room.room, online: online)
      writer.position(of: record, history: history)
      return writer.bytes
    }
    writer.position(of: record)
    return writer.bytes
  }

  /// What happened and nothing else: dialect `delta`.
  ///
  /// Made of the journal's record alone, so that a replay gives the same bytes as the live message did.
  public static func delta(_ record: Recorded<OrderEvent>, currency: Currency) -> [UInt8] {
    var writer = JSONWriter(reservingCapacity: 512)
    writer.beginObject()
    writer.field("type", word: record.event.word)
    writer.field("participantId", record.participant?.value)
    writer.key("data")
    writer.beginObject()
    writer.changeFields(of: record.event, currency)
    writer.endObject()
    writer.position(of: record)
    return writer.bytes
  }
}

extension JSONWriter {
  /// Who did it. The name is unknown if they have left since.
  fileprivate mutating func actor(of record: Recorded<OrderEvent>, in order: CollaborativeOrder) {
    guard let participant = record.participant else { return }
    field("participantId", participant.value)
    field("participantName", order.participants.first { $0.id == participant }?.name)
  }

  /// The last fields of a change, and its end.
  ///
  /// - Parameter history: only where the message is a `sync`.
  fileprivate mutating func position(of record: Recorded<OrderEvent>, history: String? = nil) {
    field("seq", record.sequence.number)
    field("history", history)
    field("opId", record.cause?.operation.value)
    field("timestamp", record.at.millis)
    endObject()
  }

  fileprivate mutating func changeFields(of event: OrderEvent, _ currency: Currency) {
    switch event {
    case .created(let creation):
      let currency = creation.currency
      field("circleId", creation.circle)
      field("tenantId", creation.tenant)
      field("initiatedBy", creation.owner.value)
      field("ownerId", creation.owner.value)
      field("currency", currency.code)
      key("limits")
      limits(creation.limits, currency)
      field("editing", creation.editing.rawValue)
      if let deadline = creation.deadline { field("deadline", deadline.millis) }
    case .participantJoined(let participant):
      key("participant")
      beginObject()
      field("id", participant.id.value)
      field("name", participant.name)
      phone(of: participant)
      field("ready", participant.isReady)
      field("joinedAt", participant.joinedAt.millis)
      endObject()
    case .participantLeft(let participant, let name, let reason):
      field("participantId", participant.value)
      field("participantName", name)
      field("reason", reason.rawValue)
    case .ownershipTransferred(let participant): field("participantId", participant.value)
    case .itemAdded(let item, let index):
      key("item")
      self.item(item, currency)
      field("index", index)
    case .itemRemoved(let id): field("itemId", id)
    case .quantityUpdated(let id, let quantity):
      field("itemId", id)
      field("quantity", quantity)
    case .itemUpdated(let item):
      key("item")
      self.item(item, currency)
    case .splitUpdated(let split): self.split(split, currency)
    case .readyChanged(let participant, let isReady):
      field("participantId", participant.value)
      field("ready", isReady)
    case .locked, .unlocked, .cancelled, .unchanged: break
    case .expired(let expiry): field("reason", expiry.rawValue)
    case .finalized(let shares, _): self.shares(shares, currency)
    case .deadlineSet(let deadline):
      key("deadline")
      if let deadline { integer(deadline.millis) } else { null() }
    case .limitsSet(let limits, let editing):
      limitFields(limits, currency)
      field("editing", editing.rawValue)
    case .chargesSet(let charges):
      key("charges")
      beginObject()
      charge("tax", charges.tax, currency)
      charge("delivery", charges.delivery, currency)
      charge("tip", charges.tip, currency)
      charge("discount", charges.discount, currency)
      endObject()
    case .undone(let participant): field("participantId", participant.value)
    }
  }
}
