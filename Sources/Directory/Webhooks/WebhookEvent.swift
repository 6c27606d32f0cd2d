public import Ordering
public import RoomCore
public import Store

/// Something that happened, of which tenants' servers are told.
public struct WebhookEvent: Equatable, Sendable {
  public let tenant: String
  public let type: WebhookEventType
  /// `webhook-id`: the same wherever and however often the event is sent. Without a full stop, which separates the parts of
  /// what is signed.
  public let id: String
  public let at: Timestamp
  /// JSON text.
  public let data: String

  /// - Parameters:
  ///   - key: what tells the event from all others of its type: a room, `seq` and index, or a record's id and version. The
  ///     same key is the same event.
  ///   - data: JSON text.
  public init(_ type: WebhookEventType, tenant: String, key: String, at: Timestamp, data: [UInt8]) {
    self.tenant = tenant
    self.type = type
    self.at = at
    self.data = String(decoding: data, as: UTF8.self)
    id = "evt_" + shortDigest("\(tenant)\n\(type.rawValue)\n\(key)")
  }
}

extension RecordTransaction {
  /// Notes an event for each endpoint of its tenant that wants it, to be called in the transaction that causes it: then it
  /// is sent if that was written, and only then. An event that an endpoint has been given before is not noted again.
  public func enqueueWebhook(_ event: WebhookEvent) throws {
    for endpoint in try webhooks(of: event.tenant) where endpoint.isEnabled && endpoint.wants(event.type) {
      try run(
        """
        INSERT INTO webhook_deliveries (
          endpoint, event, type, at, data, status, due_at, tries, attempt_count, attempts)
        VALUES ($1, $2, $3, $4, $5, 'waiting', $4, 0, 0, '[]')
        ON CONFLICT (endpoint, event) DO NOTHING
        """,
        [
          .text(endpoint.id), .text(event.id), .text(event.type.rawValue), .integer(event.at.millis), .text(event.data),
        ])
    }
  }
}
