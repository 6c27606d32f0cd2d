/// `GET /v1/tenants/{tenant}/webhooks/{webhook}`
struct WebhookAnswer: Decodable {
  let id: String
  let url: String
  let events: [String]
  let enabled: Bool
  let disabledReason: String?
  let secret: String?
}

/// `GET /v1/tenants/{tenant}/webhooks`
struct WebhooksAnswer: Decodable {
  let webhooks: [WebhookAnswer]

  var lines: [String] {
    var table = TextTable(("ID", .left), ("STATE", .left), ("EVENTS", .left), ("URL", .left))
    for webhook in webhooks {
      table.add(
        webhook.id, webhook.enabled ? "enabled" : "disabled: \(webhook.disabledReason ?? "-")",
        webhook.events.isEmpty ? "all" : webhook.events.joined(separator: ","), webhook.url)
    }
    return table.lines
  }
}

/// `GET /v1/tenants/{tenant}/webhooks/{webhook}/deliveries`
struct DeliveriesAnswer: Decodable {
  struct Delivery: Decodable {
    let id: String
    let type: String
    let timestamp: Int64
    let status: String
    let attemptCount: Int
    let nextAttemptAt: Int64?
  }

  let deliveries: [Delivery]

  var lines: [String] {
    var table = TextTable(
      ("ID", .left), ("TYPE", .left), ("AT", .left), ("STATUS", .left), ("ATTEMPTS", .right), ("NEXT", .left))
    for delivery in deliveries {
      table.add(
        delivery.id, delivery.type, TextTable.time(delivery.timestamp), delivery.status, "\(delivery.attemptCount)",
        TextTable.time(delivery.nextAttemptAt))
    }
    return table.lines
  }
}
