internal import RoomCore
internal import Store
internal import Testing

extension StoreContract {
  /// What rooms report, for whoever deals with it.
  static let reports = [
    Sentence("what a commit reports is there with its events, in order, until it is taken away, and never again") {
      harness in
      let store = try await harness.open()
      guard let records = store as? any RecordStore else { preconditionFailure("the engine has no records") }
      var writer = Writer(store, "node")
      let (first, second) = (room("room-1"), room("room-2"))
      try await writer.claim([Slot(of: first), Slot(of: second)])
      func report(_ sequence: Int64, _ text: String) -> RoomReport {
        RoomReport(sequence: SequenceNumber(sequence), text: Array(text.utf8))
      }
      let commit = writer.makeCommit(
        first, 1, count: 3, reports: [report(1, "{\"n\":1}"), report(3, "{\"n\":3}")])
      // The same commit again, as if its sender had not heard: it was written once.
      for _ in 0..<2 { #expect(await store.commit(commit) == .committed) }
      #expect(await store.commit(writer.makeCommit(second, 1, reports: [report(1, "{}")])) == .committed)
      let waiting = try await records.readRecords { try $0.reports(of: first, limit: 10) }
      #expect(waiting.map(\.sequence.number) == [1, 3])
      #expect(waiting.map(\.text) == commit.reports.map(\.text) && waiting.allSatisfy { $0.at == commit.at })
      #expect(
        try await records.readRecords { try $0.reportingRooms(limit: 10) }.map(\.room) == [first, first, second])
      #expect(
        try await records.readRecords { try $0.reportingRooms(after: waiting[0].number, limit: 1) }.map(\.number)
          == [waiting[1].number])

      try await records.writeRecords { records in
        for report in waiting { try records.remove(report) }
      }
      #expect(await store.commit(commit) == .committed)
      #expect(try await records.readRecords { try $0.reports(of: first, limit: 10) } == [])
      await store.close()
    },
    Sentence("a commit that is refused reports nothing, and one of its neighbours does") { harness in
      let store = try await harness.open()
      guard let records = store as? any RecordStore else { preconditionFailure("the engine has no records") }
      var (earlier, later) = (Writer(store, "old"), Writer(store, "new"))
      let (first, second) = (room("room-1"), room("room-2"))
      try await earlier.claim([Slot(of: first), Slot(of: second)])
      try await later.claim([Slot(of: first)])
      let report = [RoomReport(sequence: SequenceNumber(1), text: Array("{}".utf8))]
      let (old, new) = (earlier, later)
      async let stale = store.commit(old.makeCommit(first, 1, reports: report))
      async let live = store.commit(old.makeCommit(second, 1, reports: report))
      #expect(await stale == .stale)
      #expect(await live == .committed)
      #expect(await store.commit(new.makeCommit(first, 5, reports: report)) == .conflict)
      #expect(try await records.readRecords { try $0.reportingRooms(limit: 10) }.map(\.room) == [second])
      await store.close()
    },
  ]
}
