import JSONText
import RoomCore
import TestSupport
import Testing

@testable import Ordering

@Suite struct ApportionmentTests {
  struct Row: Sendable {
    let amount: Int64
    let weights: [Int64]
    let parts: [Int64]
  }

  @Test(arguments: [
    Row(amount: 0, weights: [1, 2], parts: [0, 0]),
    Row(amount: 100, weights: [1], parts: [100]),
    Row(amount: 100, weights: [1, 1, 1], parts: [34, 33, 33]),
    Row(amount: 101, weights: [1, 1, 1], parts: [34, 34, 33]),
    Row(amount: 1, weights: [1, 1, 1], parts: [1, 0, 0]),
    Row(amount: 100, weights: [0, 0], parts: [50, 50]),
    Row(amount: 101, weights: [0, 1], parts: [0, 101]),
    // Exact: 16.67, 33.33, 50; the largest remainder is the first's.
    Row(amount: 100, weights: [1, 2, 3], parts: [17, 33, 50]),
    // Exact: 3.5, 3.5, 3: the tie goes to the first.
    Row(amount: 10, weights: [7, 7, 6], parts: [4, 3, 3]),
    // Exact: 1.4, 2.8, 2.8: two are left over, for the second and the third.
    Row(amount: 7, weights: [1, 2, 2], parts: [1, 3, 3]),
    Row(amount: 1 << 50, weights: [.max / 2, .max / 2], parts: [1 << 49, 1 << 49]),
    Row(amount: .max, weights: [.max - 1, 1], parts: [.max - 1, 1]),
  ])
  func dividesByLargestRemainder(row: Row) {
    let parts = Apportionment.divide(Money(minorUnits: row.amount), by: row.weights)
    #expect(parts.map(\.minorUnits) == row.parts)
  }

  @Test(arguments: [
    Row(amount: 30, weights: [10, 10, 10], parts: [10, 10, 10]),
    Row(amount: 10, weights: [10, 10, 10], parts: [4, 3, 3]),
    Row(amount: 30, weights: [5, 100, 100], parts: [5, 13, 12]),
    Row(amount: 30, weights: [100, 0, 100], parts: [15, 0, 15]),
    Row(amount: 31, weights: [100, 3, 6, 100], parts: [11, 3, 6, 11]),
    Row(amount: 0, weights: [0, 0], parts: [0, 0]),
  ])
  func takesFromNoPotMoreThanItHolds(row: Row) {
    let taken = Apportionment.take(
      Money(minorUnits: row.amount), equallyFrom: row.weights.map { Money(minorUnits: $0) })
    #expect(taken.map(\.minorUnits) == row.parts)
  }

  @Test func isExactForWhateverItIsGiven() {
    var generator = SplitMix64(seed: 7)
    for _ in 0..<2_000 {
      let weights = (0..<Int.random(in: 1...9, using: &generator)).map { _ in
        Int64.random(in: 0...(Bool.random(using: &generator) ? 3 : 1 << 50), using: &generator)
      }
      let amount = Int64.random(in: 0...(1 << 50), using: &generator)
      let parts = Apportionment.divide(Money(minorUnits: amount), by: weights).map(\.minorUnits)
      #expect(parts.reduce(0, +) == amount)
      let sum = weights.reduce(0, +)
      for (part, weight) in zip(parts, weights) where sum > 0 {
        let exact = Double(amount) * (Double(weight) / Double(sum))
        #expect(abs(Double(part) - exact) < 1.5)
      }
    }
  }
}

@Suite struct SplitTests {
  /// Ana ate for 200, Ben for 100, Cal for nothing.
  private func table() throws -> Scene {
    let scene = Scene(ana, ben, cal)
    try scene.play(.adding("a", 100, quantity: 2), by: ana)
    try scene.play(.adding("b", 100), by: ben)
    return scene
  }

  struct Row: Sendable {
    let split: OrderCommand.SplitRequest
    let charges: OrderCommand.ChargesRequest
    let shares: [Int64]
  }

  private static let all = OrderCommand.ChargesRequest(
    tax: .init(amount: 15), delivery: .init(amount: 40), tip: .init(amount: decimal(1001, 2)),
    discount: .init(amount: 30))

