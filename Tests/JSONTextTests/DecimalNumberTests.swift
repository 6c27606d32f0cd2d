import Foundation
import JSONText
import TestSupport
import Testing

@Suite struct DecimalNumberTests {
  private func read(_ text: String) throws(JSONError) -> DecimalNumber {
    try JSONReader.read(Array(text.utf8)) { reader throws(JSONError) in try reader.number() }
  }

  @Test(
    "reads numbers exactly",
    arguments: [
      ("0", 0, 0), ("-0", 0, 0), ("0.000", 0, 0), ("0e99", 0, 0), ("0e99999999999", 0, 0), ("1", 1, 0), ("-1", -1, 0),
      ("10", 1, 1), ("0.1", 1, -1), ("299.5", 2995, -1), ("299.50", 2995, -1), ("1.000", 1, 0), ("1e3", 1, 3),
      ("1000", 1, 3), ("1.5e1", 15, 0), ("100e-2", 1, 0), ("0.00001", 1, -5), ("-12.34", -1234, -2),
      ("9223372036854775807", .max, 0), ("100000000000000000000000", 1, 23), ("1.0000000000000000000000000", 1, 0),
      ("1020304", 1_020_304, 0), ("0.102030", 10203, -5), ("1e999999", 1, 999_999),
    ] as [(String, Int64, Int)])
  func exact(_ text: String, _ significand: Int64, _ exponent: Int) throws {
    let number = try read(text)
    #expect(number == DecimalNumber(significand: significand, exponent: exponent))
    #expect(number.significand == significand)
    #expect(number.exponent == exponent)
  }

  @Test(arguments: ["9223372036854775808", "12345678901234567891", "0.12345678901234567891", "1e1000000", "1e-9999999"])
  func beyondRange(_ text: String) throws {
    let number = try read(text)
    #expect(number == .beyondRange)
    #expect(number.integer == nil)
    #expect(number.scaled(byDigits: 2) == nil)
  }

  @Test(
    "scales to minor units, or not at all",
    arguments: [
      ("299", 2, 29900), ("299.5", 2, 29950), ("299.55", 2, 29955), ("299.555", 2, nil), ("0", 2, 0), ("-1.5", 2, -150),
      ("1e3", 0, 1000), ("1.5", 0, nil), ("1.5", 1, 15), ("92233720368547758.07", 2, .max),
      ("92233720368547758.08", 2, nil), ("1e18", 0, 1_000_000_000_000_000_000), ("1e19", 0, nil), ("1e400", 2, nil),
      ("1e-400", 2, nil),
    ] as [(String, Int, Int64?)])
  func scales(_ text: String, _ digits: Int, _ expected: Int64?) throws {
    #expect(try read(text).scaled(byDigits: digits) == expected)
  }

  @Test func literals() {
    let number: DecimalNumber = 250
    #expect(number == DecimalNumber(significand: 25, exponent: 1))
    #expect(number.integer == 250)
  }

  @Test func agreesWithFoundationsDecimal() throws {
    let seed: UInt64 = 7
    var generator = SplitMix64(seed: seed)
    for round in 0..<20_000 {
      var text = generator.once(in: 3) ? "-" : ""
      text +=
        generator.once(in: 4)
        ? "0" : "\(1 + generator.next() % generator.pick([10, 1000, 1_000_000_000_000]))"
      if generator.once(in: 2) { text += "." + (0...generator.below(5)).map { _ in "\(generator.below(10))" }.joined() }
      if generator.once(in: 3) { text += "e\(generator.below(41) - 20)" }
      let number = try read(text)
      let decimal = try JSONDecoder().decode(Decimal.self, from: Data(text.utf8))
      let magnitude = Decimal(sign: .plus, exponent: number.exponent, significand: Decimal(number.significand))
      #expect(magnitude == decimal, "seed \(seed), round \(round): \(text)")
      #expect(number.integer == integer(of: decimal), "seed \(seed), round \(round): \(text)")
    }
  }

  private func integer(of decimal: Decimal) -> Int64? {
    var source = decimal
    var rounded = Decimal()
    NSDecimalRound(&rounded, &source, 0, .plain)
    guard rounded == decimal else { return nil }
    return Int64("\(rounded)")
  }
}
