import JSONText
public import Ordering
public import RoomCore

/// What the server sends, as JSON text without a line's end. Each message is encoded once and its bytes are shared.
public enum ServerMessage {
  /// The whole order, or `"data":null` before there is one. In either dialect.
  public static func sync(
    _ room: OrderRoom, online: Set<ParticipantID>, head: SequenceNumber, history: String, at now: Timestamp
  ) -> [UInt8] {
    message("sync", reserving: 4096, at: now) { writer in
      writer.key("data")
      if let order = room.order {
        writer.state(of: order, in: room.room, online: online)
      } else {
        writer.null()
      }
      writer.field("seq", head.number)
      writer.field("history", history)
    }
  }

  /// The operation is durable, and its last event, or whatever settled it, has this position.
  public static func ack(opId: String, at sequence: SequenceNumber, now: Timestamp) -> [UInt8] {
    message("ack", reserving: 128, at: now) { writer in
      writer.field("opId", opId)
      writer.field("seq", sequence.number)
    }
  }

  /// Something was refused and changed nothing.
  public static func error(_ refusal: RefusalNotice, now: Timestamp) -> [UInt8] {
    message("error", reserving: 384, at: now) { writer in
      writer.field("error", refusal.message)
      writer.key("data")
      writer.beginObject()
      writer.field("code", refusal.code)
      writer.field("message", refusal.message)
      writer.field("opId", refusal.operation)
      writer.field("retryable", refusal.isRetryable)
      writer.endObject()
    }
  }

  /// A participant's first connection opened, or their last one closed.
  public static func presence(_ participant: ParticipantID, isOnline: Bool, now: Timestamp) -> [UInt8] {
    message("presence", reserving: 256, at: now) { writer in
      writer.key("data")
      writer.beginObject()
      writer.field("participantId", participant.value)
      writer.field("isOnline", isOnline)
      writer.endObject()
    }
  }

  public static func speaking(_ participant: ParticipantID, isSpeaking: Bool, now: Timestamp) -> [UInt8] {
    message("speaking", reserving: 256, at: now) { writer in
      writer.field("participantId", participant.value)
      writer.key("data")
      writer.beginObject()
      writer.field("speaking", isSpeaking)
      writer.endObject()
    }
  }

  /// All that happened after `since`, up to `head`, follows; then it is live.
  public static func resumed(
    since: SequenceNumber, head: SequenceNumber, history: String, now: Timestamp
  ) -> [UInt8] {
    message("resumed", reserving: 192, at: now) { writer in
      writer.key("data")
      writer.beginObject()
      writer.field("since", since.number)
      writer.field("history", history)
      writer.endObject()
      writer.field("seq", head.number)
    }
  }

  /// A message of the type, with the fields between it and the time.
  @inline(__always)
  private static func message(
    _ type: StaticString, reserving bytes: Int, at now: Timestamp, fields: (inout JSONWriter) -> Void
  ) -> [UInt8] {
    var writer = JSONWriter(reservingCapacity: bytes)
    writer.beginObject()
    writer.field("type", word: type)
    fields(&writer)
    writer.field("timestamp", now.millis)
    writer.endObject()
    return writer.bytes
  }
}