  @Test(arguments: [
    Row(split: .equal, charges: .init(), shares: [10_000, 10_000, 10_000]),
    Row(
      split: .equal, charges: .init(tax: .init(amount: 5), tip: .init(amount: 10)), shares: [10_500, 10_500, 10_500]),
    Row(split: .equal, charges: all, shares: [11_167, 11_167, 11_167]),
    Row(split: .itemized, charges: .init(), shares: [20_000, 10_000, 0]),
    // Items, tax and tip less the discount: 295.01 as 2 to 1, and 40.00 in equal parts.
    Row(split: .itemized, charges: all, shares: [19_667 + 1_334, 9_834 + 1_333, 1_333]),
    Row(
      split: .itemized, charges: .init(delivery: .init(amount: 30, allocation: .proportional)),
      shares: [22_000, 11_000, 0]),
    // Cal has nothing to take a discount from.
    Row(
      split: .itemized, charges: .init(discount: .init(amount: 30, allocation: .equal)), shares: [18_500, 8_500, 0]),
    Row(split: .itemized, charges: .init(discount: .init(amount: 1000)), shares: [0, 0, 0]),
    Row(
      split: .percentage([ana: 50, ben: decimal(3333, 2), cal: decimal(1667, 2)]), charges: .init(),
      shares: [15_000, 9_999, 5_001]),
    Row(split: .percentage([cal: 100]), charges: .init(tax: .init(amount: 15)), shares: [0, 0, 31_500]),
    Row(split: .shares([ana: 1, ben: 1, cal: 5]), charges: .init(), shares: [4_286, 4_286, 21_428]),
    Row(split: .shares([ben: 1]), charges: .init(delivery: .init(amount: 30)), shares: [1_000, 31_000, 1_000]),
    Row(
      split: .custom([ana: 100, ben: decimal(1999, 1), cal: decimal(1, 1)]), charges: .init(),
      shares: [10_000, 19_990, 10]),
  ])
  func dividesTheBill(row: Row) throws {
    let scene = try table()
    try scene.play(.setCharges(row.charges), by: ana)
    try scene.play(.updateSplit(row.split), by: ben)
    #expect(try scene.shares == row.shares)
    #expect(try scene.shares.reduce(0, +) == scene.order.total.minorUnits)
    try scene.play(.finalize(), by: ana)
    #expect(scene.order.shares?.map(\.amount.minorUnits) == row.shares)
  }

  @Test func nobodysItemsCostAnything() throws {
    let scene = Scene(ana, ben)
    try scene.play(.adding("a", 0), by: ana)
    try scene.play(.updateSplit(.itemized), by: ana)
    try scene.play(.setCharges(.init(tax: .init(amount: decimal(101, 2)))), by: ana)
    #expect(try scene.shares == [51, 50])
  }

  @Test func refusesSplitsThatDoNotAddUp() throws {
    let scene = try table()
    let refused: [OrderCommand.SplitRequest] = [
      .custom([ana: 299]), .custom([ana: 301]), .custom([ana: 400, ben: -100]), .custom([ana: .beyondRange]),
      .custom([ana: decimal(299_995, 3), ben: decimal(5, 3)]), .custom([dee: 300]), .percentage([:]),
      .percentage([ana: 99]), .percentage([ana: decimal(99_999, 3), ben: decimal(1, 3)]),
      .percentage([ana: 150, ben: -50]), .percentage([ana: 50, dee: 50]), .percentage([ana: .beyondRange]),
      .shares([:]), .shares([ana: 0]), .shares([ana: -1, ben: 2]), .shares([ana: decimal(15, 1)]),
      .shares([ana: 1_000_001]), .shares([dee: 1]), .shares([ana: .beyondRange]),
    ]
    for split in refused { #expect(scene.refusal(.updateSplit(split), by: ana) == .invalidSplit, "\(split)") }
    #expect(scene.order.split == .equal)
    #expect(try scene.play(.updateSplit(.equal), by: ana) == [.unchanged])
  }

  @Test func customAmountsMayComeLater() throws {
    let scene = try table()
    #expect(try scene.play(.updateSplit(.custom([:])), by: ben) == [.splitUpdated(.custom([:]))])
    #expect(
      scene.rejection(.finalize(), by: ana)
        == OrderRejection(
          .invalidSplit, "custom amounts must add up to the total of 300.00 INR; they come to 300.00 INR less"))
    try scene.play(.updateSplit(.custom([cal: 300])), by: ben)
    try scene.play(.removeItem(id: "b"), by: ben)
    #expect(
      scene.rejection(.finalize(), by: ana)
        == OrderRejection(
          .invalidSplit, "custom amounts must add up to the total of 200.00 INR; they come to 100.00 INR more"))
    try scene.play(.updateSplit(.custom([cal: 200])), by: ben)
    try scene.play(.finalize(), by: ana)
  }

  @Test(arguments: [
    (OrderCommand.SplitRequest.custom([ana: 100, ben: 150, cal: 50]), [Int64](arrayLiteral: 25_000, 5_000)),
    (.percentage([ana: 10, ben: 60, cal: 30]), [21_000, 9_000]),
    (.shares([ben: 2, cal: 1]), [20_000, 10_000]),
  ])
  func theLeaversPartGoesToTheOwner(split: OrderCommand.SplitRequest, shares: [Int64]) throws {
    let scene = try table()
    try scene.play(.updateSplit(split), by: ana)
    try scene.play(.leave(removeItems: false), by: ben)
    #expect(try scene.shares == shares)
    try scene.play(.leave(removeItems: false), by: ana)
    #expect(try scene.shares == [30_000])
    try scene.play(.leave(removeItems: false), by: cal)
    #expect(throws: OrderRejection(.invalidSplit, "the order has no participants")) { try scene.shares }
    try scene.play(.joining(dee), by: dee)
    #expect(try scene.shares == [30_000])
  }
}
