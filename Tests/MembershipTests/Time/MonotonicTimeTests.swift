import Membership
import Testing

@Suite("Monotonic time")
struct MonotonicTimeTests {
  @Test("durations are added and taken exactly, and time has an end")
  func arithmetic() {
    let time = MonotonicTime(nanoseconds: 1_500_000_000)
    #expect(time + .milliseconds(250) == MonotonicTime(nanoseconds: 1_750_000_000))
    #expect(time - MonotonicTime.zero == .milliseconds(1500))
    #expect(MonotonicTime.zero - time == .milliseconds(-1500))
    #expect(time + .seconds(Int64.max) == .distantFuture)
    #expect(MonotonicTime.distantFuture + .seconds(1) == .distantFuture)
    #expect(MonotonicTime.zero < time)
    #expect(time.description == "1.500 s")
  }

  @Test("logarithms in whole numbers")
  func logarithms() {
    for exponent in 0..<64 { #expect(FixedPoint.log2(1 << UInt64(exponent)) == UInt64(exponent) << 32) }
    // log₂ 3 = 1.58496250072…, log₂ 10 = 3.32192809488…
    #expect(abs(FixedPoint.log2(of: 3) - 1.5849625007211562) < 1e-9)
    #expect(abs(FixedPoint.log2(of: 10) - 3.321928094887362) < 1e-9)
    #expect(FixedPoint.log2(.max) < 64 << 32)
    #expect(FixedPoint.log2(of: 0) == 0)
  }
}
