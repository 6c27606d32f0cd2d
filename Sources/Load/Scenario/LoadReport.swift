package import Histogram

/// What a run found.
package struct LoadReport: Codable, Sendable {
  package struct Latency: Codable, Sendable, Equatable {
    package var count: UInt64
    package var p50Micros: Double
    package var p99Micros: Double
    package var p999Micros: Double
    package var maxMicros: Double
    package var meanMicros: Double

    package init(nanoseconds histogram: Histogram<UInt64>) {
      func micros(_ percentile: Double) -> Double { rounded(Double(histogram.valueAtPercentile(percentile)) / 1000) }
      count = histogram.totalCount
      p50Micros = count == 0 ? 0 : micros(50)
      p99Micros = count == 0 ? 0 : micros(99)
      p999Micros = count == 0 ? 0 : micros(99.9)
      maxMicros = count == 0 ? 0 : rounded(Double(histogram.max) / 1000)
      meanMicros = count == 0 ? 0 : rounded(histogram.mean / 1000)
    }
  }

  /// A point of the curve that a latency has over percentiles.
  package struct Percentile: Codable, Sendable, Equatable {
    package var percentile: Double
    package var micros: Double
  }

  /// What happened in one second of the measured time.
  package struct Second: Codable, Sendable, Equatable {
    package var operations: Int
    package var errors: Int
    /// Of the latency that the workload is about.
    package var p50Micros: Double
    package var p99Micros: Double
    package var maxMicros: Double
  }

  /// How all connections were made: each with its upgrade, and each participant's join.
  package struct Setup: Codable, Sendable, Equatable {
    package var connections: Int
    package var seconds: Double
    package var connectionsPerSecond: Double
    /// Nil if no process of the server is known.
    package var serverCPUSeconds: Double?
    package var connectionsPerCPUSecond: Double?
  }

  package struct Server: Codable, Sendable, Equatable {
    /// Over the measured seconds, of all processes named.
    package var cpuSeconds: Double
    package var operationsPerCPUSecond: Double
    package var deliveriesPerCPUSecond: Double
    /// Before the first connection.
    package var residentBeforeKB: Int
    /// At the end of the measured seconds.
    package var residentAfterKB: Int
    /// How much it grew for each connection from before the first one to the end, its share of the room included; 0 if
    /// connections come and go.
    package var bytesPerConnection: Double
  }

  package struct Driver: Codable, Sendable, Equatable {
    package var cpuSeconds: Double
    package var cpuMicrosPerOperation: Double
    /// The part of its event loops' time that it was busy. Near 1, it measured itself and not the server.
    package var busyFraction: Double

    /// Whether it may have been what was slow.
    package var isBottleneck: Bool { busyFraction > 0.9 }
  }

  /// What was expected of a figure, and what it was.
  package struct Judgement: Codable, Sendable, Equatable {
    package var threshold: LoadThreshold
    /// Nil if the report has no such figure.
    package var value: Double?
    package var isMet: Bool
  }

  package var scenario: Workload
  package var target: LoadTarget
  package var machine: MachineDescription
  /// Nil where connections come and go.
  package var setup: Setup?
  package var seconds: Double
  package var operations: Int
  package var operationsPerSecond: Double
  package var deliveries: Int
  package var deliveriesPerSecond: Double
  package var bytesPerDelivery: Double
  /// By the names of `LoadLatency`.
  package var latencies: [String: Latency]
  /// Of the latency that the workload is about.
  package var percentiles: [Percentile]
  package var timeline: [Second]
  package var server: Server?
  package var driver: Driver
  package var errors: LoadErrors
  package var judgements: [Judgement]

  /// - Returns: all 0 if the run had none.
  package subscript(latency: LoadLatency) -> Latency {
    latencies[latency.name] ?? Latency(nanoseconds: LoadTally.histogram())
  }

  /// Whether all went well.
  package var isPassed: Bool { errors.isEmpty && judgements.allSatisfy(\.isMet) }
}

/// What a run measures the time of.
package enum LoadLatency: Int, Sendable, CaseIterable {
  /// From the sending of an operation to the receipt of its broadcast by its sender.
  case ownEcho
  /// From the sending of an operation to the receipt of its broadcast by each of the others.
  case others
  /// From when a visit was due to the receipt of its `sync`: connecting, the upgrade, and loading the room.
  case firstSync
  /// The part of it after the server had granted the upgrade.
  case afterUpgrade
  /// From the loss of a connection to the first that the server says of the room over the next one.
  case comeBack
  /// From when an order was due to the word, to everybody in it, that it is final.
  case order
  /// From the sending of a request over HTTP to the end of its response.
  case response
  /// The same, of each operation on records by itself: those of `DirectoryOperation`.
  case getCustomer, orderHistory, getCircle, customerCircles, upsertCustomer, createOrder, changeStatus, ordersByStatus,
    changeMembers

  package var name: String { "\(self)" }
}

/// What went wrong in a run: how often, and the first few in words.
package struct LoadErrors: Codable, Sendable, Equatable {
  package private(set) var count = 0
  package private(set) var samples: [String] = []
  private static let maxSamples = 8

  package init() {}

  package var isEmpty: Bool { count == 0 }

  package mutating func note(_ text: @autoclosure () -> String) {
    count += 1
    if samples.count < Self.maxSamples { samples.append(text()) }
  }

  package mutating func add(_ other: LoadErrors) {
    count += other.count
    samples += other.samples.prefix(Self.maxSamples - min(samples.count, Self.maxSamples))
  }
}

/// To a tenth: more digits than that are noise, and make a baseline hard to read.
package func rounded(_ value: Double) -> Double {
  (value * 10).rounded() / 10
}
