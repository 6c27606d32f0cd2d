public import RoomCore

/// One event on its way to one endpoint.
public struct WebhookDelivery: Equatable, Sendable {
  public enum Status: String, Sendable, CaseIterable {
    /// It is sent now, or will be again.
    case waiting
    case delivered
    /// The last attempt has failed, or the endpoint has said that it is gone.
    case failed
    /// The endpoint was disabled before it was delivered.
    case cancelled
  }

  /// The endpoint's id.
  public let endpoint: String
  /// The event's id, the same at every endpoint and in every attempt: `webhook-id`.
  public let event: String
  public let type: String
  /// When it happened.
  public let at: Timestamp
  /// JSON text.
  public let data: String
  public let status: Status
  /// When it is sent next; nil: it is being sent, or at its end.
  public let nextAttemptAt: Timestamp?
  public let attemptCount: Int
  /// The last of them, in order.
  public let attempts: [WebhookAttempt]

  public init(
    endpoint: String, event: String, type: String, at: Timestamp, data: String, status: Status,
    nextAttemptAt: Timestamp?, attemptCount: Int, attempts: [WebhookAttempt]
  ) {
    self.endpoint = endpoint
    self.event = event
    self.type = type
    self.at = at
    self.data = data
    self.status = status
    self.nextAttemptAt = nextAttemptAt
    self.attemptCount = attemptCount
    self.attempts = attempts
  }
}

/// What came of sending an event once.
public struct WebhookAttempt: Equatable, Sendable {
  /// How many are kept of a delivery.
  public static let maxKept = 10

  public var at: Timestamp
  public var durationMillis: Int64
  /// Of HTTP; nil: there was no answer.
  public var status: Int?
  /// Why there was none.
  public var error: String?
  /// How the answer's body begins.
  public var response: String?

  public init(
    at: Timestamp, durationMillis: Int64 = 0, status: Int? = nil, error: String? = nil, response: String? = nil
  ) {
    self.at = at
    self.durationMillis = durationMillis
    self.status = status
    self.error = error
    self.response = response
  }
}
