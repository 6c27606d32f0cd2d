/// A generator that gives the same numbers for the same seed everywhere: a failing test can be run again.
/// Source: Sebastiano Vigna, splitmix64.c, public domain.
package struct SplitMix64: RandomNumberGenerator {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }

  /// A number below `bound`.
  package mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

  /// True once in `count` times on average.
  package mutating func once(in count: Int) -> Bool { below(count) == 0 }

  /// True in `part` of `whole` cases on average.
  package mutating func chance(_ part: Int, in whole: Int) -> Bool { below(whole) < part }

  package mutating func pick<Choices: RandomAccessCollection>(_ choices: Choices) -> Choices.Element {
    choices[choices.index(choices.startIndex, offsetBy: below(choices.count))]
  }

  /// The bytes with one to three small damages: a byte changed, left out, put in, doubled, or the end cut off.
  package mutating func damage(_ bytes: [UInt8], alphabet: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<(1 + below(3)) {
      guard !bytes.isEmpty else { return [pick(alphabet)] }
      let index = below(bytes.count)
      switch below(6) {
      case 0: bytes[index] = pick(alphabet)
      case 1: bytes[index] = UInt8(truncatingIfNeeded: next())
      case 2: bytes.remove(at: index)
      case 3: bytes.insert(pick(alphabet), at: index)
      case 4: bytes.insert(bytes[index], at: index)
      default: if once(in: 4) { bytes.removeSubrange(index...) } else { bytes.swapAt(index, below(bytes.count)) }
      }
    }
    return bytes
  }
}
