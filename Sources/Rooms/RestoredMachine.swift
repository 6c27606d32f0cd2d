import JSONText
public import RoomCore
public import Store

extension RoomMachine {
  /// The machine as the store has it: its snapshot, and the journal beyond it applied.
  public init(
    room: RoomID, stored: StoredRoom, windowCapacity: Int = DedupWindow.defaultCapacity
  ) throws(RoomFault) {
    self.init(room: room, windowCapacity: windowCapacity)
    if let snapshot = stored.snapshot {
      self = try RoomFault.reading { () throws(JSONError) in
        try RoomMachine(room: room, snapshot: snapshot.text, windowCapacity: windowCapacity)
      }
    }
    for row in stored.journal {
      let records = try RoomFault.reading { () throws(JSONError) -> [Recorded<Logic.Event>] in
        try JournalText.read(row.text, from: row.first)
      }
      for record in records where record.sequence > head {
        guard record.sequence == head.next else { throw .unreadable("the journal has no event \(head.next)") }
        apply(record)
      }
      // As the room did after each commit: it must remember, and have forgotten, the same operations.
      settle()
    }
  }
}

extension RoomFault {
  static func reading<Value>(_ body: () throws(JSONError) -> Value) throws(RoomFault) -> Value {
    do throws(JSONError) {
      return try body()
    } catch {
      throw .unreadable("\(error)")
    }
  }
}
