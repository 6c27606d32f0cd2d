package import Ordering

/// A phone number as people say it and as speech is written down: `98765 43210`, `nine eight double seven …`.
///
/// Digits are taken one by one, whether as figures or as words; `double` and `triple` repeat the one digit that
/// follows; spaces and dashes count for nothing. Words that stand for more than one digit (`ninety`, `million`) are
/// refused instead of guessed: `ninety eight` may be 98 or 908.
package enum SpokenPhone {
  private static let maxBytes = 400

  private static let digits: [String: Character] = [
    "zero": "0", "oh": "0", "o": "0", "nought": "0", "naught": "0", "nil": "0", "one": "1", "two": "2", "three": "3",
    "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
  ]

  private static let repetitions: [String: Int] = ["double": 2, "triple": 3, "treble": 3, "quadruple": 4]

  private static let largeNumbers: Set<String> = [
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    "twenty", "thirty", "forty", "fourty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand",
    "lakh", "lakhs", "lac", "crore", "crores", "million", "millions", "billion", "billions",
  ]

  /// In front of ten digits it says what everybody dials there anyway.
  private static let countryPrefix = "+91"

  package static func read(_ text: String, rule: PhoneRule) throws(SpokenPhoneFault) -> PhoneNumber {
    guard text.utf8.count <= maxBytes else { throw .tooLong }
    var number = try dialled(text)
    if rule == .tenDigits, number.hasPrefix("+") {
      guard number.hasPrefix(countryPrefix), number.count == countryPrefix.count + 10 else { throw .otherCountry }
      number.removeFirst(countryPrefix.count)
    }
    do throws(PhoneNumberFault) {
      return try PhoneNumber(number, rule: rule)
    } catch {
      throw .number(error)
    }
  }

  /// What would be dialled: digits, after a plus sign if one was said.
  private static func dialled(_ text: String) throws(SpokenPhoneFault) -> String {
    var number = ""
    var times: Int?
    for word in words(of: text) {
      if word == "+" || word == "plus" {
        guard number.isEmpty, times == nil else { throw .strayPlus }
        number = "+"
      } else if let count = repetitions[word] {
        guard times == nil else { throw .strayRepetition }
        times = count
      } else if let digit = digits[word] ?? (word.count == 1 ? word.first.flatMap(figure) : nil) {
        number += String(repeating: digit, count: times ?? 1)
        times = nil
      } else if word.allSatisfy({ figure($0) != nil }) {
        guard times == nil else { throw .strayRepetition }
        number += word
      } else {
        throw largeNumbers.contains(word) ? .largeNumber : .unknownWord
      }
    }
    guard times == nil else { throw .strayRepetition }
    return number
  }

  private static func figure(_ character: Character) -> Character? {
    character.isASCII && character.isNumber ? character : nil
  }

  /// Runs of letters and runs of figures; a plus sign by itself.
  private static func words(of text: String) -> [String] {
    var words: [String] = []
    var word = ""
    var isFigures = false
    func end() {
      if !word.isEmpty { words.append(word) }
      word = ""
    }
    for character in text.lowercased() {
      if character == "+" {
        end()
        words.append("+")
      } else if character.isWhitespace || "-‐‑–—.,()/".contains(character) {
        end()
      } else {
        let figure = figure(character) != nil
        if figure != isFigures { end() }
        isFigures = figure
        word.append(character)
      }
    }
    end()
    return words
  }
}

/// Why nobody can dial what was said. It never quotes the number, so that it may be logged.
package enum SpokenPhoneFault: Error, Equatable, Sendable {
  case tooLong
  case otherCountry
  case strayPlus
  /// `double` before nothing, or before more than one digit.
  case strayRepetition
  /// A word that stands for more than a digit.
  case largeNumber
  case unknownWord
  case number(PhoneNumberFault)

  /// What an agent should do about it.
  package var advice: String {
    switch self {
    case .tooLong: "That is too long for a phone number. Ask for the number again, digit by digit."
    case .otherCountry: "After +91 there must be exactly 10 digits, and no other country code is taken here."
    case .strayPlus: "A plus sign can only stand at the beginning of a phone number."
    case .strayRepetition: "After double or triple there must be one single digit. Ask for the number digit by digit."
    case .largeNumber:
      "The phone number was turned into a large number. Send it as a string of its digits, one by one, and ask the "
        + "customer to say each digit."
    case .unknownWord: "The phone number has something in it that is no digit. Send nothing but its digits."
    case .number(.wrongCount(let count, let expected)) where expected.count == 1:
      "The phone number must have exactly \(expected.lowerBound) digits, and has \(count). Ask the customer to say "
        + "each digit again."
    case .number(let fault): "The phone number \(fault.message)."
    }
  }
}

extension PhoneNumber {
  /// The number to be read back to whoever said it: `nine, eight, seven, …`.
  package var readBack: String { spoken.replacing(" ", with: ", ") }
}
