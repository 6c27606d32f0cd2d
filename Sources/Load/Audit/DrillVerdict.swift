/// What became of the clients of a drill.
package struct DrillVerdict: Sendable, Codable {
  /// When a fault began or ended.
  package struct Mark: Sendable, Codable, Equatable {
    package var text: String
    package var isHealing: Bool
    /// Since the load began.
    package var second: Double
    /// Until the last operation was answered that took longer than half a second; 0 if none did. What was due after the next
    /// mark does not count.
    package var recoverySeconds: Double
  }

  /// Half a second of the load.
  package struct Moment: Sendable, Codable, Equatable {
    /// Its beginning, since the load began.
    package var second: Double
    package var acknowledgedPerSecond: Double
    /// Of operations that were due in it.
    package var p50Millis: Double
    package var p99Millis: Double
    package var maxMillis: Double
  }

  package struct Refusals: Sendable, Codable, Equatable {
    /// By code. These were sent again.
    package var retried: [String: Int] = [:]
    package var final: [String: Int] = [:]
  }

  package var rooms = 0
  package var clients = 0
  package var seconds = 0.0
  /// Operations that were due while the load ran.
  package var operations = 0
  package var acknowledged = 0
  /// Of the same operations, those that were neither acknowledged nor refused for good.
  package var unanswered = 0
  /// Events that clients were told of.
  package var deliveries = 0
  package var violations: [String: Int] = [:]
  /// The first few of them, in words.
  package var samples: [String] = []
  package var closed = 0
  /// By close code; 0 where there was none.
  package var closeCodes: [Int: Int] = [:]
  package var closingIsExpected = false
  package var refusals = Refusals()
  /// From when an operation was due to its ack, over all operations.
  package var latencyMillis = Ranked()
  /// The longest of each room in which something was due, over all of them.
  package var stallMillis = Ranked()
  package var marks: [Mark] = []
  package var timeline: [Moment] = []
  /// Who owned the slots, now and then, as far as gateways knew.
  package var ownership: [OwnershipMoment] = []
  package var proofs: [String] = []
  /// After how long faults were known in the cluster, where that was measured.
  package var detectionMillis: [Int] = []
  package var notes: [String] = []
  /// Why the verdict is what it is; empty: all is well.
  package var objections: [String] = []

  package var isPassed: Bool { objections.isEmpty }

  private static let maxSamples = 12
  /// What an operation may take without being called slow.
  private static let slow: UInt64 = 500_000_000

  /// - Parameters:
  ///   - start: when the load began.
  ///   - end: when nobody waited any more.
  package init(on histories: [RoomHistory], faults report: FaultReport, from start: UInt64, to end: UInt64) {
    seconds = rounded(Double(end - start) / 1e9)
    rooms = histories.count
    var (latencies, stalls): ([UInt64], [UInt64]) = ([], [])
    var slowest: [DrillTimes.Operation] = []
    var moments = MomentTally(from: start, to: end)
    for history in histories {
      clients += history.clients.count
      for violation in RoomAudit(of: history).violations {
        violations[violation.kind.rawValue, default: 0] += 1
        if samples.count < Self.maxSamples { samples.append("\(violation.kind.rawValue): \(violation.text)") }
      }
      for client in history.clients { count(client.entries) }
      let times = DrillTimes(of: history.clients, from: start, to: end)
      if !times.operations.isEmpty { stalls.append(times.longestStall) }
      operations += times.operations.count
      for operation in times.operations {
        guard let acknowledged = operation.acknowledged else {
          unanswered += 1
          continue
        }
        self.acknowledged += 1
        moments.add(due: operation.due, acknowledged: acknowledged)
        latencies.append(acknowledged - operation.due)
        if acknowledged - operation.due > Self.slow { slowest.append(operation) }
      }
    }
    unanswered -= refusals.final.values.reduce(0, +)
    latencyMillis = Ranked(millisOf: latencies)
    stallMillis = Ranked(millisOf: stalls)
    timeline = moments.timeline
    marks = report.marks.enumerated().map { index, mark in
      let next = index + 1 < report.marks.count ? report.marks[index + 1].time : .max
      let answered = slowest.filter { ($0.acknowledged ?? 0) > mark.time && $0.due < next }.compactMap(\.acknowledged)
      return Mark(
        text: mark.text, isHealing: mark.isHealing, second: rounded(Double(mark.time - start) / 1e9),
        recoverySeconds: rounded(Double((answered.max() ?? mark.time) - mark.time) / 1e9))
    }
    proofs = report.proofs
    detectionMillis = report.detections
    notes = report.notes
    closingIsExpected = report.expectsClosing
    judge(report)
  }

  private mutating func count(_ entries: [ClientHistory.Entry]) {
    for entry in entries {
      switch entry.what {
      case .saw: deliveries += 1
      case .closed(let code):
        closed += 1
        closeCodes[code ?? 0, default: 0] += 1
      case .refused(_, let code, let isFinal):
        if isFinal {
          refusals.final[code, default: 0] += 1
        } else {
          refusals.retried[code, default: 0] += 1
        }
      default: break
      }
    }
  }

  private mutating func judge(_ report: FaultReport) {
    for kind in RoomAudit.Kind.allCases {
      if let count = violations[kind.rawValue] { objections.append("\(count) \(kind.rawValue)") }
    }
    let refused = refusals.final.values.reduce(0, +)
    if refused > 0 { objections.append("\(refused) operations were refused for good") }
    if unanswered > 0 { objections.append("\(unanswered) operations were never answered") }
    if closed > 0, !closingIsExpected { objections.append("\(closed) connections were closed") }
    if operations == 0 { objections.append("there was no load") }
    if case .failed(let reason) = report.ending { objections.append("the fault: \(reason)") }
    if let line = report.unread.first { objections.append("the script said what means nothing: \(line)") }
    if report.isOthers { return }
    if marks.allSatisfy(\.isHealing) { objections.append("there was no fault") }
    if proofs.isEmpty { objections.append("nothing proves the fault") }
  }
}

/// Sorts operations into half seconds.
private struct MomentTally {
  private static let length: UInt64 = 500_000_000

  private let start: UInt64
  private var acknowledged: [Int]
  private var latencies: [[UInt64]]

  init(from start: UInt64, to end: UInt64) {
    self.start = start
    let count = Int((max(end, start) - start) / Self.length) + 1
    acknowledged = Array(repeating: 0, count: count)
    latencies = Array(repeating: [], count: count)
  }

  private func place(of time: UInt64) -> Int { min(Int((max(time, start) - start) / Self.length), latencies.count - 1) }

  mutating func add(due: UInt64, acknowledged time: UInt64) {
    acknowledged[place(of: time)] += 1
    latencies[place(of: due)].append(time - due)
  }

  var timeline: [DrillVerdict.Moment] {
    latencies.indices.map { place in
      let ranked = Ranked(millisOf: latencies[place])
      return DrillVerdict.Moment(
        second: Double(place) * Double(Self.length) / 1e9,
        acknowledgedPerSecond: Double(acknowledged[place]) * 1e9 / Double(Self.length), p50Millis: ranked.p50,
        p99Millis: ranked.p99, maxMillis: ranked.max)
    }
  }
}
