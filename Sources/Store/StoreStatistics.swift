/// What a store has done since it was opened, and what waits; for metrics.
public struct StoreStatistics: Sendable, Equatable {
  /// Transactions that reached the disk. Each cost one fsync; checkpoints come on top.
  public var transactions = 0
  /// Transactions that failed as a whole.
  public var failedTransactions = 0
  /// Commits by outcome. Re-sent commits that were already there count as committed.
  public var committed = 0
  public var stale = 0
  public var conflicts = 0
  public var failed = 0
  public var unknown = 0
  /// Text of the commits that were committed.
  public var committedBytes = 0
  /// Commits and other writes that wait for the writer, and the text they hold.
  public var queueDepth = 0
  public var queueBytes = 0
  /// Reads that run or wait for a connection.
  public var readDepth = 0
  /// Commits in the largest transaction so far.
  public var largestGroup = 0
  /// From asking for the write lock to the end of the transaction, fsync included.
  public var lastTransactionNanoseconds: Int64 = 0
  public var totalTransactionNanoseconds: Int64 = 0
  /// How often the engine's connection was closed and made anew after an error that left its state in doubt.
  public var reconnects = 0

  public init() {}
}
