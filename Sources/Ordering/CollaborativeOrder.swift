public import RoomCore

/// What the order's room holds: nothing until somebody joins, then one order.
public struct OrderRoom: Sendable, Equatable {
  public let room: RoomID
  public var order: CollaborativeOrder?

  public init(room: RoomID, order: CollaborativeOrder? = nil) {
    self.room = room
    self.order = order
  }
}

/// One cart that several people fill together.
public struct CollaborativeOrder: Sendable, Equatable {
  public var tenant: String
  public var circle: String
  public var currency: Currency
  /// Who started the order. Whoever holds it later is `owner`.
  public var initiatedBy: ParticipantID
  /// Whether only those join for whom the records vouch.
  public var isForMembers: Bool
  /// Whether nobody but the room's clients hears of it: nobody has vouched for the tenant that it names.
  public var isUnreported: Bool
  public var owner: ParticipantID
  /// In the order in which they joined.
  public var participants: [Participant]
  /// In the order in which they were added.
  public var items: [OrderItem]
  public var charges: Charges
  public var split: Split
  public var status: OrderStatus
  /// When the order expires whatever happens; nil: never.
  public var deadline: Timestamp?
  public var limits: OrderLimits
  /// How long the order may lie untouched before it expires, in milliseconds.
  public var idleLimitMillis: Int64
  /// Whose items a participant may change.
  public var editing: EditingRule
  public var createdAt: Timestamp
  public var updatedAt: Timestamp
  public var finalizedAt: Timestamp?
  /// What is to be placed with the kitchen; asked for when the order is finalized.
  public var placement: Placement
  /// What each participant owes; set, and frozen, when the order is finalized.
  public var shares: [Share]?
  /// Each participant's last change that they can still take back.
  public var undoable: [ParticipantID: ReversibleChange]
}

public enum OrderStatus: String, Sendable {
  case active, locked, finalized, cancelled, expired

  public var isTerminal: Bool {
    switch self {
    case .active, .locked: false
    case .finalized, .cancelled, .expired: true
    }
  }
}

/// What is placed with the kitchen when an order is finalized.
public enum Placement: String, Sendable, CaseIterable {
  /// One order, of all together.
  case group
  /// One for each participant who pays something, over their share.
  case individual
}

public struct Participant: Sendable, Equatable {
  public let id: ParticipantID
  public var name: String
  /// The last two digits of the phone number, if the participant gave one: all that others may see of it.
  public var phoneEnding: String?
  public var isReady: Bool
  public var joinedAt: Timestamp

  public init(
    id: ParticipantID, name: String, phoneEnding: String? = nil, isReady: Bool = false, joinedAt: Timestamp
  ) {
    self.id = id
    self.name = name
    self.phoneEnding = phoneEnding
    self.isReady = isReady
    self.joinedAt = joinedAt
  }
}

public enum DishType: String, Sendable, CaseIterable {
  case veg
  case nonVeg = "non-veg"
}

public struct OrderItem: Sendable, Equatable {
  public let id: String
  public var dishName: String
  public var dishType: DishType
  public var quantity: Int
  /// Of one piece.
  public var price: Money
  public var customization: String?
  public var addedBy: ParticipantID
  public var addedByName: String
  public var addedAt: Timestamp

  public init(
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
  public var total: Money { Money(minorUnits: price.minorUnits * Int64(quantity)) }
}

/// How a charge is spread over the participants.
public enum Allocation: String, Sendable, CaseIterable {
  /// By what each participant's items cost.
  case proportional
  /// The same for everybody.
  case equal
}

public struct Charge: Sendable, Equatable {
  /// Never negative; a discount is subtracted.
  public var amount: Money
  public var allocation: Allocation

  public init(amount: Money, allocation: Allocation) {
    self.amount = amount
    self.allocation = allocation
  }
}

/// What is added to, or taken off, the items of an order.
public struct Charges: Sendable, Equatable {
  public var tax: Charge
  public var delivery: Charge
  public var tip: Charge
  public var discount: Charge

  public init(
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
public enum Split: Sendable, Equatable {
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

extension Split {
  /// Its name on the wire and in the records.
  public var word: StaticString {
    switch self {
    case .equal: "equal"
    case .itemized: "itemized"
    case .custom: "custom"
    case .percentage: "percentage"
    case .shares: "shares"
    }
  }
}

/// What one participant owes.
public struct Share: Sendable, Equatable {
  public let participant: ParticipantID
  public let name: String
  public let amount: Money

  public init(participant: ParticipantID, name: String, amount: Money) {
    self.participant = participant
    self.name = name
    self.amount = amount
  }
}

/// Whose items a participant may change or remove. The owner may always change all.
public enum EditingRule: String, Sendable, CaseIterable {
  case everyone, own
}

public struct OrderLimits: Sendable, Equatable {
  public var maxItems: Int
  public var maxParticipants: Int
  /// The most that the order's total may come to; nil: no limit.
  public var maxTotal: Money?

  public init(maxItems: Int = 500, maxParticipants: Int = 200, maxTotal: Money? = nil) {
    self.maxItems = maxItems
    self.maxParticipants = maxParticipants
    self.maxTotal = maxTotal
  }
}

/// A participant's last change, with what takes it back.
public enum ReversibleChange: Sendable, Equatable {
  case added(itemID: String)
  /// The item as it was, and where in the list it stood.
  case removed(OrderItem, index: Int)
  /// The item before and after.
  case changed(before: OrderItem, after: OrderItem)
}
