public import JSONText
public import Ordering
import RoomCore

/// An order and its parts as clients see them. Amounts are in major units.
extension JSONWriter {
  mutating func state(of order: CollaborativeOrder, in room: RoomID, online: Set<ParticipantID>) {
    beginObject()
    stateFields(of: order, in: room, online: online)
    endObject()
  }

  /// - Parameter online: who is connected; nil: that is not known.
  mutating func stateFields(of order: CollaborativeOrder, in room: RoomID, online: Set<ParticipantID>?) {
    let currency = order.currency
    field("circleId", order.circle)
    field("tenantId", order.tenant)
    field("sessionId", room.name)
    field("initiatedBy", order.initiatedBy.value)
    field("ownerId", order.owner.value)
    field("currency", currency.code)
    key("participants")
    beginArray()
    for index in order.participants.indices {
      let participant = order.participants[index]
      beginObject()
      field("id", participant.id.value)
      field("name", participant.name)
      phone(of: participant)
      role(of: participant.id, in: order)
      if let online { field("isOnline", online.contains(participant.id)) }
      field("ready", participant.isReady)
      field("joinedAt", participant.joinedAt.millis)
      endObject()
    }
    endArray()
    key("items")
    beginArray()
    for index in order.items.indices { item(order.items[index], currency) }
    endArray()
    if !order.charges.areZero {
      key("charges")
      beginObject()
      let charges = order.charges
      if charges.tax.amount != .zero { charge("tax", charges.tax, currency) }
      if charges.delivery.amount != .zero { charge("delivery", charges.delivery, currency) }
      if charges.tip.amount != .zero { charge("tip", charges.tip, currency) }
      if charges.discount.amount != .zero { charge("discount", charges.discount, currency) }
      endObject()
    }
    money("total", order.total, currency)
    split(order.split, currency)
    if let shares = order.shares { self.shares(shares, currency) }
    field("status", order.status.rawValue)
    if let deadline = order.deadline { field("deadline", deadline.millis) }
    key("limits")
    limits(order.limits, currency)
    field("editing", order.editing.rawValue)
    field("createdAt", order.createdAt.millis)
    field("updatedAt", order.updatedAt.millis)
    if let finalizedAt = order.finalizedAt { field("finalizedAt", finalizedAt.millis) }
  }

  public mutating func money(_ key: StaticString, _ amount: Money, _ currency: Currency) {
    self.key(key)
    decimal(units: amount.minorUnits, digits: currency.minorDigits)
  }

  /// Others may see a phone number's last two digits.
  mutating func phone(of participant: Participant) {
    if let ending = participant.phoneEnding { field("phone", "********" + ending) }
  }

  mutating func role(of participant: ParticipantID, in order: CollaborativeOrder) {
    field("role", word: participant == order.owner ? "owner" : "member")
  }

  mutating func item(_ item: OrderItem, _ currency: Currency) {
    beginObject()
    field("id", item.id)
    field("dishName", item.dishName)
    field("dishType", word: item.dishType == .veg ? "veg" : "non-veg")
    field("quantity", item.quantity)
    money("price", item.price, currency)
    money("itemTotal", item.total, currency)
    field("customization", item.customization)
    field("addedBy", item.addedBy.value)
    field("addedByName", item.addedByName)
    field("addedAt", item.addedAt.millis)
    endObject()
  }

  mutating func charge(_ key: StaticString, _ charge: Charge, _ currency: Currency) {
    self.key(key)
    beginObject()
    money("amount", charge.amount, currency)
    field("allocation", charge.allocation.rawValue)
    endObject()
  }

  /// `splitType`, and `splitDetails` where the type has any, sorted by participant.
  mutating func split(_ split: Split, _ currency: Currency) {
    field("splitType", word: split.word)
    switch split {
    case .equal, .itemized: break
    case .custom(let amounts):
      splitDetails(amounts) { writer, amount in writer.money("amount", amount, currency) }
    case .percentage(let basisPoints):
      splitDetails(basisPoints) { writer, points in
        writer.key("percentage")
        writer.decimal(units: Int64(points), digits: 2)
      }
    case .shares(let weights): splitDetails(weights) { writer, weight in writer.field("shares", weight) }
    }
  }

  private mutating func splitDetails<Value>(
    _ details: [ParticipantID: Value], _ write: (inout JSONWriter, Value) -> Void
  ) {
    key("splitDetails")
    beginArray()
    for (participant, value) in details.sorted(by: { $0.key < $1.key }) {
      beginObject()
      field("participantId", participant.value)
      write(&self, value)
      endObject()
    }
    endArray()
  }

  public mutating func shares(_ shares: [Share], _ currency: Currency) {
    key("shares")
    beginArray()
    for share in shares {
      beginObject()
      field("participantId", share.participant.value)
      field("participantName", share.name)
      money("amount", share.amount, currency)
      endObject()
    }
    endArray()
  }

  mutating func limits(_ limits: OrderLimits, _ currency: Currency) {
    beginObject()
    limitFields(limits, currency)
    endObject()
  }

  mutating func limitFields(_ limits: OrderLimits, _ currency: Currency) {
    field("maxItems", limits.maxItems)
    field("maxParticipants", limits.maxParticipants)
    if let maxTotal = limits.maxTotal { money("maxTotal", maxTotal, currency) }
  }
}

extension Charges {
  fileprivate var areZero: Bool {
    tax.amount == .zero && delivery.amount == .zero && tip.amount == .zero && discount.amount == .zero
  }
}
