/// What sending takes and bears. Each comment says what moving a value costs.
package struct WebhookSettings: Sendable {
  /// Whether receivers may have addresses of the operator's own network, and may be spoken to without TLS. Whoever may
  /// make webhooks could then have this process post to anything in it.
  package var allowsPrivateAddresses = false
  /// Attempts under way at once. Each is a connection, and the lookup of a name may hold a thread.
  package var concurrency = 16
  /// Of which this many may go to one endpoint, so that one that stalls leaves the others room. At most a quarter of
  /// all.
  package var concurrencyPerEndpoint = 4
  /// How long an attempt may take, from the lookup of the name to the end of the answer. Less: slow receivers are sent the
  /// same again. More: stalling ones hold their share of the attempts longer.
  package var attemptLimit: Duration = .seconds(15)
  /// For how long a delivery is a worker's own. Longer than an attempt and writing down what came of it; the rest is for
  /// clocks that differ. Less: two workers may send the same. More: what a dead worker had waits longer.
  package var lease: Duration = .seconds(60)
  /// How often a worker looks for what is due.
  package var pollInterval: Duration = .seconds(1)
  /// How long attempts under way may still take when the worker stops. It is part of a node's time to end.
  package var stopLimit: Duration = .seconds(3)
  /// How long it is kept what became of a delivery.
  package var retention: Duration = .seconds(30 * 24 * 3600)
  /// How much of an answer's body is read, in bytes. What is beyond is not waited for: the status has been said.
  package var maxAnswerBytes = 64 << 10
  /// How much of it is kept for the tenant to look at, in bytes, with each of the last attempts.
  package var keptAnswerBytes = 4 << 10
  package var schedule = RetrySchedule()
  /// A PEM file with whom to trust beside the system's authorities.
  package var authority: String?

  package init() {}
}
