import JSONText
import RoomCore
import Wire

/// A room about nothing but a number: just enough for the engine to be tested without food.
enum Counter: RoomLogic {
  struct State: Storable, Equatable {
    var total: Int64 = 0
    /// Tells apart the same numbers in another order.
    var trace: Int64 = 0
    var members: [ParticipantID] = []
    var idleMillis: Int64?
    var lastChange = Timestamp(millis: 0)
    var hasEnded = false
  }

  enum Command: RoomCommand, Equatable {
    case join
    case leave
    case add(Int64)
    /// Several events at once.
    case addEach([Int64])
    /// Accepted without an event.
    case look
    case setIdle(Int64)
    /// Takes back what `setIdle` has set; refused if there is nothing.
    case leaveIdle
    case end

    var sizeBytes: Int { 100 }

    func fingerprint(into hasher: inout StableHasher) { hasher.combine("\(self)") }
  }

  enum Event: Storable, Equatable {
    case joined(ParticipantID)
    case left(ParticipantID)
    case added(Int64)
    /// The full dialect is silent about it.
    case idleSet(Int64?)
    case ended
  }

  struct Context: Sendable {
    var mostPerAdd: Int64 = 1000
  }

  enum Rejection: RoomRejection {
    case tooMuch, alreadyEnded, notDue

    var code: String { "\(self)" }
    var message: String { "the counter says: \(self)" }
  }

  static func initialState(of room: RoomID) -> State { State() }

  static func decide(
    _ command: Command, by participant: ParticipantID, state: State, context: Context, at moment: Moment
  ) throws(Rejection) -> [Event] {
    if state.hasEnded {
      switch command {
      case .join, .look: return []
      default: throw .alreadyEnded
      }
    }
    switch command {
    case .join: return [.joined(participant)]
    case .leave: return [.left(participant)]
    case .add(let number):
      guard number <= context.mostPerAdd else { throw .tooMuch }
      return [.added(number)]
    case .addEach(let numbers): return numbers.map { .added($0) }
    case .look: return []
    case .setIdle(let millis): return [.idleSet(millis)]
    case .leaveIdle:
      if state.idleMillis == nil { throw .notDue }
      return [.idleSet(nil)]
    case .end: return [.ended]
    }
  }

  static func timerEvents(_ state: State, at moment: Moment) -> [Event] {
    if let due = timerDue(state), due <= moment.now { [.ended] } else { [] }
  }

  static func evolve(_ state: inout State, applying record: Recorded<Event>) {
    state.lastChange = record.at
    switch record.event {
    case .joined(let participant):
      if !state.members.contains(participant) { state.members.append(participant) }
    case .left(let participant): state.members.removeAll { $0 == participant }
    case .added(let number):
      state.total += number
      state.trace = (state.trace &* 31 &+ number) & 0xFFFF_FFFF
    case .idleSet(let millis): state.idleMillis = millis
    case .ended: state.hasEnded = true
    }
  }

  static func timerDue(_ state: State) -> Timestamp? {
    guard !state.hasEnded, let idle = state.idleMillis else { return nil }
    return Timestamp(millis: state.lastChange.millis + idle)
  }

  static func hasEnded(_ state: State) -> Bool { state.hasEnded }
  static func tenant(of state: State) -> String? { "tenant" }
  static func weightBytes(of state: State) -> Int { 1000 }
  static func changesNothing(_ event: Event) -> Bool { if case .idleSet = event { true } else { false } }
  static func participants(in state: State) -> [ParticipantID] { state.members.sorted() }
  static func includes(_ participant: ParticipantID, in state: State) -> Bool { state.members.contains(participant) }
}

