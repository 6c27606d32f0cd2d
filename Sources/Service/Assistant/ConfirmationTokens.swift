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
    let signature = HMAC<SHA256>.authenticationCode(for: text(of: subject, sequence.number, end), using: key)
    return "\(sequence.number).\(end).\(Base64URL.text(of: signature))"
  }

  func read(_ token: String, for subject: Subject, now: Timestamp) -> Reading {
    let parts = token.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, let sequence = Int64(parts[0]), let end = Int64(parts[1]),
      let signature = Base64URL.bytes(of: parts[2]),
      HMAC<SHA256>.isValidAuthenticationCode(
        signature, authenticating: text(of: subject, sequence, end), using: key)
    else { return .forged }
    return now.millis < end ? .valid(SequenceNumber(sequence)) : .expired
  }

  /// Each field with its length, so that no two subjects have one text.
  private func text(of subject: Subject, _ sequence: Int64, _ end: Int64) -> [UInt8] {
    let fields = [subject.tenant, subject.session ?? "", subject.customer, subject.order, "\(sequence)", "\(end)"]
    return Array("confirmation\n\(fields.map { "\($0.utf8.count):\($0)" }.joined())".utf8)
  }
}
