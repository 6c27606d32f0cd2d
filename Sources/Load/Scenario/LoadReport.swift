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
    /// How much it grew for each connection from before the first one to the end, its share of the room included.
    package var bytesPerConnection: Double
  }

  package struct Driver: Codable, Sendable, Equatable {
    package var cpuSeconds: Double
    package var cpuMicrosPerOperation: Double
    /// The part of its event loops' time that it was busy. Near 1, it measured itself and not the server.
    package var busyFraction: Double
  }

  package var scenario: LoadScenario
  package var target: LoadTarget
  package var machine: MachineDescription
  package var setup: Setup
  package var operations: Int
  package var operationsPerSecond: Double
  package var deliveries: Int
  package var deliveriesPerSecond: Double
  package var bytesPerBroadcast: Double
  /// From the sending of an operation to the receipt of its broadcast by its sender.
  package var ownEcho: Latency
  /// From the sending of an operation to the receipt of its broadcast by each of the others.
  package var others: Latency
  package var server: Server?
  package var driver: Driver
  package var errors: LoadErrors
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

/// The raw figures of one event loop.
package struct LoadTally: Sendable {
  package var ownEcho = Self.histogram()
  package var others = Self.histogram()
  package var operations = 0
  package var deliveries = 0
  package var deliveredBytes = 0
  package var errors = LoadErrors()

  package init() {}

  package mutating func add(_ other: LoadTally) {
    ownEcho.add(other.ownEcho)
    others.add(other.others)
    operations += other.operations
    deliveries += other.deliveries
    deliveredBytes += other.deliveredBytes
    errors.add(other.errors)
  }

  /// Nanoseconds, to a thousandth of the value, up to ten minutes.
  static func histogram() -> Histogram<UInt64> {
    Histogram(
      lowestDiscernibleValue: 1000, highestTrackableValue: 600_000_000_000, numberOfSignificantValueDigits: .three)
  }
}

/// To a tenth: more digits than that are noise, and make a baseline hard to read.
package func rounded(_ value: Double) -> Double {
  (value * 10).rounded() / 10
}
