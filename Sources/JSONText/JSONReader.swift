/// Reads JSON text (RFC 8259) by pulling values out of it, in the order in which they stand, without building a tree.
///
/// Strict: no comments, no trailing commas, no leading zeros, no lone surrogates, valid UTF-8 only, and no more than
/// `maxDepth` nested brackets. Lives only within the call of `read`, which holds the bytes.
public struct JSONReader {
  public static let maxDepth = 32

  private let text: UnsafeRawBufferPointer
  private var position = 0
  private var depth = 0
  /// Whether a bracket was just opened, so that no comma is due.
  private var isFirst = false

  /// A reader of borrowed memory, which must outlive it, its copies and its keys.
  ///
  /// A copy remembers where it was taken: that is how a value is read later, or a second time.
  public init(borrowing text: UnsafeRawBufferPointer) { self.text = text }

  /// Reads one value, which must be all that `bytes` holds but for white space.
  public static func read<Value>(
    _ bytes: [UInt8], _ body: (inout JSONReader) throws(JSONError) -> Value
  ) throws(JSONError) -> Value {
    let result = bytes.withUnsafeBytes { text in
      Result { () throws(JSONError) -> Value in try read(text, body) }
    }
    return try result.get()
  }

  /// As above, from borrowed memory.
  public static func read<Value>(
    _ text: UnsafeRawBufferPointer, _ body: (inout JSONReader) throws(JSONError) -> Value
  ) throws(JSONError) -> Value {
    var reader = JSONReader(borrowing: text)
    let value = try body(&reader)
    try reader.finish()
    return value
  }

  /// Makes sure that nothing but white space is left.
  public mutating func finish() throws(JSONError) {
    skipWhitespace()
    guard position == text.count else { throw failure("text after the value") }
  }

  public enum Kind: Sendable { case object, array, string, number, bool, null }

  /// What the next value is.
  public mutating func peek() throws(JSONError) -> Kind {
    skipWhitespace()
    switch byte {
    case UInt8(ascii: "{"): return .object
    case UInt8(ascii: "["): return .array
    case UInt8(ascii: "\""): return .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
    case UInt8(ascii: "n"): return .null
    case UInt8(ascii: "-"): return .number
    case let digit where isDigit(digit): return .number
    default: throw failure("a value was expected")
    }
  }

  /// Steps into an object, whose fields `nextKey` then gives.
  public mutating func beginObject() throws(JSONError) {
    skipWhitespace()
    try expect(UInt8(ascii: "{"), "an object was expected")
    try descend()
  }

  /// The key of the object's next value, which must then be read or skipped; nil when the object has ended.
  public mutating func nextKey() throws(JSONError) -> JSONKey? {
    guard try nextMember(closing: UInt8(ascii: "}"), "',' or '}' was expected") else { return nil }
    guard byte == UInt8(ascii: "\"") else { throw failure("a key was expected") }
    let key = try scanKey()
    skipWhitespace()
    try expect(UInt8(ascii: ":"), "':' was expected")
    return key
  }

  /// Steps into an array, whose elements `nextElement` then announces.
  public mutating func beginArray() throws(JSONError) {
    skipWhitespace()
    try expect(UInt8(ascii: "["), "an array was expected")
    try descend()
  }

  /// Whether the array has another element, which must then be read or skipped.
  public mutating func nextElement() throws(JSONError) -> Bool {
    try nextMember(closing: UInt8(ascii: "]"), "',' or ']' was expected")
  }

  /// Goes to the next member of an object or array, over the comma that is due; false over the closing bracket.
  private mutating func nextMember(closing bracket: UInt8, _ reason: StaticString) throws(JSONError) -> Bool {
    skipWhitespace()
    if byte == bracket {
      depth -= 1
      position += 1
      isFirst = false
      return false
    }
    if isFirst {
      isFirst = false
      return true
    }
    try expect(UInt8(ascii: ","), reason)
    skipWhitespace()
    return true
  }

