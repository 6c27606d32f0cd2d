import Ordering
import RoomCore
import Wire

/// Turns of a room that remembers three operations, from its first on. A line is:
///
/// - a message, which is decided and, if accepted, applied;
/// - a digit n: the n-th last operation is sent again as it was;
/// - empty: what was applied is committed;
/// - `!`: what was applied since the last commit is refused by the store, and never happened;
/// - anything else: ten minutes pass.
///
/// Positions have no gaps. No operation is applied twice, and a retry is told where it was applied, or that this cannot
/// be known any more. A turn that was refused leaves nothing behind. What was committed is what the journal and the
/// snapshots give.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  var house = House()
  for line in bytes(start, count).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).prefix(200) {
    house.take(Array(line))
  }
  house.commit()
  house.checkReplay()
  return 0
}

private struct House {
  private static let remembered = 3

  private var machine = RoomMachine<OrderLogic>(room: room, windowCapacity: remembered)
  private var now = Timestamp(millis: 1_700_000_000_000)
  private var sent: [Operation<OrderCommand>] = []

  /// Where each operation was applied last, of those that were committed and of those that may be still.
  private var applied: [OperationID: Applied] = [:]
  private var pending: [OperationID: Applied] = [:]
  private var journal: [[UInt8]] = []
  private var turn: [Recorded<OrderEvent>] = []
  private var committed = RoomMachine<OrderLogic>(room: room, windowCapacity: remembered)

  private struct Applied {
    let fingerprint: UInt64
    let sequence: SequenceNumber
  }

  mutating func take(_ line: [UInt8]) {
    guard let first = line.first else { return commit() }
    switch first {
    case UInt8(ascii: "{"): decode(line)
    case UInt8(ascii: "0")...UInt8(ascii: "9"):
      let back = Int(first - UInt8(ascii: "0"))
      if back < sent.count { decide(sent[sent.count - 1 - back]) }
    case UInt8(ascii: "!"): rollBack()
    default:
      now = now.advanced(by: .seconds(600))
      apply(machine.decideTimer(now: now))
    }
  }

  private mutating func decode(_ text: [UInt8]) {
    guard let message = try? ClientMessage.decode(text), case .operation(let command) = message.body else { return }
    let id = OperationID(participant: message.participant, value: message.opId ?? "op-\(sent.count)")
    let operation = Operation(id: id, after: message.after ?? machine.head, command: command)
    sent.append(operation)
    decide(operation)
  }

  private mutating func decide(_ operation: Operation<OrderCommand>) {
    let known = pending[operation.id] ?? applied[operation.id]
    // Who says it had seen a position at which its operation was already applied is taken at its word.
    let isHonest = known.map { operation.after < $0.sequence } ?? true
    switch machine.decide(operation, context: TenantContext(), now: now) {
    case .accepted(let records):
      promise(known == nil || !isHonest, "\(operation.id) is applied twice")
      promise(!records.isEmpty, "nothing is accepted")
      apply(records)
      if let last = records.last {
        pending[operation.id] = Applied(fingerprint: fingerprint(of: operation), sequence: last.sequence)
      }
    case .settled(let sequence):
      guard isHonest else { return }
      if let known { promise(known.fingerprint == fingerprint(of: operation), "\(operation.id) is taken for another") }
      promise(sequence == known?.sequence ?? machine.head, "\(operation.id) was not applied at \(sequence)")
    case .rejected(.operationConflict):
      let isKnown = known.map { $0.fingerprint != fingerprint(of: operation) } ?? false
      promise(isKnown, "\(operation.id) is in conflict with nothing")
    case .rejected(.operationExpired):
      // Too old; or its sender has seen what was undone.
      promise(operation.after != machine.head, "\(operation.id) has expired before anything happened")
    case .rejected(let refusal):
      promise(known == nil || !isHonest, "\(operation.id) was applied, and is refused as \(refusal.code)")
    }
  }

  private mutating func apply(_ records: [Recorded<OrderEvent>]) {
    for record in records {
      promise(record.sequence == machine.head.next, "a gap before \(record.sequence)")
      promise(record.at >= machine.clock, "time runs backwards at \(record.sequence)")
      machine.apply(record)
      turn.append(record)
    }
    if let order = machine.state.order, let fault = OrderChecker.fault(in: order) { fatalError(fault) }
  }

  mutating func commit() {
    machine.settle()
    if !turn.isEmpty { journal.append(JournalText.write(turn)) }
    turn = []
    applied.merge(pending) { _, new in new }
    pending = [:]
    committed = machine
  }

  private mutating func rollBack() {
    machine.rollBack(to: committed.checkpoint)
    promise(machine.snapshot() == committed.snapshot(), "a turn that never happened has left something")
    turn = []
    pending = [:]
  }

  /// Replays the journal, going on from a snapshot after each commit.
  func checkReplay() {
    var replayed = RoomMachine<OrderLogic>(room: room, windowCapacity: Self.remembered)
    for text in journal {
      replayed = must("reading a snapshot") {
        try RoomMachine(room: room, snapshot: replayed.snapshot(), windowCapacity: Self.remembered)
      }
      let records: [Recorded<OrderEvent>] = must("reading the journal") {
        try JournalText.read(text, from: replayed.head.next)
      }
      for record in records { replayed.apply(record) }
      replayed.settle()
    }
    promise(replayed.snapshot() == machine.snapshot(), "journal and snapshots give another room")
  }
}

private func fingerprint(of operation: Operation<OrderCommand>) -> UInt64 {
  var hasher = StableHasher()
  operation.command.fingerprint(into: &hasher)
  return hasher.finish()
}
