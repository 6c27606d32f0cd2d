/// Bytes that processes of one cluster send one another: whole numbers as LEB128, texts and bytes behind their length.
public struct BinaryWriter: Sendable {
  public private(set) var bytes: [UInt8]

  public init(reservingBytes count: Int = 64) {
    bytes = []
    bytes.reserveCapacity(count)
  }

  public mutating func write(byte: UInt8) { bytes.append(byte) }

  /// Seven bits a byte, the lowest first; all bytes but the last have their highest bit set.
  public mutating func write(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// Zigzag: small numbers of either sign are short.
  public mutating func write(signed value: Int64) {
    write(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
  }

  public mutating func write(count: Int) { write(UInt64(count)) }

  public mutating func write(_ flag: Bool) { bytes.append(flag ? 1 : 0) }

  public mutating func write(_ text: String) {
    write(count: text.utf8.count)
    bytes.append(contentsOf: text.utf8)
  }

  public mutating func write(bytes content: some Collection<UInt8>) {
    write(count: content.count)
    bytes.append(contentsOf: content)
  }

  /// Bytes that need no length, because they are the last ones.
  public mutating func append(_ content: some Collection<UInt8>) { bytes.append(contentsOf: content) }

  /// Puts a number where four bytes were left for it.
  public mutating func overwrite(at index: Int, bigEndian value: UInt32) {
    for offset in 0..<4 { bytes[index + offset] = UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32(offset))) }
  }

  /// Whether there is one, and the one.
  public mutating func write<Value>(optional value: Value?, _ write: (inout BinaryWriter, Value) -> Void) {
    self.write(value != nil)
    if let value { write(&self, value) }
  }
}

/// Why bytes are not what a writer wrote.
public struct BinaryError: Error, Equatable, CustomStringConvertible {
  public let reason: String

  public init(_ reason: String) { self.reason = reason }

  public var description: String { reason }
}

/// Reads what a `BinaryWriter` wrote. Trusts nothing: a length is looked at before it is used.
public struct BinaryReader: Sendable {
  private var rest: ArraySlice<UInt8>

  public init(_ bytes: ArraySlice<UInt8>) { rest = bytes }
  public init(_ bytes: [UInt8]) { rest = bytes[...] }

  public mutating func byte() throws(BinaryError) -> UInt8 {
    guard let byte = rest.popFirst() else { throw BinaryError("the bytes end too early") }
    return byte
  }

  public mutating func unsigned() throws(BinaryError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let byte = try byte()
      let bits = UInt64(byte & 0x7F)
      guard shift < 63 || (shift == 63 && bits <= 1) else { throw BinaryError("a number has more than 64 bits") }
      value |= bits << shift
      if byte < 0x80 {
        guard bits != 0 || shift == 0 else { throw BinaryError("a number is longer than it need be") }
        return value
      }
      shift += 7
    }
  }

  public mutating func signed() throws(BinaryError) -> Int64 {
    let value = try unsigned()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }

  public mutating func int(in range: ClosedRange<Int>) throws(BinaryError) -> Int {
    let value = try unsigned()
    guard let value = Int(exactly: value), range.contains(value) else {
      throw BinaryError("\(value) is outside \(range)")
    }
    return value
  }

  public mutating func flag() throws(BinaryError) -> Bool {
    switch try byte() {
    case 0: return false
    case 1: return true
    case let byte: throw BinaryError("\(byte) is neither true nor false")
    }
  }

  public mutating func content(maxBytes: Int = .max) throws(BinaryError) -> ArraySlice<UInt8> {
    let length = try unsigned()
    guard length <= UInt64(rest.count), length <= UInt64(maxBytes) else {
      throw BinaryError("a length of \(length) is more than there is, or may be")
    }
    let content = rest.prefix(Int(length))
    rest = rest.dropFirst(Int(length))
    return content
  }

  public mutating func text(maxBytes: Int = .max) throws(BinaryError) -> String {
    guard let text = String(validating: try content(maxBytes: maxBytes), as: UTF8.self) else {
      throw BinaryError("a text is not UTF-8")
    }
    return text
  }

  /// All that is left, which need not be understood.
  public mutating func remainder() -> [UInt8] {
    defer { rest = [] }
    return Array(rest)
  }

  /// The number of things that follow, each at least a byte.
  public mutating func count(atMost limit: Int = .max) throws(BinaryError) -> Int {
    try int(in: 0...min(limit, rest.count))
  }

  public mutating func optional<Value>(
    _ read: (inout BinaryReader) throws(BinaryError) -> Value
  ) throws(BinaryError) -> Value? {
    guard try flag() else { return nil }
    return try read(&self)
  }

  /// - Throws: if something is left.
  public func end() throws(BinaryError) {
    guard rest.isEmpty else { throw BinaryError("\(rest.count) bytes are left over") }
  }
}
