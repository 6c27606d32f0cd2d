/// XXH64, in one pass over bytes that are fed piece by piece.
///
/// Swift's own `Hasher` is seeded anew in each process, so nothing that is stored or sent may depend on it. This one
/// gives the same answer everywhere and for ever: slots and the fingerprints of operations are made with it.
/// Source: the xxHash fast digest algorithm, specification 0.1.1, section "XXH64".
public struct StableHasher {
  private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
  private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
  private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
  private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
  private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

  private let seed: UInt64
  private var lanes: (UInt64, UInt64, UInt64, UInt64)
  private var pending: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
  private var pendingCount = 0
  private var totalCount: UInt64 = 0

  public init(seed: UInt64 = 0) {
    self.seed = seed
    lanes = (seed &+ Self.prime1 &+ Self.prime2, seed &+ Self.prime2, seed, seed &- Self.prime1)
  }

  public mutating func combine(_ bytes: UnsafeRawBufferPointer) {
    totalCount &+= UInt64(bytes.count)
    var rest = bytes[...]
    if pendingCount > 0 {
      let taken = min(32 - pendingCount, rest.count)
      store(rest.prefix(taken))
      rest = rest.dropFirst(taken)
      guard pendingCount == 32 else { return }
      consume(pending.0, pending.1, pending.2, pending.3)
      pendingCount = 0
    }
    while rest.count >= 32 {
      let start = rest.startIndex
      func word(_ index: Int) -> UInt64 {
        bytes.loadUnaligned(fromByteOffset: start + index * 8, as: UInt64.self)
      }
      consume(word(0), word(1), word(2), word(3))
      rest = rest.dropFirst(32)
    }
    store(rest)
  }

  public mutating func combine(bytesOf string: String) {
    var string = string
    string.withUTF8 { combine(UnsafeRawBufferPointer($0)) }
  }

  /// A string with its length in front, so that neighbouring fields cannot run into one another.
  public mutating func combine(_ string: String) {
    combine(Int64(string.utf8.count))
    combine(bytesOf: string)
  }

  public mutating func combine(_ number: Int64) {
    withUnsafeBytes(of: number.littleEndian) { combine($0) }
  }

  public func finish() -> UInt64 {
    var hash: UInt64
    if totalCount >= 32 {
      hash =
        Self.rotate(lanes.0, 1) &+ Self.rotate(lanes.1, 7) &+ Self.rotate(lanes.2, 12) &+ Self.rotate(lanes.3, 18)
      for lane in [lanes.0, lanes.1, lanes.2, lanes.3] {
        hash = (hash ^ Self.round(0, lane)) &* Self.prime1 &+ Self.prime4
      }
    } else {
      hash = seed &+ Self.prime5
    }
    hash &+= totalCount
    withUnsafeBytes(of: pending) { bytes in
      var index = 0
      while index + 8 <= pendingCount {
        let word = UInt64(littleEndian: bytes.load(fromByteOffset: index, as: UInt64.self))
        hash = Self.rotate(hash ^ Self.round(0, word), 27) &* Self.prime1 &+ Self.prime4
        index += 8
      }
      if index + 4 <= pendingCount {
        let word = UInt64(UInt32(littleEndian: bytes.load(fromByteOffset: index, as: UInt32.self)))
        hash = Self.rotate(hash ^ (word &* Self.prime1), 23) &* Self.prime2 &+ Self.prime3
        index += 4
      }
      while index < pendingCount {
        hash = Self.rotate(hash ^ (UInt64(bytes[index]) &* Self.prime5), 11) &* Self.prime1
        index += 1
      }
    }
    hash = (hash ^ (hash >> 33)) &* Self.prime2
    hash = (hash ^ (hash >> 29)) &* Self.prime3
    return hash ^ (hash >> 32)
  }

  private mutating func store(_ bytes: Slice<UnsafeRawBufferPointer>) {
    let offset = pendingCount
    withUnsafeMutableBytes(of: &pending) { target in
      UnsafeMutableRawBufferPointer(rebasing: target[offset...]).copyBytes(from: bytes)
    }
    pendingCount += bytes.count
  }

  private mutating func consume(_ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64) {
    lanes.0 = Self.round(lanes.0, UInt64(littleEndian: first))
    lanes.1 = Self.round(lanes.1, UInt64(littleEndian: second))
    lanes.2 = Self.round(lanes.2, UInt64(littleEndian: third))
    lanes.3 = Self.round(lanes.3, UInt64(littleEndian: fourth))
  }

  private static func round(_ accumulator: UInt64, _ word: UInt64) -> UInt64 {
    rotate(accumulator &+ word &* prime2, 31) &* prime1
  }

  private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
    (value << count) | (value >> (64 - count))
  }
}
