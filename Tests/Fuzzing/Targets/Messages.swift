import JSONText
import Ordering
import RoomCore
import Wire

/// Messages, a line each, to an order that runs. An empty line lets ten minutes pass.
///
/// Each is read or refused, and decided or refused; what is decided is applied, said to the clients and journaled. The
/// order keeps its promises after each, an order that has ended stays as it is, and the journal gives the same order
/// again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  var table = Table()
  for line in bytes(start, count).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).prefix(200) {
    if line.isEmpty { table.wait() } else { table.take(Array(line)) }
  }
  table.checkReplay()
  return 0
}

private struct Table {
  private var machine = runningRoom
  private var now = runningRoom.clock
  private var journal: [[UInt8]] = []
  private var count = 0

  mutating func wait() {
    now = now.advanced(by: .seconds(600))
    apply(machine.decideTimer(now: now))
  }

  mutating func take(_ text: [UInt8]) {
    count += 1
    let message: ClientMessage
    do {
      message = try ClientMessage.decode(text)
    } catch {
      promise(!error.message.isEmpty, "an error without a message")
      return
    }
    guard case .operation(let command) = message.body else { return }
    let id = OperationID(participant: message.participant, value: message.opId ?? "op-\(count)")
    let operation = Operation(id: id, after: message.after ?? machine.head, command: command)
    let before = machine.state
    switch machine.decide(operation, context: TenantContext(), now: now) {
    case .accepted(let records):
      promise(!OrderLogic.hasEnded(before), "an order that has ended takes \(command)")
      apply(records)
      guard case .settled(at: machine.head) = machine.decide(operation, context: TenantContext(), now: now) else {
        fatalError("\(command), sent again, is not what it was")
      }
    case .settled(let sequence): promise(sequence <= machine.head, "an answer from the future")
    case .rejected(let refusal): promise(!refusal.message.isEmpty, "a refusal without a message")
    }
  }

  private mutating func apply(_ records: [Recorded<OrderEvent>]) {
    guard !records.isEmpty else { return }
    for record in records {
      machine.apply(record)
      for dialect in Dialect.allCases {
        let text = voice.announcement(of: record, state: machine.state, online: [], in: dialect)
        checkJSON(text)
      }
    }
    machine.settle()
    journal.append(JournalText.write(records))
    if let order = machine.state.order, let fault = OrderChecker.fault(in: order) { fatalError(fault) }
  }

  func checkReplay() {
    var replayed = runningRoom
    for text in journal {
      let records: [Recorded<OrderEvent>] = must("reading the journal") {
        try JournalText.read(text, from: replayed.head.next)
      }
      for record in records { replayed.apply(record) }
      replayed.settle()
    }
    promise(replayed.snapshot() == machine.snapshot(), "the journal gives another room")
    checkSnapshot(of: machine)
    use(machine)
  }
}
