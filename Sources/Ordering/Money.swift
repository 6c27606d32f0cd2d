/// An amount in the minor units of a currency (paise, cents). Which currency, the order says: one order has one.
public struct Money: Hashable, Sendable, Comparable, AdditiveArithmetic {
  public let minorUnits: Int64

  public init(minorUnits: Int64) { self.minorUnits = minorUnits }

  public static let zero = Money(minorUnits: 0)

  public static func < (left: Money, right: Money) -> Bool { left.minorUnits < right.minorUnits }

  public static func + (left: Money, right: Money) -> Money {
    Money(minorUnits: left.minorUnits + right.minorUnits)
  }

  public static func - (left: Money, right: Money) -> Money {
    Money(minorUnits: left.minorUnits - right.minorUnits)
  }
}

/// A currency: its ISO 4217 code, and how many decimal digits its minor unit has.
public struct Currency: Hashable, Sendable {
  public let code: String
  public let minorDigits: Int

  public init(code: String, minorDigits: Int) {
    precondition((0...4).contains(minorDigits), "\(code) with \(minorDigits) minor digits")
    self.code = code
    self.minorDigits = minorDigits
  }

  public static let inr = Currency(code: "INR", minorDigits: 2)
}

extension Currency {
  /// The amount for people to read: `299.50 INR`.
  public func text(of amount: Money) -> String { "\(decimalText(amount.minorUnits, digits: minorDigits)) \(code)" }
}

/// `units / 10^digits`, with all its digits: 29950 with 2 is `299.50`.
func decimalText(_ units: Int64, digits: Int) -> String {
  let magnitude = String(units.magnitude)
  let padded = String(repeating: "0", count: max(0, digits + 1 - magnitude.count)) + magnitude
  let fraction = digits == 0 ? "" : "." + padded.suffix(digits)
  return (units < 0 ? "-" : "") + padded.dropLast(digits) + fraction
}
