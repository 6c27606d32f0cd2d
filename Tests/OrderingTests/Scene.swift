import JSONText
import Ordering
import RoomCore

let ana = ParticipantID("ana")
let ben = ParticipantID("ben")
let cal = ParticipantID("cal")
let dee = ParticipantID("dee")

/// A room on a stage: submits commands under fresh names, applies what is accepted and keeps the record.
final class Scene {
  var machine: RoomMachine<OrderLogic>
  var context: TenantContext
  var now = Timestamp(millis: 1_700_000_000_000)
  private(set) var records: [Recorded<OrderEvent>] = []
  private var count = 0

  /// The cast joins in the order given; the first creates the order.
  init(_ cast: ParticipantID..., context: TenantContext = TenantContext()) {
    machine = Self.emptyRoom
    self.context = context
    for participant in cast {
      guard (try? play(.joining(participant), by: participant)) != nil else {
        preconditionFailure("\(participant) cannot join")
      }
    }
  }

  static var emptyRoom: RoomMachine<OrderLogic> {
    guard let room = RoomID("table-7") else { preconditionFailure("a room's name") }
    return RoomMachine(room: room)
  }

  var order: CollaborativeOrder {
    guard let order = machine.state.order else { preconditionFailure("nobody has joined yet") }
    return order
  }

  /// - Returns: the events; none if the answer is settled.
  @discardableResult
  func play(_ command: OrderCommand, by participant: ParticipantID) throws -> [OrderEvent] {
    count += 1
    let id = OperationID(participant: participant, value: "op-\(count)")
    let operation = Operation(id: id, after: machine.head, command: command)
    return try apply(machine.decide(operation, context: context, now: now))
  }

  func tick() throws -> [OrderEvent] { try apply(.accepted(machine.decideTimer(now: now))) }

  private func apply(_ verdict: RoomMachine<OrderLogic>.Verdict) throws -> [OrderEvent] {
    switch verdict {
    case .settled: return []
    case .rejected(let refusal): throw refusal
    case .accepted(let decided):
      for record in decided { machine.apply(record) }
      records += decided
      return decided.map(\.event)
    }
  }

  /// Why a command is refused; nil if it is accepted.
  func refusal(_ command: OrderCommand, by participant: ParticipantID) -> OrderRejection.Kind? {
    rejection(command, by: participant)?.kind
  }

  func rejection(_ command: OrderCommand, by participant: ParticipantID) -> OrderRejection? {
    do {
      try play(command, by: participant)
      return nil
    } catch {
      guard case .logic(let rejection) = error as? Refusal<OrderRejection> else { return nil }
      return rejection
    }
  }

  func wait(_ duration: Duration) { now = now.advanced(by: duration) }

  /// What everybody owes, in minor units.
  var shares: [Int64] {
    get throws { try OrderLogic.previewShares(of: order).map(\.amount.minorUnits) }
  }
}

extension OrderCommand {
  static func joining(_ participant: ParticipantID) -> OrderCommand {
    .join(Join(name: participant.value.capitalized, tenant: "stonepot", circle: "family", phone: "9876543210"))
  }

  /// A dish, for a price in major units.
  static func adding(
    _ id: String?, _ price: DecimalNumber = 100, quantity: DecimalNumber = 1
  ) -> OrderCommand {
    .addItem(NewItem(id: id, dishName: "Chicken Biryani", dishType: .nonVeg, quantity: quantity, price: price))
  }
}

extension String {
  fileprivate var capitalized: String { prefix(1).uppercased() + dropFirst() }
}

/// `decimal(2995, 1)` is 299.5.
func decimal(_ significand: Int64, _ digits: Int) -> DecimalNumber {
  DecimalNumber(significand: significand, exponent: -digits)
}

func rupees(_ amount: Int64) -> Money { Money(minorUnits: amount * 100) }
