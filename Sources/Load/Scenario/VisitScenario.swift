/// Clients that open one room each, at a steady rate, and leave when they have seen its state.
///
/// The rooms exist before: `{roomPrefix}-{number}`, from 0. The visits go through them in an order that looks like
/// none, and begin again when there have been more visits than rooms.
package struct VisitScenario: LoadParameters {
  package enum Kind: String, Codable, Sendable {
    case visits
  }

  package var kind = Kind.visits
  package var roomPrefix: String
  package var rooms = 100_000
  package var dialect = LoadScenario.Dialect.fullState
  package var visitsPerSecond = 200.0
  package var measuredSeconds = 10.0

  package init(roomPrefix: String) {
    self.roomPrefix = roomPrefix
  }

  package static var kinds: [String] { [Kind.visits.rawValue] }
  package init(kind: String, roomPrefix: String) { self.init(roomPrefix: roomPrefix) }

  package var complaint: String? {
    Self.first(
      of: Self.check("rooms", rooms, 1...10_000_000),
      Self.check("visitsPerSecond", visitsPerSecond, 1...100_000),
      Self.check("measuredSeconds", measuredSeconds, 0.1...3600))
  }

  package var mainLatency: LoadLatency { .firstSync }

  /// The room of the visit of that number, from 0. No room comes twice before all have come.
  package func room(ofVisit number: Int) -> String {
    // A prime larger than any number of rooms shares no factor with it.
    "\(roomPrefix)-\(number % rooms * 15_485_863 % rooms)"
  }
}
