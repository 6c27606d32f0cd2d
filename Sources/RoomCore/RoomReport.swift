public import JSONText

/// What a room lets others know than its clients: an event, and the state right after it. It is written with the event
/// and stays until it has been dealt with.
public struct RoomReport: Sendable, Equatable {
  public let sequence: SequenceNumber
  /// `{"event":{…},"state":{…}}`
  public let text: [UInt8]

  public init(sequence: SequenceNumber, text: [UInt8]) {
    self.sequence = sequence
    self.text = text
  }

  public init<Event: Storable, State: Storable>(_ record: Recorded<Event>, _ state: State) {
    var writer = JSONWriter(reservingCapacity: 1024)
    writer.beginObject()
    writer.field("event", record.event)
    writer.field("state", state)
    writer.endObject()
    self.init(sequence: record.sequence, text: writer.bytes)
  }

  public static func read<Event: Storable, State: Storable>(
    _ text: [UInt8], _: Event.Type, _: State.Type
  ) throws(JSONError) -> (event: Event, state: State) {
    var event: Event?
    var state: State?
    try JSONReader.read(text) { reader throws(JSONError) in
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "event": event = try Event.read(from: &reader)
        case "state": state = try State.read(from: &reader)
        default: try reader.skip()
        }
      }
      guard event != nil, state != nil else { throw reader.failure("a report has an event and a state") }
    }
    guard let event, let state else { preconditionFailure("a report was read without its parts") }
    return (event, state)
  }
}
