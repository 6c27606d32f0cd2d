import JSONText
import Ordering
import RoomCore
import TestSupport

/// Makes up commands: mostly sensible ones for the state at hand, often slightly wrong ones, sometimes hostile ones.
struct RandomCommands {
  var generator: SplitMix64

  static let cast = ["ana", "ben", "cal", "dee", "eve"].map { ParticipantID($0) }

  private static let hostileNumbers: [DecimalNumber] = [
    .beyondRange, 0, -1, 100, DecimalNumber(significand: .max), DecimalNumber(significand: .min),
    DecimalNumber(significand: 1, exponent: .max - 1), DecimalNumber(significand: 1, exponent: .min),
    DecimalNumber(significand: 1, exponent: -3), DecimalNumber(significand: 92_233_720_368_547_759, exponent: 2),
    10_000_001,
  ]
  private static let hostileTexts = [
    "", " ", "\u{0}", "a\nb", "\u{7F}", "\u{85}", String(repeating: "x", count: 121), "item_1", "🧑‍🍳",
    String(repeating: "\u{301}", count: 400), String(repeating: "y", count: 501),
  ]

  mutating func participant(in order: CollaborativeOrder?) -> ParticipantID {
    if generator.chance(1, in: 200) { return ParticipantID(generator.pick(Self.hostileTexts)) }
    if let order, !order.participants.isEmpty, generator.chance(9, in: 10) {
      return generator.chance(1, in: 3) ? order.owner : generator.pick(order.participants).id
    }
    return generator.pick(Self.cast)
  }

  mutating func command(for order: CollaborativeOrder?, at now: Timestamp) -> OrderCommand {
    if order?.participants.isEmpty ?? true, generator.chance(2, in: 3) { return .join(join()) }
    switch generator.below(100) {
    case ..<10: return .join(join())
    case ..<30: return .addItem(newItem())
    case ..<36: return .removeItem(id: itemID(in: order))
    case ..<48: return .updateQuantity(id: itemID(in: order), quantity: quantity(from: 0))
    case ..<56: return .updateItem(id: itemID(in: order), itemChange())
    case ..<66: return .updateSplit(split(of: order))
    case ..<67: return generator.chance(1, in: 5) ? .cancel : .finalize()
    case ..<70: return .lock
    case ..<75: return .unlock
    case ..<78: return .ready(generator.chance(1, in: 2))
    case ..<81: return .leave(removeItems: generator.chance(1, in: 2))
    case ..<83: return .removeParticipant(participant(in: order), removeItems: generator.chance(1, in: 2))
    case ..<85: return .transferOwnership(to: participant(in: order))
    case ..<87: return .setDeadline(deadline(at: now))
    case ..<90: return .setLimits(limits())
    case ..<94: return .setCharges(charges())
    default: return .undo
    }
  }

  private mutating func join() -> OrderCommand.Join {
    OrderCommand.Join(
      name: text(["Ana", "Ben", "Cal"]), tenant: maybe("stonepot", rarely: "other"),
      circle: maybe("family", rarely: "other"),
      phone: generator.chance(1, in: 2) ? generator.pick(["9876543210", "0123456789", "12345", "98765x3210"]) : nil)
  }

  private mutating func newItem() -> OrderCommand.NewItem {
    OrderCommand.NewItem(
      id: generator.chance(1, in: 2) ? text(["a", "b", "c", "d", "e", "item_7", "item_8", "item_9"]) : nil,
      dishName: text(["Dal", "Naan"]), dishType: generator.pick([.veg, .nonVeg]), quantity: quantity(from: 1),
      price: price(), customization: generator.chance(1, in: 4) ? text(["hot", "less\nsalt"]) : nil)
  }

  private mutating func itemChange() -> OrderCommand.ItemChange {
    OrderCommand.ItemChange(
      dishName: generator.chance(1, in: 3) ? text(["Dal", "Roti"]) : nil,
      dishType: generator.chance(1, in: 3) ? .veg : nil,
      quantity: generator.chance(1, in: 3) ? quantity(from: 1) : nil,
      price: generator.chance(1, in: 3) ? price() : nil,
      customization: generator.chance(1, in: 3) ? text(["mild", ""]) : nil)
  }

