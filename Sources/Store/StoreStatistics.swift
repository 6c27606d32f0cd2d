/// What a store has done since it was opened, and what waits; for metrics.
package struct StoreStatistics: Sendable, Equatable {
  /// Transactions that reached the disk. Each cost one fsync; checkpoints come on top.
  package var transactions = 0
  /// Transactions that failed as a whole.
  package var failedTransactions = 0
  /// Commits by outcome. Re-sent commits that were already there count as committed.
  package var committed = 0
  package var stale = 0
  package var conflicts = 0
  package var failed = 0
  package var unknown = 0
  /// Text of the commits that were committed.
  package var committedBytes = 0
  /// Commits and other writes that wait for the writer, and the text they hold.
  package var queueDepth = 0
  package var queueBytes = 0
  /// Reads that run or wait for a connection.
  package var readDepth = 0
  /// Commits in the largest transaction so far.
  package var largestGroup = 0
  /// From asking for the write lock to the end of the transaction, fsync included.
  package var lastTransactionNanoseconds: Int64 = 0
  package var totalTransactionNanoseconds: Int64 = 0
  /// How often the engine's connection was closed and made anew after an error that left its state in doubt.
  package var reconnects = 0

  package init() {}
}
