public import RoomCore

/// What happened to an order. Holds all that is needed to apply it and to tell clients about it, whatever the
/// tenant's settings say by then; who did it stands in the journal beside it.
public enum OrderEvent: Sendable, Equatable {
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
  case finalized([Share], Placement)
  case deadlineSet(Timestamp?)
  case limitsSet(OrderLimits, EditingRule)
  case chargesSet(Charges)
  /// An `undo` took back the participant's last change; the event that does it comes right before.
  case undone(ParticipantID)
  /// Accepted, and everything was so already.
  case unchanged

  public struct Creation: Sendable, Equatable {
    public var tenant: String
    public var circle: String
    public var currency: Currency
    public var owner: ParticipantID
    /// Whether only those join for whom the records vouch.
    public var isForMembers: Bool
    public var isUnreported: Bool
    public var limits: OrderLimits
    public var editing: EditingRule
    public var deadline: Timestamp?
    /// How long the order may lie untouched before it expires, in milliseconds.
    public var idleLimitMillis: Int64

    public init(
      tenant: String, circle: String, currency: Currency, owner: ParticipantID,
      isForMembers: Bool = false, isUnreported: Bool = false, limits: OrderLimits, editing: EditingRule,
      deadline: Timestamp?,
      idleLimitMillis: Int64
    ) {
      self.tenant = tenant
      self.circle = circle
      self.currency = currency
      self.owner = owner
      self.isForMembers = isForMembers
      self.isUnreported = isUnreported
      self.limits = limits
      self.editing = editing
      self.deadline = deadline
      self.idleLimitMillis = idleLimitMillis
    }
  }

  public enum Departure: String, Sendable {
    case left, removed
  }

  public enum Expiry: String, Sendable {
    case deadline, idle
  }
}
