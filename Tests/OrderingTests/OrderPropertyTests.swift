import Foundation
import JSONText
import Ordering
import RoomCore
import TestSupport
import Testing

/// Random operations from a printed seed. Every run plays the same few seeds and a fresh one; to play one again, set
/// `STONEPOT_SEED`.
@Suite struct OrderPropertyTests {
  private static let operationsPerSeed = 30_000

  private static let seeds: [UInt64] = {
    if let given = ProcessInfo.processInfo.environment["STONEPOT_SEED"].flatMap({ UInt64($0) }) { return [given] }
    return [1, 2, 3, UInt64.random(in: 1...999_999_999)]
  }()

  @Test(arguments: seeds)
  func everyPromiseHoldsAfterEveryOperation(seed: UInt64) {
    var run = RandomRun(seed: seed)
    let fault = run.play(Self.operationsPerSeed)
    let tally = run.tally.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    print("OrderPropertyTests: seed \(seed), \(run.operations) operations in \(run.rooms) rooms: \(tally)")
    #expect(fault == nil, "seed \(seed)")
    for kind in RandomRun.expectedKinds where fault == nil {
      #expect(run.tally[kind, default: 0] >= 5, "seed \(seed) hardly reaches \(kind)")
    }
  }
}

/// One seed's rooms, one after the other, each played until some time after its end.
struct RandomRun {
  private(set) var operations = 0
  private(set) var rooms = 0
  private(set) var tally: [String: Int] = [:]
  private var commands: RandomCommands

  private var machine = Scene.emptyRoom
  private var context = TenantContext()
  private var now = Timestamp(millis: 0)
  private var records: [Recorded<OrderEvent>] = []
  private var accepted: [(operation: RoomCore.Operation<OrderCommand>, last: SequenceNumber)] = []

  init(seed: UInt64) { commands = RandomCommands(generator: SplitMix64(seed: seed)) }

  /// - Returns: the first promise that is broken, and where.
  mutating func play(_ count: Int) -> String? {
    while operations < count {
      openRoom()
      var afterEnd = 0
      while afterEnd < 15, records.count < 400 {
        operations += 1
        if OrderLogic.hasEnded(machine.state) { afterEnd += 1 }
        if let fault = step() { return "room \(rooms), operation \(operations): \(fault)" }
      }
      if let fault = replay() { return "room \(rooms): \(fault)" }
    }
    return nil
  }

  private mutating func openRoom() {
    rooms += 1
    machine = Scene.emptyRoom
    records = []
    accepted = []
    now = Timestamp(millis: 1_700_000_000_000)
    let limits = OrderLimits(
      maxItems: 8, maxParticipants: 4, maxTotal: commands.generator.pick([nil, rupees(5_000), rupees(20_000)]))
    context = TenantContext(
      limits: limits, editing: commands.generator.pick([.everyone, .own]), idleLimit: .seconds(4 * 3600),
      deadlineAfterStart: commands.generator.pick([nil, .seconds(5 * 3600)]))
  }

  private mutating func step() -> String? {
    let jump = commands.generator.chance(1, in: 150) ? commands.generator.pick([8_000, 15_000]) : 0
    now = now.advanced(by: .seconds(jump + commands.generator.below(60)))
    let isDue = OrderLogic.timerDue(machine.state).map { $0 <= now } ?? false
    if commands.generator.chance(1, in: isDue ? 5 : 50) {
      let records = machine.decideTimer(now: now)
      return apply(records.isEmpty ? .settled(at: machine.head) : .accepted(records), of: nil)
    }
    if !accepted.isEmpty, commands.generator.chance(1, in: 20) { return retry() }
    let order = machine.state.order
    let id = OperationID(participant: commands.participant(in: order), value: "op-\(operations)")
    let operation = RoomCore.Operation(
      id: id, after: machine.head, command: commands.command(for: order, at: now))
    return apply(machine.decide(operation, context: context, now: now), of: operation)
  }

  private mutating func retry() -> String? {
    let (operation, last) = commands.generator.pick(accepted.suffix(300))
    tally["retry", default: 0] += 1
    guard case .settled(last) = machine.decide(operation, context: context, now: now) else {
      return "a retry of \(operation.command) is not settled at \(last)"
    }
    return nil
  }

