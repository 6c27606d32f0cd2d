import JSONText
import RoomCore
import TestSupport
import Testing
import Wire

@Suite struct ClientMessageFuzzTests {
  private static let hot: Set = ["join", "leave", "ready", "add_item", "remove_item", "update_quantity"]
  private static let alphabet = Array("{}[]\",:\\/0123456789eE+-. \nabdeilnopqrstuvy_IN".utf8)

  @Test func agreesWithFoundationOnDamagedMessages() throws {
    let seed: UInt64 = 5
    var generator = SplitMix64(seed: seed)
    let samples = sampleMessages.filter { Self.hot.contains($0.type) && $0.data?.contains("1e99") != true }
    var accepted = 0
    var refused = 0
    for round in 0..<20_000 {
      let sample = generator.pick(samples)
      let text = Array("{\(sample.fields.shuffled(using: &generator).joined(separator: ","))}".utf8)
      let bytes = generator.once(in: 10) ? text : generator.damage(text, alphabet: Self.alphabet)
      if isBeyondComparison(bytes) { continue }
      let expected = ReferenceMessage.decode(bytes)
      let found: ClientMessage?
      do {
        found = try ClientMessage.decode(bytes)
      } catch {
        if error.message.contains("is given twice") { continue }
        found = nil
      }
      guard found == expected else {
        Issue.record(
          """
          seed \(seed), round \(round): \(String(decoding: bytes, as: UTF8.self))
          \(String(describing: found))
          but Foundation: \(String(describing: expected))
          """)
        return
      }
      if found == nil { refused += 1 } else { accepted += 1 }
    }
    #expect(accepted > 3_000 && refused > 3_000, "\(accepted) accepted, \(refused) refused: too one-sided")
  }

  /// What Foundation takes and we do not (see the tests of the reader), and numbers too large for its `Decimal`.
  private func isBeyondComparison(_ bytes: [UInt8]) -> Bool {
    if bytes.contains(0) || bytes.starts(with: [0xEF, 0xBB, 0xBF]) || bytes.first == 0xFF || bytes.first == 0xFE {
      return true
    }
    // Foundation forgets the sign of a zero.
    if bytes.firstRange(of: Array("-0".utf8)) != nil { return true }
    // A comma before a bracket, an exponent of two digits or more, or nineteen digits in a row.
    var digits = 0
    var exponentDigits = -1
    var isAfterComma = false
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        digits += 1
        if exponentDigits >= 0 { exponentDigits += 1 }
        if digits >= 19 || exponentDigits >= 2 { return true }
      case UInt8(ascii: "e"), UInt8(ascii: "E"): exponentDigits = 0
      case UInt8(ascii: "+"), UInt8(ascii: "-"): digits = 0
      default:
        digits = 0
        exponentDigits = -1
      }
      switch byte {
      case UInt8(ascii: ","): isAfterComma = true
      case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"): break
      case UInt8(ascii: "]"), UInt8(ascii: "}"): if isAfterComma { return true }
      default: isAfterComma = false
      }
    }
    return false
  }

  /// "Never crash": any message, however damaged, is decoded or refused.
  @Test func survivesDamage() {
    var generator = SplitMix64(seed: 6)
    var accepted = 0
    for _ in 0..<30_000 {
      let bytes = generator.damage(generator.pick(sampleMessages).text, alphabet: Self.alphabet)
      if (try? ClientMessage.decode(bytes)) != nil { accepted += 1 }
      let noise = (0..<generator.below(40)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
      _ = try? ClientMessage.decode(noise)
    }
    #expect(accepted > 1_000)
  }

  @Test func decodesFromBorrowedMemory() throws {
    for sample in sampleMessages {
      // The bytes end where an allocation ends, so that reading too far is caught by the address sanitizer.
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: sample.text.count, alignment: 1)
      defer { memory.deallocate() }
      memory.copyBytes(from: sample.text)
      #expect(try ClientMessage.decode(UnsafeRawBufferPointer(memory)) == sample.expected)
    }
  }
}
