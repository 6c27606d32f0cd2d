/// How long a room stood still, and how long its operations took.
package struct DrillTimes: Sendable, Equatable {
  /// One operation that was due in the time that is looked at.
  package struct Operation: Sendable, Equatable {
    package var due: UInt64
    /// Nil: never.
    package var acknowledged: UInt64?
  }

  package private(set) var operations: [Operation] = []
  /// The longest time between an operation being due and anything of the room being acknowledged.
  package private(set) var longestStall: UInt64 = 0

  /// - Parameters:
  ///   - start: operations that were due before do not count.
  ///   - end: when everybody had stopped waiting.
  package init(of clients: [ClientHistory], from start: UInt64, to end: UInt64) {
    var acknowledgements: [UInt64] = []
    for client in clients {
      var waiting: [Int: UInt64] = [:]
      for entry in client.entries {
        switch entry.what {
        case .due(let number) where entry.time >= start: waiting[number] = entry.time
        case .acknowledged(let number, _):
          acknowledgements.append(entry.time)
          // A second answer is to a second sending.
          if let due = waiting.removeValue(forKey: number) {
            operations.append(Operation(due: due, acknowledged: entry.time))
          }
        default: break
        }
      }
      operations += waiting.values.map { Operation(due: $0, acknowledged: nil) }
    }
    operations.sort { $0.due < $1.due }
    acknowledgements.sort()
    var next = acknowledgements[...]
    for operation in operations {
      next = next.drop { $0 < operation.due }
      longestStall = max(longestStall, (next.first ?? max(end, operation.due)) - operation.due)
    }
  }
}

/// Values by rank: the smallest one that at least so many percent of all do not exceed.
package struct Ranked: Sendable, Equatable, Codable {
  package var p50: Double
  package var p99: Double
  package var max: Double

  package init(p50: Double = 0, p99: Double = 0, max: Double = 0) {
    (self.p50, self.p99, self.max) = (p50, p99, max)
  }

  /// - Parameter nanoseconds: in any order. They become milliseconds, to a tenth.
  package init(millisOf nanoseconds: [UInt64]) {
    let sorted = nanoseconds.sorted()
    func rank(_ percent: Int) -> Double {
      guard !sorted.isEmpty else { return 0 }
      let index = (sorted.count * percent + 99) / 100 - 1
      return rounded(Double(sorted[Swift.max(0, index)]) / 1_000_000)
    }
    self.init(p50: rank(50), p99: rank(99), max: rank(100))
  }
}
