/// Two reports, figure by figure.
package struct LoadComparison: Sendable {
  package struct Row: Sendable, Equatable {
    package var figure: String
    package var before: Double
    package var after: Double

    /// By how much of itself it has changed; nil if it was 0.
    package var change: Double? { before == 0 ? nil : after / before - 1 }
  }

  /// In the order of their names.
  package let rows: [Row]
  /// Figures that only one of them has.
  package let unmatched: [String]

  /// What says how good a server is; the rest says what was done to it.
  private static let kept = ["operationsPerSecond", "deliveriesPerSecond", "bytesPerDelivery"]
  private static let keptPrefixes = ["latencies.", "server.", "setup.connectionsPer", "driver."]

  package init(_ before: LoadFigures, _ after: LoadFigures) {
    let names = Set(before.values.keys).union(after.values.keys).filter { name in
      Self.kept.contains(name) || Self.keptPrefixes.contains { name.hasPrefix($0) }
    }
    var (rows, unmatched): ([Row], [String]) = ([], [])
    for name in names.sorted() {
      if let old = before[name], let new = after[name] {
        rows.append(Row(figure: name, before: old, after: new))
      } else {
        unmatched.append(name)
      }
    }
    self.rows = rows
    self.unmatched = unmatched
  }
}
