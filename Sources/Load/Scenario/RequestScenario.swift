/// Requests over HTTP/2 for the state of rooms, in a closed loop or at a steady rate. The rooms are made before.
package struct RequestScenario: LoadParameters {
  package enum Kind: String, Codable, Sendable {
    case requests
  }

  package var kind = Kind.requests
  package var roomPrefix: String
  package var rooms = 200
  package var itemsPerRoom = 5
  package var connections = 8
  /// On each connection, in a closed loop.
  package var requestsInFlight = 8
  /// Over all connections; 0: the next request goes out when a response has come.
  package var requestsPerSecond = 0.0
  package var warmupSeconds = 1.0
  package var measuredSeconds = 10.0
  package var setupTimeoutSeconds = 60.0
  package var patienceSeconds = 5.0

  package init(roomPrefix: String) {
    self.roomPrefix = roomPrefix
  }

  package static var kinds: [String] { [Kind.requests.rawValue] }
  package init(kind: String, roomPrefix: String) { self.init(roomPrefix: roomPrefix) }

  package var complaint: String? {
    Self.first(
      of: Self.check("rooms", rooms, 1...100_000),
      Self.check("itemsPerRoom", itemsPerRoom, 1...500),
      Self.check("connections", connections, 1...10_000),
      Self.check("requestsInFlight", requestsInFlight, 1...1000),
      Self.check("requestsPerSecond", requestsPerSecond, 0...1_000_000),
      Self.check("warmupSeconds", warmupSeconds, 0...3600),
      Self.check("measuredSeconds", measuredSeconds, 0.1...3600),
      Self.check("setupTimeoutSeconds", setupTimeoutSeconds, 0.1...3600),
      Self.check("patienceSeconds", patienceSeconds, 0...3600))
  }

  package var mainLatency: LoadLatency { .response }
}
