import Crypto
public import Ordering
public import RoomCore
public import Store

/// The records of all tenants: customers, circles, orders, menus, and the tenants themselves with their keys.
///
/// Whatever is read to decide a change is read in the transaction that writes it, so that no change is lost. A record's
/// `version` counts its changes; who may only change what they have seen gives the version that they saw.
public struct Directory: Sendable {
  let store: any RecordStore
  /// The time of day.
  let now: @Sendable () -> Timestamp
  /// A string that is nobody else's, and cannot be guessed.
  let makeID: @Sendable () -> String
  let makeSecret: @Sendable () -> [UInt8]

  /// - Parameter makeSecret: draws 32 bytes that nobody can foresee.
  public init(
    store: any RecordStore, now: @escaping @Sendable () -> Timestamp, makeID: @escaping @Sendable () -> String,
    makeSecret: @escaping @Sendable () -> [UInt8] = Directory.drawSecret
  ) {
    self.store = store
    self.now = now
    self.makeID = makeID
    self.makeSecret = makeSecret
  }

  /// Of the system's own generator: no test has to foresee a secret.
  public static let drawSecret: @Sendable () -> [UInt8] = { SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) } }
}

/// A part of a list, and where the next part begins.
public struct Page<Entry: Sendable>: Sendable {
  public let entries: [Entry]
  /// Nil: this was the last.
  public let next: PageToken?

  public init(entries: [Entry], next: PageToken? = nil) {
    self.entries = entries
    self.next = next
  }
}

/// Where a part of a list begins: behind an entry, whose time and id these are.
public struct PageToken: Equatable, Sendable {
  let time: Int64
  let id: String

  init(time: Int64, id: String) {
    self.time = time
    self.id = id
  }

  /// - Throws: if the text is none that `text` gave.
  public init(text: String) throws(RecordRejection) {
    let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let time = Int64(parts[0]), String(parts[1]).isName(maxBytes: 200) else {
      throw RecordRejection(.invalidPageToken, "page_token must be one that a list has given")
    }
    self.init(time: time, id: String(parts[1]))
  }

  public var text: String { "\(time).\(id)" }
}

extension Page {
  static var sizes: ClosedRange<Int> { 1...200 }

  static func checked(_ size: Int) throws(RecordRejection) -> Int {
    guard sizes.contains(size) else {
      throw RecordRejection(.invalidField, "page_size must be from \(sizes.lowerBound) to \(sizes.upperBound)")
    }
    return size
  }

  /// - Parameter found: one more than the page has, if there are more.
  init(_ found: [Entry], size: Int, token: (Entry) -> PageToken) {
    entries = Array(found.prefix(size))
    next = found.count > size ? entries.last.map(token) : nil
  }
}

extension RecordRejection {
  init(otherRequest what: String) {
    self.init(.idempotencyConflict, "the same name was given to another request, which made \(what)")
  }
}

/// - Parameter seen: the version that the caller has seen; nil if any will do.
func check(_ version: Int64, against seen: Int64?) throws(RecordRejection) {
  guard let seen, seen != version else { return }
  throw RecordRejection(.versionMismatch, "the record is at version \(version), not \(seen)")
}
