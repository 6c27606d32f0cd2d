import Metrics

/// What a gateway counts.
struct GatewayMetrics: Sendable {
  let connections = Meter(label: "stonepot_connections")
  let sessions = Meter(label: "stonepot_sessions")
  let messagesReceived = Counter(label: "stonepot_messages_received_total")
  let framesSent = Counter(label: "stonepot_frames_sent_total")
  let rateLimited = Counter(label: "stonepot_messages_rate_limited_total")
  let refusedTenantConnections = Counter(label: "stonepot_tenant_connections_refused_total")
  let limitedTenantMessages = Counter(label: "stonepot_tenant_messages_rate_limited_total")
  let lags = Counter(label: "stonepot_outbox_overflows_total")
  let slowConsumers = Counter(label: "stonepot_slow_consumers_closed_total")
  /// HTTP clients that took too long to send a request or to take its answer.
  let slowClients = Counter(label: "stonepot_http_slow_clients_closed_total")
  let deadPeers = Counter(label: "stonepot_dead_peers_closed_total")
  /// As the gateway, or the address that they came from, has as many as it may have; or as the gateway is stopping.
  let refusedConnections = Refusals(label: "stonepot_connections_refused_total")
  let failedHandshakes = Counter(label: "stonepot_tls_handshakes_failed_total")
  let reloads = Counter(label: "stonepot_tls_reloads_total")
  let failedReloads = Counter(label: "stonepot_tls_reloads_failed_total")

  let tokenKeyReloads = Counter(label: "stonepot_token_keys_reloads_total")
  let failedTokenKeyReloads = Counter(label: "stonepot_token_keys_reloads_failed_total")
  /// Requests for records beyond their caller's rate.
  let limitedRequests = Counter(label: "stonepot_requests_rate_limited_total")
  /// Uses of API keys that could not be written down.
  let failedKeyNotes = Counter(label: "stonepot_key_notes_failed_total")

  /// In seconds since 1970. There is none without a certificate: 0 would look like one that has ended.
  func certificateExpires(at seconds: Double) {
    Meter(label: "stonepot_tls_certificate_expiry_seconds").set(seconds)
  }
}

/// Counts what a bound turned away, by the bound.
struct Refusals: Sendable {
  enum Reason: String, CaseIterable {
    case gateway, address, stopping
  }

  private let gateway, address, stopping: Counter

  init(label: String) {
    func counter(_ reason: Reason) -> Counter { Counter(label: label, dimensions: [("reason", reason.rawValue)]) }
    (gateway, address, stopping) = (counter(.gateway), counter(.address), counter(.stopping))
  }

  func increment(_ reason: Reason) {
    switch reason {
    case .gateway: gateway.increment()
    case .address: address.increment()
    case .stopping: stopping.increment()
    }
  }
}
