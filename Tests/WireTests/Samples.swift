import JSONText
import RoomCore
import TestSupport

@testable import Ordering

let asha = ParticipantID("stonepot_9876543210")
let ravi = ParticipantID("stonepot_9876543211")
let mina = ParticipantID("mina")

func moment(_ seconds: Int64) -> Timestamp { Timestamp(millis: 1_730_000_000_000 + seconds * 1000) }

extension RoomID {
  static var sample: RoomID {
    guard let room = RoomID("order_1234") else { preconditionFailure("a sample's name is well-formed") }
    return room
  }
}

extension Recorded<OrderEvent> {
  init(_ event: OrderEvent, by participant: ParticipantID? = asha, sequence: Int64 = 42) {
    self.init(
      sequence: SequenceNumber(sequence), at: moment(60),
      cause: participant.map {
        Cause(operation: OperationID(participant: $0, value: "op-\(sequence)"), fingerprint: 0xFEED)
      }, event: event)
  }
}

extension OrderItem {
  static let biryani = OrderItem(
    id: "i1", dishName: "Chicken Biryani", dishType: .nonVeg, quantity: 2, price: Money(minorUnits: 29900),
    customization: "extra \"raita\"\nno onions", addedBy: asha, addedByName: "Asha", addedAt: moment(10))
  static let naan = OrderItem(
    id: "i2", dishName: "Nān 🫓", dishType: .veg, quantity: 3, price: Money(minorUnits: 4550), addedBy: ravi,
    addedByName: "Ravi", addedAt: moment(20))
}

extension CollaborativeOrder {
  static let sample = CollaborativeOrder(
    tenant: "stonepot", circle: "circle_7", currency: .inr, initiatedBy: asha, isForMembers: false, isUnreported: false,
    owner: asha,
    participants: [
      Participant(id: asha, name: "Asha", phoneEnding: "10", isReady: true, joinedAt: moment(0)),
      Participant(id: ravi, name: "Ravi", joinedAt: moment(5)),
    ],
    items: [.biryani, .naan], charges: Charges(), split: .equal, status: .active, deadline: nil,
    limits: OrderLimits(), idleLimitMillis: 86_400_000, editing: .everyone, createdAt: moment(0),
    updatedAt: moment(20), finalizedAt: nil, placement: .group, shares: nil, undoable: [:])

  /// With every optional field.
  static let rich: CollaborativeOrder = {
    var order = sample
    order.owner = ravi
    order.isForMembers = true
    order.placement = .individual
    order.charges = Charges(
      tax: Charge(amount: Money(minorUnits: 3675), allocation: .proportional),
      delivery: Charge(amount: Money(minorUnits: 4000), allocation: .equal),
      tip: Charge(amount: .zero, allocation: .equal),
      discount: Charge(amount: Money(minorUnits: 5000), allocation: .proportional))
    order.split = .percentage([asha: 6667, ravi: 3333])
    order.status = .finalized
    order.deadline = moment(3600)
    order.limits = OrderLimits(maxItems: 50, maxParticipants: 8, maxTotal: Money(minorUnits: 500_000))
    order.editing = .own
    order.finalizedAt = moment(60)
    order.shares = [
      Share(participant: asha, name: "Asha", amount: Money(minorUnits: 50786)),
      Share(participant: ravi, name: "Ravi", amount: Money(minorUnits: 25389)),
    ]
    order.undoable = [
      asha: .removed(.biryani, index: 0), ravi: .changed(before: .naan, after: .biryani), mina: .added(itemID: "i2"),
    ]
    return order
  }()
}

let limits = OrderLimits(maxItems: 50, maxParticipants: 8, maxTotal: Money(minorUnits: 500_050))

