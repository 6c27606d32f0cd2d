public import JSONText

/// One room as a value: its state, its position, its clock and the operations it remembers.
///
/// The actor around it decides and applies a turn's operations on it, and rolls it back where the journal did not take
/// them.
public struct RoomMachine<Logic: RoomLogic>: Sendable {
  public enum Verdict: Sendable {
    /// To be applied, one after the other.
    case accepted([Recorded<Logic.Event>])
    /// Accepted before, or accepted without effect: the answer is this position.
    case settled(at: SequenceNumber)
    case rejected(Refusal<Logic.Rejection>)
  }

  public let room: RoomID
  public private(set) var state: Logic.State
  /// The position of the last event.
  public private(set) var head: SequenceNumber
  /// The time of the last event; a decision is never made at an earlier one.
  public private(set) var clock: Timestamp
  private var window: DedupWindow

  /// Where a machine stood before a turn.
  public struct Checkpoint: Sendable {
    public let state: Logic.State
    public let head: SequenceNumber
    public let clock: Timestamp
  }

  public init(room: RoomID, windowCapacity: Int = DedupWindow.defaultCapacity) {
    self.room = room
    state = Logic.initialState(of: room)
    head = .zero
    clock = Timestamp(millis: 0)
    window = DedupWindow(capacity: windowCapacity)
  }

  /// Decides an operation against the present state and changes nothing.
  public func decide(
    _ operation: Operation<Logic.Command>, context: Logic.Context, now: Timestamp
  ) -> Verdict {
    let cause = Cause(operation: operation.id, fingerprint: operation.fingerprint)
    switch window.check(cause, after: operation.after) {
    case .applied(let sequence): return .settled(at: sequence)
    case .conflict: return .rejected(.operationConflict)
    case .expired: return .rejected(.operationExpired)
    // Its sender has seen what this room has not: another room had this one's name before, and may have applied it.
    case .new where operation.after > head && !operation.isFirst: return .rejected(.operationExpired)
    case .new: break
    }
    let moment = Moment(now: max(now, clock), sequence: head.next)
    do throws(Logic.Rejection) {
      let events = try Logic.decide(
        operation.command, by: operation.id.participant, state: state, context: context, at: moment)
      return events.isEmpty ? .settled(at: head) : .accepted(records(of: events, because: cause, at: moment))
    } catch {
      return .rejected(.logic(error))
    }
  }

  /// What the room's timer causes; empty if its time has not come.
  public func decideTimer(now: Timestamp) -> [Recorded<Logic.Event>] {
    let moment = Moment(now: max(now, clock), sequence: head.next)
    return records(of: Logic.timerEvents(state, at: moment), because: nil, at: moment)
  }

  private func records(of events: [Logic.Event], because cause: Cause?, at moment: Moment) -> [Recorded<Logic.Event>] {
    events.enumerated().map { index, event in
      Recorded(sequence: moment.sequence.advanced(by: index), at: moment.now, cause: cause, event: event)
    }
  }

  /// Applies the next event, whether just decided or read from the journal.
  public mutating func apply(_ record: Recorded<Logic.Event>) {
    precondition(record.sequence == head.next, "room \(room) at \(head) was given the event \(record.sequence)")
    Logic.evolve(&state, applying: record)
    head = record.sequence
    clock = max(clock, record.at)
    if let cause = record.cause { window.record(cause, at: record.sequence) }
  }

  /// About how many bytes of memory the machine takes.
  public var weightBytes: Int { Logic.weightBytes(of: state) + window.weightBytes }

  public var checkpoint: Checkpoint { Checkpoint(state: state, head: head, clock: clock) }

  /// The events since the checkpoint came to nothing: they never happened.
  public mutating func rollBack(to checkpoint: Checkpoint) {
    state = checkpoint.state
    head = checkpoint.head
    clock = checkpoint.clock
    window.forget(after: head)
  }

  /// The events so far are final; operations that are too old may be forgotten.
  public mutating func settle() { window.trim() }
}

/// Why an operation was not applied.
public enum Refusal<Rejection: RoomRejection>: Error, Equatable {
  case operationConflict
  case operationExpired
  /// The connection acts for another participant.
  case identityMismatch
  case logic(Rejection)

