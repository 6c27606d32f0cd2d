/// What a tenant's servers ask of its records.
package enum DirectoryOperation: String, Sendable, CaseIterable {
  case getCustomer
  /// The first page of a customer's orders.
  case orderHistory
  case getCircle
  /// The circles that a customer is in.
  case customerCircles
  /// Of a customer whom there is, under another name.
  case upsertCustomer
  case createOrder
  /// An order goes on to its next status.
  case changeStatus
  /// The first page of the orders in a status.
  case ordersByStatus
  /// Somebody is invited into a circle, or removed from it.
  case changeMembers

  /// How often each comes, in proportion to the others, if nothing else is said.
  package static let usualMix: [String: Int] = [
    "getCustomer": 25, "orderHistory": 25, "getCircle": 10, "customerCircles": 5, "upsertCustomer": 10,
    "createOrder": 10, "changeStatus": 8, "ordersByStatus": 5, "changeMembers": 2,
  ]

  package var latency: LoadLatency {
    switch self {
    case .getCustomer: .getCustomer
    case .orderHistory: .orderHistory
    case .getCircle: .getCircle
    case .customerCircles: .customerCircles
    case .upsertCustomer: .upsertCustomer
    case .createOrder: .createOrder
    case .changeStatus: .changeStatus
    case .ordersByStatus: .ordersByStatus
    case .changeMembers: .changeMembers
    }
  }
}

/// Turns of things with weights: each comes in proportion to its weight, and those of one are spread evenly among the
/// others'. It is the smooth weighted round-robin of nginx: with every turn each earns its weight, the richest is next, and
/// pays what all have earned.
package struct WeightedTurns<Element> {
  private var entries: [(element: Element, weight: Int, credit: Int)]
  private let total: Int

  /// - Parameter weights: some of them above 0.
  package init(_ weights: [(Element, Int)]) {
    entries = weights.filter { $0.1 > 0 }.map { ($0.0, $0.1, 0) }
    total = entries.reduce(0) { $0 + $1.weight }
    precondition(total > 0, "nothing has a turn")
  }

  package mutating func next() -> Element {
    var richest = 0
    for index in entries.indices {
      entries[index].credit += entries[index].weight
      if entries[index].credit > entries[richest].credit { richest = index }
    }
    entries[richest].credit -= total
    return entries[richest].element
  }
}

/// Goes through so many things in an order that looks like none; none comes twice before all have come.
struct ScatteredTurns {
  private var taken = 0

  mutating func next(of count: Int) -> Int {
    defer { taken += 1 }
    // A prime larger than any number of things shares no factor with it.
    return taken % count * 15_485_863 % count
  }
  /// Takes one out of those that there are, whose order does not matter.
  mutating func take<Element>(from all: inout [Element]) -> Element? {
    guard !all.isEmpty else { return nil }
    all.swapAt(next(of: all.count), all.count - 1)
    return all.removeLast()
  }
}
