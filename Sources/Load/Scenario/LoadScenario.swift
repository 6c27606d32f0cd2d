/// What to do to a server: how many rooms, who is in them, who only listens, how fast, for how long.
///
/// Each room is filled with `itemsPerRoom` items, and every operation then changes the quantity of one of them, so that
/// the size of a broadcast stays what it is.
package struct LoadScenario: Codable, Sendable, Equatable {
  package enum Dialect: Int, Codable, Sendable {
    /// The full state in each broadcast.
    case fullState = 1
    /// The change alone, and an ack to its sender.
    case deltas = 2
  }

  package enum Pacing: Codable, Sendable, Equatable {
    /// Each participant sends its next operation when it sees the broadcast of its last: the most a server can do.
    case closedLoop
    /// Operations are due at a steady rate, whatever the server does. Latency counts from when an operation was due, so
    /// that a stall shows in all operations that it delayed.
    case openLoop(operationsPerSecond: Double)
    /// Nobody does anything: what do connections cost that are only there?
    case idle
  }

  package var rooms = 200
  package var participantsPerRoom = 5
  /// Connections in each room that did not join. They come when the room is filled, and see what the others do.
  package var listenersPerRoom = 0
  package var itemsPerRoom = 5
  package var dialect = Dialect.fullState
  package var pacing = Pacing.closedLoop
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

  package init(roomPrefix: String) {
    self.roomPrefix = roomPrefix
  }

  /// What is wrong with it; nil if nothing is.
  package var complaint: String? {
    if !(1...100_000).contains(rooms) { return "rooms must be 1 to 100000" }
    if !(1...ParticipantNames.limit).contains(participantsPerRoom) {
      return "participants must be 1 to \(ParticipantNames.limit)"
    }
    if !(0...100_000).contains(listenersPerRoom) { return "listeners must be 0 to 100000" }
    if !((pacing == .idle ? 0 : 1)...500).contains(itemsPerRoom) { return "items must be 1 to 500; 0 if all are idle" }
    if !(1...1000).contains(operationsInFlight) { return "in-flight must be 1 to 1000" }
    if !(0.1...3600).contains(measuredSeconds) { return "seconds must be 0.1 to 3600" }
    if !(0...3600).contains(warmupSeconds) { return "warmup must be 0 to 3600" }
    if !(0...3600).contains(patienceSeconds) { return "patience must be 0 to 3600" }
    if !(1...64).contains(eventLoops) { return "loops must be 1 to 64" }
    if case .openLoop(let rate) = pacing, !(1...10_000_000).contains(rate) { return "rate must be 1 to 10000000" }
    return nil
  }

  package var connections: Int { rooms * (participantsPerRoom + listenersPerRoom) }
}

/// Where the server is, and which processes it consists of.
package struct LoadTarget: Codable, Sendable, Equatable {
  package var host: String
  package var port: Int
  /// A room's name is appended to it.
  package var path = "/parties/collaborative_order/"
  /// The server's processes, if they run on this machine: their processor time and memory are measured.
  package var processIDs: [Int32] = []
  /// From how many addresses of this machine to connect: 127.0.0.1 and those after it. An address has about 28 000
  /// ports to connect from. With 1 the system chooses.
  package var sourceAddresses = 1

  package init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// Reads `ws://HOST[:PORT][/PATH]`; nil if `url` is none.
  package init?(url: String) {
    guard url.hasPrefix("ws://") else { return nil }
    let parts = url.dropFirst("ws://".count).split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let authority = parts[0].split(separator: ":", omittingEmptySubsequences: false)
    guard authority.count <= 2, !authority[0].isEmpty else { return nil }
    host = String(authority[0])
    guard let port = authority.count == 2 ? UInt16(authority[1]) : 80, port > 0 else { return nil }
    self.port = Int(port)
    if parts.count == 2, !parts[1].isEmpty { path = "/" + parts[1] + (parts[1].hasSuffix("/") ? "" : "/") }
  }
}