/// One of each event, under the name of its message in dialect `delta`; some have two.
let sampleEvents: [(name: String, event: OrderEvent)] = [
  (
    "order_created",
    .created(
      OrderEvent.Creation(
        tenant: "stonepot", circle: "circle_7", currency: .inr, owner: asha, limits: limits, editing: .own,
        deadline: moment(3600), idleLimitMillis: 86_400_000))
  ),
  (
    "order_created",
    .created(
      OrderEvent.Creation(
        tenant: "t", circle: "", currency: Currency(code: "JPY", minorDigits: 0), owner: asha, limits: OrderLimits(),
        editing: .everyone, deadline: nil, idleLimitMillis: 1))
  ),
  (
    "participant_joined",
    .participantJoined(Participant(id: ravi, name: "Ravi", phoneEnding: "11", isReady: false, joinedAt: moment(5)))
  ),
  ("participant_joined", .participantJoined(Participant(id: ravi, name: "Ravi", isReady: true, joinedAt: moment(5)))),
  ("participant_left", .participantLeft(mina, name: "Mina", reason: .left)),
  ("participant_left", .participantLeft(mina, name: "Mina", reason: .removed)),
  ("ownership_transferred", .ownershipTransferred(to: ravi)),
  ("item_added", .itemAdded(.biryani, index: 0)),
  ("item_removed", .itemRemoved(id: "i3")),
  ("quantity_updated", .quantityUpdated(id: "i2", quantity: 3)),
  ("item_updated", .itemUpdated(.naan)),
  ("split_updated", .splitUpdated(.equal)),
  ("split_updated", .splitUpdated(.itemized)),
  ("split_updated", .splitUpdated(.custom([asha: Money(minorUnits: 50000), ravi: Money(minorUnits: 23450)]))),
  ("split_updated", .splitUpdated(.percentage([asha: 6667, ravi: 3333]))),
  ("split_updated", .splitUpdated(.shares([asha: 2, ravi: 1]))),
  ("ready_changed", .readyChanged(asha, isReady: true)),
  ("order_locked", .locked),
  ("order_unlocked", .unlocked),
  ("order_cancelled", .cancelled),
  ("order_expired", .expired(.deadline)),
  ("order_expired", .expired(.idle)),
  (
    "order_finalized",
    .finalized(
      [
        Share(participant: asha, name: "Asha", amount: Money(minorUnits: 36725)),
        Share(participant: ravi, name: "Ravi", amount: Money(minorUnits: 36725)),
      ], .individual)
  ),
  ("deadline_set", .deadlineSet(moment(7200))),
  ("deadline_set", .deadlineSet(nil)),
  ("limits_set", .limitsSet(limits, .own)),
  ("charges_set", .chargesSet(CollaborativeOrder.rich.charges)),
  ("undone", .undone(asha)),
  ("unchanged", .unchanged),
]

// MARK: - At random

extension SplitMix64 {
  mutating func text() -> String {
    let pieces = ["a", "Z", "\"", "\\", "\n", "\u{1}", "é", "😀", " ", "नान", "/", "\u{7F}", "biryani"]
    return (0..<below(8)).map { _ in pick(pieces) }.joined()
  }

  mutating func optional<Value>(_ value: (inout SplitMix64) -> Value) -> Value? { once(in: 2) ? value(&self) : nil }
  mutating func money() -> Money { Money(minorUnits: Int64(below(once(in: 2) ? 100_000 : 1_000_000_000))) }
  mutating func timestamp() -> Timestamp { moment(Int64(below(100_000))) }
  mutating func participantID() -> ParticipantID { ParticipantID("p\(below(5))" + text()) }

  mutating func item() -> OrderItem {
    OrderItem(
      id: text(), dishName: text(), dishType: pick([.veg, .nonVeg]), quantity: 1 + below(99), price: money(),
      customization: optional { $0.text() }, addedBy: participantID(), addedByName: text(), addedAt: timestamp())
  }

  mutating func charge() -> Charge {
    Charge(amount: once(in: 2) ? .zero : money(), allocation: pick([.proportional, .equal]))
  }

  mutating func split() -> Split {
    func numbers<Value>(_ value: (inout SplitMix64) -> Value) -> [ParticipantID: Value] {
      Dictionary((0..<below(5)).map { _ in (participantID(), value(&self)) }, uniquingKeysWith: { $1 })
    }
    switch below(5) {
    case 0: return .equal
    case 1: return .itemized
    case 2: return .custom(numbers { $0.money() })
    case 3: return .percentage(numbers { $0.below(10_001) })
    default: return .shares(numbers { $0.below(100) })
    }
  }

  mutating func order() -> CollaborativeOrder {
    CollaborativeOrder(
      tenant: text(), circle: text(),
      currency: pick([.inr, Currency(code: "JPY", minorDigits: 0), Currency(code: "KWD", minorDigits: 3)]),
      initiatedBy: participantID(), isForMembers: once(in: 2), isUnreported: once(in: 2), owner: participantID(),
      participants: (0..<below(6)).map { _ in
        Participant(
          id: participantID(), name: text(), phoneEnding: optional { "\(10 + $0.below(90))" }, isReady: once(in: 2),
          joinedAt: timestamp())
      },
      items: (0..<below(6)).map { _ in item() },
      charges: Charges(tax: charge(), delivery: charge(), tip: charge(), discount: charge()), split: split(),
      status: pick([.active, .locked, .finalized, .cancelled, .expired]), deadline: optional { $0.timestamp() },
      limits: OrderLimits(maxItems: below(500), maxParticipants: below(200), maxTotal: optional { $0.money() }),
      idleLimitMillis: Int64(below(1_000_000)), editing: pick([.everyone, .own]), createdAt: timestamp(),
      updatedAt: timestamp(), finalizedAt: optional { $0.timestamp() },
      placement: pick([.group, .individual]),
      shares: optional { generator in
        (0..<generator.below(4)).map { _ in
          Share(participant: generator.participantID(), name: generator.text(), amount: generator.money())
        }
      },
      undoable: Dictionary(
        (0..<below(4)).map { _ in (participantID(), change()) }, uniquingKeysWith: { $1 }))
  }

  private mutating func change() -> ReversibleChange {
    switch below(3) {
    case 0: .added(itemID: text())
    case 1: .removed(item(), index: below(9))
    default: .changed(before: item(), after: item())
    }
  }
}
