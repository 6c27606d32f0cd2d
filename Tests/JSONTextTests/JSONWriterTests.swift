import Foundation
import JSONText
import TestSupport
import Testing

@Suite struct JSONWriterTests {
  private func text(_ body: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter(reservingCapacity: 1)
    body(&writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  @Test func putsCommasWhereTheyBelong() {
    let written = text { writer in
      writer.beginObject()
      writer.key("a")
      writer.beginArray()
      writer.integer(1)
      writer.beginObject()
      writer.endObject()
      writer.beginArray()
      writer.endArray()
      writer.null()
      writer.endArray()
      writer.field("b", true)
      writer.field("c", "x")
      writer.field("d", nil as String?)
      writer.field("e", word: "w")
      writer.key(dynamic: "\"k\"")
      writer.bool(false)
      writer.key("v")
      writer.verbatim(Array("[1,2]".utf8))
      writer.field("n", 12)
      writer.endObject()
    }
    #expect(written == #"{"a":[1,{},[],null],"b":true,"c":"x","e":"w","\"k\"":false,"v":[1,2],"n":12}"#)
  }

  @Test func writesEveryDigitCount() {
    var numbers: [Int64] = [0, 1, -1, .max, .min]
    var power: Int64 = 1
    for _ in 0..<18 {
      power *= 10
      numbers += [power - 1, power, power + 1, -power, 1 - power]
    }
    for number in numbers { #expect(text { $0.integer(number) } == "\(number)") }
  }

  @Test(
    arguments: [
      (29950, 2, "299.5"), (29900, 2, "299"), (29905, 2, "299.05"), (5, 2, "0.05"), (50, 2, "0.5"), (0, 2, "0"),
      (-150, 2, "-1.5"), (-5, 2, "-0.05"), (7, 0, "7"), (1, 4, "0.0001"), (.max, 2, "92233720368547758.07"),
      (.min, 18, "-9.223372036854775808"), (10, 1, "1"),
    ] as [(Int64, Int, String)])
  func decimals(_ units: Int64, _ digits: Int, _ expected: String) {
    #expect(text { $0.decimal(units: units, digits: digits) } == expected)
  }

  /// Each byte that needs an escape, at each place of a string, alone and among eight-byte words.
  @Test func escapes() throws {
    for length in [1, 7, 8, 9, 20] {
      for place in 0..<length {
        for scalar in [UInt8](0..<0x80) {
          var bytes = [UInt8](repeating: UInt8(ascii: "x"), count: length)
          bytes[place] = scalar
          let string = String(decoding: bytes, as: UTF8.self)
          let written = text { $0.string(string) }
          #expect(foundation(Array(written.utf8)) == .string(string))
          #expect(!written.utf8.contains { $0 < 0x20 })
        }
      }
    }
    #expect(text { $0.string("\"\\/\n\r\t\u{8}\u{1}é") } == #""\"\\/\n\r\t\u0008\u0001é""#)
  }

  @Test func foundationReadsWhatWasWritten() throws {
    let seed: UInt64 = 42
    var generator = SplitMix64(seed: seed)
    for round in 0..<2_000 {
      var writer = JSONWriter(reservingCapacity: generator.below(600))
      let tree = write(&generator, to: &writer, depth: 0)
      let bytes = writer.bytes
      #expect(foundation(bytes) == tree, "seed \(seed), round \(round)")
      #expect(try Tree.read(bytes) == tree, "seed \(seed), round \(round)")
    }
  }

  private func write(_ generator: inout SplitMix64, to writer: inout JSONWriter, depth: Int) -> Tree {
    switch generator.below(depth > 4 ? 5 : 7) {
    case 0:
      writer.null()
      return .null
    case 1:
      let value = generator.once(in: 2)
      writer.bool(value)
      return .bool(value)
    case 2:
      writer.integer(Int64(truncatingIfNeeded: generator.next()))
      return .number
    case 3:
      writer.decimal(units: Int64(truncatingIfNeeded: generator.next() >> 20), digits: generator.below(5))
      return .number
    case 4:
      let value = randomString(&generator)
      writer.string(value)
      return .string(value)
    case 5:
      writer.beginArray()
      var elements: [Tree] = []
      for _ in 0..<generator.below(5) { elements.append(write(&generator, to: &writer, depth: depth + 1)) }
      writer.endArray()
      return .array(elements)
    default:
      writer.beginObject()
      var fields: [String: Tree] = [:]
      for index in 0..<generator.below(5) {
        let key = randomString(&generator) + "\(index)"
        writer.key(dynamic: key)
        fields[key] = write(&generator, to: &writer, depth: depth + 1)
      }
      writer.endObject()
      return .object(fields)
    }
  }

  private func randomString(_ generator: inout SplitMix64) -> String {
    String(
      String.UnicodeScalarView(
        (0..<generator.below(30)).compactMap { _ in
          Unicode.Scalar(UInt32(generator.below(generator.once(in: 4) ? 0x11_0000 : 0x80)))
        }))
  }
}
