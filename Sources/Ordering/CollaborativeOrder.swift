package import RoomCore

/// What the order's room holds: nothing until somebody joins, then one order.
package struct OrderRoom: Sendable, Equatable {
  package let room: RoomID
  package var order: CollaborativeOrder?

  package init(room: RoomID, order: CollaborativeOrder? = nil) {
    self.room = room
    self.order = order
  }
}

/// One cart that several people fill together.
package struct CollaborativeOrder: Sendable, Equatable {
  package var tenant: String
  package var circle: String
  package var currency: Currency
  /// Who started the order. Whoever holds it later is `owner`.
  package var initiatedBy: ParticipantID
  package var owner: ParticipantID
  /// In the order in which they joined.
  package var participants: [Participant]
  /// In the order in which they were added.
  package var items: [OrderItem]
  package var charges: Charges
  package var split: Split
  package var status: OrderStatus
  /// When the order expires whatever happens; nil: never.
  package var deadline: Timestamp?
  package var limits: OrderLimits
  /// How long the order may lie untouched before it expires, in milliseconds.
  package var idleLimitMillis: Int64
  /// Whose items a participant may change.
  package var editing: EditingRule
  package var createdAt: Timestamp
  package var updatedAt: Timestamp
  package var finalizedAt: Timestamp?
  /// What each participant owes; set, and frozen, when the order is finalized.
  package var shares: [Share]?
  /// Each participant's last change that they can still take back.
  package var undoable: [ParticipantID: ReversibleChange]
}

package enum OrderStatus: String, Sendable {
  case active, locked, finalized, cancelled, expired

  package var isTerminal: Bool {
    switch self {
    case .active, .locked: false
    case .finalized, .cancelled, .expired: true
    }
  }
}

package struct Participant: Sendable, Equatable {
  package let id: ParticipantID
  package var name: String
  /// The last two digits of the phone number, if the participant gave one: all that others may see of it.
  package var phoneEnding: String?
  package var isReady: Bool
  package var joinedAt: Timestamp

  package init(
    id: ParticipantID, name: String, phoneEnding: String? = nil, isReady: Bool = false, joinedAt: Timestamp
  ) {
    self.id = id
    self.name = name
    self.phoneEnding = phoneEnding
    self.isReady = isReady
    self.joinedAt = joinedAt
  }
}

package enum DishType: String, Sendable, CaseIterable {
  case veg
  case nonVeg = "non-veg"
}

package struct OrderItem: Sendable, Equatable {
  package let id: String
  package var dishName: String
  package var dishType: DishType
  package var quantity: Int
  /// Of one piece.
  package var price: Money
  package var customization: String?
  package var addedBy: ParticipantID
  package var addedByName: String
  package var addedAt: Timestamp

  package init(
    id: String, dishName: String, dishType: DishType, quantity: Int, price: Money, customization: String? = nil,
    addedBy: ParticipantID, addedByName: String, addedAt: Timestamp
  ) {
    self.id = id
    self.dishName = dishName
    self.dishType = dishType
    self.quantity = quantity
    self.price = price
    self.customization = customization
    self.addedBy = addedBy
    self.addedByName = addedByName
    self.addedAt = addedAt
  }

  /// Limits on price and quantity keep the product far from overflow.
  package var total: Money { Money(minorUnits: price.minorUnits * Int64(quantity)) }
}

/// How a charge is spread over the participants.
package enum Allocation: String, Sendable, CaseIterable {
  /// By what each participant's items cost.
  case proportional
  /// The same for everybody.
  case equal
}

package struct Charge: Sendable, Equatable {
  /// Never negative; a discount is subtracted.
  package var amount: Money
  package var allocation: Allocation

  package init(amount: Money, allocation: Allocation) {
    self.amount = amount
    self.allocation = allocation
  }
}

/// What is added to, or taken off, the items of an order.
package struct Charges: Sendable, Equatable {
  package var tax: Charge
  package var delivery: Charge
  package var tip: Charge
  package var discount: Charge

  package init(
    tax: Charge = Charge(amount: .zero, allocation: .proportional),
    delivery: Charge = Charge(amount: .zero, allocation: .equal),
    tip: Charge = Charge(amount: .zero, allocation: .proportional),
    discount: Charge = Charge(amount: .zero, allocation: .proportional)
  ) {
    self.tax = tax
    self.delivery = delivery
    self.tip = tip
    self.discount = discount
  }
}

/// How the bill is divided.
package enum Split: Sendable, Equatable {
  case equal
  /// Everybody pays for the items they added, and their part of the charges.
  case itemized
  /// Amounts that add up to the total exactly.
  case custom([ParticipantID: Money])
  /// Basis points that add up to 10 000.
  case percentage([ParticipantID: Int])
  /// Whole weights, at least one of them above zero.
  case shares([ParticipantID: Int])
}

/// What one participant owes.
package struct Share: Sendable, Equatable {
  package let participant: ParticipantID
  package let name: String
  package let amount: Money

  package init(participant: ParticipantID, name: String, amount: Money) {
    self.participant = participant
    self.name = name
    self.amount = amount
  }
}

/// Whose items a participant may change or remove. The owner may always change all.
package enum EditingRule: String, Sendable, CaseIterable {
  case everyone, own
}

package struct OrderLimits: Sendable, Equatable {
  package var maxItems: Int
  package var maxParticipants: Int
  /// The most that the order's total may come to; nil: no limit.
  package var maxTotal: Money?

  package init(maxItems: Int = 500, maxParticipants: Int = 200, maxTotal: Money? = nil) {
    self.maxItems = maxItems
    self.maxParticipants = maxParticipants
    self.maxTotal = maxTotal
  }
}

/// A participant's last change, with what takes it back.
package enum ReversibleChange: Sendable, Equatable {
  case added(itemID: String)
  /// The item as it was, and where in the list it stood.
  case removed(OrderItem, index: Int)
  /// The item before and after.
  case changed(before: OrderItem, after: OrderItem)
}
