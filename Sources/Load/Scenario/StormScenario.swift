/// Reconnect storms: everybody is in their rooms, loses the connection at the same moment, and comes back at once.
package struct StormScenario: LoadParameters {
  package enum Kind: String, Codable, Sendable {
    case storm
  }

  package var kind = Kind.storm
  package var roomPrefix: String
  package var rooms = 200
  package var participantsPerRoom = 5
  package var dialect = LoadScenario.Dialect.fullState
  /// How long after one storm the next begins, if all are back by then.
  package var secondsApart = 2.0
  package var measuredSeconds = 10.0
  /// Connections that are being made at the same time. A server's listen queue is not endless.
  package var connectingAtOnce = 512
  package var setupTimeoutSeconds = 60.0

  package init(roomPrefix: String) {
    self.roomPrefix = roomPrefix
  }

  package static var kinds: [String] { [Kind.storm.rawValue] }
  package init(kind: String, roomPrefix: String) { self.init(roomPrefix: roomPrefix) }

  package var complaint: String? {
    Self.first(
      of: Self.check("rooms", rooms, 1...100_000),
      Self.check("participantsPerRoom", participantsPerRoom, 1...ParticipantNames.limit),
      Self.check("secondsApart", secondsApart, 0.1...3600),
      Self.check("measuredSeconds", measuredSeconds, 0.1...3600),
      Self.check("connectingAtOnce", connectingAtOnce, 1...4096),
      Self.check("setupTimeoutSeconds", setupTimeoutSeconds, 0.1...3600))
  }

  package var mainLatency: LoadLatency { .comeBack }
  package var connections: Int { rooms * participantsPerRoom }
}
