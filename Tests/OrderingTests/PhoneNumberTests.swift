import Ordering
import RoomCore
import Testing

@Suite struct PhoneNumberTests {
  @Test(arguments: [
    ("9876543210", nil), ("0000000000", nil), ("", PhoneNumberFault.empty),
    ("987654321", .wrongCount(9, expected: 10...10)), ("98765432100", .wrongCount(11, expected: 10...10)),
    ("98765 43210", .notADigit(position: 6)), ("+919876543210", .notADigit(position: 1)),
    ("९८७६५४३२१०", .notADigit(position: 1)), ("nine million", .notADigit(position: 1)),
  ])
  func isTenDigits(text: String, fault: PhoneNumberFault?) {
    #expect(faultIn(text, .tenDigits) == fault)
  }

  @Test(arguments: [
    ("+919876543210", nil), ("+2901234", nil), ("9876543210", PhoneNumberFault.noPlus), ("", .empty),
    ("+", .wrongCount(0, expected: 7...15)), ("+1234567890123456", .wrongCount(16, expected: 7...15)),
    ("+0123456789", .noCountryCode), ("+91-9876543210", .notADigit(position: 4)),
  ])
  func isE164WhereTheTenantAsksForIt(text: String, fault: PhoneNumberFault?) {
    #expect(faultIn(text, .e164) == fault)
  }

  private func faultIn(_ text: String, _ rule: PhoneRule) -> PhoneNumberFault? {
    do throws(PhoneNumberFault) {
      _ = try PhoneNumber(text, rule: rule)
      return nil
    } catch {
      return error
    }
  }

  @Test func isReadBackDigitByDigit() throws {
    let phone = try PhoneNumber("9876543210")
    #expect(phone.spoken == "nine eight seven six five four three two one zero")
    #expect(phone.ending == "10")
    #expect(try PhoneNumber("+2901234", rule: .e164).spoken == "plus two nine zero one two three four")
  }

  @Test(
    "a join that is refused for its phone names the field and the tenant's rule",
    arguments: [
      (PhoneRule.tenDigits, "", "must not be empty"), (.tenDigits, "98765", "must have exactly 10 digits, and has 5"),
      (.tenDigits, "+919876543210", "must have a digit as its character 1"),
      (.e164, "9876543210", "must start with '+' and a country code"),
      (.e164, "+91-9876543210", "must have a digit as its character 4"),
      (.e164, "+91", "must have 7 to 15 digits, and has 2"),
      (.e164, "+0123456789", "must have a country code after '+', which never starts with 0"),
    ])
  func refusedJoin(rule: PhoneRule, phone: String, complaint: String) {
    let scene = Scene()
    scene.context.phoneRule = rule
    #expect(
      scene.rejection(.join(.init(name: "Ana", tenant: "t", circle: "c", phone: phone)), by: ana)
        == OrderRejection(.invalidJoin, "data.phone \(complaint)"))
  }
}