  public mutating func string() throws(JSONError) -> String {
    skipWhitespace()
    guard byte == UInt8(ascii: "\"") else { throw failure("a string was expected") }
    return try Self.decode(try scanString())
  }

  public mutating func bool() throws(JSONError) -> Bool {
    skipWhitespace()
    if byte == UInt8(ascii: "t") {
      try literal("true")
      return true
    }
    guard byte == UInt8(ascii: "f") else { throw failure("true or false was expected") }
    try literal("false")
    return false
  }

  /// Reads `null` if it is the next value, and nothing otherwise.
  public mutating func null() throws(JSONError) -> Bool {
    skipWhitespace()
    guard byte == UInt8(ascii: "n") else { return false }
    try literal("null")
    return true
  }

  /// A number, exactly; `.beyondRange` if it has more digits than fit.
  public mutating func number() throws(JSONError) -> DecimalNumber {
    skipWhitespace()
    let isNegative = byte == UInt8(ascii: "-")
    if isNegative { position += 1 }
    var digits = Digits()
    guard isDigit(byte) else { throw failure("a number was expected") }
    if byte == UInt8(ascii: "0") {
      position += 1
    } else {
      scanDigits(into: &digits)
    }
    var exponent = 0
    if byte == UInt8(ascii: ".") {
      position += 1
      guard isDigit(byte) else { throw failure("a digit was expected after '.'") }
      let start = position
      scanDigits(into: &digits)
      exponent = start - position
    }
    if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
      position += 1
      let isBelowOne = byte == UInt8(ascii: "-")
      if isBelowOne || byte == UInt8(ascii: "+") { position += 1 }
      guard isDigit(byte) else { throw failure("a digit was expected in the exponent") }
      var power = 0
      while let digit = byte, isDigit(digit) {
        if power < Self.maxExponent { power = power * 10 + Int(digit - UInt8(ascii: "0")) }
        position += 1
      }
      if power >= Self.maxExponent { digits.fit = digits.significand == 0 }
      exponent += isBelowOne ? -power : power
    }
    guard digits.fit else { return .beyondRange }
    let significand = isNegative ? -digits.significand : digits.significand
    return DecimalNumber(significand: significand, exponent: exponent + digits.zeros)
  }

  /// Larger exponents are out of range, so that they cannot overflow.
  private static let maxExponent = 1_000_000

  private struct Digits {
    var significand: Int64 = 0
    /// Seen, but not yet multiplied in: zeros at the end must not make a number too long.
    var zeros = 0
    var fit = true

    mutating func take(_ digit: UInt8) {
      if digit == UInt8(ascii: "0") {
        if significand != 0 { zeros += 1 }
        return
      }
      while zeros > 0, fit {
        zeros -= 1
        append(0)
      }
      append(Int64(digit &- UInt8(ascii: "0")))
    }

    private mutating func append(_ digit: Int64) {
      let (tens, first) = significand.multipliedReportingOverflow(by: 10)
      let (sum, second) = tens.addingReportingOverflow(digit)
      if first || second { fit = false } else { significand = sum }
    }
  }

  private mutating func scanDigits(into digits: inout Digits) {
    while let digit = byte, isDigit(digit) {
      digits.take(digit)
      position += 1
    }
  }

  public mutating func integer() throws(JSONError) -> Int64 {
    let start = position
    guard let value = try number().integer else {
      position = start
      throw failure("an integer was expected")
    }
    return value
  }

  /// Passes over one value of any kind, which must be well-formed.
  public mutating func skip() throws(JSONError) {
    switch try peek() {
    case .object:
      try beginObject()
      while try nextKey() != nil { try skip() }
    case .array:
      try beginArray()
      while try nextElement() { try skip() }
    case .string: _ = try scanKey()
    case .number: _ = try number()
    case .bool: _ = try bool()
    case .null: _ = try null()
    }
  }

  /// The text of one value of any kind, as it stands.
  public mutating func verbatim() throws(JSONError) -> [UInt8] {
    skipWhitespace()
    let start = position
    try skip()
    return Array(text[start..<position])
  }

  /// An error at the present position.
  public func failure(_ reason: String) -> JSONError { JSONError(reason: reason, offset: position) }

  // MARK: - Tokens

  /// The byte at the position; nil at the end.
  private var byte: UInt8? { position < text.count ? text[position] : nil }

  private func isDigit(_ byte: UInt8?) -> Bool {
    guard let byte else { return false }
    return UInt8(ascii: "0") <= byte && byte <= UInt8(ascii: "9")
  }

  /// Mostly there is none.
  @inline(__always)
  private mutating func skipWhitespace() {
    if position < text.count, text[position] > 0x20 { return }
    passWhitespace()
  }

  @inline(never)
  private mutating func passWhitespace() {
    while let byte, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  @inline(__always)
  private mutating func expect(_ expected: UInt8, _ reason: StaticString) throws(JSONError) {
    guard byte == expected else { throw expectation(reason) }
    position += 1
  }

  @inline(never)
  private func expectation(_ reason: StaticString) -> JSONError { failure("\(reason)") }

  private mutating func descend() throws(JSONError) {
    isFirst = true
    depth += 1
    guard depth <= Self.maxDepth else { throw failure("more than \(Self.maxDepth) nested brackets") }
  }

  private mutating func literal(_ word: StaticString) throws(JSONError) {
    let end = position + word.utf8CodeUnitCount
    guard end <= text.count,
      text[position..<end].elementsEqual(
        UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
    else { throw failure("\(word) was expected") }
    position = end
  }

  /// What stands between a string's quotes.
  private struct Content {
    let text: UnsafeRawBufferPointer
    let hasEscapes: Bool
    let isASCII: Bool
    /// Where the string starts.
    let offset: Int
  }

  /// Passes over a string. Looks at eight bytes at once while they are plain: no quote, backslash or control character.
  private mutating func scanString() throws(JSONError) -> Content {
    let start = position + 1
    var index = start
    var hasEscapes = false
    var union: UInt64 = 0
    while true {
      while index + 8 <= text.count {
        let word = text.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        guard Word.isPlain(word) else { break }
        union |= word
        index += 8
      }
      // The word above was not plain, or there are fewer than eight bytes: at most eight steps to see why.
      let end = min(index + 8, text.count)
      if index >= end { break }
      while index < end {
        let byte = text[index]
        if byte == UInt8(ascii: "\"") {
          position = index + 1
          let content = UnsafeRawBufferPointer(rebasing: text[start..<index])
          let isASCII = union & Word.highBits == 0
          return Content(text: content, hasEscapes: hasEscapes, isASCII: isASCII, offset: start - 1)
        }
        if byte == UInt8(ascii: "\\") {
          hasEscapes = true
          index += 2
          continue
        }
        if byte < 0x20 {
          position = index
          throw failure("a control character in a string")
        }
        union |= UInt64(byte)
        index += 1
      }
    }
    position = text.count
    throw failure("the string does not end")
  }

  /// Passes over a string, which must be well-formed, without building it.
  private mutating func scanKey() throws(JSONError) -> JSONKey {
    let content = try scanString()
    if content.hasEscapes || !content.isASCII { _ = try Self.decode(content) }
    return JSONKey(text: content.text, hasEscapes: content.hasEscapes, offset: content.offset)
  }

  private static func decode(_ content: Content) throws(JSONError) -> String {
    guard content.isASCII, !content.hasEscapes else {
      return try decode(content.text, hasEscapes: content.hasEscapes, offset: content.offset)
    }
    return String(unsafeUninitializedCapacity: content.text.count) { target in
      UnsafeMutableRawBufferPointer(target).copyMemory(from: content.text)
      return content.text.count
    }
  }

  fileprivate static func decode(
    _ content: UnsafeRawBufferPointer, hasEscapes: Bool, offset: Int
  ) throws(JSONError) -> String {
    if hasEscapes {
      let decoded = try unescape(content, offset: offset)
      if let string = String(validating: decoded, as: UTF8.self) { return string }
    } else if let string = String(validating: content, as: UTF8.self) {
      return string
    }
    throw failure("a string is not valid UTF-8", at: offset)
  }

  private static func failure(_ reason: String, at offset: Int) -> JSONError {
    JSONError(reason: reason, offset: offset)
  }

  private static func unescape(_ content: UnsafeRawBufferPointer, offset: Int) throws(JSONError) -> [UInt8] {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(content.count)
    var index = 0
    while index < content.count {
      guard content[index] == UInt8(ascii: "\\") else {
        decoded.append(content[index])
        index += 1
        continue
      }
      guard index + 1 < content.count else { throw failure("an escape does not end", at: offset) }
      let escape = content[index + 1]
      index += 2
      switch escape {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): decoded.append(escape)
      case UInt8(ascii: "b"): decoded.append(0x08)
      case UInt8(ascii: "f"): decoded.append(0x0C)
      case UInt8(ascii: "n"): decoded.append(0x0A)
      case UInt8(ascii: "r"): decoded.append(0x0D)
      case UInt8(ascii: "t"): decoded.append(0x09)
      case UInt8(ascii: "u"): decoded.append(contentsOf: try unescapeScalar(content, &index, offset: offset).utf8)
      default: throw failure("an unknown escape", at: offset)
      }
    }
    return decoded
  }

  /// Reads `XXXX`, or `XXXX\uXXXX` for a pair of surrogates.
  private static func unescapeScalar(
    _ content: UnsafeRawBufferPointer, _ index: inout Int, offset: Int
  ) throws(JSONError) -> Character {
    let first = try codeUnit(content, &index, offset: offset)
    if let scalar = Unicode.Scalar(UInt32(first)) { return Character(scalar) }
    guard first < 0xDC00, index + 1 < content.count, content[index] == UInt8(ascii: "\\"),
      content[index + 1] == UInt8(ascii: "u")
    else { throw failure("a lone surrogate", at: offset) }
    index += 2
    let second = try codeUnit(content, &index, offset: offset)
    guard (0xDC00...0xDFFF).contains(second) else { throw failure("a lone surrogate", at: offset) }
    let value = 0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
    guard let scalar = Unicode.Scalar(value) else { throw failure("a lone surrogate", at: offset) }
    return Character(scalar)
  }

  private static func codeUnit(_ content: UnsafeRawBufferPointer, _ index: inout Int, offset: Int) throws(JSONError)
    -> UInt16
  {
    guard index + 4 <= content.count else { throw failure("\\u is followed by four hexadecimal digits", at: offset) }
    var value: UInt16 = 0
    for _ in 0..<4 {
      let byte = content[index]
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
      default: throw failure("\\u is followed by four hexadecimal digits", at: offset)
      }
      value = value << 4 | UInt16(digit)
      index += 1
    }
    return value
  }
}

