import Synchronization

/// What the rooms in memory may take together, by their own estimate.
///
/// Above nine tenths, rooms without clients leave before their time; at the limit no further room is loaded. Rooms that
/// have clients stay and may grow, each within the bounds of its orders: the limit is no promise to the byte.
final class MemoryBudget: Sendable {
  /// A room in which nothing has happened: its actor, task, mailbox and tables.
  static let emptyRoomBytes = 6 << 10
  /// A session in a room's table.
  static let sessionBytes = 250

  private let limitBytes: Int
  private let used = Atomic<Int>(0)

  /// - Parameter limitBytes: nil: none.
  init(limitBytes: Int?) { self.limitBytes = limitBytes ?? .max }

  var usedBytes: Int { used.load(ordering: .relaxed) }

  func change(by bytes: Int) { used.add(bytes, ordering: .relaxed) }

  var isExhausted: Bool { usedBytes >= limitBytes }

  var isTight: Bool { usedBytes >= limitBytes / 10 * 9 }

  /// How much should go so that there is room for a while.
  var excessBytes: Int { max(0, usedBytes - limitBytes / 10 * 8) }
}
