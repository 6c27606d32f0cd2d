import Metrics

/// What a gateway counts.
struct GatewayMetrics: Sendable {
  let connections = Meter(label: "stonepot_connections")
  let sessions = Meter(label: "stonepot_sessions")
  let messagesReceived = Counter(label: "stonepot_messages_received_total")
  let framesSent = Counter(label: "stonepot_frames_sent_total")
  let rateLimited = Counter(label: "stonepot_messages_rate_limited_total")
  let lags = Counter(label: "stonepot_outbox_overflows_total")
  let slowConsumers = Counter(label: "stonepot_slow_consumers_closed_total")
  let deadPeers = Counter(label: "stonepot_dead_peers_closed_total")
  let refusedConnections = Counter(label: "stonepot_connections_refused_total")
}
