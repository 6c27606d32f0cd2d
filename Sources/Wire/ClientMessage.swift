import JSONText
package import Ordering
package import RoomCore

/// What a client sends: `{type, participantId, participantName, timestamp, data, opId, after}`.
package struct ClientMessage: Sendable, Equatable {
  package enum Body: Sendable, Equatable {
    /// To be decided by the room, and kept.
    case operation(OrderCommand)
    /// Shown to those who are there, and forgotten: whether the participant is speaking.
    case speaking(Bool)
  }

  package let participant: ParticipantID
  package let participantName: String?
  /// The sender's name for the operation. Nil: the gateway gives it one.
  package let opId: String?
  /// The last position that the sender had seen when it first sent this. Nil: the gateway knows.
  package let after: SequenceNumber?
  package let body: Body

  package init(
    participant: ParticipantID, participantName: String? = nil, opId: String? = nil, after: SequenceNumber? = nil,
    body: Body
  ) {
    self.participant = participant
    self.participantName = participantName
    self.opId = opId
    self.after = after
    self.body = body
  }

  package static func decode(_ text: [UInt8]) throws(WireError) -> ClientMessage {
    let result = text.withUnsafeBytes { text in
      Result { () throws(WireError) -> ClientMessage in try decode(text) }
    }
    return try result.get()
  }

  /// - Throws: `invalid_json` if the text is no JSON, else what is wrong with the first field that is not right.
  package static func decode(_ text: UnsafeRawBufferPointer) throws(WireError) -> ClientMessage {
    var envelope = Envelope()
    do throws(WireError) {
      return try envelope.decode(text)
    } catch {
      throw error.naming(envelope.opId)
    }
  }
}

/// The message's own fields, as far as they were read.
private struct Envelope {
  var opId: String?
  private var type: MessageType?
  private var participant: ParticipantID?
  private var participantName: String?
  private var after: SequenceNumber?
  private var body: ClientMessage.Body?
  /// Where `data` lies, if it came before `type` or its contents were not understood.
  private var data: JSONReader?
  private var seen = SeenKeys()
  /// The first thing that is wrong. Reading goes on after it: the text may turn out to be no JSON at all, or name the
  /// operation.
  private var problem: WireError?

  init() {}

  mutating func decode(_ text: UnsafeRawBufferPointer) throws(WireError) -> ClientMessage {
    var reader = JSONReader(borrowing: text)
    guard try reader.kind() == .object else {
      try reader.skipValue()
      try reader.strictly { reader throws(JSONError) in try reader.finish() }
      throw WireError(.invalidMessage, "a message must be an object")
    }
    try reader.strictly { reader throws(JSONError) in try reader.beginObject() }
    while let key = try reader.nextField() {
      let value = reader
      do throws(WireError) {
        try readField(key, from: &reader)
      } catch {
        if error.code == .invalidJSON { throw error }
        problem = problem ?? error
        reader = value
        try reader.skipValue()
      }
    }
    try reader.strictly { reader throws(JSONError) in try reader.finish() }
    if let problem { throw problem }
    return try message()
  }

  private mutating func readField(_ key: JSONKey, from reader: inout JSONReader) throws(WireError) {
    switch key {
    case "type":
      try seen.note(0, "type", .invalidMessage)
      guard let word = try reader.word("type", .invalidMessage, "a string") else { return }
      guard let known = MessageType(word) else {
        throw WireError(.unknownType, "type must be one of \(MessageType.all)")
      }
      type = known
    case "participantId":
      try seen.note(1, "participantId", .invalidMessage)
      participant = try reader.participantID("participantId", .invalidMessage)
    case "participantName":
      try seen.note(2, "participantName", .invalidMessage)
      participantName = try reader.text("participantName", .invalidMessage)
    case "data":
      try seen.note(3, "data", .invalidMessage)
      if let type {
        body = try type.body(from: &reader)
      } else {
        data = reader
        try reader.skipValue()
      }
    case "opId":
      try seen.note(4, "opId", .invalidMessage)
      guard let name = try reader.text("opId", .invalidMessage) else { return }
      guard (1...64).contains(name.utf8.count), !name.holdsControlCharacter else {
        throw WireError(.invalidMessage, "opId must have 1 to 64 bytes and no control characters")
      }
      opId = name
    case "after":
      try seen.note(5, "after", .invalidMessage)
      after = try reader.count("after", .invalidMessage).map { SequenceNumber($0) }
    default: try reader.skipValue()
    }
  }

  private mutating func message() throws(WireError) -> ClientMessage {
    guard let type else { throw WireError(.invalidMessage, "type is missing") }
    guard let participant else { throw WireError(.invalidMessage, "participantId is missing") }
    if body == nil {
      body = if var data { try type.body(from: &data) } else { try type.bodyWithoutData() }
    }
    if type == .join {
      // Who is in the order already may come back with the id alone; a newcomer's missing name is the order's to refuse.
      body = body?.naming(participantName ?? "")
    }
    guard let body else { preconditionFailure("\(type) has no body after it was read") }
    return ClientMessage(
      participant: participant, participantName: participantName, opId: opId, after: after, body: body)
  }
}

extension ClientMessage.Body {
  /// The name of who joins stands beside `data`, and may come after it.
  fileprivate func naming(_ name: String) -> Self {
    guard case .operation(.join(var join)) = self else { return self }
    join.name = name
    return .operation(.join(join))
  }
}
