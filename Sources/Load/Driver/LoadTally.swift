package import Histogram

/// The raw figures of one event loop.
package struct LoadTally: Sendable {
  private var histograms = [Histogram<UInt64>?](repeating: nil, count: LoadLatency.allCases.count)
  package var operations = 0
  package var deliveries = 0
  package var deliveredBytes = 0
  package var errors = LoadErrors()
  private var second = LoadSecond()

  package init() {}

  /// Nil if there was none.
  package subscript(latency: LoadLatency) -> Histogram<UInt64>? { histograms[latency.rawValue] }

  /// - Parameter isMain: whether the workload is about this latency.
  package mutating func record(_ latency: LoadLatency, nanoseconds: UInt64, isMain: Bool) {
    if histograms[latency.rawValue] == nil { histograms[latency.rawValue] = Self.histogram() }
    histograms[latency.rawValue]?.record(nanoseconds)
    if isMain { second.latency.record(nanoseconds) }
  }

  /// What there is since the last call.
  mutating func takeSecond() -> LoadSecond {
    var taken = second
    taken.operations = operations - second.operations
    taken.errors = errors.count - second.errors
    second.latency.reset()
    // What the next one is counted from.
    second.operations = operations
    second.errors = errors.count
    return taken
  }

  package mutating func add(_ other: LoadTally) {
    for (place, histogram) in other.histograms.enumerated() {
      guard let histogram else { continue }
      if histograms[place] == nil { histograms[place] = histogram } else { histograms[place]?.add(histogram) }
    }
    operations += other.operations
    deliveries += other.deliveries
    deliveredBytes += other.deliveredBytes
    errors.add(other.errors)
  }

  /// Nanoseconds, to a thousandth of the value, up to ten minutes.
  static func histogram(_ digits: SignificantDigits = .three) -> Histogram<UInt64> {
    Histogram(
      lowestDiscernibleValue: 1000, highestTrackableValue: 600_000_000_000, numberOfSignificantValueDigits: digits)
  }
}

/// A second of a run.
struct LoadSecond: Sendable {
  var operations = 0
  var errors = 0
  var latency = LoadTally.histogram(.two)

  mutating func add(_ other: LoadSecond) {
    operations += other.operations
    errors += other.errors
    latency.add(other.latency)
  }
}

extension LoadReport.Second {
  init(_ second: LoadSecond) {
    let latency = LoadReport.Latency(nanoseconds: second.latency)
    self.init(
      operations: second.operations, errors: second.errors, p50Micros: latency.p50Micros,
      p99Micros: latency.p99Micros, maxMicros: latency.maxMicros)
  }
}

extension LoadTally {
  var summaries: [String: LoadReport.Latency] {
    var summaries: [String: LoadReport.Latency] = [:]
    for latency in LoadLatency.allCases {
      if let histogram = self[latency] { summaries[latency.name] = LoadReport.Latency(nanoseconds: histogram) }
    }
    return summaries
  }
}

extension LoadReport.Percentile {
  /// Denser towards the end, where it matters.
  static func curve(of histogram: Histogram<UInt64>) -> [Self] {
    let percentiles = [
      0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.99, 99.999, 100,
    ]
    return percentiles.map {
      Self(percentile: $0, micros: rounded(Double(histogram.valueAtPercentile($0)) / 1000))
    }
  }
}
