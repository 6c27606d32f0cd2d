import Foundation
import JSONText
import TestSupport
import Testing

@Suite struct JSONReaderTests {
  /// RFC 8259, sections 2 to 8.
  static let texts: [String] = [
    "", " ", "null", "true", "false", "nul", "tru", "falsee", "nulll", "True", "NULL", "undefined", "NaN", "Infinity",
    "0", "-0", "1", "-1", "00", "01", "-01", "+1", "1.", ".5", "0.5", "1.50", "-1.5e3", "1E+2", "1e-2", "1e", "1e+",
    "1e1.5", "0x10", "1_000", "--1", "-", "- 1", "1 2", "1,", "1e5", "123456789012345678", "0.1", "100000", "1.0",
    "\"\"", "\"a\"", "\"", "\"a", "'a'", "\"\\\"\"", "\"\\\\\"", "\"\\/\"", "\"\\b\\f\\n\\r\\t\"", "\"\\x41\"",
    "\"\\u0041\"", "\"\\u00e9\"", "\"\\u004\"", "\"\\u00g1\"", "\"\\uD83D\\uDE00\"", "\"\\u\"", "\"\\", "\"\\\"",
    "\"tab\there\"", "\"line\nhere\"", "\"\u{7F}\"", "\"é😀\"", "\"\\u0000\"", "\"a\" \"b\"", "\"\\U0041\"",
    "[]", "[ ]", "[1]", "[1,2]", "[,1]", "[1 2]", "[", "]", "[1", "[1,", "[[]]", "[[],[]]", "[1]]", "[]]",
    "{}", "{ }", "{\"a\":1}", "{\"a\" : 1 , \"b\":[]}", "{\"a\"}", "{\"a\":}", "{,}", "{a:1}",
    "{1:1}", "{\"a\":1 \"b\":2}", "{\"a\":1", "{\"a\"", "{\"a", "{", "}", "{\"a\":{\"b\":{\"c\":null}}}",
    "{\"\\u0061\":1}", "{\"a\":1}}", "{\"\":\"\"}", "{null:1}", "{\"a\":1;\"b\":2}", "{\"a\"=1}", "{\"a\"::1}",
    "\t\n\r 1 \t\n\r", "\u{0B}1", "\u{0C}1", "\u{A0}1", "1 // comment", "/* */ 1", "1#", "[1,/**/2]",
    "[true,false,null,\"x\",{},[]]", "[true false]", "{\"a\":tru}", "[nul]", "12a", "1.5.5", "1ee5", "-a",
    "\"\\ud83d\"",
  ]

  @Test("accepts what Foundation accepts, and reads the same", arguments: texts)
  func table(_ text: String) throws {
    let bytes = Array(text.utf8)
    guard let expected = foundation(bytes) else {
      #expect(throws: JSONError.self) { try Tree.read(bytes) }
      #expect(throws: JSONError.self) { try skip(bytes) }
      return
    }
    #expect(try Tree.read(bytes) == expected)
    try skip(bytes)
  }

