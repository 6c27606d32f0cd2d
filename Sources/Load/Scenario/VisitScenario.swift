/// Clients that open one room each, at a steady rate, and leave when they have seen its state.
///
/// The rooms exist before: `{roomPrefix}-{number}`, from 0. The visits go through them in an order that looks like
/// none, and begin again when there have been more visits than rooms.
package struct VisitScenario: Codable, Sendable, Equatable {
  package var roomPrefix: String
  package var rooms = 100_000
  package var dialect = LoadScenario.Dialect.fullState
  package var visitsPerSecond = 200.0
  package var seconds = 10.0

  package init(roomPrefix: String) {
    self.roomPrefix = roomPrefix
  }

  /// What is wrong with it; nil if nothing is.
  package var complaint: String? {
    if !(1...10_000_000).contains(rooms) { return "rooms must be 1 to 10000000" }
    if !(1...100_000).contains(visitsPerSecond) { return "rate must be 1 to 100000" }
    if !(0.1...3600).contains(seconds) { return "seconds must be 0.1 to 3600" }
    return nil
  }

  /// The room of the visit of that number, from 0. No room comes twice before all have come.
  package func room(ofVisit number: Int) -> String {
    // A prime larger than any number of rooms shares no factor with it.
    "\(roomPrefix)-\(number % rooms * 15_485_863 % rooms)"
  }
}

/// What the visits found.
package struct VisitReport: Codable, Sendable {
  package struct Server: Codable, Sendable, Equatable {
    package var cpuSeconds: Double
    package var visitsPerCPUSecond: Double
    package var residentBeforeKB: Int
    package var residentAfterKB: Int
  }

  package var scenario: VisitScenario
  package var target: LoadTarget
  package var machine: MachineDescription
  package var visits: Int
  /// From when a visit was due to the receipt of its `sync`: connecting, the upgrade, and loading the room.
  package var firstSync: LoadReport.Latency
  /// The part of it after the server had granted the upgrade.
  package var afterUpgrade: LoadReport.Latency
  package var bytesPerSync: Double
  package var server: Server?
  package var driver: LoadReport.Driver
  package var errors: LoadErrors
}
