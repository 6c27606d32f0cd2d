import JSONText
import RoomCore
import TestSupport
import Testing

@Suite struct RoomMachineTests {
  private typealias Machine = RoomMachine<Counter>

  private let room: RoomID

  init() throws { room = try #require(RoomID("counter")) }

  private func operation(
    _ name: String, _ command: Counter.Command, after: Int64 = 0
  ) -> Operation<Counter.Command> {
    Operation(
      id: OperationID(participant: ParticipantID("asha"), value: name), after: SequenceNumber(after), command: command)
  }

  /// Decides and applies; gives the events.
  @discardableResult
  private func submit(
    _ machine: inout Machine, _ operation: Operation<Counter.Command>, now: Int64
  ) throws -> [Recorded<Counter.Event>] {
    guard case .accepted(let records) = machine.decide(operation, context: 1000, now: Timestamp(millis: now)) else {
      Issue.record("\(operation) was not accepted")
      return []
    }
    for record in records { machine.apply(record) }
    return records
  }

  private func settled(_ verdict: Machine.Verdict) -> SequenceNumber? {
    if case .settled(let sequence) = verdict { sequence } else { nil }
  }

  private func refusal(_ verdict: Machine.Verdict) -> Refusal<Counter.Rejection>? {
    if case .rejected(let refusal) = verdict { refusal } else { nil }
  }

  /// "A room's events carry a gapless `seq`."
  @Test func positionsHaveNoGaps() throws {
    var machine = Machine(room: room)
    let first = try submit(&machine, operation("1", .add([1, 2, 3])), now: 100)
    let second = try submit(&machine, operation("2", .add([4])), now: 200)
    #expect((first + second).map(\.sequence.number) == [1, 2, 3, 4])
    #expect(machine.head == SequenceNumber(4))
    #expect(machine.state.value == 10)
    #expect(first[0].participant == ParticipantID("asha"))
  }

  @Test func decidingChangesNothing() {
    let machine = Machine(room: room)
    _ = machine.decide(operation("1", .add([1])), context: 1000, now: Timestamp(millis: 5))
    #expect(machine.head == .zero)
    #expect(machine.state == Counter.State())
  }

  /// "An operation, named by (participant, `opId`), is applied once, however often it is retried."
  @Test func aRetryIsSettledAtTheLastEventOfTheFirst() throws {
    var machine = Machine(room: room)
    try submit(&machine, operation("1", .add([1, 2])), now: 100)
    try submit(&machine, operation("2", .add([3])), now: 100)
    let retry = machine.decide(operation("1", .add([1, 2])), context: 1000, now: Timestamp(millis: 300))
    #expect(settled(retry) == SequenceNumber(2))
    let other = machine.decide(operation("1", .add([9])), context: 1000, now: Timestamp(millis: 300))
    #expect(refusal(other) == .operationConflict)
  }

  /// "A rejection changed nothing and is decided anew."
  @Test func aRejectedOperationIsDecidedAnew() throws {
    var machine = Machine(room: room)
    let asked = operation("1", .add([50]))
    #expect(refusal(machine.decide(asked, context: 10, now: Timestamp(millis: 1)))?.code == "too_much")
    try submit(&machine, asked, now: 2)
    #expect(machine.state.value == 50)
  }

  /// A machine whose turns sometimes come to nothing is, in every byte, one that never had those turns.
  @Test func whatIsRolledBackNeverHappened() throws {
    let seed: UInt64 = 5
    var generator = SplitMix64(seed: seed)
    var tried = Machine(room: room, windowCapacity: 4)
    var plain = tried
    for turn in 0..<500 {
      let checkpoint = tried.checkpoint
      var records: [Recorded<Counter.Event>] = []
      for index in 0..<generator.below(8) {
        let terms = (0...generator.below(3)).map { _ in Int64(generator.below(3)) - 1 }
        records += try submit(
          &tried, operation("\(turn).\(index)", .add(terms), after: tried.head.number), now: Int64(turn))
      }
      if generator.below(2) == 0 {
        tried.rollBack(to: checkpoint)
      } else {
        for record in records { plain.apply(record) }
        tried.settle()
        plain.settle()
      }
      #expect(tried.snapshot() == plain.snapshot(), "seed \(seed), turn \(turn)")
    }
    #expect(plain.head > .zero)
  }

  @Test func anOldUnknownOperationIsExpired() throws {
    var machine = Machine(room: room, windowCapacity: 2)
    for name in 1...3 { try submit(&machine, operation("\(name)", .add([1])), now: 1) }
    machine.settle()
    #expect(
      refusal(machine.decide(operation("1", .add([1])), context: 1000, now: Timestamp(millis: 2))) == .operationExpired)
    try submit(&machine, operation("4", .add([1]), after: 3), now: 2)
  }

