/// Divides whole amounts into whole parts that add up to them exactly.
enum Apportionment {
  /// Divides an amount by weights, by largest remainder.
  ///
  /// Each part is first rounded down; then the units left over go, one each, to the parts that lost most by it. Parts
  /// that lost the same take their turn in the order in which they stand, so the result depends on nothing else. Each
  /// part ends up less than one unit from its exact value. If all weights are zero, everybody counts the same.
  ///
  /// - Parameters:
  ///   - amount: not negative.
  ///   - weights: not negative, at least one; their sum fits an `Int64`.
  static func divide(_ amount: Money, by weights: [Int64]) -> [Money] {
    precondition(amount >= .zero && !weights.isEmpty, "\(amount.minorUnits) among \(weights.count)")
    let sum = UInt64(weights.reduce(0, +))
    guard sum > 0 else { return divide(amount, by: weights.map { _ in 1 }) }
    let units = UInt64(amount.minorUnits)
    // A product takes up to 128 bits; its quotient is at most `units` again.
    let exact = weights.map { weight in sum.dividingFullWidth(units.multipliedFullWidth(by: UInt64(weight))) }
    let leftOver = Int(units - exact.reduce(0) { $0 + $1.quotient })
    var parts = exact.map { Money(minorUnits: Int64($0.quotient)) }
    guard leftOver > 0 else { return parts }
    let turns = exact.indices.sorted { left, right in
      (exact[right].remainder, left) < (exact[left].remainder, right)
    }
    for index in turns.prefix(leftOver) { parts[index] += Money(minorUnits: 1) }
    return parts
  }

  /// Takes an amount out of pots as equally as they allow: no pot gives more than it holds, and what it cannot give the
  /// others do.
  ///
  /// - Parameters:
  ///   - amount: not negative, and at most what all pots hold.
  ///   - pots: not negative.
  /// - Returns: what each pot gives.
  static func take(_ amount: Money, equallyFrom pots: [Money]) -> [Money] {
    precondition(amount >= .zero && amount <= pots.reduce(.zero, +), "\(amount.minorUnits) from \(pots)")
    var taken = pots.map { _ in Money.zero }
    var missing = amount.minorUnits
    // From the smallest pot up: once one holds its full part, so do all after it.
    var givers = pots.indices.sorted { (pots[$0], $0) < (pots[$1], $1) }[...]
    while let smallest = givers.first, pots[smallest].minorUnits <= missing / Int64(givers.count) {
      taken[smallest] = pots[smallest]
      missing -= pots[smallest].minorUnits
      givers.removeFirst()
    }
    guard !givers.isEmpty else { return taken }
    let parts = divide(Money(minorUnits: missing), by: givers.map { _ in 1 })
    for (index, part) in zip(givers.sorted(), parts) { taken[index] = part }
    return taken
  }
}
