public import JSONText
public import RoomCore

/// What somebody asks of an order. Values are as the client gave them, typed but not yet checked against the rules.
public enum OrderCommand: Sendable, Equatable {
  case join(Join)
  case leave(removeItems: Bool)
  case addItem(NewItem)
  case removeItem(id: String)
  /// 0 removes the item.
  case updateQuantity(id: String, quantity: DecimalNumber)
  case updateItem(id: String, ItemChange)
  case updateSplit(SplitRequest)
  /// - Parameter seen: the order's last position that the sender knows; with it, nothing may have come in between.
  case finalize(Placement = .group, seen: SequenceNumber? = nil)
  case lock
  case unlock
  case cancel
  case ready(Bool)
  case removeParticipant(ParticipantID, removeItems: Bool)
  case transferOwnership(to: ParticipantID)
  /// Nil takes the deadline away.
  case setDeadline(Timestamp?)
  case setLimits(LimitsRequest)
  case setCharges(ChargesRequest)
  case undo

  public struct Join: Sendable, Equatable {
    public var name: String
    public var tenant: String?
    public var circle: String?
    public var phone: String?
    public var warrant: Warrant

    public init(
      name: String, tenant: String? = nil, circle: String? = nil, phone: String? = nil, warrant: Warrant = .none
    ) {
      self.name = name
      self.tenant = tenant
      self.circle = circle
      self.phone = phone
      self.warrant = warrant
    }
  }

  /// Who vouches for somebody who joins. No client can say so of itself.
  public enum Warrant: String, Sendable, CaseIterable {
    /// Nobody.
    case none
    /// The records: a member of the order's circle.
    case membership
    /// The records: the circle's order begins with this member, and is for the circle's members alone.
    case initiative
  }

  public struct NewItem: Sendable, Equatable {
    /// Nil: the room chooses one.
    public var id: String?
    public var dishName: String
    public var dishType: DishType
    public var quantity: DecimalNumber
    /// In major units.
    public var price: DecimalNumber
    public var customization: String?

    public init(
      id: String? = nil, dishName: String, dishType: DishType, quantity: DecimalNumber, price: DecimalNumber,
      customization: String? = nil
    ) {
      self.id = id
      self.dishName = dishName
      self.dishType = dishType
      self.quantity = quantity
      self.price = price
      self.customization = customization
    }
  }

  /// Nil leaves a field as it is.
  public struct ItemChange: Sendable, Equatable {
    public var dishName: String?
    public var dishType: DishType?
    public var quantity: DecimalNumber?
    public var price: DecimalNumber?
    /// The empty string takes the customization away.
    public var customization: String?

    public init(
      dishName: String? = nil, dishType: DishType? = nil, quantity: DecimalNumber? = nil,
      price: DecimalNumber? = nil, customization: String? = nil
    ) {
      self.dishName = dishName
      self.dishType = dishType
      self.quantity = quantity
      self.price = price
      self.customization = customization
    }
  }

  public enum SplitRequest: Sendable, Equatable {
    case equal
    case itemized
    /// In major units.
    case custom([ParticipantID: DecimalNumber])
    /// In percent: 33.33 is 3 333 basis points.
    case percentage([ParticipantID: DecimalNumber])
    case shares([ParticipantID: DecimalNumber])
  }

  /// Nil leaves a limit as it is.
  public struct LimitsRequest: Sendable, Equatable {
    public var maxItems: Int?
    public var maxParticipants: Int?
    /// In major units; 0 takes the limit away.
    public var maxTotal: DecimalNumber?
    public var editing: EditingRule?

    public init(
      maxItems: Int? = nil, maxParticipants: Int? = nil, maxTotal: DecimalNumber? = nil, editing: EditingRule? = nil
    ) {
      self.maxItems = maxItems
      self.maxParticipants = maxParticipants
      self.maxTotal = maxTotal
      self.editing = editing
    }
  }

  /// Nil leaves a charge as it is.
  public struct ChargesRequest: Sendable, Equatable {
    public struct Charge: Sendable, Equatable {
      /// In major units.
      public var amount: DecimalNumber
      /// Nil keeps the present rule.
      public var allocation: Allocation?

      public init(amount: DecimalNumber, allocation: Allocation? = nil) {
        self.amount = amount
        self.allocation = allocation
      }
    }

    public var tax: Charge?
    public var delivery: Charge?
    public var tip: Charge?
    public var discount: Charge?

    public init(tax: Charge? = nil, delivery: Charge? = nil, tip: Charge? = nil, discount: Charge? = nil) {
      self.tax = tax
      self.delivery = delivery
      self.tip = tip
      self.discount = discount
    }
  }
}
