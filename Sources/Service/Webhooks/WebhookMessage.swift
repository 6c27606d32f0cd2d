import Crypto
package import Directory
import FoundationEssentials
import JSONText
import NIOHTTP1
package import Ordering
package import RoomCore

/// What is sent in one attempt, in the form of Standard Webhooks (standardwebhooks.com).
package struct WebhookMessage: Sendable {
  package let url: WebhookURL
  package let headers: [(name: String, value: String)]
  package let body: [UInt8]

  /// - Parameter now: of the attempt. Receivers refuse what is much older or newer than their own time, so it is no part of
  ///   what stays the same.
  package init(_ claim: WebhookClaim, at now: Timestamp) {
    url = claim.endpoint.url
    body = Self.body(type: claim.type, at: claim.at, data: claim.data)
    let seconds = now.millis / 1000
    let signed = Array("\(claim.event).\(seconds).".utf8) + body
    headers = [
      ("Host", url.hostField), ("User-Agent", "stonepot"), ("Content-Type", "application/json"),
      ("Content-Length", "\(body.count)"), ("Connection", "close"), ("webhook-id", claim.event),
      ("webhook-timestamp", "\(seconds)"),
      (
        "webhook-signature",
        claim.endpoint.signingSecrets(at: now).map { Self.signature(of: signed, $0) }.joined(separator: " ")
      ),
    ]
  }

  /// The same bytes in every attempt.
  private static func body(type: String, at: Timestamp, data: String) -> [UInt8] {
    var writer = JSONWriter(reservingCapacity: data.utf8.count + 128)
    writer.beginObject()
    writer.field("type", type)
    writer.field("timestamp", Self.text(of: at))
    writer.key("data")
    writer.verbatim(data.utf8)
    writer.endObject()
    return writer.bytes
  }

  /// As in RFC 3339: `2026-11-30T08:30:00.250Z`. The milliseconds never pass through a binary fraction.
  private static func text(of time: Timestamp) -> String {
    let (seconds, millis) = time.millis.quotientAndRemainder(dividingBy: 1000)
    let whole = Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
    return "\(whole.dropLast()).\(String(1000 + millis).dropFirst())Z"
  }

  private static func signature(of bytes: [UInt8], _ secret: WebhookSecret) -> String {
    let code = HMAC<SHA256>.authenticationCode(for: bytes, using: SymmetricKey(data: secret.bytes))
    return "v1,\(Data(code).base64EncodedString())"
  }
}
