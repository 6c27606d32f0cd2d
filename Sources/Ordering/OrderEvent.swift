package import RoomCore

/// What happened to an order. Holds all that is needed to apply it and to tell clients about it, whatever the
/// tenant's settings say by then; who did it stands in the journal beside it.
package enum OrderEvent: Sendable, Equatable {
  case created(Creation)
  case participantJoined(Participant)
  case participantLeft(ParticipantID, name: String, reason: Departure)
  case ownershipTransferred(to: ParticipantID)
  case itemAdded(OrderItem, index: Int)
  case itemRemoved(id: String)
  case quantityUpdated(id: String, quantity: Int)
  /// The item as it is now.
  case itemUpdated(OrderItem)
  case splitUpdated(Split)
  case readyChanged(ParticipantID, isReady: Bool)
  case locked
  case unlocked
  case cancelled
  case expired(Expiry)
  case finalized([Share])
  case deadlineSet(Timestamp?)
  case limitsSet(OrderLimits, EditingRule)
  case chargesSet(Charges)
  /// An `undo` took back the participant's last change; the event that does it comes right before.
  case undone(ParticipantID)
  /// Accepted, and everything was so already.
  case unchanged

  package struct Creation: Sendable, Equatable {
    package var tenant: String
    package var circle: String
    package var currency: Currency
    package var owner: ParticipantID
    package var limits: OrderLimits
    package var editing: EditingRule
    package var deadline: Timestamp?
    /// How long the order may lie untouched before it expires, in milliseconds.
    package var idleLimitMillis: Int64

    package init(
      tenant: String, circle: String, currency: Currency, owner: ParticipantID, limits: OrderLimits,
      editing: EditingRule, deadline: Timestamp?, idleLimitMillis: Int64
    ) {
      self.tenant = tenant
      self.circle = circle
      self.currency = currency
      self.owner = owner
      self.limits = limits
      self.editing = editing
      self.deadline = deadline
      self.idleLimitMillis = idleLimitMillis
    }
  }

  package enum Departure: String, Sendable {
    case left, removed
  }

  package enum Expiry: String, Sendable {
    case deadline, idle
  }
}
