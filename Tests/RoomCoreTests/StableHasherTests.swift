import RoomCore
import Testing

@Suite struct StableHasherTests {
  private func hash(_ bytes: [UInt8], seed: UInt64 = 0) -> UInt64 {
    var hasher = StableHasher(seed: seed)
    bytes.withUnsafeBytes { hasher.combine($0) }
    return hasher.finish()
  }

  @Test(
    "gives the published XXH64 values",
    arguments: [
      ("", 0xEF46_DB37_51D8_E999), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999),
      ("Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1),
      // The examples in docs/peer-protocol.md.
      ("order_1234", 0xA14F_FE57_6BC4_74BB), ("test_session", 0xE0D9_1C44_B34C_0C9C),
    ] as [(String, UInt64)])
  func published(_ text: String, _ expected: UInt64) {
    #expect(hash(Array(text.utf8)) == expected)
    var hasher = StableHasher()
    hasher.combine(bytesOf: text)
    #expect(hasher.finish() == expected)
  }

  /// Made with the reference implementation over the bytes 3, 10, 17, … for each way through the algorithm.
  @Test(
    "agrees with the reference implementation",
    arguments: [
      (0, 0xEF46_DB37_51D8_E999, 0xAC75_FDA2_929B_17EF), (1, 0x1F25_C8D0_BC1F_4BB6, 0x79CF_94F5_ACE3_7FE1),
      (3, 0x31D2_363F_52E5_64C9, 0x96D2_A5E5_83DD_D738), (4, 0x9BB6_4B7D_66EE_9FDA, 0x4A86_2FBB_4B73_776E),
      (7, 0x9A7B_1499_59CE_60D8, 0xDDC5_CF71_D37A_6368), (8, 0xDAB9_9D95_C6F9_0092, 0xC6E7_5E2C_BD8E_07EE),
      (12, 0xD52E_4078_33AF_5133, 0x79B0_B158_FAB0_E5D6), (31, 0xA2AA_5F33_CC4A_6119, 0x3818_22F3_3376_D6B6),
      (32, 0x23C3_C17E_F790_FD97, 0x9ABD_3154_70AC_276A), (33, 0x50A7_CFC7_BA58_8784, 0x72CD_D326_2F46_7933),
      (63, 0x5E3E_54B4_31C7_493C, 0x634D_A7D2_6597_9E61), (64, 0x0EB6_4B3E_F6EE_B01F, 0xBCB3_847D_7052_5180),
      (65, 0xA383_B724_B2BD_12F1, 0x97F9_D8F9_9671_9021), (200, 0xA6CB_3C09_BC82_9B24, 0xFB1D_D7EA_A8EB_8A3C),
    ] as [(Int, UInt64, UInt64)])
  func reference(_ count: Int, _ unseeded: UInt64, _ seeded: UInt64) {
    let bytes = Self.pattern(count)
    #expect(hash(bytes) == unseeded)
    #expect(hash(bytes, seed: 2_654_435_761) == seeded)
  }

  @Test func splittingTheBytesAnywhereChangesNothing() {
    for count in [1, 31, 32, 33, 63, 64, 65, 100] {
      let bytes = Self.pattern(count)
      let expected = hash(bytes)
      for split in 0...count {
        var hasher = StableHasher()
        bytes[..<split].withUnsafeBytes { hasher.combine($0) }
        bytes[split...].withUnsafeBytes { hasher.combine($0) }
        #expect(hasher.finish() == expected, "\(count) bytes split at \(split)")
      }
      var hasher = StableHasher()
      for byte in bytes { withUnsafeBytes(of: byte) { hasher.combine($0) } }
      #expect(hasher.finish() == expected, "\(count) bytes one by one")
    }
  }

  @Test func neighbouringStringsDoNotRunIntoOneAnother() {
    func hash(_ first: String, _ second: String) -> UInt64 {
      var hasher = StableHasher()
      hasher.combine(first)
      hasher.combine(second)
      return hasher.finish()
    }
    #expect(hash("ab", "c") != hash("a", "bc"))
    #expect(hash("", "abc") != hash("abc", ""))
  }

  private static func pattern(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }
  }
}
