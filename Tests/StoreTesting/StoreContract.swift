internal import RoomCore
package import Store
internal import Synchronization
internal import Testing

/// Data for one test, and any number of handles onto it.
package protocol StoreHarness: Sendable {
  /// A handle onto the data, as another process of the cluster would have it.
  func open() async throws -> any RoomStore
}

/// What an engine has to keep, sentence by sentence. An engine's test suite runs each on a harness of its own:
///
///     @Test(arguments: StoreContract.sentences)
///     func keeps(_ sentence: StoreContract.Sentence) async throws { try await sentence.check(on: MyHarness()) }
package enum StoreContract {
  package struct Sentence: Sendable, CustomStringConvertible {
    package let description: String
    private let body: @Sendable (any StoreHarness) async throws -> Void

    init(_ description: String, _ body: @escaping @Sendable (any StoreHarness) async throws -> Void) {
      self.description = description
      self.body = body
    }

    package func check(on harness: any StoreHarness) async throws { try await body(harness) }
  }

  package static let sentences =
    ownership + nodes + fencing + commits + reports + reading + snapshots + deletion + timers + looking + closing

  // MARK: Ownership

  static let ownership = [
    Sentence("a new store has all slots, in order, at epoch 0 and nobody's") { harness in
      let store = try await harness.open()
      let expected = Slot.all.map { SlotRecord(slot: $0, epoch: .zero, owner: nil) }
      #expect(try await store.slots() == expected)
      await store.close()
    },
    Sentence("a claim raises the epoch by one and sets the owner") { harness in
      let store = try await harness.open()
      let claims = [3, 700].map { SlotClaim(slot: Slot($0), expected: .zero) }
      #expect(try await store.claim(claims, for: NodeID("a")) == [Slot(3): Epoch(1), Slot(700): Epoch(1)])
      let slots = try await store.slots()
      #expect(slots[3] == SlotRecord(slot: Slot(3), epoch: Epoch(1), owner: NodeID("a")))
      #expect(slots[4] == SlotRecord(slot: Slot(4), epoch: .zero, owner: nil))
      await store.close()
    },
    Sentence("a claim that expects another epoch than the present one gets nothing, and the others of its call do") {
      harness in
      let store = try await harness.open()
      _ = try await store.claim([SlotClaim(slot: Slot(1), expected: .zero)], for: NodeID("a"))
      let claims = [
        SlotClaim(slot: Slot(0), expected: Epoch(1)), SlotClaim(slot: Slot(1), expected: .zero),
        SlotClaim(slot: Slot(2), expected: .zero),
      ]
      #expect(try await store.claim(claims, for: NodeID("b")) == [Slot(2): Epoch(1)])
      let slots = try await store.slots()
      #expect(slots[0].epoch == .zero && slots[0].owner == nil)
      #expect(slots[1].epoch == Epoch(1) && slots[1].owner == NodeID("a"))
      await store.close()
    },
    Sentence("of two that claim the same slots at once, each slot goes to exactly one") { harness in
      let stores = [try await harness.open(), try await harness.open()]
      var wins: [[Slot: Epoch]] = []
      for parity in 0..<2 {
        // Each call has its slots in another order, and the calls come in pieces, so that they interleave.
        async let first = claimAll(stores[0], NodeID("a"), expected: Epoch(Int64(parity)), reversed: false)
        async let second = claimAll(stores[1], NodeID("b"), expected: Epoch(Int64(parity)), reversed: true)
        let (won, lost) = try await (first, second)
        #expect(Set(won.keys).isDisjoint(with: lost.keys))
        #expect(won.count + lost.count == Slot.count)
        #expect(Set(won.values).union(lost.values) == [Epoch(Int64(parity) + 1)])
        wins = [won, lost]
      }
      for record in try await stores[0].slots() {
        #expect(record.epoch == Epoch(2))
        #expect(record.owner == (wins[0][record.slot] != nil ? NodeID("a") : NodeID("b")))
      }
      for store in stores { await store.close() }
    },
    Sentence("epochs count the claims that were won: none is given twice, none is skipped") { harness in
      let stores = [try await harness.open(), try await harness.open(), try await harness.open()]
      let won = try await withThrowingTaskGroup(of: [Epoch].self) { group in
        for (index, store) in stores.enumerated() {
          group.addTask {
            var won: [Epoch] = []
            for _ in 0..<20 {
              let seen = try await store.slots()[5].epoch
              let claim = SlotClaim(slot: Slot(5), expected: seen)
              if let epoch = try await store.claim([claim], for: NodeID("\(index)"))[Slot(5)] { won.append(epoch) }
            }
            return won
          }
        }
        return try await group.reduce(into: []) { $0 += $1 }
      }
      let final = try await stores[0].slots()[5].epoch.number
      #expect(won.map(\.number).sorted() == Array(1...final))
      for store in stores { await store.close() }
    },
    Sentence("a release makes the slot nobody's and keeps its epoch; a stale one changes nothing") { harness in
      let store = try await harness.open()
      var (old, new) = (Writer(store, "old"), Writer(store, "new"))
      try await old.claim([Slot(1), Slot(2)])
      try await new.claim([Slot(2)])
      try await store.release(old.epochs)
      let slots = try await store.slots()
      #expect(slots[1] == SlotRecord(slot: Slot(1), epoch: Epoch(1), owner: nil))
      #expect(slots[2] == SlotRecord(slot: Slot(2), epoch: Epoch(2), owner: new.node))
      await store.close()
    },
    Sentence("all handles see one identity") { harness in
      let (first, second) = (try await harness.open(), try await harness.open())
      #expect(first.identity == second.identity)
      #expect(!first.identity.history.isEmpty && !first.identity.cluster.isEmpty)
      await first.close()
      await second.close()
    },
  ]

  private static func claimAll(
    _ store: any RoomStore, _ node: NodeID, expected: Epoch, reversed: Bool
  ) async throws -> [Slot: Epoch] {
    let slots = reversed ? Slot.all.reversed() : Slot.all
    var won: [Slot: Epoch] = [:]
    for start in stride(from: 0, to: slots.count, by: 64) {
      let claims = slots[start..<start + 64].map { SlotClaim(slot: $0, expected: expected) }
      won.merge(try await store.claim(claims, for: node)) { $1 }
    }
    return won
  }

  // MARK: Fencing

  static let fencing = [
    Sentence("a commit under an epoch that is not the present one is stale and writes nothing") { harness in
      let store = try await harness.open()
      let a = room("a")
      var (old, new) = (Writer(store, "old"), Writer(store, "new"))
      try await old.claim(a)
      #expect(await old.commit(a, 1) == .committed)
      try await new.claim(a)
      #expect(await old.commit(a, 2) == .stale)
      #expect(await new.commit(a, 2, epoch: Epoch(3)) == .stale)
      #expect(await new.commit(a, 2, epoch: .zero) == .stale)
      #expect(try await store.load(a)?.journalTexts == [Writer.text(a, 1)])
      #expect(await new.commit(a, 2, text: "\"new\"") == .committed)
      #expect(try await store.load(a)?.journalTexts == [Writer.text(a, 1), "\"new\""])
      await store.close()
    },
    Sentence("a stale commit makes no room") { harness in
      let store = try await harness.open()
      var writer = Writer(store)
      try await writer.claim(room("a"))
      #expect(await writer.commit(room("a"), 1, timer: .set(Timestamp(millis: 1)), epoch: Epoch(9)) == .stale)
      #expect(try await store.load(room("a")) == nil)
      #expect(try await store.rooms(after: nil, limit: 10).isEmpty)
      await store.close()
    },
    Sentence("an epoch that was lost stays lost when its slot is won back") { harness in
      let (first, second) = (try await harness.open(), try await harness.open())
      let a = room("a")
      var (node, other) = (Writer(first, "a"), Writer(second, "b"))
      try await node.claim(a)
      let before = node.epoch(a)
      try await other.claim(a)
      try await node.claim(a)
      #expect(node.epoch(a) == Epoch(3))
      #expect(await node.commit(a, 1, epoch: before) == .stale)
      #expect(await other.commit(a, 1) == .stale)
      #expect(await node.commit(a, 1) == .committed)
      await first.close()
      await second.close()
    },
    Sentence("a stale epoch saves no snapshot, sets no timer, trims nothing, releases nothing and gets no timers") {
      harness in
      let store = try await harness.open()
      let a = room("a")
      var (old, new) = (Writer(store, "old"), Writer(store, "new"))
      try await old.claim(a)
      await old.commit(a, 1, count: 3, timer: .set(Timestamp(millis: 50)))
      #expect(try await old.save(a, at: 2))
      try await new.claim(a)
      let before = try await store.load(a)
      #expect(try await old.save(a, at: 3) == false)
      #expect(
        try await store.setTimer(Timestamp(millis: 7), of: a, slot: Slot(of: a), epoch: old.epoch(a)) == false)
      #expect(try await store.setTimer(nil, of: a, slot: Slot(of: a), epoch: old.epoch(a)) == false)
      #expect(try await new.save(a, at: 3))
      #expect(try await store.trimJournal(before: Timestamp(millis: .max), in: old.epochs, limit: 10) == 0)
      #expect(try await store.dueTimers(at: Timestamp(millis: 100), in: old.epochs, after: nil, limit: 10) == [])
      try await store.release(old.epochs)
      let after = try await store.load(a)
      #expect(after?.timer == before?.timer)
      #expect(try await store.journal(of: a, after: .zero, through: SequenceNumber(.max))?.count == 1)
      #expect(try await store.slots()[Slot(of: a).number].owner == new.node)
      let due = try await store.dueTimers(at: Timestamp(millis: 100), in: new.epochs, after: nil, limit: 10)
      #expect(due.map(\.room) == [a])
      await store.close()
    },
    Sentence("a room stays in its slot: an epoch of another slot is no way in") { harness in
      let store = try await harness.open()
      let (a, elsewhere) = (room("a"), Slot((Slot(of: room("a")).number + 1) % Slot.count))
      var writer = Writer(store)
      try await writer.claim([Slot(of: a), elsewhere])
      await writer.commit(a, 1)
      let commit = RoomCommit(
        room: a, slot: elsewhere, epoch: Epoch(1), first: SequenceNumber(2), count: 1, text: Array("[]".utf8),
        at: Timestamp(millis: 1), timer: .keep, lane: writer.lane)
      #expect(await store.commit(commit) == .conflict)
      let snapshot = RoomSnapshot(room: a, sequence: SequenceNumber(1), text: Array("{}".utf8))
      await #expect(throws: StoreError.self) {
        try await store.saveSnapshot(snapshot, slot: elsewhere, epoch: Epoch(1))
      }
      await #expect(throws: StoreError.self) {
        try await store.setTimer(Timestamp(millis: 1), of: a, slot: elsewhere, epoch: Epoch(1))
      }
      let content = try #require(try await store.load(a))
      #expect(content.snapshot == nil && content.timer == nil && content.journal.count == 1)
      await store.close()
    },
    Sentence("stale and conflicting commits are refused one by one, and the rest of their transaction goes in") {
      harness in
      let store = try await harness.open()
      let rooms = (0..<60).map { room("room-\($0)") }
      var writer = Writer(store)
      try await writer.claim(Set(rooms.map(Slot.init(of:))))
      let outcomes = await submitAll(
        rooms.enumerated().map { index, room in
          switch index % 3 {
          case 0: writer.makeCommit(room, 1)
          case 1: writer.makeCommit(room, 1, epoch: Epoch(9))
          default: writer.makeCommit(room, 2)
          }
        }, to: store)
      for (index, outcome) in outcomes.enumerated() {
        #expect(outcome == [.committed, .stale, .conflict][index % 3])
        #expect((try await store.load(rooms[index]) != nil) == (index % 3 == 0))
      }
      await store.close()
    },
    Sentence("a takeover in the midst of commits loses nothing that was acknowledged and lets nothing in afterwards") {
      harness in
      let (first, second) = (try await harness.open(), try await harness.open())
      let rooms = (0..<24).map { room("room-\($0)") }
      var (old, new) = (Writer(first, "old"), Writer(second, "new"))
      try await old.claim(Set(rooms.map(Slot.init(of:))))
      let acknowledged = try await withThrowingTaskGroup(of: (RoomID, [String]).self) { group in
        for room in rooms {
          group.addTask { [old] in
            var told: [String] = []
            for number in 1...Int64(4000) {
              let text = "\"old \(room) \(number)\""
              let outcome = await old.commit(room, number, text: text)
              guard outcome == .committed else {
                #expect(outcome == .stale)
                break
              }
              told.append(text)
            }
            return (room, told)
          }
        }
        while first.statistics.committed < 200 { await Task.yield() }
        try await new.claim(Set(rooms.map(Slot.init(of:))))
        return try await group.reduce(into: [RoomID: [String]]()) { $0[$1.0] = $1.1 }
      }
      for room in rooms {
        #expect(new.epoch(room) == Epoch(2))
        let found = try await second.load(room)
        #expect(found?.journalTexts ?? [] == acknowledged[room])
        #expect(await new.commit(room, (found?.head.number ?? 0) + 1) == .committed)
      }
      await first.close()
      await second.close()
    },
  ]

  /// Hands commits in without waiting, and gathers the outcomes in their order.
  private static func submitAll(_ commits: [RoomCommit], to store: any RoomStore) async -> [CommitOutcome] {
    let tally = Tally(commits.count)
    await withUnsafeContinuation { continuation in
      tally.whenFull = { continuation.resume() }
      for (index, commit) in commits.enumerated() {
        store.commit(commit) { outcome in
          let lane = commit.lane as? TestLane
          lane?.tell()
          tally.note(outcome, of: index, isOnLane: lane?.isCurrent ?? false)
        }
      }
    }
    // Whatever comes late or twice would come through the lanes as well.
    for commit in commits.suffix(1) {
      await withUnsafeContinuation { continuation in commit.lane.post { continuation.resume() } }
    }
    #expect(tally.isEachOnce, "an outcome was delivered twice, or not through its lane")
    return tally.outcomes
  }

  private final class Tally: Sendable {
    private struct State {
      var outcomes: [CommitOutcome?]
      var missing: Int
      var isEachOnce = true
      var whenFull: (@Sendable () -> Void)?
    }

    private let state: Mutex<State>

    init(_ count: Int) { state = Mutex(State(outcomes: Array(repeating: nil, count: count), missing: count)) }

    var whenFull: (@Sendable () -> Void)? {
      get { state.withLock { $0.whenFull } }
      set { state.withLock { $0.whenFull = newValue } }
    }
    var isEachOnce: Bool { state.withLock { $0.isEachOnce } }
    var outcomes: [CommitOutcome] { state.withLock { $0.outcomes.compactMap { $0 } } }

    func note(_ outcome: CommitOutcome, of index: Int, isOnLane: Bool) {
      let whenFull = state.withLock { state in
        if state.outcomes[index] != nil || !isOnLane { state.isEachOnce = false }
        state.outcomes[index] = outcome
        state.missing -= 1
        return state.missing == 0 ? state.whenFull : nil
      }
      whenFull?()
    }
  }

  // MARK: Commits

  static let commits = [
    Sentence("a commit is found again as it was written") { harness in
      let store = try await harness.open()
      let a = room("a")
      var writer = Writer(store)
      try await writer.claim(a)
      let texts = ["[{\"dish\":\"पनीर टिक्का 🍛\"}]", "", String(repeating: "x", count: 1 << 20)]
      for (index, text) in texts.enumerated() {
        #expect(await writer.commit(a, Int64(1 + index * 2), count: 2, text: text, at: 77) == .committed)
      }
      let expected = texts.enumerated().map { index, text in
        JournalRow(
          first: SequenceNumber(Int64(1 + index * 2)), count: 2, epoch: Epoch(1), at: Timestamp(millis: 77),
          text: Array(text.utf8))
      }
      #expect(try await store.load(a) == StoredRoom(snapshot: nil, journal: expected, timer: nil))
      await store.close()
    },
    Sentence("a commit that leaves a gap, or begins where others stand, is a conflict and writes nothing") { harness in
      let store = try await harness.open()
      let (a, b) = (room("a"), room("b"))
      var writer = Writer(store)
      try await writer.claim(a, b)
      #expect(await writer.commit(b, 2) == .conflict)
      #expect(await writer.commit(b, 0) == .conflict)
      #expect(try await store.load(b) == nil)
      #expect(await writer.commit(a, 1, count: 3) == .committed)
      for first in [0, 2, 3, 5, 6] as [Int64] {
        #expect(await writer.commit(a, first, timer: .set(Timestamp(millis: 1))) == .conflict)
      }
      #expect(try await store.load(a)?.journalTexts == [Writer.text(a, 1, count: 3)])
      #expect(try await store.load(a)?.timer == nil)
      #expect(await writer.commit(a, 4) == .committed)
      await store.close()
    },
    Sentence("the identical commit sent again is committed and written once") { harness in
      let (store, other) = (try await harness.open(), try await harness.open())
      let a = room("a")
      var writer = Writer(store)
      try await writer.claim(a)
      #expect(await writer.commit(a, 1, count: 2, timer: .set(Timestamp(millis: 5))) == .committed)
      #expect(await writer.commit(a, 1, count: 2, timer: .set(Timestamp(millis: 5))) == .committed)
      #expect(
        await other.commit(writer.makeCommit(a, 1, count: 2, timer: .set(Timestamp(millis: 5)))) == .committed)
      #expect(await writer.commit(a, 3) == .committed)
      #expect(await writer.commit(a, 3) == .committed)
      #expect(try await store.load(a)?.journalTexts == [Writer.text(a, 1, count: 2), Writer.text(a, 3)])
      await store.close()
      await other.close()
    },
    Sentence("another commit at a place that is taken is a conflict, however little it differs") { harness in
      let store = try await harness.open()
      let a = room("a")
      var writer = Writer(store)
      try await writer.claim(a)
      await writer.commit(a, 1, count: 2, text: "\"x\"", at: 5)
      #expect(await writer.commit(a, 1, count: 2, text: "\"y\"", at: 5) == .conflict)
      #expect(await writer.commit(a, 1, count: 2, text: "\"x\" ", at: 5) == .conflict)
      #expect(await writer.commit(a, 1, count: 1, text: "\"x\"", at: 5) == .conflict)
      #expect(await writer.commit(a, 1, count: 2, text: "\"x\"", at: 6) == .conflict)
      try await writer.claim(a)
      #expect(await writer.commit(a, 1, count: 2, text: "\"x\"", at: 5) == .conflict)
      #expect(try await store.load(a)?.journalTexts == ["\"x\""])
      await store.close()
    },
    Sentence("commits of many rooms at once are each told once, through their lane") { harness in
      let store = try await harness.open()
      let rooms = (0..<3000).map { room("room-\($0)") }
      var writer = Writer(store)
      try await writer.claim(Slot.all)
      let outcomes = await submitAll(rooms.map { writer.makeCommit($0, 1) }, to: store)
      #expect(outcomes == Array(repeating: .committed, count: 3000))
      #expect(store.statistics.committed == 3000)
      var found: [RoomID] = []
      while true {
        let page = try await store.rooms(after: found.last, limit: 700)
        if page.isEmpty { break }
        found += page.map(\.room)
      }
      #expect(found == rooms.sorted())
      await store.close()
    },
    Sentence("the outcomes of one transaction reach each lane with a single post") { harness in
      let store = try await harness.open()
      var writer = Writer(store)
      try await writer.claim(Slot.all)
      let lanes = [TestLane(), TestLane(), TestLane()]
      let before = store.statistics.transactions
      let commits = (0..<600).map { writer.makeCommit(room("room-\($0)"), 1, lane: lanes[$0 % 2]) }
      _ = await submitAll(commits, to: store)
      let transactions = store.statistics.transactions - before
      // The last of them counts itself when its work is done.
      for lane in lanes { await withUnsafeContinuation { continuation in lane.post { continuation.resume() } } }
      let posts = (lanes[0].tellingPosts, lanes[1].tellingPosts)
      #expect(posts.0 <= transactions && posts.1 <= transactions)
      #expect(posts.0 + posts.1 >= transactions)
      #expect(transactions < 600, "each commit had a transaction of its own")
      #expect(lanes[2].tellingPosts == 0)
      await store.close()
    },
    Sentence("what many rooms commit at once is what is found, without a gap") { harness in
      let (first, second) = (try await harness.open(), try await harness.open())
      let rooms = (0..<48).map { room("room-\($0)") }
      var writer = Writer(first)
      try await writer.claim(Set(rooms.map(Slot.init(of:))))
      let told = try await withThrowingTaskGroup(of: (RoomID, [String]).self) { group in
        for (index, room) in rooms.enumerated() {
          group.addTask { [writer] in
            var told: [String] = []
            var next: Int64 = 1
            for step in 0..<25 {
              let count = 1 + (index + step) % 3
              let text = Writer.text(room, next, count: count)
              // One node may reach the store by two ways; a room's own commits still follow one another.
              let store = step % 5 == 4 ? second : first
              let outcome = await store.commit(writer.makeCommit(room, next, count: count))
              #expect(outcome == .committed)
              if outcome == .committed {
                told.append(text)
                next += Int64(count)
              }
            }
            return (room, told)
          }
        }
        return try await group.reduce(into: [RoomID: [String]]()) { $0[$1.0] = $1.1 }
      }
      for room in rooms {
        let content = try #require(try await second.load(room))
        #expect(content.problem == nil)
        #expect(content.journalTexts == told[room])
      }
      await first.close()
      await second.close()
    },
  ]

  // MARK: Reading

  static let reading = [
    Sentence("a room that was never written is nil, and its journal empty") { harness in
      let store = try await harness.open()
      #expect(try await store.load(room("a")) == nil)
      #expect(try await store.journal(of: room("a"), after: .zero, through: SequenceNumber(9)) == [])
      await store.close()
    },
    Sentence("a load sees all that was committed before it was called, whoever wrote it") { harness in
      let (first, second) = (try await harness.open(), try await harness.open())
      let a = room("a")
      var writer = Writer(first)
      try await writer.claim(a)
      for number in 1...Int64(50) {
        #expect(await writer.commit(a, number) == .committed)
        #expect(try await first.load(a)?.head == SequenceNumber(number))
        #expect(try await second.load(a)?.head == SequenceNumber(number))
      }
      await first.close()
      await second.close()
    },
    Sentence("a load gives the newest snapshot and the rows beyond it, with the one that reaches across") { harness in
      let store = try await harness.open()
      let a = room("a")
      var writer = Writer(store)
      try await writer.claim(a)
      for first in [1, 4, 7] as [Int64] { await writer.commit(a, first, count: 3) }
      await writer.commit(a, 10, timer: .set(Timestamp(millis: 99)))
      #expect(try await writer.save(a, at: 3))
      #expect(try await store.load(a)?.journal.map(\.first.number) == [4, 7, 10])
      #expect(try await writer.save(a, at: 8, text: "{\"newest\":true}"))
      let content = try #require(try await store.load(a))
      #expect(
        content.snapshot == RoomSnapshot(room: a, sequence: SequenceNumber(8), text: Array("{\"newest\":true}".utf8)))
      #expect(content.journal.map(\.first.number) == [7, 10])
      #expect(content.timer == Timestamp(millis: 99))
      #expect(try await writer.save(a, at: 10))
      #expect(try await store.load(a)?.journal == [])
      await store.close()
    },
    Sentence("a journal range is what lies above `after` up to `through`, by rows") { harness in
      let store = try await harness.open()
      let a = room("a")
      var writer = Writer(store)
      try await writer.claim(a)
      for first in [1, 4, 7] as [Int64] { await writer.commit(a, first, count: 3) }
      func range(_ after: Int64, _ through: Int64) async throws -> [Int64]? {
        try await store.journal(of: a, after: SequenceNumber(after), through: SequenceNumber(through))?.map(
          \.first.number)
      }
      #expect(try await range(0, 9) == [1, 4, 7])
      #expect(try await range(0, 100) == [1, 4, 7])
      #expect(try await range(3, 9) == [4, 7])
      #expect(try await range(4, 9) == [4, 7])
      #expect(try await range(5, 6) == [4])
      #expect(try await range(2, 4) == [1, 4])
      #expect(try await range(6, 6) == [])
      #expect(try await range(8, 9) == [7])
      #expect(try await range(9, 9) == [])
      #expect(try await range(9, 20) == [])
      #expect(try await range(20, 30) == [])
      let rows = try #require(try await store.journal(of: a, after: SequenceNumber(3), through: SequenceNumber(6)))
      #expect(rows.map(\.string) == [Writer.text(a, 4, count: 3)])
      #expect(rows.first?.count == 3 && rows.first?.epoch == Epoch(1))
      await store.close()
    },
  ]

  // MARK: Snapshots and trimming

  static let snapshots = [
    Sentence("an older snapshot does not replace a newer one") { harness in
      let store = try await harness.open()
      let a = room("a")
      var writer = Writer(store)
      try await writer.claim(a)
      await writer.commit(a, 1, count: 5)
      #expect(try await writer.save(a, at: 4))
      #expect(try await writer.save(a, at: 2))
      #expect(try await store.load(a)?.snapshot?.sequence == SequenceNumber(4))
      #expect(try await writer.save(a, at: 5))
      #expect(try await store.load(a)?.snapshot?.sequence == SequenceNumber(5))
      await store.close()
    },
    Sentence("a snapshot beyond the journal's end, or of a room that is not, is refused") { harness in
      let store = try await harness.open()
      let (a, b) = (room("a"), room("b"))
      var writer = Writer(store)
      try await writer.claim(a, b)
      await writer.commit(a, 1)
      await expectRefused { _ = try await writer.save(a, at: 2) }
      await expectRefused { _ = try await writer.save(b, at: 0) }
      #expect(try await store.load(a)?.snapshot == nil)
      #expect(try await store.load(b) == nil)
      await store.close()
    },
    Sentence("trimming takes only what a snapshot covers, is old enough and is in the slots given, oldest first") {
      harness in
      let store = try await harness.open()
      let (a, b, c) = (room("a"), room("b"), room("c"))
      var writer = Writer(store)
      try await writer.claim(a, b, c)
      for number in 1...Int64(6) {
        for room in [a, b, c] { await writer.commit(room, number, at: number * 10) }
      }
      await writer.commit(a, 7, count: 3, at: 61)
      #expect(try await writer.save(a, at: 8))
      #expect(try await writer.save(c, at: 6))
      let some = writer.epochs.filter { $0.key != Slot(of: c) }
      #expect(try await store.trimJournal(before: Timestamp(millis: 10), in: some, limit: 100) == 0)
      #expect(try await store.trimJournal(before: Timestamp(millis: 41), in: some, limit: 3) == 3)
      #expect(try await firsts(store, a) == [4, 5, 6, 7])
      #expect(try await store.trimJournal(before: Timestamp(millis: 41), in: some, limit: 100) == 1)
      // The row that reaches beyond the snapshot stays, however old.
      #expect(try await store.trimJournal(before: Timestamp(millis: 1000), in: some, limit: 100) == 2)
      #expect(try await firsts(store, a) == [7])
      #expect(try await firsts(store, b) == [1, 2, 3, 4, 5, 6])
      #expect(try await firsts(store, c) == [1, 2, 3, 4, 5, 6])
      #expect(try await store.load(a)?.head == SequenceNumber(9))
      await store.close()
    },
    Sentence("a journal that no longer reaches back is nil, and one that is read to its end is empty") { harness in
      let store = try await harness.open()
      let a = room("a")
      var writer = Writer(store)
      try await writer.claim(a)
      for number in 1...Int64(6) { await writer.commit(a, number) }
      #expect(try await writer.save(a, at: 4))
      #expect(
        try await store.trimJournal(before: Timestamp(millis: .max), in: writer.epochs, limit: 100) == 4)
      #expect(try await store.journal(of: a, after: .zero, through: SequenceNumber(6)) == nil)
      #expect(try await store.journal(of: a, after: SequenceNumber(3), through: SequenceNumber(6)) == nil)
      #expect(try await store.journal(of: a, after: SequenceNumber(3), through: SequenceNumber(4)) == nil)
      #expect(try await store.journal(of: a, after: SequenceNumber(4), through: SequenceNumber(6))?.count == 2)
      #expect(try await store.journal(of: a, after: SequenceNumber(6), through: SequenceNumber(6)) == [])
      await store.close()
    },
    Sentence("a room whose whole journal was trimmed still knows where it ends") { harness in
      let (store, other) = (try await harness.open(), try await harness.open())
      let a = room("a")
      var writer = Writer(store)
      try await writer.claim(a)
      for number in 1...Int64(3) { await writer.commit(a, number) }
      #expect(try await writer.save(a, at: 3))
      #expect(
        try await store.trimJournal(before: Timestamp(millis: .max), in: writer.epochs, limit: 100) == 3)
      #expect(try await store.journal(of: a, after: SequenceNumber(3), through: SequenceNumber(9)) == [])
      #expect(try await store.journal(of: a, after: SequenceNumber(2), through: SequenceNumber(9)) == nil)
      #expect(try await store.load(a)?.journal == [])
      let summary = try #require(try await store.rooms(after: nil, limit: 1).first)
      #expect(summary.head == SequenceNumber(3))
      #expect(summary.updatedAt == Timestamp(millis: 3000))
      for store in [store, other] {
        #expect(await store.commit(writer.makeCommit(a, 1)) == .conflict)
        #expect(await store.commit(writer.makeCommit(a, 5)) == .conflict)
      }
      #expect(await other.commit(writer.makeCommit(a, 4)) == .committed)
      #expect(try await store.load(a)?.journal.map(\.first.number) == [4])
      #expect(await writer.commit(a, 5) == .committed)
      await store.close()
      await other.close()
    },
  ]

  private static func firsts(_ store: any RoomStore, _ room: RoomID) async throws -> [Int64] {
    let rows = try #require(
      try await store.rooms(after: nil, limit: 1000).first { $0.room == room })
    // The journal from the first row that is still there.
    for after in 0...rows.head.number {
      if let journal = try await store.journal(of: room, after: SequenceNumber(after), through: rows.head) {
        return journal.map(\.first.number)
      }
    }
    return []
  }

  static func expectRefused(
    _ body: () async throws -> Void, sourceLocation: SourceLocation = #_sourceLocation
  ) async {
    await #expect(sourceLocation: sourceLocation) {
      try await body()
    } throws: { error in
      if case StoreError.refused = error { true } else { false }
    }
  }

  // MARK: Timers

  static let timers = [
    Sentence("due timers come longest due first, no more than asked for, only from slots at the epochs given") {
      harness in
      let store = try await harness.open()
      let rooms = roomsInSlotsOfTheirOwn(8)
      var writer = Writer(store)
      try await writer.claim(Set(rooms.map(Slot.init(of:))))
      for (index, room) in rooms.enumerated() {
        await writer.commit(room, 1, timer: .set(Timestamp(millis: Int64(100 - index * 10))))
      }
      func due(_ millis: Int64, limit: Int = 100, in slots: [Slot: Epoch]? = nil) async throws -> [RoomID] {
        try await store.dueTimers(
          at: Timestamp(millis: millis), in: slots ?? writer.epochs, after: nil, limit: limit
        ).map(\.room)
      }
      #expect(try await due(29) == [])
      #expect(try await due(30) == [rooms[7]])
      #expect(try await due(50) == [rooms[7], rooms[6], rooms[5]])
      #expect(try await due(1000) == rooms.reversed())
      #expect(try await due(1000, limit: 2) == [rooms[7], rooms[6]])
      #expect(try await due(1000, in: [:]) == [])
      var fewer = writer.epochs
      fewer[Slot(of: rooms[6])] = nil
      #expect(try await due(1000, limit: 2, in: fewer) == [rooms[7], rooms[5]])
      fewer[Slot(of: rooms[7])] = Epoch(9)
      #expect(try await due(1000, limit: 2, in: fewer) == [rooms[5], rooms[4]])
      await store.close()
    },
    Sentence("due timers are given page by page, those of one time too, and a page goes on behind one that is gone") {
      harness in
      let store = try await harness.open()
      let rooms = (0..<20).map { room("room-\($0)") }
      var writer = Writer(store)
      try await writer.claim(Slot.all)
      func pages(of size: Int, between: (DueTimer) async throws -> Void = { _ in }) async throws -> [DueTimer] {
        var seen: [DueTimer] = []
        while true {
          let page = try await store.dueTimers(
            at: Timestamp(millis: 2), in: writer.epochs, after: seen.last, limit: size)
          #expect(page.count <= size)
          seen += page
          guard page.count == size, let last = page.last else { return seen }
          try await between(last)
        }
      }
      for (index, room) in rooms.enumerated() {
        await writer.commit(room, 1, timer: .set(Timestamp(millis: Int64(index % 4))))
      }
      let all = try await store.dueTimers(at: Timestamp(millis: 2), in: writer.epochs, after: nil, limit: 100)
      #expect(Set(all.map(\.room)).count == 15)
      #expect(all.map(\.due) == all.map(\.due).sorted())
      for size in [1, 2, 3, 7, 15] { #expect(try await pages(of: size) == all) }
      let seen = try await pages(of: 4) { last in
        _ = try await store.setTimer(nil, of: last.room, slot: Slot(of: last.room), epoch: writer.epoch(last.room))
      }
      #expect(seen == all)
      await store.close()
    },
    Sentence("a commit keeps, sets or clears its room's timer, and so does the call without an event") { harness in
      let store = try await harness.open()
      let a = room("a")
      var writer = Writer(store)
      try await writer.claim(a)
      func timer() async throws -> Int64? {
        let content = try await store.load(a)
        return content?.timer?.millis
      }
      await writer.commit(a, 1, timer: .set(Timestamp(millis: 10)))
      await writer.commit(a, 2, timer: .keep)
      #expect(try await timer() == 10)
      await writer.commit(a, 3, timer: .set(Timestamp(millis: 20)))
      #expect(try await timer() == 20)
      await writer.commit(a, 4, timer: .clear)
      #expect(try await timer() == nil)
      #expect(try await store.setTimer(Timestamp(millis: 30), of: a, slot: Slot(of: a), epoch: writer.epoch(a)))
      #expect(try await timer() == 30)
      #expect(try await store.setTimer(nil, of: a, slot: Slot(of: a), epoch: writer.epoch(a)))
      #expect(try await timer() == nil)
      let b = room("b")
      try await writer.claim(b)
      await expectRefused {
        _ = try await store.setTimer(Timestamp(millis: 1), of: b, slot: Slot(of: b), epoch: writer.epoch(b))
      }
      await store.close()
    },
  ]

  // MARK: Looking in

  static let looking = [
    Sentence("rooms are listed by name, page by page, with where they stand") { harness in
      let store = try await harness.open()
      var writer = Writer(store)
      try await writer.claim(Slot.all)
      let rooms = ["Z", "a", "a-1", "a.b", "a1", "b", "~"].map(room)
      for room in rooms.reversed() { await writer.commit(room, 1, count: 2, at: 5) }
      await writer.commit(rooms[1], 3, at: 6)
      #expect(try await writer.save(rooms[1], at: 2))
      let all = try await store.rooms(after: nil, limit: 100)
      #expect(all.map(\.room) == rooms.sorted())
      let found = try #require(all.first { $0.room == rooms[1] })
      #expect(
        found
          == RoomSummary(
            room: rooms[1], slot: Slot(of: rooms[1]), head: SequenceNumber(3), snapshot: SequenceNumber(2),
            updatedAt: Timestamp(millis: 6)))
      #expect(try await store.rooms(after: nil, limit: 2).map(\.room) == Array(rooms.sorted()[..<2]))
      #expect(try await store.rooms(after: rooms.sorted()[1], limit: 3).map(\.room) == Array(rooms.sorted()[2..<5]))
      #expect(try await store.rooms(after: room("~"), limit: 3).isEmpty)
      await store.close()
    },
    Sentence("what was loaded from one room can be written as another, which then goes on") { harness in
      let store = try await harness.open()
      let (a, copy, bare) = (room("a"), room("copy"), room("bare"))
      var writer = Writer(store)
      try await writer.claim(a, copy, bare)
      for first in [1, 4, 7] as [Int64] { await writer.commit(a, first, count: 3) }
      #expect(try await writer.save(a, at: 5))
      let content = try #require(try await store.load(a))
      let snapshot = try #require(content.snapshot)
      let renamed = RoomSnapshot(room: copy, sequence: snapshot.sequence, text: snapshot.text)
      try await store.importRoom(
        copy, StoredRoom(snapshot: renamed, journal: content.journal, timer: nil), timer: Timestamp(millis: 8))
      let found = try #require(try await store.load(copy))
      #expect(found.journal == content.journal)
      #expect(found.snapshot == renamed)
      #expect(found.timer == Timestamp(millis: 8))
      #expect(await writer.commit(copy, 9) == .conflict)
      #expect(await writer.commit(copy, 10) == .committed)
      // A snapshot alone is a room as well.
      try await store.importRoom(
        bare,
        StoredRoom(
          snapshot: RoomSnapshot(room: bare, sequence: SequenceNumber(7), text: Array("{}".utf8)), journal: [],
          timer: nil),
        timer: nil)
      #expect(await writer.commit(bare, 8) == .committed)
      await store.close()
    },
    Sentence("a room that exists, or content with a gap, is not imported") { harness in
      let store = try await harness.open()
      let (a, b) = (room("a"), room("b"))
      var writer = Writer(store)
      try await writer.claim(a, b)
      await writer.commit(a, 1)
      func row(_ first: Int64, _ count: Int) -> JournalRow {
        JournalRow(
          first: SequenceNumber(first), count: count, epoch: Epoch(1), at: Timestamp(millis: 1), text: Array("[]".utf8))
      }
      func content(_ rows: [JournalRow], snapshot: Int64? = nil) -> StoredRoom {
        let snapshot = snapshot.map { RoomSnapshot(room: b, sequence: SequenceNumber($0), text: Array("{}".utf8)) }
        return StoredRoom(snapshot: snapshot, journal: rows, timer: nil)
      }
      await expectRefused { try await store.importRoom(a, content([row(1, 1)]), timer: nil) }
      for broken in [
        content([]), content([row(2, 1)]), content([row(1, 1), row(3, 1)]), content([row(1, 2), row(2, 1)]),
        content([row(5, 1)], snapshot: 3), content([row(1, 2)], snapshot: 3), content([row(1, 1)], snapshot: .max),
        content([row(.max, .max), row(.max, 1)]), content([row(1, .max), row(.min, .min)]),
      ] {
        await expectRefused { try await store.importRoom(b, broken, timer: Timestamp(millis: 1)) }
      }
      #expect(try await store.load(b) == nil)
      #expect(try await store.load(a)?.journalTexts == [Writer.text(a, 1)])
      await store.close()
    },
    Sentence("a store that takes writes is healthy") { harness in
      let store = try await harness.open()
      try await store.checkHealth()
      try await store.checkHealth()
      await store.close()
    },
  ]

  // MARK: Closing

  static let closing = [
    Sentence("closing finishes what was submitted; what comes later is told that it is closed") { harness in
      let store = try await harness.open()
      let rooms = (0..<500).map { room("room-\($0)") }
      var writer = Writer(store)
      try await writer.claim(Slot.all)
      async let outcomes = submitAll(rooms.map { writer.makeCommit($0, 1) }, to: store)
      while store.statistics.queueDepth == 0, store.statistics.committed == 0 { await Task.yield() }
      await store.close()
      // Those handed in before the closing began are on disk; the others were told so. None is left without an answer.
      let told = await outcomes
      #expect(told.count == rooms.count)
      #expect(await writer.commit(room("late"), 1) == .failed(.closed))
      await expectClosed { _ = try await store.load(rooms[0]) }
      await expectClosed { _ = try await store.slots() }
      await expectClosed { _ = try await store.claim([], for: NodeID("a")) }
      await expectClosed { _ = try await writer.save(rooms[0], at: 1) }
      await expectClosed { try await store.checkHealth() }
      await store.close()

      let again = try await harness.open()
      for (room, outcome) in zip(rooms, told) {
        #expect(outcome == .committed || outcome == .failed(.closed))
        #expect(try await again.load(room)?.journalTexts == (outcome == .committed ? [Writer.text(room, 1)] : nil))
      }
      #expect(try await again.slots().allSatisfy { $0.epoch == Epoch(1) })
      await again.close()
    }
  ]

  private static func expectClosed(
    _ body: () async throws -> Void, sourceLocation: SourceLocation = #_sourceLocation
  ) async {
    await #expect(throws: StoreError.closed, sourceLocation: sourceLocation) { try await body() }
  }
}
