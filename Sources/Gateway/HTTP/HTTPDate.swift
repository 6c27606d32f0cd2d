import Foundation
import RoomCore
import Synchronization

/// A time as HTTP wants it (RFC 9110 section 5.6.7), written once a second: `Wed, 25 Nov 2026 08:30:00 GMT`.
final class HTTPDate: Sendable {
  private let last = Mutex((second: Int64.min, text: ""))

  func text(at time: Timestamp) -> String {
    let second = time.millis / 1000
    return last.withLock { last in
      if last.second != second { last = (second, Self.format(second)) }
      return last.text
    }
  }

  private static func format(_ second: Int64) -> String {
    var (time, parts) = (time_t(second), tm())
    gmtime_r(&time, &parts)
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { buffer in
      // In the locale that every process begins with: English words.
      strftime(buffer.baseAddress, buffer.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
      return buffer.baseAddress.map { String(cString: $0) } ?? ""
    }
  }
}
