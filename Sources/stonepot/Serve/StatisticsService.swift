import Metrics
import ServiceLifecycle
import Store

/// Copies what the store counts into the metrics, once a second.
struct StatisticsService: Service {
  let store: any RoomStore

  func run() async throws {
    await cancelWhenGracefulShutdown {
      var metrics = StoreMetrics()
      while !Task.isCancelled {
        metrics.record(store.statistics)
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
private struct StoreMetrics {
  private let transactions = Counter(label: "stonepot_store_transactions_total")
  private let failedTransactions = Counter(label: "stonepot_store_transactions_failed_total")
  private let committed = Counter(label: "stonepot_store_commits_total")
  private let stale = Counter(label: "stonepot_store_commits_stale_total")
  private let conflicts = Counter(label: "stonepot_store_commits_conflicting_total")
  private let failed = Counter(label: "stonepot_store_commits_failed_total")
  private let unknown = Counter(label: "stonepot_store_commits_unknown_total")
  private let bytes = Counter(label: "stonepot_store_committed_bytes_total")
  private let seconds = FloatingPointCounter(label: "stonepot_store_transaction_seconds_total")
  private let reconnects = Counter(label: "stonepot_store_reconnects_total")
  private let queueDepth = Meter(label: "stonepot_store_queue_depth")
  private let queueBytes = Meter(label: "stonepot_store_queue_bytes")
  private let readDepth = Meter(label: "stonepot_store_read_depth")
  private let largestGroup = Meter(label: "stonepot_store_largest_group")
  private let lastSeconds = Meter(label: "stonepot_store_last_transaction_seconds")
  /// What the counters have been told.
  private var counted = StoreStatistics()

  mutating func record(_ statistics: StoreStatistics) {
    func count(_ counter: Counter, _ value: KeyPath<StoreStatistics, Int>) {
      counter.increment(by: statistics[keyPath: value] - counted[keyPath: value])
    }
    count(transactions, \.transactions)
    count(failedTransactions, \.failedTransactions)
    count(committed, \.committed)
    count(stale, \.stale)
    count(conflicts, \.conflicts)
    count(failed, \.failed)
    count(unknown, \.unknown)
    count(bytes, \.committedBytes)
    count(reconnects, \.reconnects)
    let nanoseconds = statistics.totalTransactionNanoseconds - counted.totalTransactionNanoseconds
    seconds.increment(by: Double(nanoseconds) / 1e9)
    counted = statistics
    queueDepth.set(statistics.queueDepth)
    queueBytes.set(statistics.queueBytes)
    readDepth.set(statistics.readDepth)
    largestGroup.set(statistics.largestGroup)
    lastSeconds.set(Double(statistics.lastTransactionNanoseconds) / 1e9)
  }
}
