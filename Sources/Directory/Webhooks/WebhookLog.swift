public import Ordering
import RoomCore
import Store

extension Webhooks {
  /// What was and is to be delivered to an endpoint, the newest first.
  ///
  /// - Parameter status: nil for all.
  /// - Throws: `webhook_not_found`.
  public func deliveries(
    _ tenant: String, _ endpoint: String, in status: WebhookDelivery.Status? = nil, size: Int = 20,
    after: PageToken? = nil
  ) async throws -> Page<WebhookDelivery> {
    let size = try Page<WebhookDelivery>.checked(size)
    return try await store.readRecords { records in
      _ = try records.requireWebhook(tenant, endpoint)
      let place: [RecordValue] = [
        .text(endpoint), .integer(after?.time ?? .max), .text(after?.id ?? ""), RecordValue(size + 1),
      ]
      let rows =
        if let status {
          try records.run(WebhookQueries.deliveriesInStatus, place + [.text(status.rawValue)])
        } else {
          try records.run(WebhookQueries.deliveries, place)
        }
      return Page(try rows.map { try WebhookDelivery($0) }, size: size) {
        PageToken(time: $0.at.millis, id: $0.event)
      }
    }
  }

  /// - Throws: `webhook_not_found`, `delivery_not_found`.
  public func delivery(_ tenant: String, _ endpoint: String, _ event: String) async throws -> WebhookDelivery {
    try await store.readRecords { records in
      _ = try records.requireWebhook(tenant, endpoint)
      return try records.requireDelivery(endpoint, event)
    }
  }

  /// Sends an event again, under the same id and with all attempts before it. What is being sent at this moment stays as
  /// it is.
  ///
  /// - Throws: `webhook_not_found`, `delivery_not_found`, `webhook_disabled`.
  public func redeliver(_ tenant: String, _ endpoint: String, _ event: String) async throws -> WebhookDelivery {
    let now = now()
    return try await store.writeRecords { records in
      guard try records.requireWebhook(tenant, endpoint).isEnabled else {
        throw RecordRejection(.webhookDisabled, "the webhook is disabled: nothing is sent to it")
      }
      _ = try records.requireDelivery(endpoint, event)
      try records.run(
        """
        UPDATE webhook_deliveries SET status = 'waiting', due_at = $3, owner = NULL, tries = 0, ended_at = NULL
        WHERE endpoint = $1 AND event = $2 AND (owner IS NULL OR due_at <= $3)
        """, [.text(endpoint), .text(event), .integer(now.millis)])
      return try records.requireDelivery(endpoint, event)
    }
  }
}

extension RecordTransaction {
  fileprivate func requireDelivery(_ endpoint: String, _ event: String) throws -> WebhookDelivery {
    guard let row = try run(WebhookQueries.delivery, [.text(endpoint), .text(event)]).first else {
      throw RecordRejection(.deliveryNotFound, "there is no such delivery")
    }
    return try WebhookDelivery(row)
  }
}

extension WebhookDelivery {
  fileprivate init(_ row: RecordRow) throws {
    var next: Timestamp?
    if case .integer(let due) = row[6], row[7] == .null { next = Timestamp(millis: due) }
    self.init(
      endpoint: try row.text(0), event: try row.text(1), type: try row.text(2),
      at: Timestamp(millis: try row.integer(3)),
      data: try row.text(4), status: try row.value(5), nextAttemptAt: next, attemptCount: Int(try row.integer(8)),
      attempts: try StoredParts.attempts(try row.text(9)))
  }
}
