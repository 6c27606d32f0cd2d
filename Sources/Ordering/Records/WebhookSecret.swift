import FoundationEssentials

/// What the requests to an endpoint are signed with: `whsec_` and base64, as Standard Webhooks has it.
public struct WebhookSecret: Equatable, Sendable {
  private static let prefix = "whsec_"
  private static let sizes = 24...64

  /// As it is shown, once.
  public let text: String
  /// What the HMAC is keyed with.
  public let bytes: [UInt8]

  /// - Throws: `invalid_field`.
  public init(_ text: String) throws(RecordRejection) {
    guard text.hasPrefix(Self.prefix), let data = Data(base64Encoded: String(text.dropFirst(Self.prefix.count))),
      Self.sizes.contains(data.count)
    else {
      throw RecordRejection(
        .invalidField,
        "secret must be whsec_ and base64 of \(Self.sizes.lowerBound) to \(Self.sizes.upperBound) bytes")
    }
    self.text = text
    bytes = Array(data)
  }

  /// - Parameter random: 24 to 64 bytes that nobody can guess.
  public init(random: [UInt8]) {
    precondition(Self.sizes.contains(random.count), "a secret of \(random.count) bytes")
    text = Self.prefix + Data(random).base64EncodedString()
    bytes = random
  }
}
