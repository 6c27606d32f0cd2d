import Synchronization

/// What the rooms in memory may take together, by their own estimate.
///
/// Above nine tenths, rooms without clients leave before their time; at the limit no further room is loaded. Rooms that
/// have clients stay and may grow, each within the bounds of its orders: the limit is no promise to the byte.
final class MemoryBudget: Sendable {
  /// A room in which nothing has happened: its actor, task, mailbox and tables.
  static let emptyRoomBytes = 6 << 10

  /// Nil: none.
  let limitBytes: Int?
  private let used = Atomic<Int>(0)

  init(limitBytes: Int?) { self.limitBytes = limitBytes }

  var usedBytes: Int { used.load(ordering: .relaxed) }

  func change(by bytes: Int) { used.add(bytes, ordering: .relaxed) }

  var isExhausted: Bool { limitBytes.map { usedBytes >= $0 } ?? false }

  var isTight: Bool { limitBytes.map { usedBytes >= $0 / 10 * 9 } ?? false }

  /// How much should go so that there is room for a while.
  var excessBytes: Int { limitBytes.map { max(0, usedBytes - $0 / 10 * 8) } ?? 0 }
}
