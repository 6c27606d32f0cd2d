import CDispatch
import Foundation

/// One thing that is measured over and over.
struct MicroBenchmark {
  /// Processor time that a number of operations took.
  struct Sample {
    var cpuNanoseconds: UInt64
    var operations: Int
  }

  let name: String
  /// What one operation is: `call`, `row`, `delivery`.
  let unit: String
  let sample: () async throws -> Sample

  /// Calls of a function on this thread; so many for each sample that the clock's own grain does not matter.
  ///
  /// - Parameter body: gives anything that follows from its work, so that the compiler cannot leave the work out.
  static func calls(_ name: String, _ body: @escaping () throws -> Int) throws -> MicroBenchmark {
    var count = 1
    while try time(count, body) < 20_000_000 { count *= 2 }
    let calls = count
    return MicroBenchmark(name: name, unit: "call") {
      Sample(cpuNanoseconds: try time(calls, body), operations: calls)
    }
  }

  @inline(never)
  private static func time(_ count: Int, _ body: () throws -> Int) rethrows -> UInt64 {
    let start = cpuNanoseconds(CLOCK_THREAD_CPUTIME_ID)
    var sum = 0
    for _ in 0..<count { sum &+= try body() }
    let end = cpuNanoseconds(CLOCK_THREAD_CPUTIME_ID)
    precondition(sum != .min, "no sum of sizes is that small")
    return end - start
  }

  func run(repetitions: Int) async throws -> Result {
    _ = try await sample()
    var nanoseconds: [Double] = []
    for _ in 0..<repetitions {
      let sample = try await sample()
      nanoseconds.append(Double(sample.cpuNanoseconds) / Double(sample.operations))
    }
    nanoseconds.sort()
    return Result(
      unit: unit, nanoseconds: rounded(nanoseconds[repetitions / 2]), least: rounded(nanoseconds[0]),
      most: rounded(nanoseconds[repetitions - 1]))
  }

  /// Processor time of one operation, in nanoseconds.
  struct Result: Codable {
    var unit: String
    /// The median of the repetitions.
    var nanoseconds: Double
    var least: Double
    var most: Double
  }
}

func cpuNanoseconds(_ clock: clockid_t) -> UInt64 {
  var time = timespec()
  precondition(clock_gettime(clock, &time) == 0, "every Linux has this clock")
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

private func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
