import Directory
import Metrics
import RoomCore

/// What a worker counts.
struct WebhookMetrics: Sendable {
  private static let label = "stonepot_webhook_attempts_total"
  private let delivered = Counter(label: label, dimensions: [("outcome", "delivered")])
  private let retried = Counter(label: label, dimensions: [("outcome", "retry")])
  private let failed = Counter(label: label, dimensions: [("outcome", "failed")])
  private let gone = Counter(label: label, dimensions: [("outcome", "gone")])
  private let lostLeases = Counter(label: "stonepot_webhook_leases_lost_total")
  private let underWay = Meter(label: "stonepot_webhook_attempts_under_way")
  private let waiting = Meter(label: "stonepot_webhook_deliveries_waiting")
  private let oldestDue = Meter(label: "stonepot_webhook_oldest_due_seconds")

  func count(_ verdict: WebhookVerdict) {
    switch verdict {
    case .delivered: delivered.increment()
    case .retry: retried.increment()
    case .failed: failed.increment()
    case .gone: gone.increment()
    }
  }

  /// An attempt took longer than its lease: somebody else sends the same.
  func countLostLease() { lostLeases.increment() }

  func underWay(_ count: Int) { underWay.set(count) }

  func backlog(_ backlog: (waiting: Int, oldestDue: Timestamp?), at now: Timestamp) {
    waiting.set(backlog.waiting)
    oldestDue.set(Double(max(0, now.millis - (backlog.oldestDue ?? now).millis)) / 1000)
  }
}
