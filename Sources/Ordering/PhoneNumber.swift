/// What a tenant's phone numbers look like.
public enum PhoneRule: String, Sendable {
  /// Exactly ten digits, and nothing else.
  case tenDigits = "ten_digits"
  /// A plus sign, a country code, and the number: 7 to 15 digits in all (ITU-T E.164, section 6).
  case e164
}

/// A phone number: a string of digits that is never turned into a number, since that would lose its leading zeros.
public struct PhoneNumber: Hashable, Sendable {
  public let text: String

  /// - Throws: what exactly is wrong with `text`. The fault never quotes the number, so that it may be logged.
  public init(_ text: String, rule: PhoneRule = .tenDigits) throws(PhoneNumberFault) {
    guard !text.isEmpty else { throw .empty }
    var digits = text.utf8[...]
    let hasPlus = digits.first == UInt8(ascii: "+")
    switch rule {
    case .tenDigits: break
    case .e164:
      guard hasPlus else { throw .noPlus }
      digits = digits.dropFirst()
    }
    guard digits.allSatisfy(Self.isDigit) else { throw Self.strayCharacter(in: text, startsWithPlus: rule == .e164) }
    switch rule {
    case .tenDigits:
      guard digits.count == 10 else { throw .wrongCount(digits.count, expected: 10...10) }
    case .e164:
      guard (7...15).contains(digits.count) else { throw .wrongCount(digits.count, expected: 7...15) }
      guard digits.first != UInt8(ascii: "0") else { throw .noCountryCode }
    }
    self.text = text
  }

  /// The last two digits: all of it that others get to see.
  public var ending: String { String(text.suffix(2)) }

  /// The number read back digit by digit: `nine eight seven six …`.
  public var spoken: String {
    text.utf8.map { byte in
      Self.isDigit(byte) ? Self.digitWords[Int(byte - UInt8(ascii: "0"))] : "plus"
    }.joined(separator: " ")
  }

  private static let digitWords = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
  ]

  /// ASCII only: other scripts have digits too, and no telephone exchange knows them.
  private static func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0") <= byte && byte <= UInt8(ascii: "9") }

  private static func strayCharacter(in text: String, startsWithPlus: Bool) -> PhoneNumberFault {
    let characters = text.unicodeScalars.dropFirst(startsWithPlus ? 1 : 0)
    let before = characters.prefix { $0.isASCII && isDigit(UInt8($0.value)) }.count
    return .notADigit(position: before + (startsWithPlus ? 2 : 1))
  }
}

/// Why a text is no phone number.
public enum PhoneNumberFault: Error, Equatable, Sendable {
  case empty
  /// Counted in characters, from 1.
  case notADigit(position: Int)
  case wrongCount(Int, expected: ClosedRange<Int>)
  case noPlus
  case noCountryCode

  /// Follows the name of the field: `data.phone` …
  public var message: String {
    switch self {
    case .empty: "must not be empty"
    case .notADigit(let position): "must have a digit as its character \(position)"
    case .wrongCount(let count, let expected) where expected.lowerBound == expected.upperBound:
      "must have exactly \(expected.lowerBound) digits, and has \(count)"
    case .wrongCount(let count, let expected):
      "must have \(expected.lowerBound) to \(expected.upperBound) digits, and has \(count)"
    case .noPlus: "must start with '+' and a country code"
    case .noCountryCode: "must have a country code after '+', which never starts with 0"
    }
  }
}
