/// The chance that a value of this module has inside: the same numbers for the same seed, everywhere.
///
/// Source: Sebastiano Vigna, splitmix64.c, public domain.
struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }

  /// From 0 up to, not including, 1.
  mutating func fraction() -> Double { Double(next() >> 11) / Double(1 << 53 as UInt64) }

  /// At most `count` of `choices`, in a random order.
  mutating func sample<Choice>(_ count: Int, of choices: [Choice]) -> [Choice] {
    Array(choices.shuffled(using: &self).prefix(count))
  }
}

/// Logarithms in whole numbers: the same on every machine, whatever its mathematics library rounds to.
package enum FixedPoint {
  /// log₂ of a number above 0, in units of 2⁻³², rounded down.
  ///
  /// Bit by bit: squaring a number doubles its logarithm, so whether the square passes 2 is the next binary digit.
  package static func log2(_ value: UInt64) -> UInt64 {
    precondition(value > 0, "0 has no logarithm")
    let exponent = 63 - value.leadingZeroBitCount
    // Between 1 and 2, in units of 2⁻⁶³.
    var mantissa = value << (63 - exponent)
    var result = UInt64(exponent) << 32
    var bit: UInt64 = 1 << 31
    while bit > 0 {
      let square = mantissa.multipliedFullWidth(by: mantissa)
      if square.high >> 63 == 1 {
        result |= bit
        mantissa = square.high
      } else {
        mantissa = square.high << 1 | square.low >> 63
      }
      bit >>= 1
    }
    return result
  }

  /// The same as a `Double`; 0 for what is below 1.
  package static func log2(of count: Int) -> Double {
    count < 1 ? 0 : Double(log2(UInt64(count))) / Double(1 << 32 as UInt64)
  }
}
