public import RoomCore

/// What a room has reported, as it waits to be dealt with.
public struct StoredReport: Sendable, Equatable {
  /// Of its row; a later report has a higher one.
  public let number: Int64
  public let sequence: SequenceNumber
  public let at: Timestamp
  public let text: [UInt8]
}

extension RecordTransaction {
  /// What a room has reported and nobody has dealt with, in order.
  public func reports(of room: RoomID, limit: Int) throws -> [StoredReport] {
    try run(
      "SELECT id, sequence, at, text FROM outbox WHERE room = $1 ORDER BY id LIMIT $2",
      [.text(room.name), RecordValue(limit)]
    ).map { row in
      StoredReport(
        number: try row.integer(0), sequence: SequenceNumber(try row.integer(1)),
        at: Timestamp(millis: try row.integer(2)), text: Array(try row.text(3).utf8))
    }
  }

  /// To be called in the transaction that has dealt with it: then each report has its effect once, whoever deals with it
  /// and however often.
  public func remove(_ report: StoredReport) throws {
    try run("DELETE FROM outbox WHERE id = $1", [.integer(report.number)])
  }

  /// Rooms that have reported something, those first that have waited longest, each with the number of one of its reports.
  ///
  /// - Parameter after: a number that an earlier call gave: what was reported up to it is passed over.
  public func reportingRooms(after: Int64 = 0, limit: Int) throws -> [(room: RoomID, number: Int64)] {
    try run("SELECT room, id FROM outbox WHERE id > $1 ORDER BY id LIMIT $2", [.integer(after), RecordValue(limit)])
      .map { row in
        let name = try row.text(0)
        guard let room = RoomID(name) else { throw StoreError.corrupt("'\(name)' is no room's name") }
        return (room, try row.integer(1))
      }
  }
}
