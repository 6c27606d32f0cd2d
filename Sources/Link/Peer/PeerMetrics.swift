import Metrics

/// What the connections between processes count.
struct PeerMetrics: Sendable {
  let connections = Meter(label: "stonepot_peer_connections")
  let framesReceived = Counter(label: "stonepot_peer_frames_received_total")
  let framesSent = Counter(label: "stonepot_peer_frames_sent_total")
  let framesSkipped = Counter(label: "stonepot_peer_frames_skipped_total")
  let bytesReceived = Counter(label: "stonepot_peer_bytes_received_total")
  let bytesSent = Counter(label: "stonepot_peer_bytes_sent_total")
  /// Handshakes that came to nothing, whoever refused.
  let failedHandshakes = Counter(label: "stonepot_peer_handshakes_failed_total")
  /// Accepted connections beyond `PeerSettings.maxPending`.
  let refusedConnections = Counter(label: "stonepot_peer_connections_refused_total")
  let overloads = Counter(label: "stonepot_peer_overloads_total")
  let silences = Counter(label: "stonepot_peer_silences_total")
  let failedDials = Counter(label: "stonepot_peer_dials_failed_total")
  let reloads = Counter(label: "stonepot_peer_tls_reloads_total")
  let failedReloads = Counter(label: "stonepot_peer_tls_reloads_failed_total")

  /// In seconds since 1970. There is none without a certificate: 0 would look like one that has ended.
  func certificateExpires(at seconds: Double) {
    Meter(label: "stonepot_peer_tls_certificate_expiry_seconds").set(seconds)
  }
}
