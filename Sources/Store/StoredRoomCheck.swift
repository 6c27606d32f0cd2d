public import RoomCore

extension StoredRoom {
  /// The position of the last event; that before the first one if there is none.
  public var head: SequenceNumber { max(journal.last?.last ?? .zero, snapshot?.sequence ?? .zero) }

  /// What is wrong with a room's content, if anything: it must begin at the first event or at a snapshot, and go on
  /// without a gap or an overlap.
  public var problem: String? {
    guard snapshot != nil || !journal.isEmpty else { return "it has neither a snapshot nor a journal" }
    let start = snapshot?.sequence ?? .zero
    guard let first = journal.first else { return nil }
    guard first.first <= start.next else { return "the journal begins at \(first.first), after \(start)" }
    guard first.first > .zero else { return "the journal begins at \(first.first)" }
    guard let last = journal.last, last.last >= start else { return "the journal ends before the snapshot" }
    return Self.problem(in: journal)
  }

  /// The first gap or overlap between rows that should follow one another.
  public static func problem(in rows: [JournalRow]) -> String? {
    for (row, next) in zip(rows, rows.dropFirst()) where next.first != row.last.next {
      return "the journal goes from \(row.last) to \(next.first)"
    }
    return rows.first { $0.count < 1 }.map { "the row at \($0.first) has no events" }
  }
}