  /// Where we differ from Foundation on purpose.
  ///
  /// - A comma before a closing bracket: RFC 8259 sections 4 and 5 have none.
  /// - Depth: 32 brackets here, 512 there. A message needs four.
  /// - A text in UTF-16 or UTF-32, or with a byte order mark: RFC 8259 section 8.1 allows only plain UTF-8.
  /// - A key that stands twice: both are shown to the caller, who decides; Foundation keeps one.
  /// - Numbers of any size are well-formed; Foundation refuses those that no double holds.
  @Test func deliberateDifferences() throws {
    let deep = Array((String(repeating: "[", count: 33) + String(repeating: "]", count: 33)).utf8)
    #expect(foundation(deep) != nil)
    #expect(throws: JSONError.self) { try Tree.read(deep) }
    try skip(Array(deep[1..<65]))

    for text in ["[1,]", "{\"a\":1,}", "[1, \n]"] {
      #expect(foundation(Array(text.utf8)) != nil)
      #expect(throws: JSONError.self) { try Tree.read(Array(text.utf8)) }
      #expect(throws: JSONError.self) { try skip(Array(text.utf8)) }
    }

    let utf16: [UInt8] = [0x5B, 0, 0x5D, 0]
    #expect(foundation(utf16) != nil)
    #expect(throws: JSONError.self) { try Tree.read(utf16) }
    let marked: [UInt8] = [0xEF, 0xBB, 0xBF, 0x31]
    #expect(foundation(marked) != nil)
    #expect(throws: JSONError.self) { try Tree.read(marked) }

    var keys: [String] = []
    try JSONReader.read(Array(#"{"a":1,"a":2}"#.utf8)) { reader throws(JSONError) in
      try reader.beginObject()
      while let key = try reader.nextKey() {
        keys.append(try key.string())
        try reader.skip()
      }
    }
    #expect(keys == ["a", "a"])

    let huge = Array("1e999".utf8)
    #expect(foundation(huge) == nil)
    #expect(try Tree.read(huge) == .number)
  }

  @Test func refusesInvalidUTF8WhetherReadOrSkipped() throws {
    let sequences: [[UInt8]] = [
      [0xFF], [0xC0, 0x80], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0x80],
      [0xF0, 0x9F, 0x98],
    ]
    for sequence in sequences {
      let string = [0x22] + sequence + [0x22]
      #expect(throws: JSONError.self) { try Tree.read(string) }
      #expect(throws: JSONError.self) { try skip(string) }
      let key = [0x7B] + string + Array(":1}".utf8)
      #expect(throws: JSONError.self) { try Tree.read(key) }
      #expect(throws: JSONError.self) { try skip(key) }
      let escaped = [0x22] + Array("\\n".utf8) + sequence + [0x22]
      #expect(throws: JSONError.self) { try skip(escaped) }
    }
  }

  /// Strings of every length up to 40, with something special at every place.
  @Test func findsTheSpecialByteAtEveryPlace() throws {
    for length in 0..<40 {
      for place in 0..<max(length, 1) {
        var content = [UInt8](repeating: UInt8(ascii: "x"), count: length)
        #expect(try Tree.read([0x22] + content + [0x22]) == .string(String(decoding: content, as: UTF8.self)))
        guard length > 0 else { continue }
        for special in [0x00, 0x1F, 0x20, 0x21, 0x23, 0x5B, 0x5D, 0x7F] as [UInt8] {
          content[place] = special
          let text = [0x22] + content + [0x22]
          if special < 0x20 {
            let error = #expect(throws: JSONError.self) { try Tree.read(text) }
            #expect(error?.offset == place + 1)
          } else {
            #expect(try Tree.read(text) == .string(String(decoding: content, as: UTF8.self)))
          }
        }
        content.replaceSubrange(place...place, with: Array("\\\"é\\n".utf8))
        let expected =
          String(repeating: "x", count: place) + "\"é\n" + String(repeating: "x", count: length - place - 1)
        #expect(try Tree.read([0x22] + content + [0x22]) == .string(expected))
      }
    }
  }

  struct Failure: CustomTestStringConvertible, Sendable {
    let text: String
    let reason: String
    let offset: Int
    var testDescription: String { text }

    init(_ text: String, _ reason: String, _ offset: Int) {
      self.text = text
      self.reason = reason
      self.offset = offset
    }
  }

  @Test(
    "says what is wrong and where",
    arguments: [
      Failure("", "a value was expected", 0),
      Failure("  x", "a value was expected", 2),
      Failure("1 1", "text after the value", 2),
      Failure("[1 2]", "',' or ']' was expected", 3),
      Failure("{\"a\":1 2}", "',' or '}' was expected", 7),
      Failure("{\"a\" 1}", "':' was expected", 5),
      Failure("{a", "a key was expected", 1),
      Failure("{\"a\":1,}", "a key was expected", 7),
      Failure("[1,]", "a value was expected", 3),
      Failure("tru", "true was expected", 0),
      Failure("falsy", "false was expected", 0),
      Failure("nul", "null was expected", 0),
      Failure("\"a", "the string does not end", 2),
      Failure("\"a\\", "the string does not end", 3),
      Failure("\"\u{01}\"", "a control character in a string", 1),
      Failure("\"\\q\"", "an unknown escape", 0),
      Failure("\"\\ud800\"", "a lone surrogate", 0),
      Failure("\"\\udc00\"", "a lone surrogate", 0),
      Failure("\"\\ud800\\n\"", "a lone surrogate", 0),
      Failure("\"\\ud800\\u0041\"", "a lone surrogate", 0),
      Failure("\"\\u12\"", "\\u is followed by four hexadecimal digits", 0),
      Failure("\"\\u12x4\"", "\\u is followed by four hexadecimal digits", 0),
      Failure("-", "a number was expected", 1),
      Failure("1.", "a digit was expected after '.'", 2),
      Failure("1e", "a digit was expected in the exponent", 2),
      Failure("1e+", "a digit was expected in the exponent", 3),
      Failure(String(repeating: "[", count: 33), "more than 32 nested brackets", 33),
    ])
  func failures(_ failure: Failure) {
    let error = #expect(throws: JSONError.self) { try Tree.read(Array(failure.text.utf8)) }
    #expect(error?.reason == failure.reason)
    #expect(error?.offset == failure.offset)
  }

