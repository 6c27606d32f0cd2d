import JSONText
import Ordering
import RoomCore
import Testing

@Suite struct FingerprintTests {
  private func fingerprint(_ command: OrderCommand) -> UInt64 {
    var hasher = StableHasher()
    command.fingerprint(into: &hasher)
    return hasher.finish()
  }

  @Test func neighboursDiffer() {
    let commands: [OrderCommand] = [
      .join(.init(name: "a")), .join(.init(name: "a", tenant: "")), .join(.init(name: "a", circle: "")),
      .join(.init(name: "a", phone: "")), .join(.init(name: "", tenant: "a")), .join(.init(name: "ab", tenant: "c")),
      .join(.init(name: "a", tenant: "bc")), .leave(removeItems: false), .leave(removeItems: true), .adding(nil),
      .adding(""), .adding("a"), .adding("a", 1), .adding("a", 1, quantity: 2), .adding("a", 2, quantity: 1),
      .adding("a", 10), .adding("a", .beyondRange), .removeItem(id: "a"), .removeItem(id: ""),
      .updateQuantity(id: "a", quantity: 1), .updateQuantity(id: "a", quantity: 10), .updateItem(id: "a", .init()),
      .updateItem(id: "a", .init(dishName: "x")), .updateItem(id: "a", .init(customization: "x")),
      .updateItem(id: "a", .init(customization: "")), .updateItem(id: "a", .init(quantity: 1)),
      .updateItem(id: "a", .init(price: 1)), .updateItem(id: "a", .init(dishType: .veg)), .updateSplit(.equal),
      .updateSplit(.itemized), .updateSplit(.custom([:])), .updateSplit(.percentage([:])), .updateSplit(.shares([:])),
      .updateSplit(.shares([ana: 1])), .updateSplit(.shares([ben: 1])), .updateSplit(.shares([ana: 1, ben: 1])),
      .updateSplit(.custom([ana: 1])), .finalize(), .lock, .unlock, .cancel, .ready(true), .ready(false),
      .removeParticipant(ana, removeItems: true), .removeParticipant(ana, removeItems: false),
      .transferOwnership(to: ana), .setDeadline(nil), .setDeadline(Timestamp(millis: 0)),
      .setDeadline(Timestamp(millis: 1)), .setLimits(.init()), .setLimits(.init(maxItems: 1)),
      .setLimits(.init(maxParticipants: 1)), .setLimits(.init(maxTotal: 1)), .setLimits(.init(editing: .own)),
      .setCharges(.init()), .setCharges(.init(tax: .init(amount: 1))), .setCharges(.init(tip: .init(amount: 1))),
      .setCharges(.init(tip: .init(amount: 1, allocation: .equal))), .setCharges(.init(discount: .init(amount: 1))),
      .setCharges(.init(delivery: .init(amount: 1))), .undo,
    ]
    #expect(Set(commands.map(fingerprint)).count == commands.count)
  }

  @Test func doesNotDependOnTheOrderOfADictionary() {
    let forward = (0..<50).map { (ParticipantID("p\($0)"), $0 + 1) }
    let one = Dictionary(uniqueKeysWithValues: forward.map { ($0, DecimalNumber(integerLiteral: Int64($1))) })
    var other: [ParticipantID: DecimalNumber] = .init(minimumCapacity: 1000)
    for (participant, weight) in forward.reversed() { other[participant] = DecimalNumber(significand: Int64(weight)) }
    #expect(fingerprint(.updateSplit(.shares(one))) == fingerprint(.updateSplit(.shares(other))))
  }

  /// Stored with every event: a released fingerprint never changes.
  @Test func isStableAcrossVersions() {
    #expect(fingerprint(.lock) == 15_429_085_761_335_413_525)
    #expect(fingerprint(.adding("a", decimal(2995, 1), quantity: 2)) == 11_819_117_150_993_118_456)
    #expect(fingerprint(.updateSplit(.custom([ana: 1, ben: 2]))) == 1_531_239_735_168_333_974)
  }
}
