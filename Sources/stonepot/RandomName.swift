/// A name that nobody else has: 128 random bits.
func randomName() -> String {
  let text = String(UInt128.random(in: .min ... .max), radix: 36)
  return String(repeating: "0", count: 25 - text.count) + text
}

/// 32 random bytes, to sign with.
func randomSecret() -> [UInt8] { (0..<32).map { _ in UInt8.random(in: .min ... .max) } }
