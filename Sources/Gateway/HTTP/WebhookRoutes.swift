import Directory
import HTTPTypes
import Hummingbird
import Ordering
import Wire

/// Where a tenant wants to be told of events, and what became of telling, over HTTP.
struct WebhookRoutes: RecordRoutes {
  let webhooks: Webhooks

  func add(to router: Router<GatewayContext>) {
    let base = "v1/tenants/{tenant}/webhooks"
    endpoints(router, base)
    deliveries(router, "\(base)/{webhook}/deliveries")
  }

  private func endpoints(_ router: Router<GatewayContext>, _ base: String) {
    router.post("\(base)") { request, context in
      try await answer(request, context) { call in
        let asked = try WebhookRequest(try await call.body())
        let draft = WebhookDraft(
          url: try WebhookURL(asked.url), events: asked.events, secret: try asked.secret.map { try WebhookSecret($0) })
        let endpoint = try await webhooks.create(call.tenant, draft, id: try call.repeatable("webhook"))
        return Self.entity(endpoint.version, status: .created) { $0.webhook(endpoint, showsSecret: true) }
      }
    }
    router.get("\(base)") { request, context in
      try await answer(request, context) { call in
        let page = try await webhooks.endpoints(call.tenant, size: try call.pageSize(), after: try call.pageToken())
        return Self.list("webhooks", page) { $0.webhook($1) }
      }
    }
    router.get("\(base)/{webhook}") { request, context in
      try await answer(request, context) { call in
        let endpoint = try await webhooks.endpoint(call.tenant, call.parameter("webhook"))
        return Self.entity(endpoint.version) { $0.webhook(endpoint) }
      }
    }
    router.patch("\(base)/{webhook}") { request, context in
      try await answer(request, context) { call in
        let asked = try WebhookChangeRequest(try await call.body())
        let change = WebhookChange(
          url: try asked.url.map { try WebhookURL($0) }, events: asked.events, isEnabled: asked.isEnabled)
        let endpoint = try await webhooks.change(
          call.tenant, call.parameter("webhook"), change, seen: try call.seen())
        return Self.entity(endpoint.version) { $0.webhook(endpoint) }
      }
    }
    router.delete("\(base)/{webhook}") { request, context in
      try await answer(request, context) { call in
        try await webhooks.delete(call.tenant, call.parameter("webhook"), seen: try call.seen())
        return Response(status: .noContent)
      }
    }
    router.post("\(base)/{webhook}/rotate") { request, context in
      try await answer(request, context) { call in
        let endpoint = try await webhooks.rotate(call.tenant, call.parameter("webhook"), seen: try call.seen())
        return Self.entity(endpoint.version) { $0.webhook(endpoint, showsSecret: true) }
      }
    }
  }

  private func deliveries(_ router: Router<GatewayContext>, _ base: String) {
    router.get("\(base)") { request, context in
      try await answer(request, context) { call in
        let page = try await webhooks.deliveries(
          call.tenant, call.parameter("webhook"), in: try status(call), size: try call.pageSize(),
          after: try call.pageToken())
        return Self.list("deliveries", page) { $0.delivery($1, isWhole: false) }
      }
    }
    router.get("\(base)/{delivery}") { request, context in
      try await answer(request, context) { call in
        let delivery = try await webhooks.delivery(
          call.tenant, call.parameter("webhook"), call.parameter("delivery"))
        return Self.document { $0.delivery(delivery, isWhole: true) }
      }
    }
    router.post("\(base)/{delivery}/redeliver") { request, context in
      try await answer(request, context) { call in
        let delivery = try await webhooks.redeliver(
          call.tenant, call.parameter("webhook"), call.parameter("delivery"))
        return Self.document(status: .accepted) { $0.delivery(delivery, isWhole: true) }
      }
    }
  }

  /// - Returns: nil for all.
  private func status(_ call: RecordCall) throws(RecordRejection) -> WebhookDelivery.Status? {
    guard let text = call.query("status") else { return nil }
    guard let status = WebhookDelivery.Status(rawValue: text) else {
      let words = WebhookDelivery.Status.allCases.map(\.rawValue).joined(separator: ", ")
      throw RecordRejection(.invalidField, "status must be one of \(words)")
    }
    return status
  }
}
