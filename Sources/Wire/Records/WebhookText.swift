public import JSONText
public import Ordering
import RoomCore

extension JSONWriter {
  /// - Parameter showsSecret: in the answer to who has made it, and nowhere else.
  public mutating func webhook(_ endpoint: WebhookEndpoint, showsSecret: Bool = false) {
    beginObject()
    field("id", endpoint.id)
    field("tenantId", endpoint.tenant)
    field("url", endpoint.url.text)
    key("events")
    beginArray()
    for event in endpoint.events { string(event) }
    endArray()
    field("enabled", endpoint.isEnabled)
    field("disabledReason", endpoint.disabledReason)
    if showsSecret { field("secret", endpoint.secret.text) }
    if let until = endpoint.oldSecrets.first?.until { field("oldSecretUntil", until.millis) }
    field("createdAt", endpoint.createdAt.millis)
    field("updatedAt", endpoint.updatedAt.millis)
    field("version", endpoint.version)
    endObject()
  }

  /// - Parameter isWhole: with what is sent, and the attempts.
  public mutating func delivery(_ delivery: WebhookDelivery, isWhole: Bool) {
    beginObject()
    field("id", delivery.event)
    field("endpointId", delivery.endpoint)
    field("type", delivery.type)
    field("timestamp", delivery.at.millis)
    field("status", delivery.status.rawValue)
    field("attemptCount", delivery.attemptCount)
    if let next = delivery.nextAttemptAt { field("nextAttemptAt", next.millis) }
    if isWhole {
      key("data")
      verbatim(delivery.data.utf8)
      key("attempts")
      beginArray()
      for attempt in delivery.attempts { self.attempt(attempt) }
      endArray()
    }
    endObject()
  }

  private mutating func attempt(_ attempt: WebhookAttempt) {
    beginObject()
    field("at", attempt.at.millis)
    field("durationMillis", attempt.durationMillis)
    if let status = attempt.status { field("status", status) }
    field("error", attempt.error)
    field("response", attempt.response)
    endObject()
  }
}
