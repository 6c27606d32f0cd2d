import Foundation
package import RoomCore

/// A `Retry-After` field (RFC 9110 section 10.2.3): seconds, or a date.
package enum RetryAfter {
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// - Returns: nil if it cannot be understood. Zero: it is past.
  package static func read(_ text: String, at now: Timestamp) -> Duration? {
    if text.wholeMatch(of: /[0-9]+/) != nil {
      // More than fits is as long as can be.
      return .seconds(min(Int64(text) ?? .max, 1 << 40))
    }
    // In the one form that may be sent today: `Sun, 06 Nov 1994 08:49:37 GMT`.
    let form = /[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT/
    guard let match = text.wholeMatch(of: form)?.output, let month = months.firstIndex(of: String(match.2)),
      let day = Int32(match.1), let year = Int32(match.3), let hour = Int32(match.4), let minute = Int32(match.5),
      let second = Int32(match.6)
    else { return nil }
    var parts = tm()
    (parts.tm_year, parts.tm_mon, parts.tm_mday) = (year - 1900, Int32(month), day)
    (parts.tm_hour, parts.tm_min, parts.tm_sec) = (hour, minute, second)
    return max(.zero, .milliseconds(Int64(timegm(&parts)) * 1000 - now.millis))
  }
}
