import Directory
import Ordering

/// The API keys that were asked for lately, and ids that are no key's.
///
/// A key is believed for some seconds, so that a busy one costs the store a look each five seconds and not one for each
/// request; and so that one that was revoked is refused everywhere as soon. A secret belongs to its id for ever: whoever
/// gives another one with an id that was seen is refused without asking the store.
struct KnownKeys {
  /// A key is refused at the latest so long after it was revoked at another node.
  static let trust = Duration.seconds(5)
  /// How often it is written down that a key is in use.
  static let noteEvery = Duration.seconds(60)
  static let most = 10_000

  enum Finding: Equatable {
    case fresh(ApiKey)
    /// The secret was right; what else was known of the key is too old.
    case stale(ApiKey)
    case wrongSecret
    case noSuchKey
    /// The store must be asked.
    case unseen
  }

  private struct Entry {
    var stored: StoredApiKey
    var lookedAt: UInt64
    var notedAt: UInt64?
  }

  private var known: [String: Entry] = [:]
  private var unknown: [String: UInt64] = [:]

  func look(for text: ApiKeyText, now: UInt64) -> Finding {
    if let entry = known[text.id] {
      guard entry.stored.matches(text) else { return .wrongSecret }
      return Self.isFresh(entry.lookedAt, now) ? .fresh(entry.stored.key) : .stale(entry.stored.key)
    }
    if let lookedAt = unknown[text.id], Self.isFresh(lookedAt, now) { return .noSuchKey }
    return .unseen
  }

  /// - Parameter lookedAt: when the store was asked, not when it answered.
  mutating func learn(_ stored: StoredApiKey?, of id: String, lookedAt: UInt64) {
    guard let stored else {
      known[id] = nil
      Self.makeRoom(in: &unknown) { Self.isFresh($0, lookedAt) }
      unknown[id] = lookedAt
      return
    }
    unknown[id] = nil
    Self.makeRoom(in: &known) { Self.isFresh($0.lookedAt, lookedAt) }
    // Two who have asked may hear in the other order.
    if let entry = known[id], entry.lookedAt > lookedAt { return }
    known[id] = Entry(stored: stored, lookedAt: lookedAt, notedAt: known[id]?.notedAt)
  }

  /// The key is another than it was.
  mutating func forget(_ id: String) {
    known[id] = nil
    unknown[id] = nil
  }

  /// Whether it is time to write down that a key is in use; true once, then for a while not.
  mutating func isNoteDue(for id: String, now: UInt64) -> Bool {
    guard let entry = known[id] else { return false }
    if let notedAt = entry.notedAt, now < notedAt + Self.nanoseconds(Self.noteEvery) { return false }
    known[id]?.notedAt = now
    return true
  }

  var count: Int { known.count + unknown.count }

  private static func isFresh(_ lookedAt: UInt64, _ now: UInt64) -> Bool { now < lookedAt + nanoseconds(trust) }

  private static func nanoseconds(_ duration: Duration) -> UInt64 {
    UInt64(duration.components.seconds) * 1_000_000_000
  }

  /// What is old goes first; who asks for more in five seconds than there is room for has all looked up again.
  private static func makeRoom<Value>(in table: inout [String: Value], _ isFresh: (Value) -> Bool) {
    guard table.count >= most else { return }
    table = table.filter { isFresh($0.value) }
    if table.count >= most { table = [:] }
  }
}
