/// Requests over HTTP/2 to the records of a tenant, in a mix as its servers make them, in a closed loop or at a steady rate.
/// Customers, circles and orders are made before.
package struct DirectoryScenario: LoadParameters {
  package enum Kind: String, Codable, Sendable {
    case directory
  }

  package var kind = Kind.directory
  /// Whose records. A run should have one to itself: what others have made there is in its answers.
  package var tenant: String
  package var customers = 1000
  package var circles = 250
  package var membersPerCircle = 4
  package var ordersPerCustomer = 5
  package var itemsPerOrder = 3
  /// How often each operation comes, in proportion to the others. One that is not named does not come.
  package var mix = DirectoryOperation.usualMix
  package var connections = 8
  /// On each connection, in a closed loop.
  package var requestsInFlight = 8
  /// Over all connections; 0: the next request goes out when a response has come.
  package var requestsPerSecond = 0.0
  package var warmupSeconds = 1.0
  package var measuredSeconds = 10.0
  package var setupTimeoutSeconds = 60.0
  package var patienceSeconds = 5.0

  package init(tenant: String) {
    self.tenant = tenant
  }

  package static var kinds: [String] { [Kind.directory.rawValue] }
  package init(kind: String, roomPrefix: String) { self.init(tenant: roomPrefix) }

  package var complaint: String? {
    Self.first(
      of: isTenantName ? nil : "tenant must have 1 to 64 of A-Z a-z 0-9 _ . ~ -",
      Self.check("customers", customers, 2...1_000_000),
      Self.check("circles", circles, 1...100_000),
      // Somebody must be left to be invited.
      Self.check("membersPerCircle", membersPerCircle, 1...max(1, min(50, customers - 1))),
      Self.check("ordersPerCustomer", ordersPerCustomer, 0...1000),
      Self.check("itemsPerOrder", itemsPerOrder, 1...100),
      Self.complaint(of: mix),
      Self.check("connections", connections, 1...10_000),
      Self.check("requestsInFlight", requestsInFlight, 1...1000),
      Self.check("requestsPerSecond", requestsPerSecond, 0...1_000_000),
      Self.check("warmupSeconds", warmupSeconds, 0...3600),
      Self.check("measuredSeconds", measuredSeconds, 0.1...3600),
      Self.check("setupTimeoutSeconds", setupTimeoutSeconds, 0.1...3600),
      Self.check("patienceSeconds", patienceSeconds, 0...3600))
  }

  private var isTenantName: Bool { tenant.wholeMatch(of: /[A-Za-z0-9_.~-]{1,64}/) != nil }

  private static func complaint(of mix: [String: Int]) -> String? {
    let known = DirectoryOperation.allCases.map(\.rawValue)
    guard mix.keys.allSatisfy(known.contains) else {
      return "mix must give weights to some of \(known.joined(separator: ", "))"
    }
    guard mix.values.allSatisfy((0...1000).contains), mix.values.contains(where: { $0 > 0 }) else {
      return "the weights of mix must be 0 to 1000, and one of them above 0"
    }
    return nil
  }

  package var mainLatency: LoadLatency { .response }

  var turns: WeightedTurns<DirectoryOperation> {
    WeightedTurns(DirectoryOperation.allCases.map { ($0, mix[$0.rawValue] ?? 0) })
  }
}
