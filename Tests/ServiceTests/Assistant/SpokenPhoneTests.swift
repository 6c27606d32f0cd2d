import Ordering
import Testing

@testable import Service

@Suite("Phone numbers as they are spoken")
struct SpokenPhoneTests {
  struct Row: Sendable, CustomTestStringConvertible {
    let said: String
    let number: String?
    let rule: PhoneRule
    let fault: SpokenPhoneFault?

    init(_ said: String, _ number: String, _ rule: PhoneRule = .tenDigits) {
      (self.said, self.number, self.rule, fault) = (said, number, rule, nil)
    }

    init(_ said: String, _ fault: SpokenPhoneFault, _ rule: PhoneRule = .tenDigits) {
      (self.said, number, self.rule, self.fault) = (said, nil, rule, fault)
    }

    var testDescription: String { said }
  }

  private static func count(_ count: Int) -> SpokenPhoneFault { .number(.wrongCount(count, expected: 10...10)) }

  static let rows = [
    // Figures.
    Row("9876543210", "9876543210"), Row("0000000000", "0000000000"), Row("98765 43210", "9876543210"),
    Row("98765-43210", "9876543210"), Row("987.654.3210", "9876543210"), Row("(987) 654-3210", "9876543210"),
    Row("  9 8 7 6 5 4 3 2 1 0  ", "9876543210"), Row("98765–43210", "9876543210"),
    Row("9,8,7,6,5,4,3,2,1,0", "9876543210"),
    Row("+91 98765 43210", "9876543210"), Row("+919876543210", "9876543210"), Row("+91-98765-43210", "9876543210"),
    // Words.
    Row("nine eight seven six five four three two one zero", "9876543210"),
    Row("Nine Eight SEVEN six, five. four three two one zero", "9876543210"),
    Row("nine-eight-seven-six-five-four-three-two-one-oh", "9876543210"),
    Row("nine eight seven six five four three two one o", "9876543210"),
    Row("nine eight seven six five four three two one nought", "9876543210"),
    Row("double nine eight seven six five four three two one", "9987654321"),
    Row("triple zero one two three four five six seven", "0001234567"),
    Row("treble eight double seven double six double five four", "8887766554"),
    Row("nine quadruple zero double one triple two", "9000011222"), Row("double 9 triple 8 77665", "9988877665"),
    Row("98 seven six five 43210", "9876543210"), Row("nine8seven6five4three2one0", "9876543210"),
    Row("double9 double8 double7 double6 double5", "9988776655"),
    Row("plus nine one nine eight seven six five four three two one zero", "9876543210"),
    Row("plus91 9876543210", "9876543210"), Row("nine\neight\tseven six five four three two one zero", "9876543210"),
    // Other countries, where they are taken.
    Row("+14155550123", "+14155550123", .e164),
    Row("plus one four one five triple five oh one two three", "+14155550123", .e164),
    Row("+91 98765 43210", "+919876543210", .e164), Row("9876543210", .number(.noPlus), .e164),
    Row("+0123456789", .number(.noCountryCode), .e164), Row("+1 23", .number(.wrongCount(3, expected: 7...15)), .e164),
    // What nobody can dial.
    Row("", .number(.empty)), Row(" - ", .number(.empty)), Row("987654321", count(9)), Row("98765432101", count(11)),
    Row("nine eight seven", count(3)), Row("919876543210", count(12)), Row("09876543210", count(11)),
    Row("+1 4155550123", .otherCountry), Row("+91 987654321", .otherCountry), Row("+", .otherCountry),
    Row("987+6543210", .strayPlus), Row("++919876543210", .strayPlus), Row("double plus nine", .strayPlus),
    Row("nine million eight hundred", .largeNumber), Row("nine hundred eighty seven", .largeNumber),
    Row("ninety eight seven six five four three two one zero", .largeNumber), Row("nine crore", .largeNumber),
    Row("ten", .largeNumber), Row("98765 lakh", .largeNumber),
    Row("my number is 9876543210", .unknownWord), Row("nine eight seven sex", .unknownWord),
    Row("९८७६५४३२१०", .unknownWord), Row("9876543210x", .unknownWord), Row("9️⃣876543210", .unknownWord),
    Row("９８７６５４３２１０", .unknownWord), Row("1e10", .unknownWord), Row("98765_43210", .unknownWord),
    Row("double", .strayRepetition), Row("9876543210 double", .strayRepetition),
    Row("double double nine", .strayRepetition), Row("double 98 7654321", .strayRepetition),
    Row("double nine hundred", .largeNumber), Row("one two three four five six seven eight nine ten", .largeNumber),
    Row(String(repeating: "nine ", count: 200), .tooLong), Row("\u{0}9876543210", .unknownWord),
  ]

  @Test("what is said is dialled, or refused with advice", arguments: rows)
  func said(row: Row) {
    do throws(SpokenPhoneFault) {
      let phone = try SpokenPhone.read(row.said, rule: row.rule)
      #expect(phone.text == row.number)
    } catch {
      #expect(row.number == nil && error == row.fault)
      #expect(!error.advice.isEmpty)
      // It may be logged.
      #expect(!error.advice.contains("98765"))
    }
  }

  @Test("a number is read back digit by digit")
  func readBack() throws {
    let phone = try SpokenPhone.read("9876543210", rule: .tenDigits)
    #expect(phone.readBack == "nine, eight, seven, six, five, four, three, two, one, zero")
    #expect(try SpokenPhone.read(phone.readBack, rule: .tenDigits) == phone)
  }
}
