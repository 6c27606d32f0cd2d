import JSONText
import Ordering
import RoomCore
import TestSupport
import Testing
import Wire

@Suite("Commands between processes")
struct PeerCommandTests {
  private func fingerprint(_ command: OrderCommand) -> UInt64 {
    var hasher = StableHasher()
    command.fingerprint(into: &hasher)
    return hasher.finish()
  }

  @Test("what a client says arrives as what it is")
  func samples() throws {
    for sample in sampleMessages {
      guard case .operation(let command) = sample.expected.body else { continue }
      #expect(try OrderCommand(peerBytes: command.peerBytes) == command)
    }
  }

  @Test("any command comes back, also one that no client can send")
  func roundTrip() throws {
    let seed: UInt64 = 21
    var generator = SplitMix64(seed: seed)
    var kinds: Set<UInt8> = []
    for round in 0..<20_000 {
      let command = generator.command()
      let bytes = command.peerBytes
      kinds.insert(bytes[0])
      let read = try OrderCommand(peerBytes: bytes)
      guard read == command, fingerprint(read) == fingerprint(command) else {
        Issue.record("seed \(seed), round \(round): \(command) comes back as \(read)")
        return
      }
    }
    #expect(kinds == Set(1...18))
  }

  @Test("a command that ends too early, or too late, is an error")
  func truncated() throws {
    var generator = SplitMix64(seed: 22)
    for _ in 0..<500 {
      let bytes = generator.command().peerBytes
      for count in 0..<bytes.count {
        #expect(throws: BinaryError.self) { try OrderCommand(peerBytes: Array(bytes[..<count])) }
      }
      #expect(throws: BinaryError.self) { try OrderCommand(peerBytes: bytes + [0]) }
    }
  }

  @Test(
    "what no gateway writes is an error",
    arguments: [
      [], [0], [19], [2, 2],
      // A part that a participant has twice; a word that is none.
      [7, 3, 2, 1, 0x61, 2, 0, 1, 0x61, 2, 0],
      [3, 0, 1, 0x61, 1, 0x62, 2, 0, 2, 0, 0],
      // 10 × 10^0 and 0 × 10^1, which have shorter forms; 10 with the largest exponent of all.
      [5, 1, 0x61, 20, 0], [5, 1, 0x61, 0, 2],
      [5, 1, 0x61, 20, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
    ] as [[UInt8]])
  func hostile(bytes: [UInt8]) {
    #expect(throws: BinaryError.self) { try OrderCommand(peerBytes: bytes) }
  }

  @Test("any damage is an error or another command")
  func damage() {
    var generator = SplitMix64(seed: 23)
    for _ in 0..<20_000 {
      let bytes = generator.damage(generator.command().peerBytes, alphabet: [0, 1, 2, 0x80, 0xFF])
      guard let command = try? OrderCommand(peerBytes: bytes) else { continue }
      // What is read is written in one way only, but for the order of a split's parts.
      #expect((try? OrderCommand(peerBytes: command.peerBytes)) == command)
    }
  }

  /// "A released number is never given to another command."
  @Test func bytesStand() {
    #expect(OrderCommand.undo.peerBytes == [18])
    #expect(OrderCommand.updateQuantity(id: "a", quantity: 2).peerBytes == [5, 1, 0x61, 4, 0])
    #expect(
      OrderCommand.addItem(
        .init(id: nil, dishName: "D", dishType: .veg, quantity: 1, price: DecimalNumber(significand: 45, exponent: -1))
      ).peerBytes == [3, 0, 1, 0x44, 3, 0x76, 0x65, 0x67, 2, 0, 90, 1, 0])
  }
}

extension SplitMix64 {
  /// Any value of a command, sensible or not.
  mutating func command() -> OrderCommand {
    switch below(18) {
    case 0:
      .join(
        .init(
          name: text(), tenant: optional { $0.text() }, circle: optional { $0.text() }, phone: optional { $0.text() },
          warrant: pick([.none, .membership, .initiative])))
    case 1: .leave(removeItems: once(in: 2))
    case 2:
      .addItem(
        .init(
          id: optional { $0.text() }, dishName: text(), dishType: pick([.veg, .nonVeg]), quantity: decimal(),
          price: decimal(), customization: optional { $0.text() }))
    case 3: .removeItem(id: text())
    case 4: .updateQuantity(id: text(), quantity: decimal())
    case 5:
      .updateItem(
        id: text(),
        .init(
          dishName: optional { $0.text() }, dishType: optional { $0.pick([.veg, .nonVeg]) },
          quantity: optional { $0.decimal() }, price: optional { $0.decimal() },
          customization: optional { $0.text() }))
    case 6:
      .updateSplit(pick([.equal, .itemized, .custom(parts()), .percentage(parts()), .shares(parts())]))
    case 7: .finalize(pick([.group, .individual]), seen: optional { SequenceNumber(Int64($0.below(100))) })
    case 8: .lock
    case 9: .unlock
    case 10: .cancel
    case 11: .ready(once(in: 2))
    case 12: .removeParticipant(ParticipantID(text()), removeItems: once(in: 2))
    case 13: .transferOwnership(to: ParticipantID(text()))
    case 14: .setDeadline(optional { Timestamp(millis: $0.pick([0, .min, .max, 1_730_000_000_000])) })
    case 15:
      .setLimits(
        .init(
          maxItems: optional { $0.pick([0, 5, .min, .max]) }, maxParticipants: optional { $0.pick([1, .min, .max]) },
          maxTotal: optional { $0.decimal() }, editing: optional { $0.pick([.everyone, .own]) }))
    case 16:
      .setCharges(
        .init(
          tax: optional { $0.chargeRequest() }, delivery: optional { $0.chargeRequest() },
          tip: optional { $0.chargeRequest() }, discount: optional { $0.chargeRequest() }))
    default: .undo
    }
  }

  private mutating func chargeRequest() -> OrderCommand.ChargesRequest.Charge {
    .init(amount: decimal(), allocation: optional { $0.pick([.proportional, .equal]) })
  }

  private mutating func parts() -> [ParticipantID: DecimalNumber] {
    Dictionary((0..<below(4)).map { _ in (participantID(), decimal()) }, uniquingKeysWith: { $1 })
  }

  private mutating func decimal() -> DecimalNumber {
    pick([
      .beyondRange, 0, -1, DecimalNumber(significand: .max), DecimalNumber(significand: .min),
      DecimalNumber(significand: 1, exponent: .max - 1), DecimalNumber(significand: 1, exponent: .min),
      DecimalNumber(significand: Int64(below(100_000)), exponent: -below(4)),
    ])
  }
}
