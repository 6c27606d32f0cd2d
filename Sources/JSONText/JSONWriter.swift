/// Writes JSON text into memory of its own, without building a tree first.
///
/// Commas come by themselves. That brackets match, and that each key has one value, is the caller's duty.
/// Not copyable, because it owns its memory: an array of bytes would check at each byte that nobody shares it.
public struct JSONWriter: ~Copyable {
  private var start: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  private var count = 0
  private var needsComma = false

  public init(reservingCapacity capacity: Int = 512) {
    self.capacity = max(capacity, 64)
    start = .allocate(capacity: self.capacity)
  }

  deinit { start.deallocate() }

  /// What was written so far.
  public var bytes: [UInt8] { Array(UnsafeBufferPointer(start: start, count: count)) }

  public mutating func beginObject() { open(UInt8(ascii: "{")) }
  public mutating func endObject() { close(UInt8(ascii: "}")) }
  public mutating func beginArray() { open(UInt8(ascii: "[")) }
  public mutating func endArray() { close(UInt8(ascii: "]")) }

  /// A key, in ASCII without anything that JSON escapes.
  public mutating func key(_ key: StaticString) {
    reserve(key.utf8CodeUnitCount + 4)
    separate()
    put(UInt8(ascii: "\""))
    put(key)
    put(UInt8(ascii: "\""))
    put(UInt8(ascii: ":"))
    needsComma = false
  }

  /// A key that is data, such as a participant's id.
  public mutating func key(dynamic key: String) {
    string(key)
    reserve(1)
    put(UInt8(ascii: ":"))
    needsComma = false
  }

  public mutating func string(_ value: String) {
    // Without a copy; only a string that is not stored as UTF-8 needs one.
    if value.utf8.withContiguousStorageIfAvailable({ string(utf8: $0) }) != nil { return }
    var value = value
    value.withUTF8 { string(utf8: $0) }
  }

  private mutating func string(utf8 text: UnsafeBufferPointer<UInt8>) {
    reserve(text.count + 3)
    separate()
    put(UInt8(ascii: "\""))
    if Self.isPlain(text) { put(text) } else { putEscaped(text) }
    reserve(1)
    put(UInt8(ascii: "\""))
  }

  /// A string that is known to need no escapes, such as the word of an enumeration.
  public mutating func word(_ value: StaticString) {
    reserve(value.utf8CodeUnitCount + 3)
    separate()
    put(UInt8(ascii: "\""))
    put(value)
    put(UInt8(ascii: "\""))
  }

  public mutating func integer(_ value: Int64) {
    reserve(22)
    separate()
    if value < 0 { put(UInt8(ascii: "-")) }
    putDigits(of: value.magnitude)
  }

  public mutating func integer(_ value: Int) { integer(Int64(value)) }

  public mutating func bool(_ value: Bool) {
    reserve(6)
    separate()
    put(value ? "true" : "false")
  }

  public mutating func null() {
    reserve(5)
    separate()
    put("null")
  }

  /// `units / 10^digits` with no more decimal digits than needed: 29950 with 2 digits is `299.5`.
  ///
  /// - Parameter digits: 0 to 18.
  public mutating func decimal(units: Int64, digits: Int) {
    precondition((0...18).contains(digits), "\(digits) decimal digits")
    reserve(42)
    separate()
    if units < 0 { put(UInt8(ascii: "-")) }
    var divisor: UInt64 = 1
    for _ in 0..<digits { divisor *= 10 }
    var (whole, fraction) = units.magnitude.quotientAndRemainder(dividingBy: divisor)
    putDigits(of: whole)
    guard fraction > 0 else { return }
    put(UInt8(ascii: "."))
    while fraction > 0 {
      divisor /= 10
      (whole, fraction) = fraction.quotientAndRemainder(dividingBy: divisor)
      put(UInt8(ascii: "0") + UInt8(whole))
    }
  }

  /// A value that is JSON text already.
  public mutating func verbatim(_ text: some Collection<UInt8>) {
    reserve(text.count + 1)
    separate()
    for byte in text { put(byte) }
  }

  // MARK: - Fields

  public mutating func field(_ key: StaticString, _ value: String) {
    self.key(key)
    string(value)
  }

  /// Nothing, if there is no value.
  public mutating func field(_ key: StaticString, _ value: String?) {
    if let value { field(key, value) }
  }

  public mutating func field(_ key: StaticString, word value: StaticString) {
    self.key(key)
    word(value)
  }

  public mutating func field(_ key: StaticString, _ value: Int64) {
    self.key(key)
    integer(value)
  }

  public mutating func field(_ key: StaticString, _ value: Int) { field(key, Int64(value)) }

