import RoomCore
import Testing

@Suite("Token buckets")
struct TokenBucketTests {
  private static let second: UInt64 = 1_000_000_000

  /// A bucket that is asked at times of the test.
  private final class Tap {
    var bucket: TokenBucket

    init(_ bucket: TokenBucket) { self.bucket = bucket }

    /// How many of `count` it gives.
    func take(_ count: Int = 1, at now: UInt64) -> Int { (0..<count).count { _ in bucket.take(now: now) } }

    func isFull(at now: UInt64) -> Bool { bucket.isFull(now: now) }
  }

  @Test("A burst passes, then as many as the rate gives, and rest never saves up more than a burst")
  func rate() {
    let tap = Tap(TokenBucket(burst: 3, perSecond: 2, now: 0))
    #expect(tap.take(5, at: 0) == 3)
    #expect(tap.take(5, at: Self.second / 2 - 1) == 0)
    #expect(tap.take(5, at: Self.second / 2) == 1)
    #expect(tap.take(5, at: Self.second * 3 / 2) == 2)
    #expect(tap.take(5, at: Self.second * 1000) == 3)
  }

  @Test("What is available is what can be taken")
  func available() {
    var bucket = TokenBucket(burst: 3, perSecond: 2, now: 0)
    #expect(bucket.available(now: 0) == 3)
    _ = bucket.take(now: 0)
    #expect(bucket.available(now: 0) == 2)
    #expect(bucket.available(now: Self.second / 2 - 1) == 2)
    #expect(bucket.available(now: Self.second / 2) == 3)
    #expect(bucket.available(now: Self.second * 1000) == 3)
  }

  @Test("A clock that goes back gives nothing, and its bucket fills from there")
  func clock() {
    let tap = Tap(TokenBucket(burst: 2, perSecond: 1, now: 10 * Self.second))
    #expect(tap.take(at: 10 * Self.second) == 1)
    #expect(tap.take(at: 0) == 1)
    #expect(tap.take(at: Self.second / 2) == 0)
    #expect(tap.take(at: Self.second) == 1)
  }

  @Test("Two threads that read the clock in turns do not fill a bucket twice")
  func threads() {
    let tap = Tap(TokenBucket(burst: 1, perSecond: 1, now: Self.second))
    #expect(tap.take(at: Self.second) == 1)
    let early = 2 * Self.second - Self.second / 4
    for _ in 0..<10 {
      #expect(tap.take(at: early - Self.second / 2) == 0)
      #expect(tap.take(at: early) == 0)
    }
    #expect(tap.take(2, at: 2 * Self.second) == 1)
  }

  @Test("What is given back can be taken, and is no more than a burst")
  func giveBack() {
    let tap = Tap(TokenBucket(burst: 1, perSecond: 0.001, now: 0))
    #expect(tap.isFull(at: 0))
    #expect(tap.take(2, at: 0) == 1)
    #expect(!tap.isFull(at: 0))
    tap.bucket.giveBack()
    tap.bucket.giveBack()
    #expect(tap.isFull(at: 0))
    #expect(tap.take(2, at: 0) == 1)
    #expect(tap.isFull(at: 1000 * Self.second))
  }

  @Test("No rate is no limit")
  func unlimited() {
    let tap = Tap(TokenBucket(burst: 1, perSecond: 0, now: 0))
    #expect(tap.take(10, at: 0) == 10)
  }
}
