import JSONText
public import Ordering
public import RoomCore

/// What a client sends: `{type, participantId, participantName, timestamp, data, opId, after}`.
public struct ClientMessage: Sendable, Equatable {
  public enum Body: Sendable, Equatable {
    /// To be decided by the room, and kept.
    case operation(OrderCommand)
    /// Shown to those who are there, and forgotten: whether the participant is speaking.
    case speaking(Bool)
  }

  public let participant: ParticipantID
  /// The sender's name for the operation. Nil: the gateway gives it one.
  public let opId: String?
  /// The last position that the sender had seen when it first sent this. Nil: the gateway knows.
  public let after: SequenceNumber?
  public let body: Body

  public init(
    participant: ParticipantID, opId: String? = nil, after: SequenceNumber? = nil, body: Body
  ) {
    self.participant = participant
    self.opId = opId
    self.after = after
    self.body = body
  }

  public static func decode(_ text: [UInt8]) throws(WireError) -> ClientMessage {
    let result = text.withUnsafeBytes { text in
      Result { () throws(WireError) -> ClientMessage in try decode(text) }
    }
    return try result.get()
  }

  /// - Throws: `invalid_json` if the text is no JSON, else what is wrong with the first field that is not right.
  public static func decode(_ text: UnsafeRawBufferPointer) throws(WireError) -> ClientMessage {
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
  private var type = Field<String>("type")
  private var participant = Field<ParticipantID>("participantId")
  private var participantName = Field<String>("participantName")
  private var operation = Field<OperationName>("opId")
  private var after = Field<Int64>("after")
  /// Holds where the value lies, if it came before `type`.
  private var data = Field<JSONReader>("data")
  private var messageType: MessageType?
  private var body: ClientMessage.Body?
  /// The first thing that is wrong. Reading goes on after it: the text may turn out to be no JSON at all, or name the
  /// operation.
  private var problem: WireError?

  var opId: String? { operation.value?.text }

  init() {}

  mutating func decode(_ text: UnsafeRawBufferPointer) throws(WireError) -> ClientMessage {
    var reader = JSONReader(borrowing: text)
    guard try reader.kind() == .object else {
      try reader.skipValue()
      try reader.strictly { reader throws(JSONError) in try reader.finish() }
      throw WireError(.invalidMessage, "a message must be an object")
    }
    try reader.enterObject()
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
    case type:
      try type.read(from: &reader)
      guard let word = type.value else { return }
      messageType = MessageType(rawValue: word)
      if messageType == nil { throw WireError(.unknownType, "type must be \(MessageType.rule)") }
    case participant: try participant.read(from: &reader)
    case participantName: try participantName.read(from: &reader)
    case data:
      try data.note()
      if let messageType {
        body = try messageType.body(from: &reader)
      } else {
        data.value = reader
        try reader.skipValue()
      }
    case operation: try operation.read(from: &reader)
    case after: try after.read(from: &reader)
    default: try reader.skipValue()
    }
  }

  private mutating func message() throws(WireError) -> ClientMessage {
    guard let messageType else { throw type.failure("is missing") }
    let participant = try participant.required()
    if body == nil {
      body = if var data = data.value { try messageType.body(from: &data) } else { try messageType.bodyWithoutData() }
    }
    if messageType == .join {
      // Who is in the order already may come back with the id alone; a newcomer's missing name is the order's to refuse.
      body = body?.naming(participantName.value ?? "")
    }
    guard let body else { preconditionFailure("\(messageType) has no body after it was read") }
    return ClientMessage(
      participant: participant, opId: opId, after: after.value.map { SequenceNumber($0) }, body: body)
  }
}

private struct OperationName: FieldValue {
  static let rule = "a string of 1 to 64 bytes without control characters"
  let text: String

  static func read(_ kind: JSONReader.Kind, from reader: inout JSONReader) throws(WireError) -> OperationName? {
    guard let text = try String.read(kind, from: &reader), text.isName(maxBytes: 64) else { return nil }
    return OperationName(text: text)
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
