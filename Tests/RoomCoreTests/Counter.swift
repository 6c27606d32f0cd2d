import JSONText
import RoomCore

/// The smallest room there is: a number that people add to, until somebody closes it or its time runs out.
enum Counter: RoomLogic {
  struct State: Storable, Equatable {
    var value: Int64 = 0
    var due: Timestamp?
    var hasEnded = false

    func write(to writer: inout JSONWriter) {
      writer.beginObject()
      writer.field("value", value)
      if let due { writer.field("due", due.millis) }
      writer.field("ended", hasEnded)
      writer.endObject()
    }

    static func read(from reader: inout JSONReader) throws(JSONError) -> State {
      var state = State()
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "value": state.value = try reader.integer()
        case "due": state.due = Timestamp(millis: try reader.integer())
        case "ended": state.hasEnded = try reader.bool()
        default: try reader.skip()
        }
      }
      return state
    }
  }

  enum Command: RoomCommand {
    /// Adds a number, one event for each part.
    case add([Int64])
    case close

    var sizeBytes: Int { 100 }

    func fingerprint(into hasher: inout StableHasher) {
      switch self {
      case .add(let parts):
        hasher.combine(1)
        for part in parts { hasher.combine(part) }
      case .close: hasher.combine(2)
      }
    }
  }

  enum Event: Storable, Equatable {
    case added(Int64)
    case ended

    func write(to writer: inout JSONWriter) {
      writer.beginObject()
      switch self {
      case .added(let number): writer.field("added", number)
      case .ended: writer.field("ended", true)
      }
      writer.endObject()
    }

    static func read(from reader: inout JSONReader) throws(JSONError) -> Event {
      var event = Event.ended
      try reader.beginObject()
      while let key = try reader.nextKey() {
        if "added" ~= key { event = .added(try reader.integer()) } else { try reader.skip() }
      }
      return event
    }
  }

  struct Rejection: RoomRejection {
    let code: String
    var message: String { "refused: \(code)" }
  }

  /// The largest value allowed.
  typealias Context = Int64

  static func initialState(of room: RoomID) -> State { State() }

  static func decide(
    _ command: Command, by participant: ParticipantID, state: State, context: Int64, at moment: Moment
  ) throws(Rejection) -> [Event] {
    switch command {
    case .add(let parts):
      guard !state.hasEnded else { throw Rejection(code: "ended") }
      guard state.value + parts.reduce(0, +) <= context else { throw Rejection(code: "too_much") }
      return parts.map { .added($0) }
    case .close: return state.hasEnded ? [] : [.ended]
    }
  }

  static func timerEvents(_ state: State, at moment: Moment) -> [Event] {
    if let due = timerDue(state), due <= moment.now { [.ended] } else { [] }
  }

  static func evolve(_ state: inout State, applying record: Recorded<Event>) {
    switch record.event {
    case .added(let number):
      state.value += number
      state.due = record.at.advanced(by: .seconds(10))
    case .ended: state.hasEnded = true
    }
  }

  static func timerDue(_ state: State) -> Timestamp? { state.hasEnded ? nil : state.due }
  static func hasEnded(_ state: State) -> Bool { state.hasEnded }
  static func tenant(of state: State) -> String? { "tenant" }
  static func weightBytes(of state: State) -> Int { 1000 }
  static func changesNothing(_ event: Event) -> Bool { false }
  static func participants(in state: State) -> [ParticipantID] { [] }
  static func includes(_ participant: ParticipantID, in state: State) -> Bool { state.value != 0 }
}
