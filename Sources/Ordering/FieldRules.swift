import JSONText

/// What a text that a client gives may look like.
///
/// Characters are counted as Unicode scalars: what a reader takes for one character can be of any length, so a bound
/// on those would bound nothing.
struct TextRule: Sendable {
  let maxLength: Int
  var allowsLineBreaks = false

  static let name = TextRule(maxLength: 120)
  static let identifier = TextRule(maxLength: 120)
  /// Free text, such as "less spicy,\nno onions".
  static let note = TextRule(maxLength: 500, allowsLineBreaks: true)

  func require(_ text: String, _ field: String, else kind: OrderRejection.Kind) throws(OrderRejection) {
    let scalars = text.unicodeScalars
    guard !scalars.isEmpty, scalars.dropFirst(maxLength).isEmpty else {
      throw OrderRejection(kind, "\(field) must have 1 to \(maxLength) characters")
    }
    guard scalars.allSatisfy(isAllowed) else {
      throw OrderRejection(kind, "\(field) must not contain control characters")
    }
    guard scalars.contains(where: { !$0.properties.isWhitespace }) else {
      throw OrderRejection(kind, "\(field) must not be blank")
    }
  }

  private func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
    if allowsLineBreaks, scalar == "\n" || scalar == "\r" || scalar == "\t" { return true }
    return scalar.properties.generalCategory != .control
  }
}

extension Currency {
  /// The most that a price or a charge may be: ten million major units.
  var maxAmount: Money { Money(minorUnits: DecimalNumber(significand: 10_000_000).scaled(byDigits: minorDigits) ?? 0) }

  /// Turns an amount in major units into minor ones, exactly.
  func amount(
    _ number: DecimalNumber, _ field: String, atMost limit: Money? = nil, else kind: OrderRejection.Kind
  ) throws(OrderRejection) -> Money {
    let limit = limit ?? maxAmount
    guard let units = number.scaled(byDigits: minorDigits), 0 <= units, units <= limit.minorUnits else {
      throw OrderRejection(
        kind, "\(field) must be from 0 to \(text(of: limit)), with at most \(minorDigits) decimals")
    }
    return Money(minorUnits: units)
  }
}

/// How many pieces of one item there may be.
let quantityRange: ClosedRange<Int64> = 1...99

func requireQuantity(
  _ number: DecimalNumber, in range: ClosedRange<Int64> = quantityRange
) throws(OrderRejection) -> Int {
  guard let quantity = number.integer, range.contains(quantity) else {
    throw OrderRejection(
      .invalidQuantity, "data.quantity must be a whole number from \(range.lowerBound) to \(range.upperBound)")
  }
  return Int(quantity)
}
