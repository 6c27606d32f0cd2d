/// What to do to rooms: how many there are, who is in them, who only listens, how fast, for how long.
///
/// Each room is filled with `itemsPerRoom` items, and every operation then changes the quantity of one of them, so that
/// the size of a broadcast stays what it is.
package struct LoadScenario: LoadParameters {
  package enum Dialect: Int, Codable, Sendable {
    /// The full state in each broadcast.
    case fullState = 1
    /// The change alone, and an ack to its sender.
    case deltas = 2
  }

  package enum Pacing: String, Codable, Sendable, CaseIterable {
    /// Each participant sends its next operation when it sees the broadcast of its last: the most a server can do.
    case closedLoop = "closed-loop"
    /// Operations are due at a steady rate, whatever the server does. Latency counts from when an operation was due, so
    /// that a stall shows in all operations that it delayed.
    case openLoop = "open-loop"
    /// Nobody does anything: what do connections cost that are only there?
    case idle
  }

  /// The pacing.
  package var kind: Pacing
  package var rooms = 200
  package var participantsPerRoom = 5
  /// Connections in each room that did not join. They come when the room is filled, and see what the others do.
  package var listenersPerRoom = 0
  package var itemsPerRoom = 5
  package var dialect = Dialect.fullState
  /// Over all rooms, in an open loop.
  package var operationsPerSecond = 2000.0
  /// How many operations each participant may have on their way; a further one that is due waits.
  package var operationsInFlight = 1
  package var warmupSeconds = 3.0
  package var measuredSeconds = 10.0
  /// Threads of the driver. Each takes from the server's share of the processor; one is enough for most servers.
  package var eventLoops = 1
  /// Names the rooms of this run: `{roomPrefix}-{number}`. A run needs rooms that are new to the server.
  package var roomPrefix: String
  /// How long connecting, joining and filling the rooms may take in all.
  package var setupTimeoutSeconds = 60.0
  /// How long a delivery may be missing at the end, with no other coming in, before it is taken for lost.
  package var patienceSeconds = 2.0

  package init(_ kind: Pacing = .closedLoop, roomPrefix: String) {
    self.kind = kind
    self.roomPrefix = roomPrefix
    if kind == .idle { itemsPerRoom = 0 }
  }

  package static var kinds: [String] { Pacing.allCases.map(\.rawValue) }

  package init(kind: String, roomPrefix: String) {
    self.init(Pacing(rawValue: kind) ?? .closedLoop, roomPrefix: roomPrefix)
  }

  package var complaint: String? {
    Self.first(
      of: Self.check("rooms", rooms, 1...100_000),
      Self.check("participantsPerRoom", participantsPerRoom, 1...ParticipantNames.limit),
      Self.check("listenersPerRoom", listenersPerRoom, 0...100_000),
      Self.check("itemsPerRoom", itemsPerRoom, (kind == .idle ? 0 : 1)...500),
      Self.check("operationsInFlight", operationsInFlight, 1...1000),
      Self.check("measuredSeconds", measuredSeconds, 0.1...3600),
      Self.check("warmupSeconds", warmupSeconds, 0...3600),
      Self.check("patienceSeconds", patienceSeconds, 0...3600),
      Self.check("setupTimeoutSeconds", setupTimeoutSeconds, 0.1...3600),
      Self.check("eventLoops", eventLoops, 1...64),
      Self.check("operationsPerSecond", operationsPerSecond, 1...10_000_000))
  }

  package var mainLatency: LoadLatency { .ownEcho }
  package var connections: Int { rooms * (participantsPerRoom + listenersPerRoom) }
}
