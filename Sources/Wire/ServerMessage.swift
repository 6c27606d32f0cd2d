import JSONText
public import Ordering
public import RoomCore

/// What the server sends, as JSON text without a line's end. Each message is encoded once and its bytes are shared.
public enum ServerMessage {
  /// The whole order, or `"data":null` before there is one. In either dialect.
  public static func sync(
    _ room: OrderRoom, online: Set<ParticipantID>, head: SequenceNumber, history: String, at now: Timestamp
  ) -> [UInt8] {
    var writer = JSONWriter(reservingCapacity: 4096)
    writer.beginObject()
    writer.field("type", word: "sync")
    writer.key("data")
    if let order = room.order {
      writer.state(of: order, in: room.room, online: online)
    } else {
      writer.null()
    }
    writer.field("seq", head.number)
    writer.field("history", history)
    writer.field("timestamp", now.millis)
    writer.endObject()
    return writer.bytes
  }

  /// The operation is durable, and its last event, or whatever settled it, has this position.
  public static func ack(opId: String, at sequence: SequenceNumber, now: Timestamp) -> [UInt8] {
    var writer = JSONWriter(reservingCapacity: 128)
    writer.beginObject()
    writer.field("type", word: "ack")
    writer.field("opId", opId)
    writer.field("seq", sequence.number)
    writer.field("timestamp", now.millis)
    writer.endObject()
    return writer.bytes
  }

  /// Something was refused and changed nothing.
  public static func error(_ refusal: RefusalNotice, now: Timestamp) -> [UInt8] {
    var writer = JSONWriter(reservingCapacity: 384)
    writer.beginObject()
    writer.field("type", word: "error")
    writer.field("error", refusal.message)
    writer.key("data")
    writer.beginObject()
    writer.field("code", refusal.code)
    writer.field("message", refusal.message)
    writer.field("opId", refusal.operation)
    writer.field("retryable", refusal.isRetryable)
    writer.endObject()
    writer.field("timestamp", now.millis)
    writer.endObject()
    return writer.bytes
  }

  /// A participant's first connection opened, or their last one closed.
  public static func presence(_ participant: ParticipantID, isOnline: Bool, now: Timestamp) -> [UInt8] {
    var writer = JSONWriter(reservingCapacity: 256)
    writer.beginObject()
    writer.field("type", word: "presence")
    writer.key("data")
    writer.beginObject()
    writer.field("participantId", participant.value)
    writer.field("isOnline", isOnline)
    writer.endObject()
    writer.field("timestamp", now.millis)
    writer.endObject()
    return writer.bytes
  }

  public static func speaking(_ participant: ParticipantID, isSpeaking: Bool, now: Timestamp) -> [UInt8] {
    var writer = JSONWriter(reservingCapacity: 256)
    writer.beginObject()
    writer.field("type", word: "speaking")
    writer.field("participantId", participant.value)
    writer.key("data")
    writer.beginObject()
    writer.field("speaking", isSpeaking)
    writer.endObject()
    writer.field("timestamp", now.millis)
    writer.endObject()
    return writer.bytes
  }

  /// All that happened after `since`, up to `head`, follows; then it is live.
  public static func resumed(
    since: SequenceNumber, head: SequenceNumber, history: String, now: Timestamp
  ) -> [UInt8] {
    var writer = JSONWriter(reservingCapacity: 192)
    writer.beginObject()
    writer.field("type", word: "resumed")
    writer.key("data")
    writer.beginObject()
    writer.field("since", since.number)
    writer.field("history", history)
    writer.endObject()
    writer.field("seq", head.number)
    writer.field("timestamp", now.millis)
    writer.endObject()
    return writer.bytes
  }
}
