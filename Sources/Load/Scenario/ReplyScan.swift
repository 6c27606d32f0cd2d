/// Finds members of JSON objects without building anything.
///
/// It walks the object from its beginning and steps over the values of other members, so that a key of the same name
/// deeper in the document, or inside a string, is never taken for the one asked for. Servers write `type` and
/// `participantId` ahead of the bulky `data`, so that a walk usually ends after some fifty bytes.
///
/// It is no validator. A document that is not JSON gives nil, or a value that makes no sense.
package struct JSONMembers {
  private let bytes: UnsafeRawBufferPointer
  private var position: Int

  /// - Parameter bytes: the text of one object. They must outlive this value.
  package init?(of bytes: UnsafeRawBufferPointer) {
    self.init(scanning: bytes)
    skipSpace()
    guard take(UInt8(ascii: "{")) else { return nil }
  }

  private init(scanning bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
    position = 0
  }

  /// The next member: its key without the quotes, and its value as it stands, a string with its quotes.
  package mutating func next() -> (key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)? {
    skipSpace()
    if take(UInt8(ascii: ",")) { skipSpace() }
    let keyStart = position
    guard skipString() else { return nil }
    let keyEnd = position
    skipSpace()
    guard take(UInt8(ascii: ":")) else { return nil }
    skipSpace()
    let valueStart = position
    guard skipValue() else { return nil }
    return (slice(keyStart + 1, keyEnd - 1), slice(valueStart, position))
  }

  /// The value at a path of keys, without its quotes if it is a string.
  package static func value(at path: StaticString..., in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    value(at: path, in: bytes)
  }

  static func value(at path: [StaticString], in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    var found = bytes
    for key in path {
      guard var members = JSONMembers(of: found) else { return nil }
      var value: UnsafeRawBufferPointer?
      while value == nil, let member = members.next() {
        if member.key.equals(key) { value = member.value }
      }
      guard let value else { return nil }
      found = value
    }
    return found.withoutQuotes
  }

  /// The elements of an array as they stand, strings with their quotes; nil if the text is none.
  package static func elements(of array: UnsafeRawBufferPointer) -> [UnsafeRawBufferPointer]? {
    var scan = JSONMembers(scanning: array)
    scan.skipSpace()
    guard scan.take(UInt8(ascii: "[")) else { return nil }
    var elements: [UnsafeRawBufferPointer] = []
    while true {
      scan.skipSpace()
      if scan.take(UInt8(ascii: ",")) { scan.skipSpace() }
      if scan.take(UInt8(ascii: "]")) { return elements }
      let start = scan.position
      guard scan.skipValue() else { return nil }
      elements.append(scan.slice(start, scan.position))
    }
  }

  // MARK: -

  private func slice(_ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes[start..<end])
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard position < bytes.count, bytes[position] == byte else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while position < bytes.count, bytes[position] <= UInt8(ascii: " ") { position += 1 }
  }

  private mutating func skipString() -> Bool {
    guard take(UInt8(ascii: "\"")) else { return false }
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        position += 1
        return true
      case UInt8(ascii: "\\"): position += 2
      default: position += 1
      }
    }
    return false
  }

  private mutating func skipValue() -> Bool {
    guard position < bytes.count else { return false }
    switch bytes[position] {
    case UInt8(ascii: "\""): return skipString()
    case UInt8(ascii: "{"), UInt8(ascii: "["): return skipNested()
    default:
      let start = position
      while position < bytes.count, !Self.endsScalar(bytes[position]) { position += 1 }
      return position > start
    }
  }

  private mutating func skipNested() -> Bool {
    var depth = 0
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        guard skipString() else { return false }
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        depth -= 1
        if depth == 0 {
          position += 1
          return true
        }
      default: break
      }
      position += 1
    }
    return false
  }

  private static func endsScalar(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") || byte <= UInt8(ascii: " ")
  }
}

/// What the driver has to know of a message: what kind it is, and who caused it.
package struct Reply {
  package enum Kind: Sendable {
    case quantityUpdated
    case itemAdded
    case participantJoined
    case orderFinalized
    case sync
    case ack
    case error
    case other
  }

  package var kind: Kind
  /// Empty if the message names nobody. It points into the message.
  package var participantID: UnsafeRawBufferPointer

  /// - Returns: nil if the message has no `type`.
  package init?(scanning message: UnsafeRawBufferPointer) {
    guard var members = JSONMembers(of: message) else { return nil }
    var kind: Kind?
    participantID = UnsafeRawBufferPointer(rebasing: message[0..<0])
    while let member = members.next() {
      if member.key.equals("type") {
        let found = Self.kind(member.value.withoutQuotes)
        kind = found
        // These are told apart by their content, or not at all.
        if found == .sync || found == .ack || found == .error || found == .other { break }
      } else if member.key.equals("participantId") {
        participantID = member.value.withoutQuotes
      }
      if kind != nil, !participantID.isEmpty { break }
    }
    guard let kind else { return nil }
    self.kind = kind
  }

  private static func kind(_ name: UnsafeRawBufferPointer) -> Kind {
    if name.equals("quantity_updated") { return .quantityUpdated }
    if name.equals("item_added") { return .itemAdded }
    if name.equals("participant_joined") { return .participantJoined }
    if name.equals("order_finalized") { return .orderFinalized }
    if name.equals("sync") { return .sync }
    if name.equals("ack") { return .ack }
    if name.equals("error") { return .error }
    return .other
  }
}

extension UnsafeRawBufferPointer {
  func equals(_ text: StaticString) -> Bool {
    count == text.utf8CodeUnitCount
      && elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  var withoutQuotes: UnsafeRawBufferPointer {
    guard count >= 2, first == UInt8(ascii: "\""), last == UInt8(ascii: "\"") else { return self }
    return UnsafeRawBufferPointer(rebasing: self[1..<(count - 1)])
  }
}

/// The ids of the participants of one room: a prefix that the room's have in common, and three digits.
///
/// So a message says who caused it without a dictionary.
package struct ParticipantNames: Sendable {
  package static let limit = 1000
  private let prefix: [UInt8]

  package init(prefix: String) {
    self.prefix = Array(prefix.utf8)
  }

  package func id(_ index: Int) -> String {
    precondition((0..<Self.limit).contains(index), "participant \(index) of \(Self.limit)")
    let digits = String(index)
    return String(decoding: prefix, as: UTF8.self) + String(repeating: "0", count: 3 - digits.utf8.count) + digits
  }

  package func index(of id: UnsafeRawBufferPointer) -> Int? {
    guard id.count == prefix.count + 3, id.starts(with: prefix) else { return nil }
    var index = 0
    for byte in id[prefix.count...] {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
      index = index * 10 + Int(byte - UInt8(ascii: "0"))
    }
    return index
  }
}
