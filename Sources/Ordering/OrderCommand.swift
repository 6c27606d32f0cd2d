package import JSONText
package import RoomCore

/// What somebody asks of an order. Values are as the client gave them, typed but not yet checked against the rules.
package enum OrderCommand: Sendable, Equatable {
  case join(Join)
  case leave(removeItems: Bool)
  case addItem(NewItem)
  case removeItem(id: String)
  /// 0 removes the item.
  case updateQuantity(id: String, quantity: DecimalNumber)
  case updateItem(id: String, ItemChange)
  case updateSplit(SplitRequest)
  case finalize
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

  package struct Join: Sendable, Equatable {
    package var name: String
    package var tenant: String?
    package var circle: String?
    package var phone: String?

    package init(name: String, tenant: String? = nil, circle: String? = nil, phone: String? = nil) {
      self.name = name
      self.tenant = tenant
      self.circle = circle
      self.phone = phone
    }
  }

  package struct NewItem: Sendable, Equatable {
    /// Nil: the room chooses one.
    package var id: String?
    package var dishName: String
    package var dishType: DishType
    package var quantity: DecimalNumber
    /// In major units.
    package var price: DecimalNumber
    package var customization: String?

    package init(
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
  package struct ItemChange: Sendable, Equatable {
    package var dishName: String?
    package var dishType: DishType?
    package var quantity: DecimalNumber?
    package var price: DecimalNumber?
    /// The empty string takes the customization away.
    package var customization: String?

    package init(
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

  package enum SplitRequest: Sendable, Equatable {
    case equal
    case itemized
    /// In major units.
    case custom([ParticipantID: DecimalNumber])
    /// In percent: 33.33 is 3 333 basis points.
    case percentage([ParticipantID: DecimalNumber])
    case shares([ParticipantID: DecimalNumber])
  }

  /// Nil leaves a limit as it is.
  package struct LimitsRequest: Sendable, Equatable {
    package var maxItems: Int?
    package var maxParticipants: Int?
    /// In major units; 0 takes the limit away.
    package var maxTotal: DecimalNumber?
    package var editing: EditingRule?

    package init(
      maxItems: Int? = nil, maxParticipants: Int? = nil, maxTotal: DecimalNumber? = nil, editing: EditingRule? = nil
    ) {
      self.maxItems = maxItems
      self.maxParticipants = maxParticipants
      self.maxTotal = maxTotal
      self.editing = editing
    }
  }

  /// Nil leaves a charge as it is.
  package struct ChargesRequest: Sendable, Equatable {
    package struct Charge: Sendable, Equatable {
      /// In major units.
      package var amount: DecimalNumber
      /// Nil keeps the present rule.
      package var allocation: Allocation?

      package init(amount: DecimalNumber, allocation: Allocation? = nil) {
        self.amount = amount
        self.allocation = allocation
      }
    }

    package var tax: Charge?
    package var delivery: Charge?
    package var tip: Charge?
    package var discount: Charge?

    package init(tax: Charge? = nil, delivery: Charge? = nil, tip: Charge? = nil, discount: Charge? = nil) {
      self.tax = tax
      self.delivery = delivery
      self.tip = tip
      self.discount = discount
    }
  }
}