extension Counter.State {
  func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.field("total", total)
    writer.field("trace", trace)
    writer.key("members")
    writer.beginArray()
    for member in members { writer.string(member.value) }
    writer.endArray()
    if let idleMillis { writer.field("idle", idleMillis) }
    writer.field("at", lastChange.millis)
    writer.field("ended", hasEnded)
    writer.endObject()
  }

  static func read(from reader: inout JSONReader) throws(JSONError) -> Counter.State {
    var state = Counter.State()
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "total": state.total = try reader.integer()
      case "trace": state.trace = try reader.integer()
      case "members":
        try reader.beginArray()
        while try reader.nextElement() { state.members.append(ParticipantID(try reader.string())) }
      case "idle": state.idleMillis = try reader.integer()
      case "at": state.lastChange = Timestamp(millis: try reader.integer())
      case "ended": state.hasEnded = try reader.bool()
      default: try reader.skip()
      }
    }
    return state
  }
}

extension Counter.Event {
  func write(to writer: inout JSONWriter) {
    writer.beginObject()
    switch self {
    case .joined(let participant): writer.field("joined", participant.value)
    case .left(let participant): writer.field("left", participant.value)
    case .added(let number): writer.field("added", number)
    case .idleSet(let millis): writer.field("idleSet", millis ?? 0)
    case .ended: writer.field("ended", true)
    }
    writer.endObject()
  }

  static func read(from reader: inout JSONReader) throws(JSONError) -> Counter.Event {
    var event: Counter.Event?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "joined": event = .joined(ParticipantID(try reader.string()))
      case "left": event = .left(ParticipantID(try reader.string()))
      case "added": event = .added(try reader.integer())
      case "idleSet":
        let millis = try reader.integer()
        event = .idleSet(millis == 0 ? nil : millis)
      case "ended": event = try reader.bool() ? .ended : nil
      default: try reader.skip()
      }
    }
    guard let event else { throw reader.failure("an event of the counter was expected") }
    return event
  }
}

/// What a counter says, in words that a test can compare.
struct CounterVoice: RoomVoice {
  typealias Logic = Counter

  var history = ""

  static func describe(_ state: Counter.State, at head: SequenceNumber) -> String {
    "\(head) total=\(state.total) trace=\(state.trace) members=\(state.members.map(\.value).joined(separator: ","))"
  }

  static func describe(_ record: Recorded<Counter.Event>) -> String {
    "\(record.sequence) \(record.event) by \(record.cause?.operation.description ?? "the room")"
  }

  func announcement(
    of record: Recorded<Counter.Event>, state: Counter.State, online: Set<ParticipantID>, in dialect: Dialect
  ) -> [UInt8]? {
    switch (dialect, record.event) {
    case (.full, .idleSet): nil
    case (.full, _): Array(Self.describe(state, at: record.sequence).utf8)
    case (.delta, _): Array(Self.describe(record).utf8)
    }
  }

  func sync(
    state: Counter.State, head: SequenceNumber, online: Set<ParticipantID>, in dialect: Dialect, now: Timestamp
  ) -> [UInt8]? {
    guard head > .zero else { return nil }
    return Array("\(Self.describe(state, at: head)) online=\(Self.names(online))".utf8)
  }

  private static func names(_ participants: Set<ParticipantID>) -> String {
    participants.sorted().map(\.value).joined(separator: ",")
  }

  func resumption(since: SequenceNumber, head: SequenceNumber, now: Timestamp) -> [UInt8] {
    Array("since \(since) to \(head)\(history)".utf8)
  }

  func acknowledgement(of operation: String, at sequence: SequenceNumber, now: Timestamp) -> [UInt8] {
    Array("ack \(operation) \(sequence)".utf8)
  }

  func refusal(_ refusal: RefusalNotice, now: Timestamp) -> [UInt8] {
    Array("\(refusal.isRetryable ? "retry" : "no") \(refusal.operation ?? "-") \(refusal.code)".utf8)
  }

  func presence(of participant: ParticipantID, isOnline: Bool, now: Timestamp) -> [UInt8] {
    Array("\(participant) \(isOnline ? "online" : "offline")".utf8)
  }

  func asksForState(_ command: Counter.Command) -> Bool { command == .join }
}