  private mutating func split(of order: CollaborativeOrder?) -> OrderCommand.SplitRequest {
    let participants = order?.participants.map(\.id) ?? []
    var named = participants.filter { _ in generator.chance(2, in: 3) }
    if generator.chance(1, in: 12) { named.append(participant(in: nil)) }
    func parts(_ numbers: [DecimalNumber]) -> [ParticipantID: DecimalNumber] {
      Dictionary(zip(named, numbers)) { first, _ in first }
    }
    switch generator.below(5) {
    case 0: return .equal
    case 1: return .itemized
    case 2: return .custom(parts(cut(order?.total.minorUnits ?? 0, into: named.count)))
    case 3: return .percentage(parts(cut(10_000, into: named.count)))
    default:
      return .shares(parts(named.map { _ in number(DecimalNumber(significand: Int64(generator.below(6)))) }))
    }
  }

  /// Hundredths that mostly add up to the whole.
  private mutating func cut(_ whole: Int64, into count: Int) -> [DecimalNumber] {
    var rest = whole
    return (0..<count).map { index in
      let part = index == count - 1 ? rest : Int64(generator.below(Int(max(rest, 0)) + 1))
      rest -= part
      return number(decimal(part + (generator.chance(1, in: 60) ? 1 : 0), 2), rarity: 100)
    }
  }

  private mutating func limits() -> OrderCommand.LimitsRequest {
    OrderCommand.LimitsRequest(
      maxItems: generator.chance(1, in: 3) ? generator.pick([1, 3, 5, 6, 8, 9, .max, .min]) : nil,
      maxParticipants: generator.chance(1, in: 3) ? generator.pick([2, 3, 4, 5, .max, .min]) : nil,
      maxTotal: generator.chance(1, in: 3) ? number(DecimalNumber(significand: Int64(generator.below(20_000)))) : nil,
      editing: generator.chance(1, in: 2) ? generator.pick([.everyone, .own]) : nil)
  }

  private mutating func charges() -> OrderCommand.ChargesRequest {
    OrderCommand.ChargesRequest(tax: charge(), delivery: charge(), tip: charge(), discount: charge())
  }

  private mutating func charge() -> OrderCommand.ChargesRequest.Charge? {
    guard generator.chance(1, in: 2) else { return nil }
    return .init(
      amount: number(decimal(Int64(generator.below(20_000)), 2)),
      allocation: generator.pick([nil, .proportional, .equal]))
  }

  private mutating func deadline(at now: Timestamp) -> Timestamp? {
    switch generator.below(8) {
    case 0: nil
    case 1: now
    case 2: Timestamp(millis: generator.pick([.min, .max, 0]))
    default: now.advanced(by: .seconds(generator.below(7200)))
    }
  }

  private mutating func itemID(in order: CollaborativeOrder?) -> String {
    guard let order, !order.items.isEmpty, generator.chance(9, in: 10) else { return text(["a", "nothing"]) }
    return generator.pick(order.items).id
  }

  private mutating func quantity(from lowest: Int) -> DecimalNumber {
    number(DecimalNumber(significand: Int64(lowest + generator.below(5))))
  }

  private mutating func price() -> DecimalNumber {
    number(decimal(Int64(generator.pick([0, 1, 9_999, 10_000, generator.below(100_000)])), 2))
  }

  private mutating func number(_ sensible: DecimalNumber, rarity: Int = 20) -> DecimalNumber {
    generator.chance(1, in: rarity) ? generator.pick(Self.hostileNumbers) : sensible
  }

  private mutating func text(_ sensible: [String]) -> String {
    generator.chance(1, in: 20) ? generator.pick(Self.hostileTexts) : generator.pick(sensible)
  }

  private mutating func maybe(_ usual: String, rarely: String) -> String? {
    switch generator.below(20) {
    case 0: rarely
    case 1: nil
    case 2: generator.pick(Self.hostileTexts)
    default: usual
    }
  }
}