  public var code: String {
    switch self {
    case .operationConflict: "operation_conflict"
    case .operationExpired: "operation_expired"
    case .identityMismatch: "identity_mismatch"
    case .logic(let rejection): rejection.code
    }
  }

  public var message: String {
    switch self {
    case .operationConflict: "opId was used before for another operation"
    case .operationExpired: "the operation is too old to tell whether it was applied; read the state and decide anew"
    case .identityMismatch: "participantId is not the participant that this connection acts for"
    case .logic(let rejection): rejection.message
    }
  }
}

// MARK: - Snapshots and journal entries

extension RoomMachine {
  /// The whole machine as JSON text.
  public func snapshot() -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.field("seq", head.number)
    writer.field("at", clock.millis)
    writer.key("window")
    window.write(to: &writer)
    writer.field("state", state)
    writer.endObject()
    return writer.bytes
  }

  /// Restores a machine from what `snapshot()` gave.
  public init(
    room: RoomID, snapshot: [UInt8], windowCapacity: Int = DedupWindow.defaultCapacity
  ) throws(JSONError) {
    self.init(room: room, windowCapacity: windowCapacity)
    var restored: Logic.State?
    var head = SequenceNumber.zero
    var clock = Timestamp(millis: 0)
    var window = self.window
    try JSONReader.read(snapshot) { reader throws(JSONError) in
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "seq": head = SequenceNumber(try reader.integer())
        case "at": clock = Timestamp(millis: try reader.integer())
        case "window": window = try DedupWindow.read(from: &reader, capacity: windowCapacity)
        case "state": restored = try Logic.State.read(from: &reader)
        default: try reader.skip()
        }
      }
      guard restored != nil else { throw reader.failure("a snapshot has a state") }
    }
    if let restored { state = restored }
    self.head = head
    self.clock = clock
    self.window = window
  }
}

/// The JSON text of the events that one commit adds to one room:
/// `[{"at":…,"participant":"…","operation":"…","fingerprint":"…","event":{…}},…]`. Positions are those of the commit.
public enum JournalText {
  public static func write<Event: Storable>(_ records: [Recorded<Event>]) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginArray()
    for record in records {
      writer.beginObject()
      writer.field("at", record.at.millis)
      if let cause = record.cause {
        writer.field("participant", cause.operation.participant.value)
        writer.field("operation", cause.operation.value)
        writer.field("fingerprint", String(cause.fingerprint, radix: 16))
      }
      writer.field("event", record.event)
      writer.endObject()
    }
    writer.endArray()
    return writer.bytes
  }

  public static func read<Event: Storable>(
    _ text: [UInt8], from first: SequenceNumber
  ) throws(JSONError) -> [Recorded<Event>] {
    var records: [Recorded<Event>] = []
    try JSONReader.read(text) { reader throws(JSONError) in
      try reader.beginArray()
      while try reader.nextElement() {
        records.append(try readRecord(from: &reader, at: first.advanced(by: records.count)))
      }
    }
    return records
  }

  private static func readRecord<Event: Storable>(
    from reader: inout JSONReader, at sequence: SequenceNumber
  ) throws(JSONError) -> Recorded<Event> {
    var at = Timestamp(millis: 0)
    var participant: String?
    var operation: String?
    var fingerprint: UInt64?
    var event: Event?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "at": at = Timestamp(millis: try reader.integer())
      case "participant": participant = try reader.string()
      case "operation": operation = try reader.string()
      case "fingerprint":
        fingerprint = UInt64(try reader.string(), radix: 16)
        guard fingerprint != nil else { throw reader.failure("a fingerprint is a hexadecimal number") }
      case "event": event = try Event.read(from: &reader)
      default: try reader.skip()
      }
    }
    guard let event else { throw reader.failure("a journal record has an event") }
    var cause: Cause?
    switch (participant, operation, fingerprint) {
    case (let participant?, let operation?, let fingerprint?):
      let id = OperationID(participant: ParticipantID(participant), value: operation)
      cause = Cause(operation: id, fingerprint: fingerprint)
    case (nil, nil, nil): break
    default: throw reader.failure("a journal record names its participant, operation and fingerprint, or none of them")
    }
    return Recorded(sequence: sequence, at: at, cause: cause, event: event)
  }
}
