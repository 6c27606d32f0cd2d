/// A lunch rush: orders begin at a steady rate. Of each, everybody joins, adds dishes, and when all have theirs the owner
/// finalizes it; then all leave.
package struct RushScenario: LoadParameters {
  package enum Kind: String, Codable, Sendable {
    case rush
  }

  package var kind = Kind.rush
  package var roomPrefix: String
  package var ordersPerSecond = 20.0
  package var participantsPerOrder = 4
  package var itemsPerParticipant = 3
  package var dialect = LoadScenario.Dialect.fullState
  package var measuredSeconds = 10.0
  /// Orders beyond so many at once are left out, and are errors.
  package var ordersAtOnce = 2000
  /// How long the last orders may take.
  package var patienceSeconds = 10.0

  package init(roomPrefix: String) {
    self.roomPrefix = roomPrefix
  }

  package static var kinds: [String] { [Kind.rush.rawValue] }
  package init(kind: String, roomPrefix: String) { self.init(roomPrefix: roomPrefix) }

  package var complaint: String? {
    Self.first(
      of: Self.check("ordersPerSecond", ordersPerSecond, 0.1...10_000),
      Self.check("participantsPerOrder", participantsPerOrder, 1...200),
      Self.check("itemsPerParticipant", itemsPerParticipant, 1...100),
      Self.check("measuredSeconds", measuredSeconds, 0.1...3600),
      Self.check("ordersAtOnce", ordersAtOnce, 1...10_000),
      Self.check("patienceSeconds", patienceSeconds, 0...3600))
  }

  package var mainLatency: LoadLatency { .order }
}