  public mutating func field(_ key: StaticString, _ value: Bool) {
    self.key(key)
    bool(value)
  }

  // MARK: - Memory

  /// Makes room for `additional` bytes, which `put` then takes without asking.
  @inline(__always)
  private mutating func reserve(_ additional: Int) {
    if capacity - count < additional { grow(by: additional) }
  }

  @inline(never)
  private mutating func grow(by additional: Int) {
    let grown = max(capacity * 2, count + additional)
    let target = UnsafeMutablePointer<UInt8>.allocate(capacity: grown)
    target.update(from: start, count: count)
    start.deallocate()
    start = target
    capacity = grown
  }

  @inline(__always)
  private mutating func put(_ byte: UInt8) {
    start[count] = byte
    count += 1
  }

  @inline(__always)
  private mutating func put(_ text: UnsafeBufferPointer<UInt8>) {
    guard let source = text.baseAddress else { return }
    copy(source, text.count)
  }

  @inline(__always)
  private mutating func put(_ text: StaticString) {
    copy(text.utf8Start, text.utf8CodeUnitCount)
  }

  /// Most pieces are short, and a call of `memmove` costs more than they do: whole words, of which the last one may
  /// overlap the one before.
  @inline(__always)
  private mutating func copy(_ source: UnsafePointer<UInt8>, _ length: Int) {
    let target = UnsafeMutableRawPointer(start + count)
    let source = UnsafeRawPointer(source)
    count += length
    switch length {
    case 8...32:
      var index = 0
      while index + 8 < length {
        target.storeBytes(
          of: source.loadUnaligned(fromByteOffset: index, as: UInt64.self), toByteOffset: index, as: UInt64.self)
        index += 8
      }
      let last = length - 8
      target.storeBytes(
        of: source.loadUnaligned(fromByteOffset: last, as: UInt64.self), toByteOffset: last, as: UInt64.self)
    case 4..<8:
      let last = length - 4
      target.storeBytes(of: source.loadUnaligned(as: UInt32.self), as: UInt32.self)
      target.storeBytes(
        of: source.loadUnaligned(fromByteOffset: last, as: UInt32.self), toByteOffset: last, as: UInt32.self)
    case 0..<4:
      for index in 0..<length {
        target.storeBytes(of: source.load(fromByteOffset: index, as: UInt8.self), toByteOffset: index, as: UInt8.self)
      }
    default: target.copyMemory(from: source, byteCount: length)
    }
  }

  @inline(__always)
  private mutating func separate() {
    if needsComma { put(UInt8(ascii: ",")) }
    needsComma = true
  }

  private mutating func open(_ bracket: UInt8) {
    reserve(2)
    separate()
    put(bracket)
    needsComma = false
  }

  private mutating func close(_ bracket: UInt8) {
    reserve(1)
    put(bracket)
    needsComma = true
  }

  // MARK: - Strings and digits

  private static func needsEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
  }

  /// Whether nothing in a text needs an escape; looks at eight bytes at once.
  private static func isPlain(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    let raw = UnsafeRawBufferPointer(text)
    var index = 0
    while index + 8 <= raw.count {
      guard Word.isPlain(raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)) else { return false }
      index += 8
    }
    while index < raw.count {
      if needsEscape(raw[index]) { return false }
      index += 1
    }
    return true
  }

  @inline(never)
  private mutating func putEscaped(_ text: UnsafeBufferPointer<UInt8>) {
    for byte in text {
      reserve(6)
      guard Self.needsEscape(byte) else {
        put(byte)
        continue
      }
      put(UInt8(ascii: "\\"))
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): put(byte)
      case UInt8(ascii: "\n"): put(UInt8(ascii: "n"))
      case UInt8(ascii: "\r"): put(UInt8(ascii: "r"))
      case UInt8(ascii: "\t"): put(UInt8(ascii: "t"))
      default:
        put("u00")
        put(Self.hexDigit(byte >> 4))
        put(Self.hexDigit(byte & 15))
      }
    }
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }

  /// Two digits at a time, from the last to the first, at the far end of the room that `reserve` has made: their
  /// number is known only afterwards.
  private mutating func putDigits(of value: UInt64) {
    let pairs: StaticString = """
      00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354\
      555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899
      """
    if value < 10 {
      put(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value))
      return
    }
    let end = count + 20
    var index = end
    var rest = value
    while rest >= 10 {
      let pair = Int(truncatingIfNeeded: rest % 100) * 2
      rest /= 100
      index -= 2
      start[index] = pairs.utf8Start[pair]
      start[index + 1] = pairs.utf8Start[pair + 1]
    }
    if rest > 0 {
      index -= 1
      start[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest)
    }
    (start + count).update(from: start + index, count: end - index)
    count += end - index
  }
}
