import JSONText
import Ordering
import RoomCore
import Store

/// A room as one line of JSON:
/// `{"room":"…","timer":…,"snapshot":{"seq":…,"state":{…}},"journal":[{"first":…,"count":…,"epoch":…,"at":…,"events":[…]},…]}`.
enum RoomExport {
  static func text(of room: RoomID, _ stored: StoredRoom) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.field("room", room.name)
    if let timer = stored.timer {
      writer.field("timer", timer.millis)
    }
    if let snapshot = stored.snapshot {
      writer.key("snapshot")
      writer.beginObject()
      writer.field("seq", snapshot.sequence.number)
      writer.key("state")
      writer.verbatim(snapshot.text)
      writer.endObject()
    }
    writer.key("journal")
    writer.beginArray()
    for row in stored.journal { write(row, to: &writer) }
    writer.endArray()
    writer.endObject()
    return writer.bytes
  }

  private static func write(_ row: JournalRow, to writer: inout JSONWriter) {
    writer.beginObject()
    writer.field("first", row.first.number)
    writer.field("count", row.count)
    writer.field("epoch", row.epoch.number)
    writer.field("at", row.at.millis)
    writer.key("events")
    writer.verbatim(row.text)
    writer.endObject()
  }

  static func read(_ text: [UInt8]) throws(JSONError) -> (RoomID, StoredRoom) {
    try JSONReader.read(text) { reader throws(JSONError) in try read(from: &reader) }
  }

  private static func read(from reader: inout JSONReader) throws(JSONError) -> (RoomID, StoredRoom) {
    var room: RoomID?
    var timer: Timestamp?
    var snapshot: (sequence: SequenceNumber, text: [UInt8])?
    var journal: [JournalRow] = []
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "room": room = RoomID(try reader.string())
      case "timer": timer = Timestamp(millis: try reader.integer())
      case "snapshot": snapshot = try readSnapshot(from: &reader)
      case "journal":
        try reader.beginArray()
        while try reader.nextElement() { journal.append(try readRow(from: &reader)) }
      default: try reader.skip()
      }
    }
    guard let room else { throw reader.failure("an exported room has a name") }
    let content = StoredRoom(
      snapshot: snapshot.map { RoomSnapshot(room: room, sequence: $0.sequence, text: $0.text) }, journal: journal,
      timer: timer)
    return (room, content)
  }

  private static func readSnapshot(
    from reader: inout JSONReader
  ) throws(JSONError) -> (sequence: SequenceNumber, text: [UInt8]) {
    var sequence = SequenceNumber.zero
    var text: [UInt8]?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "seq": sequence = SequenceNumber(try reader.integer())
      case "state": text = try reader.verbatim()
      default: try reader.skip()
      }
    }
    guard let text else { throw reader.failure("an exported snapshot has a state") }
    return (sequence, text)
  }

  private static func readRow(from reader: inout JSONReader) throws(JSONError) -> JournalRow {
    var first = SequenceNumber.zero
    var count: Int64 = 0
    var epoch = Epoch.zero
    var at = Timestamp(millis: 0)
    var text: [UInt8]?
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "first": first = SequenceNumber(try reader.integer())
      case "count": count = try reader.integer()
      case "epoch": epoch = Epoch(try reader.integer())
      case "at": at = Timestamp(millis: try reader.integer())
      case "events": text = try reader.verbatim()
      default: try reader.skip()
      }
    }
    guard let text else { throw reader.failure("an exported row of the journal has events") }
    return JournalRow(first: first, count: Int(count), epoch: epoch, at: at, text: text)
  }

  /// The events of a row, each as a line: its position, its time, its sender, and what happened.
  static func lines(of row: JournalRow) throws(JSONError) -> [String] {
    let records: [Recorded<OrderEvent>] = try JournalText.read(row.text, from: row.first)
    return records.map { record in
      var writer = JSONWriter()
      writer.beginObject()
      writer.field("seq", record.sequence.number)
      writer.field("at", record.at.millis)
      if let cause = record.cause {
        writer.field("participant", cause.operation.participant.value)
        writer.field("operation", cause.operation.value)
      }
      writer.field("event", record.event)
      writer.endObject()
      return String(decoding: writer.bytes, as: UTF8.self)
    }
  }
}
