public import RoomCore

/// Why an order refused a command.
public struct OrderRejection: RoomRejection {
  public enum Kind: String, Sendable {
    case invalidJoin = "invalid_join"
    case invalidItem = "invalid_item"
    case invalidQuantity = "invalid_quantity"
    case invalidPrice = "invalid_price"
    case invalidSplit = "invalid_split"
    case invalidCharge = "invalid_charge"
    case invalidLimit = "invalid_limit"
    case invalidDeadline = "invalid_deadline"
    case itemNotFound = "item_not_found"
    case participantNotFound = "participant_not_found"
    case notJoined = "not_joined"
    case notOwner = "not_owner"
    case notMember = "not_member"
    case notYourItem = "not_your_item"
    case dishUnavailable = "dish_unavailable"
    case emptyOrder = "empty_order"
    case nothingToUndo = "nothing_to_undo"
    case orderChanged = "order_changed"
    case orderNotFound = "order_not_found"
    case orderLocked = "order_locked"
    case orderFinalized = "order_finalized"
    case orderCancelled = "order_cancelled"
    case orderExpired = "order_expired"
    case wrongTenant = "wrong_tenant"
    case limitExceeded = "limit_exceeded"
  }

  public let kind: Kind
  public let message: String

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  public var code: String { kind.rawValue }
}