  @Test func refusesAValueOfAnotherKind() {
    func reason<Value>(
      _ text: String, _ body: (inout JSONReader) throws(JSONError) -> Value
    ) -> String? {
      do {
        _ = try JSONReader.read(Array(text.utf8), body)
        return nil
      } catch { return error.reason }
    }
    #expect(reason("1") { reader throws(JSONError) in try reader.string() } == "a string was expected")
    #expect(reason("1") { reader throws(JSONError) in try reader.bool() } == "true or false was expected")
    #expect(reason("\"1\"") { reader throws(JSONError) in try reader.number() } == "a number was expected")
    #expect(reason("1.5") { reader throws(JSONError) in try reader.integer() } == "an integer was expected")
    #expect(reason("1e99") { reader throws(JSONError) in try reader.integer() } == "an integer was expected")
    #expect(reason("[]") { reader throws(JSONError) in try reader.beginObject() } == "an object was expected")
    #expect(reason("{}") { reader throws(JSONError) in try reader.beginArray() } == "an array was expected")
    #expect(reason("1") { reader throws(JSONError) in try reader.null() ? 0 : try reader.integer() } == nil)
  }

  @Test func comparesKeysWithLiterals() throws {
    let text = #"{"type":1,"t\u0079pe":2,"typo":3,"typ":4,"typed":5,"":6}"#
    var found: [Int64] = []
    try JSONReader.read(Array(text.utf8)) { reader throws(JSONError) in
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "type": found.append(try reader.integer())
        case "": found.append(-(try reader.integer()))
        default: try reader.skip()
        }
      }
    }
    #expect(found == [1, 2, -6])
  }

  /// A copy of the reader is a bookmark.
  @Test func readsAValueTwiceThroughACopy() throws {
    let text = Array(#"{"a":[1,{"b":2}],"c":3}"#.utf8)
    try text.withUnsafeBytes { text in
      var reader = JSONReader(borrowing: text)
      try reader.beginObject()
      #expect(try reader.nextKey()?.string() == "a")
      var copy = reader
      try reader.skip()
      #expect(try reader.nextKey()?.string() == "c")
      #expect(try reader.integer() == 3)
      #expect(try reader.nextKey() == nil)
      try reader.finish()
      try copy.beginArray()
      #expect(try copy.nextElement())
      #expect(try copy.integer() == 1)
    }
  }

  @Test func givesAValuesTextAsItStands() throws {
    let text = #"{"a" : { "b": [1, "\u0041"] } , "c":2}"#
    let value = try JSONReader.read(Array(text.utf8)) { reader throws(JSONError) in
      try reader.beginObject()
      _ = try reader.nextKey()
      let value = try reader.verbatim()
      while try reader.nextKey() != nil { try reader.skip() }
      return value
    }
    #expect(String(decoding: value, as: UTF8.self) == #"{ "b": [1, "\u0041"] }"#)
  }

  // MARK: - Random texts

  @Test func agreesWithFoundationOnRandomTexts() throws {
    var accepted = 0
    let seed: UInt64 = 20_250_101
    var generator = SplitMix64(seed: seed)
    let alphabet = Array("{}[]\",:\\u0123eE+-. \n\ttruefalsn\u{1}é".utf8)
    for round in 0..<50_000 {
      let bytes: [UInt8]
      if round % 5 == 0 {
        bytes = (0..<(1 + generator.below(12))).map { _ in generator.pick(alphabet) }
      } else {
        let text = randomText(&generator, depth: 0)
        bytes = round % 5 == 1 ? text : generator.damage(text, alphabet: alphabet)
      }
      if isBeyondComparison(bytes) { continue }
      let expected = foundation(bytes)
      let found: Tree?
      do {
        found = try Tree.read(bytes)
      } catch {
        if isCommaBeforeBracket(bytes, error.offset) { continue }
        found = nil
      }
      let skipped = (try? skip(bytes)) != nil
      guard found == expected, skipped == (expected != nil) else {
        let text = String(decoding: bytes, as: UTF8.self)
        Issue.record(
          "seed \(seed), round \(round): \(text) \(bytes): \(String(describing: found)), not \(String(describing: expected))"
        )
        return
      }
      if expected != nil { accepted += 1 }
    }
    #expect((10_000...45_000).contains(accepted), "\(accepted) texts were accepted: the test compares too little")
  }

  /// The deliberate differences: a NUL makes Foundation guess UTF-16, and a repeated key is kept by it at random.
  private func isBeyondComparison(_ bytes: [UInt8]) -> Bool {
    bytes.contains(0) || bytes.starts(with: [0xEF, 0xBB, 0xBF]) || bytes.starts(with: [0xFF, 0xFE])
      || bytes.starts(with: [0xFE, 0xFF]) || hasRepeatedKeyOrHugeNumber(bytes)
  }

  private func isCommaBeforeBracket(_ bytes: [UInt8], _ offset: Int) -> Bool {
    guard offset < bytes.count, bytes[offset] == UInt8(ascii: "]") || bytes[offset] == UInt8(ascii: "}") else {
      return false
    }
    return bytes[..<offset].last { ![0x20, 0x0A, 0x0D, 0x09].contains($0) } == UInt8(ascii: ",")
  }

  private func hasRepeatedKeyOrHugeNumber(_ bytes: [UInt8]) -> Bool {
    func look(_ reader: inout JSONReader) throws(JSONError) -> Bool {
      var found = false
      switch try reader.peek() {
      case .object:
        var keys: Set<String> = []
        try reader.beginObject()
        while let key = try reader.nextKey() {
          if !keys.insert(try key.string()).inserted { found = true }
          if try look(&reader) { found = true }
        }
      case .array:
        try reader.beginArray()
        while try reader.nextElement() {
          if try look(&reader) { found = true }
        }
      case .number:
        let number = try reader.number()
        found = number == .beyondRange || abs(number.exponent) > 290
      default: try reader.skip()
      }
      return found
    }
    return (try? JSONReader.read(bytes, look)) ?? false
  }

  private func randomText(_ generator: inout SplitMix64, depth: Int) -> [UInt8] {
    func space() -> String { generator.once(in: 6) ? generator.pick([" ", "\n", "\t", "\r", "  "]) : "" }
    func value(_ depth: Int) -> String {
      let inner: String
      switch generator.below(depth > 4 ? 5 : 8) {
      case 0: inner = generator.pick(["null", "true", "false"])
      case 1, 2: inner = number()
      case 3, 4: inner = string()
      case 5:
        inner = "[" + (0..<generator.below(4)).map { _ in value(depth + 1) }.joined(separator: ",") + space() + "]"
      default:
        let fields = (0..<generator.below(4)).map { _ in space() + string() + space() + ":" + value(depth + 1) }
        inner = "{" + fields.joined(separator: ",") + space() + "}"
      }
      return space() + inner + space()
    }
    func number() -> String {
      var text = generator.once(in: 3) ? "-" : ""
      text += generator.once(in: 4) ? "0" : "\(1 + generator.below(99_999))"
      if generator.once(in: 3) { text += ".\(generator.below(1000))" }
      if generator.once(in: 5) {
        text += generator.pick(["e", "E"]) + generator.pick(["", "+", "-"]) + "\(generator.below(20))"
      }
      return text
    }
    func string() -> String {
      let pieces = [
        "a", "Z", " ", "é", "😀", "\\n", "\\\"", "\\\\", "\\/", "\\u0041", "\\u00e9", "\\uD83D\\uDE00", "\\t", "biryani",
        "\\u0000", "\u{7F}", "ह",
      ]
      return "\"" + (0..<generator.below(6)).map { _ in generator.pick(pieces) }.joined() + "\""
    }
    return Array(value(depth).utf8)
  }

  private func skip(_ bytes: [UInt8]) throws(JSONError) {
    try JSONReader.read(bytes) { reader throws(JSONError) in try reader.skip() }
  }
}
