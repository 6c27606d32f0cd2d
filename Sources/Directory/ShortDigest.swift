import Crypto

/// A name that is made of a text, and of no other: the first half of its SHA-256, in hexadecimal digits.
public func shortDigest(_ text: String) -> String {
  SHA256.hash(data: Array(text.utf8)).prefix(16)
    .map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}
