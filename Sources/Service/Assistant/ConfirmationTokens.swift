import Crypto
import RoomCore

/// Says, signed, which state of an order a customer was read out, so that they confirm that one and no other.
struct ConfirmationTokens: Sendable {
  /// What a token is good for.
  struct Subject: Sendable {
    let tenant: String
    let session: String?
    let customer: String
    let order: String
  }

  enum Reading: Equatable {
    case valid(SequenceNumber)
    case expired
    /// Of another conversation, customer or order, or nobody's.
    case forged
  }

  /// Long enough to hear a summary and think about it.
  static let lifetime = Duration.seconds(5 * 60)

  private let key: SymmetricKey

  init(secret: String) { key = SymmetricKey(data: Array(secret.utf8)) }

  /// `<position>.<end in milliseconds>.<signature>`
  func make(for subject: Subject, at sequence: SequenceNumber, now: Timestamp) -> String {
    let end = now.advanced(by: Self.lifetime).millis
    return "\(sequence.number).\(end).\(signature(of: subject, sequence.number, end))"
  }

  func read(_ token: String, for subject: Subject, now: Timestamp) -> Reading {
    let parts = token.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, let sequence = Int64(parts[0]), let end = Int64(parts[1]),
      isEqual(String(parts[2]), signature(of: subject, sequence, end))
    else { return .forged }
    return now.millis < end ? .valid(SequenceNumber(sequence)) : .expired
  }

  private func signature(of subject: Subject, _ sequence: Int64, _ end: Int64) -> String {
    let fields = [subject.tenant, subject.session ?? "", subject.customer, subject.order, "\(sequence)", "\(end)"]
    // With their lengths, so that no two subjects have one text.
    let text = fields.map { "\($0.utf8.count):\($0)" }.joined()
    return HMAC<SHA256>.authenticationCode(for: Array("confirmation\n\(text)".utf8), using: key).map { byte in
      String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }.joined()
  }

  /// The time that it takes tells nothing of where they differ.
  private func isEqual(_ given: String, _ expected: String) -> Bool {
    guard given.utf8.count == expected.utf8.count else { return false }
    return zip(given.utf8, expected.utf8).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
