import HTTPTypes
import RoomCore
import Synchronization

/// How many requests each caller may make: a burst, refilled steadily.
final class RequestRates: Sendable {
  /// Callers that are counted at a time. Beyond, new ones are not: a limit is lost rather than memory.
  static let maxCallers = 100_000

  /// How much a caller has left.
  struct Reading: Sendable, Equatable {
    let isAdmitted: Bool
    let remaining: Int
    /// Until all is there again.
    let fullInSeconds: Int
    /// Until one more is.
    let nextInSeconds: Int
  }

  private let perSecond: Int
  private let burst: Int
  private let buckets = Mutex<[String: TokenBucket]>([:])

  init(perSecond: Int) {
    self.perSecond = perSecond
    burst = perSecond * Self.burstSeconds
  }

  /// For how many seconds a burst may be saved.
  static let burstSeconds = 2

  /// - Returns: nil if nobody counts.
  func take(_ caller: String, now: UInt64) -> Reading? {
    buckets.withLock { buckets in
      if buckets[caller] == nil {
        if buckets.count >= Self.maxCallers {
          // Who has been idle for two seconds is as who was never there.
          buckets = buckets.compactMapValues { bucket in
            var bucket = bucket
            return bucket.isFull(now: now) ? nil : bucket
          }
          if buckets.count >= Self.maxCallers { return nil }
        }
        buckets[caller] = TokenBucket(burst: burst, perSecond: Double(perSecond), now: now)
      }
      guard let isAdmitted = buckets[caller]?.take(now: now), let left = buckets[caller]?.available(now: now) else {
        return nil
      }
      return Reading(
        isAdmitted: isAdmitted, remaining: left, fullInSeconds: seconds(for: burst - left),
        nextInSeconds: left > 0 ? 0 : seconds(for: 1))
    }
  }

  var callerCount: Int { buckets.withLock { $0.count } }

  private func seconds(for tokens: Int) -> Int { (tokens + perSecond - 1) / perSecond }

  /// The header fields of draft-ietf-httpapi-ratelimit-headers: the quota and its window, and what is left of it.
  func note(_ reading: Reading, in headers: inout HTTPFields) {
    headers[Self.policyField] = "\"default\";q=\(burst);w=\(Self.burstSeconds)"
    headers[Self.limitField] = "\"default\";r=\(reading.remaining);t=\(reading.fullInSeconds)"
    if !reading.isAdmitted { headers[.retryAfter] = "\(max(1, reading.nextInSeconds))" }
  }

  private static let policyField = name("RateLimit-Policy")
  private static let limitField = name("RateLimit")

  private static func name(_ text: String) -> HTTPField.Name {
    guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is no field's name") }
    return name
  }
}
