import Metrics
import ServiceLifecycle
import Store

/// Copies what the store counts into the metrics, once a second.
struct StatisticsService: Service {
  let store: any RoomStore

  func run() async throws {
    let gauges = StoreGauges()
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        gauges.record(store.statistics)
        do {
          try await Task.sleep(for: .seconds(1))
        } catch {
          return
        }
      }
    }
  }
}

/// The store's counts under their names in the metrics.
private struct StoreGauges {
  private let transactions = Meter(label: "stonepot_store_transactions_total")
  private let failedTransactions = Meter(label: "stonepot_store_transactions_failed_total")
  private let committed = Meter(label: "stonepot_store_commits_total")
  private let stale = Meter(label: "stonepot_store_commits_stale_total")
  private let conflicts = Meter(label: "stonepot_store_commits_conflicting_total")
  private let failed = Meter(label: "stonepot_store_commits_failed_total")
  private let unknown = Meter(label: "stonepot_store_commits_unknown_total")
  private let bytes = Meter(label: "stonepot_store_committed_bytes_total")
  private let queueDepth = Meter(label: "stonepot_store_queue_depth")
  private let queueBytes = Meter(label: "stonepot_store_queue_bytes")
  private let largestGroup = Meter(label: "stonepot_store_largest_group")
  private let lastSeconds = Meter(label: "stonepot_store_last_transaction_seconds")
  private let totalSeconds = Meter(label: "stonepot_store_transaction_seconds_total")
  private let reconnects = Meter(label: "stonepot_store_reconnects_total")

  func record(_ statistics: StoreStatistics) {
    transactions.set(statistics.transactions)
    failedTransactions.set(statistics.failedTransactions)
    committed.set(statistics.committed)
    stale.set(statistics.stale)
    conflicts.set(statistics.conflicts)
    failed.set(statistics.failed)
    unknown.set(statistics.unknown)
    bytes.set(statistics.committedBytes)
    queueDepth.set(statistics.queueDepth)
    queueBytes.set(statistics.queueBytes)
    largestGroup.set(statistics.largestGroup)
    lastSeconds.set(Double(statistics.lastTransactionNanoseconds) / 1e9)
    totalSeconds.set(Double(statistics.totalTransactionNanoseconds) / 1e9)
    reconnects.set(statistics.reconnects)
  }
}