  private mutating func apply(
    _ verdict: RoomMachine<OrderLogic>.Verdict, of operation: RoomCore.Operation<OrderCommand>?
  ) -> String? {
    let before = machine.state
    switch verdict {
    case .settled: tally["settled", default: 0] += 1
    case .rejected(.logic(let rejection)):
      tally[rejection.code, default: 0] += 1
      if rejection.message.isEmpty || rejection.message.utf8.count > 200 { return "a message: \(rejection.message)" }
    case .rejected(let refusal): return "refused as \(refusal.code)"
    case .accepted(let decided):
      if OrderLogic.hasEnded(before) { return "\(decided) after the end" }
      if let operation {
        if let fault = faultInPermission(of: operation, before: before.order) { return fault }
        accepted.append((operation, machine.head.advanced(by: decided.count)))
      }
      for record in decided {
        tally[Self.kind(of: record.event), default: 0] += 1
        machine.apply(record)
        if let order = machine.state.order, !order.participants.isEmpty, order.participant(order.owner) == nil,
          decided.last?.sequence != record.sequence, order.participants.count > 1
        {
          return "between the events of \(decided) nobody owns the order"
        }
      }
      records += decided
      return machine.state.order.flatMap(OrderChecker.fault)
    }
    return machine.state == before ? nil : "a change that nothing caused"
  }

  private func faultInPermission(
    of operation: RoomCore.Operation<OrderCommand>, before order: CollaborativeOrder?
  ) -> String? {
    let actor = operation.id.participant
    switch operation.command {
    case .join: return nil
    case .finalize, .lock, .unlock, .cancel, .removeParticipant, .transferOwnership, .setDeadline, .setLimits,
      .setCharges:
      return order?.owner == actor ? nil : "\(operation.command) by \(actor), who is not the owner"
    case .removeItem(let id), .updateQuantity(let id, _), .updateItem(let id, _):
      guard let order, order.editing == .own, order.owner != actor else { return nil }
      return order.items.contains { $0.id == id && $0.addedBy == actor } ? nil : "\(actor) changed another's item"
    default: return order?.participant(actor) == nil ? "\(operation.command) by a stranger" : nil
    }
  }

  /// The journal alone must give the same room.
  private func replay() -> String? {
    var replayed = Scene.emptyRoom
    for record in records { replayed.apply(record) }
    return replayed.state == machine.state && replayed.head == machine.head ? nil : "a replay gives another state"
  }
}

extension CollaborativeOrder {
  fileprivate func participant(_ id: ParticipantID) -> Participant? { participants.first { $0.id == id } }
}

extension RandomRun {
  static let expectedKinds = [
    "created", "participantJoined", "participantLeft", "ownershipTransferred", "itemAdded", "itemRemoved",
    "quantityUpdated", "itemUpdated", "splitUpdated", "readyChanged", "locked", "unlocked", "cancelled",
    "expired by deadline", "expired by idle", "finalized", "deadlineSet", "limitsSet", "chargesSet", "undone",
    "unchanged", "settled", "retry", "invalid_join", "invalid_item", "invalid_quantity", "invalid_price",
    "invalid_split", "invalid_charge", "invalid_limit", "invalid_deadline", "item_not_found", "participant_not_found",
    "not_joined", "not_owner", "not_your_item", "empty_order", "nothing_to_undo", "order_locked", "order_finalized",
    "order_cancelled", "order_expired", "wrong_tenant", "limit_exceeded",
  ]

  private static func kind(of event: OrderEvent) -> String {
    switch event {
    case .created: "created"
    case .participantJoined: "participantJoined"
    case .participantLeft: "participantLeft"
    case .ownershipTransferred: "ownershipTransferred"
    case .itemAdded: "itemAdded"
    case .itemRemoved: "itemRemoved"
    case .quantityUpdated: "quantityUpdated"
    case .itemUpdated: "itemUpdated"
    case .splitUpdated: "splitUpdated"
    case .readyChanged: "readyChanged"
    case .locked: "locked"
    case .unlocked: "unlocked"
    case .cancelled: "cancelled"
    case .expired(let expiry): "expired by \(expiry.rawValue)"
    case .finalized: "finalized"
    case .deadlineSet: "deadlineSet"
    case .limitsSet: "limitsSet"
    case .chargesSet: "chargesSet"
    case .undone: "undone"
    case .unchanged: "unchanged"
    }
  }
}
