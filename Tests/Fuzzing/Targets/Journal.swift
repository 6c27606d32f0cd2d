import JSONText
import Ordering
import RoomCore

/// Any row of a journal is read or refused. What was read is written and read as the same, and replays without a crash.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let text = bytes(start, count)
  let first = SequenceNumber(1)
  guard let records: [Recorded<OrderEvent>] = try? JournalText.read(text, from: first) else { return 0 }
  let written = JournalText.write(records)
  let again: [Recorded<OrderEvent>] = must("reading what was written") { try JournalText.read(written, from: first) }
  promise(JournalText.write(again) == written, "a row that was written is read as another")
  promise(again.map(\.event) == records.map(\.event), "an event that was written is read as another")

  // Alone, and in an order that runs.
  for machine in [emptyRoom, runningRoom] {
    var machine = machine
    for record in records {
      machine.apply(Recorded(sequence: machine.head.next, at: record.at, cause: record.cause, event: record.event))
    }
    machine.settle()
    checkSnapshot(of: machine)
  }
  return 0
}