/// The key of an object's field. Valid only while its reader's memory is; compare it with a literal: `case "type":`.
public struct JSONKey {
  private let text: UnsafeRawBufferPointer
  private let hasEscapes: Bool
  private let offset: Int

  fileprivate init(text: UnsafeRawBufferPointer, hasEscapes: Bool, offset: Int) {
    self.text = text
    self.hasEscapes = hasEscapes
    self.offset = offset
  }

  /// The key as a string, for keys that are data.
  public func string() throws(JSONError) -> String {
    try JSONReader.decode(text, hasEscapes: hasEscapes, offset: offset)
  }

  public static func ~= (literal: StaticString, key: JSONKey) -> Bool {
    if key.hasEscapes { return (try? key.string()) == "\(literal)" }
    let count = literal.utf8CodeUnitCount
    guard key.text.count == count else { return false }
    var index = 0
    while index < count {
      if key.text[index] != literal.utf8Start[index] { return false }
      index += 1
    }
    return true
  }
}

/// Why a text is no JSON, or not the JSON that was expected, and at which byte.
public struct JSONError: Error, Equatable, CustomStringConvertible {
  public let reason: String
  public let offset: Int

  public init(reason: String, offset: Int) {
    self.reason = reason
    self.offset = offset
  }

  public var description: String { "\(reason) (byte \(offset))" }
}
