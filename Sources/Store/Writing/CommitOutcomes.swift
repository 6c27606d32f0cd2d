internal import Synchronization

typealias CommitCompletion = @Sendable (CommitOutcome) -> Void

/// The outcomes of one transaction's commits, to be told with one post for each lane.
struct CommitOutcomes {
  private var lanes: [(lane: any CompletionLane, told: [(CommitCompletion, CommitOutcome)])] = []
  private var places: [ObjectIdentifier: Int] = [:]
  /// The outcomes alone.
  private(set) var counted = StoreStatistics()

  mutating func add(_ outcome: CommitOutcome, of commit: RoomCommit, _ completion: @escaping CommitCompletion) {
    counted.count(outcome, bytes: commit.text.count)
    let place: Int
    if let known = places[ObjectIdentifier(commit.lane)] {
      place = known
    } else {
      place = lanes.count
      places[ObjectIdentifier(commit.lane)] = place
      lanes.append((commit.lane, []))
    }
    lanes[place].told.append((completion, outcome))
  }

  /// Counts them and tells them, in this order, so that whoever was told finds himself counted.
  func tell(counting counters: borrowing Mutex<StoreStatistics>) {
    counters.withLock { $0.add(counted) }
    for (lane, told) in lanes {
      lane.post {
        for (completion, outcome) in told { completion(outcome) }
      }
    }
  }
}

extension StoreStatistics {
  /// Adds a transaction that reached the disk.
  mutating func count(transactionOf commits: Int, took elapsed: Duration) {
    transactions += 1
    largestGroup = max(largestGroup, commits)
    lastTransactionNanoseconds = elapsed.nanoseconds
    totalTransactionNanoseconds += elapsed.nanoseconds
  }

  fileprivate mutating func count(_ outcome: CommitOutcome, bytes: Int) {
    switch outcome {
    case .committed:
      committed += 1
      committedBytes += bytes
    case .stale: stale += 1
    case .conflict: conflicts += 1
    case .failed: failed += 1
    case .unknown: unknown += 1
    }
  }

  fileprivate mutating func add(_ other: StoreStatistics) {
    committed += other.committed
    committedBytes += other.committedBytes
    stale += other.stale
    conflicts += other.conflicts
    failed += other.failed
    unknown += other.unknown
  }
}

extension Duration {
  fileprivate var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
  }
}
