import Crypto

/// What an operator proves with that it may change the cluster. Its digest only is kept.
package struct AdminToken: Sendable {
  package struct TooShort: Error, CustomStringConvertible {
    package var description: String { "the admin token must have at least \(AdminToken.minBytes) bytes" }
  }

  package static let minBytes = 16

  private let digest: SHA256.Digest

  package init(_ token: String) throws(TooShort) {
    guard token.utf8.count >= Self.minBytes else { throw TooShort() }
    digest = SHA256.hash(data: Array(token.utf8))
  }

  /// Digests are compared in constant time, so that the time tells nothing about the token.
  func matches(_ token: String) -> Bool { SHA256.hash(data: Array(token.utf8)) == digest }
}
