internal import RoomCore
internal import Store
internal import Testing

extension StoreContract {
  static let deletion = [
    Sentence("a deleted room is as if it had never been: its name begins anew, and other rooms keep what they have") {
      harness in
      let (store, other) = (try await harness.open(), try await harness.open())
      let (a, b) = (room("a"), room("b"))
      var writer = Writer(store)
      try await writer.claim(a, b)
      for number in 1...Int64(3) {
        for room in [b, a] { await writer.commit(room, number, at: number, timer: .set(Timestamp(millis: 50))) }
      }
      #expect(try await writer.save(a, at: 2))
      #expect(try await writer.save(b, at: 2))
      let kept = try await store.load(b)
      // Known to the other handle, too, as a room that goes on.
      #expect(try await other.load(a)?.head == SequenceNumber(3))
      #expect(try await delete(a, at: 3, by: writer))

      for handle in [store, other] {
        #expect(try await handle.load(a) == nil)
        #expect(try await handle.journal(of: a, after: .zero, through: SequenceNumber(.max)) == [])
        #expect(try await handle.rooms(after: nil, limit: 9).map(\.room) == [b])
      }
      let due = try await store.dueTimers(at: Timestamp(millis: 100), in: writer.epochs, after: nil, limit: 9)
      #expect(due.map(\.room) == [b])
      // What the room would have said next, had it gone on, has no place any more.
      #expect(await writer.commit(a, 4) == .conflict)
      #expect(await writer.commit(a, 1, text: "\"anew\"") == .committed)
      #expect(try await other.load(a)?.journalTexts == ["\"anew\""])
      let content = try await store.load(a)
      #expect(content?.snapshot == nil && content?.timer == nil)
      #expect(try await store.trimJournal(before: Timestamp(millis: .max), in: writer.epochs, limit: 9) == 2)
      #expect(try await store.load(b)?.journalTexts == kept?.journalTexts)
      for handle in [store, other] { await handle.close() }
    },
    Sentence("a room is deleted only by its slot's owner, only where it ends, and only if it is there") { harness in
      let store = try await harness.open()
      let a = room("a")
      var (old, new) = (Writer(store, "old"), Writer(store, "new"))
      try await old.claim(a)
      for number in 1...Int64(3) { await old.commit(a, number) }
      try await new.claim(a)
      let before = try await store.load(a)
      #expect(try await delete(a, at: 3, by: old) == false)
      for head in [0, 2, 4] as [Int64] {
        await expectRefused { _ = try await delete(a, at: head, by: new) }
      }
      await expectRefused { _ = try await delete(room("none"), at: 0, by: new, in: Slot(of: a)) }
      let elsewhere = Slot((Slot(of: a).number + 1) % Slot.count)
      try await new.claim([elsewhere])
      await expectRefused { _ = try await delete(a, at: 3, by: new, in: elsewhere) }
      #expect(try await store.load(a) == before)
      #expect(try await delete(a, at: 3, by: new))
      await expectRefused { _ = try await delete(a, at: 3, by: new) }
      await store.close()
    },
    Sentence("a room whose whole journal was trimmed is deleted as well") { harness in
      let store = try await harness.open()
      let a = room("a")
      var writer = Writer(store)
      try await writer.claim(a)
      for number in 1...Int64(3) { await writer.commit(a, number) }
      #expect(try await writer.save(a, at: 3))
      #expect(try await store.trimJournal(before: Timestamp(millis: .max), in: writer.epochs, limit: 9) == 3)
      #expect(try await delete(a, at: 3, by: writer))
      #expect(try await store.load(a) == nil)
      #expect(await writer.commit(a, 1) == .committed)
      await store.close()
    },
  ]

  private static func delete(
    _ room: RoomID, at head: Int64, by writer: Writer, in slot: Slot? = nil
  ) async throws -> Bool {
    let slot = slot ?? Slot(of: room)
    return try await writer.store.deleteRoom(
      room, endingAt: SequenceNumber(head), slot: slot, epoch: writer.epochs[slot] ?? .zero)
  }
}
