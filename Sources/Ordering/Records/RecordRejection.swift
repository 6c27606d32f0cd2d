/// Why a request about customers, circles or orders was refused. Nothing has changed.
public struct RecordRejection: Error, Equatable, Sendable {
  public enum Code: String, Sendable, CaseIterable {
    /// A field is missing, or not what it must be.
    case invalidField = "invalid_field"
    case customerNotFound = "customer_not_found"
    case circleNotFound = "circle_not_found"
    case orderNotFound = "order_not_found"
    case menuNotFound = "menu_not_found"
    case tenantNotFound = "tenant_not_found"
    case keyNotFound = "key_not_found"
    case webhookNotFound = "webhook_not_found"
    case deliveryNotFound = "delivery_not_found"
    /// Nothing is sent to an endpoint that is disabled.
    case webhookDisabled = "webhook_disabled"
    case sessionNotFound = "session_not_found"
    /// Only members of the circle may do this.
    case notMember = "not_member"
    /// Only who has joined the order may do this.
    case notJoined = "not_joined"
    /// Only the circle's owner may do this.
    case notOwner = "not_owner"
    /// The owner has to hand the circle over before leaving it.
    case ownerStays = "owner_stays"
    case circleClosed = "circle_closed"
    /// A dish that was ordered is not on the menu, or not to be had now.
    case dishUnavailable = "dish_unavailable"
    case limitExceeded = "limit_exceeded"
    /// An order does not go from its status to that one.
    case invalidTransition = "invalid_transition"
    /// The record has changed since the caller saw it.
    case versionMismatch = "version_mismatch"
    case invalidPageToken = "invalid_page_token"
    /// The name of the request was another request's.
    case idempotencyConflict = "idempotency_conflict"
  }

  public let code: Code
  /// For people: names the field and the rule.
  public let message: String

  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }
}

extension TextRule {
  static let email = TextRule(maxLength: 254)

  /// The same rule for records.
  func require(_ text: String, _ field: String) throws(RecordRejection) {
    do throws(OrderRejection) {
      try require(text, field, else: .invalidItem)
    } catch {
      throw RecordRejection(.invalidField, error.message)
    }
  }
}
