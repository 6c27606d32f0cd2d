/// Eight bytes of text, looked at together.
enum Word {
  static let ones: UInt64 = 0x0101_0101_0101_0101
  static let highBits: UInt64 = 0x8080_8080_8080_8080

  /// Whether none of the bytes is a quote, a backslash or a control character.
  ///
  /// `x - 1` borrows into the high bit of a byte that is zero, and `x - 0x20` into that of one below 0x20; a borrow
  /// that runs on into the next byte can only follow a byte that was found already.
  @inline(__always)
  static func isPlain(_ word: UInt64) -> Bool {
    let quotes = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
    let backslashes = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
    let found =
      (word &- ones &* 0x20) & ~word | (quotes &- ones) & ~quotes | (backslashes &- ones) & ~backslashes
    return found & highBits == 0
  }
}
