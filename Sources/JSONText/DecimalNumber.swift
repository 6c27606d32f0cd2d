/// An exact decimal number, as JSON text has it: `significand × 10^exponent`.
///
/// Never goes through a binary float, so that `0.1` is a tenth. Equal numbers have equal representations.
public struct DecimalNumber: Hashable, Sendable {
  /// Not divisible by ten, unless zero.
  public let significand: Int64
  public let exponent: Int

  public init(significand: Int64, exponent: Int = 0) {
    var significand = significand
    var exponent = significand == 0 ? 0 : exponent
    while significand != 0, significand.isMultiple(of: 10) {
      significand /= 10
      exponent += 1
    }
    self.significand = significand
    self.exponent = exponent
  }

  private init(beyondRange: Void) {
    significand = 1
    exponent = .max
  }

  /// Stands for every number with more digits, or a larger exponent, than this type holds. It is no integer and no
  /// amount of any currency.
  public static let beyondRange = DecimalNumber(beyondRange: ())

  /// The number times `10^digits`, if that is a whole number that fits.
  ///
  /// With the number of digits of a currency's minor unit, this turns an amount in major units into minor ones.
  public func scaled(byDigits digits: Int) -> Int64? {
    if significand == 0 { return 0 }
    let (power, overflow) = exponent.addingReportingOverflow(digits)
    guard !overflow, (0...18).contains(power) else { return nil }
    var result = significand
    for _ in 0..<power {
      let (product, overflow) = result.multipliedReportingOverflow(by: 10)
      if overflow { return nil }
      result = product
    }
    return result
  }

  /// The number as an integer, if it is one and fits.
  public var integer: Int64? { scaled(byDigits: 0) }
}

extension DecimalNumber: ExpressibleByIntegerLiteral {
  public init(integerLiteral value: Int64) { self.init(significand: value) }
}