  /// "`now` never runs backwards within a room."
  @Test func theClockIsMonotone() throws {
    var machine = Machine(room: room)
    try submit(&machine, operation("1", .add([1])), now: 500)
    let records = try submit(&machine, operation("2", .add([1])), now: 100)
    #expect(records[0].at == Timestamp(millis: 500))
    #expect(machine.clock == Timestamp(millis: 500))
  }

  @Test func anAnswerThatCannotChangeIsSettledAtTheHead() throws {
    var machine = Machine(room: room)
    try submit(&machine, operation("1", .close), now: 1)
    #expect(settled(machine.decide(operation("2", .close), context: 0, now: Timestamp(millis: 2))) == SequenceNumber(1))
    #expect(
      refusal(machine.decide(operation("3", .add([1])), context: 9, now: Timestamp(millis: 2)))
        == .logic(Counter.Rejection(code: "ended")))
  }

  @Test func theTimerHasNoCause() throws {
    var machine = Machine(room: room)
    try submit(&machine, operation("1", .add([1])), now: 1000)
    #expect(machine.decideTimer(now: Timestamp(millis: 10_999)).isEmpty)
    let records = machine.decideTimer(now: Timestamp(millis: 11_000))
    #expect(records.map(\.event) == [.ended])
    #expect(records.first?.cause == nil && records.first?.participant == nil)
  }

  @Test func refusalsHaveCodesAndSentences() {
    let refusals: [Refusal<Counter.Rejection>] = [
      .operationConflict, .operationExpired, .identityMismatch, .logic(Counter.Rejection(code: "too_much")),
    ]
    #expect(
      refusals.map(\.code) == ["operation_conflict", "operation_expired", "identity_mismatch", "too_much"])
    #expect(refusals.allSatisfy { !$0.message.isEmpty })
  }

  /// A machine restored from a snapshot and the journal after it is the machine that wrote them.
  @Test func snapshotAndJournalRestoreTheMachine() throws {
    let seed: UInt64 = 99
    var generator = SplitMix64(seed: seed)
    for _ in 0..<100 {
      var machine = Machine(room: room, windowCapacity: 4)
      var now: Int64 = 1
      func step(_ name: Int) throws -> [Recorded<Counter.Event>] {
        now += Int64(generator.below(50))
        let parts = (0...generator.below(3)).map { Int64($0) }
        return try submit(&machine, operation("\(name)", .add(parts), after: machine.head.number), now: now)
      }
      for name in 0..<generator.below(10) { _ = try step(name) }
      let snapshot = machine.snapshot()
      let from = machine.head.next
      var commits: [(first: SequenceNumber, text: [UInt8])] = []
      for name in 100..<(100 + generator.below(10)) {
        let first = machine.head.next
        commits.append((first, JournalText.write(try step(name))))
      }

      var restored = try Machine(room: room, snapshot: snapshot, windowCapacity: 4)
      #expect(restored.head.next == from)
      for commit in commits {
        let records: [Recorded<Counter.Event>] = try JournalText.read(commit.text, from: commit.first)
        for record in records { restored.apply(record) }
      }
      #expect(restored.state == machine.state)
      #expect(restored.head == machine.head)
      #expect(restored.clock == machine.clock)
      #expect(restored.snapshot() == machine.snapshot(), "seed \(seed)")
    }
  }

  @Test func theJournalKeepsCauseAndTime() throws {
    let cause = Cause(
      operation: OperationID(participant: ParticipantID("a\"b"), value: "é"), fingerprint: 0xDEAD_BEEF_0000_0001)
    let records = [
      Recorded(sequence: SequenceNumber(7), at: Timestamp(millis: 12), cause: cause, event: Counter.Event.added(3)),
      Recorded(sequence: SequenceNumber(8), at: Timestamp(millis: 13), cause: nil, event: Counter.Event.ended),
    ]
    let restored: [Recorded<Counter.Event>] = try JournalText.read(JournalText.write(records), from: SequenceNumber(7))
    #expect(restored.map(\.sequence) == [SequenceNumber(7), SequenceNumber(8)])
    #expect(restored.map(\.at) == records.map(\.at))
    #expect(restored.map(\.cause) == [cause, nil])
    #expect(restored.map(\.event) == records.map(\.event))
  }

  @Test(
    arguments: [
      #"{"seq":1,"at":2}"#, #"{"seq":"1","state":{}}"#, #"{"seq":1,"state":{"value":"x"}}"#, "", "[]",
    ])
  func refusesABrokenSnapshot(_ text: String) {
    #expect(throws: JSONError.self) { try Machine(room: room, snapshot: Array(text.utf8)) }
  }

  @Test(arguments: [#"[{"at":1}]"#, "{}", #"[{"at":1,"event":{}}"#])
  func refusesABrokenJournal(_ text: String) {
    #expect(throws: JSONError.self) {
      let _: [Recorded<Counter.Event>] = try JournalText.read(Array(text.utf8), from: SequenceNumber(1))
    }
  }
}
