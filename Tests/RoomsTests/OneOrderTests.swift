import RoomCore
import Rooms
import Store
import StoreTesting
import Testing
import Wire

private let ward = room("ward")

@Suite("Promise 3: one order", .guarded)
struct OneOrderTests {
  @Test("Every session, full or delta, sees the same gapless sequence while many operations go on at once")
  func manySessions() async throws {
    try await withHouse(adjusted { $0.turnLimit = 5 }) { house in
      let clients = [
        await house.connect(ward, .delta), await house.connect(ward, .full), await house.connect(ward, .delta),
        await house.connect(ward, .full),
      ]
      let each = 40
      await withTaskGroup(of: Void.self) { group in
        for (index, client) in clients.enumerated() {
          group.addTask {
            for number in 1...each { client.send(.add(Int64(number)), by: "p\(index)", "\(number)") }
            await client.sees(upTo: Int64(clients.count * each))
          }
        }
      }
      let journal = try await house.journal(ward)
      #expect(journal.count == clients.count * each)
      for client in clients { Checker.check(client.sights, in: client.dialect, against: journal) }
      for index in clients.indices {
        let own = journal.compactMap(\.cause?.operation).filter { $0.participant == ParticipantID("p\(index)") }
        #expect(own.map(\.value) == (1...each).map { "\($0)" }, "one session's operations keep their order")
      }
      #expect(clients[0].changes == clients[2].changes && clients[1].changes == clients[3].changes)
    }
  }

  @Test("A client resumes from every position: resumption, then what it missed, then what goes on")
  func resumes() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      for number in 1...5 { _ = await ann.ask(.add(Int64(number)), "\(number)") }
      _ = await ann.ask(.addEach([6, 7, 8]), "6")
      var resumed: [Client] = []
      for since in 0...8 {
        let client = house.client(ward)
        client.open(since: Int64(since))
        resumed.append(client)
      }
      ann.send(.add(9), "9")
      let journal = try await { () -> [Recorded<Counter.Event>] in
        await ann.sees(upTo: 9)
        return try await house.journal(ward)
      }()
      for (since, client) in resumed.enumerated() {
        await client.sees(upTo: 9)
        #expect(client.sights.first == .resumption("since \(since) to 8"))
        #expect(client.changes == journal.dropFirst(since).map { CounterVoice.describe($0) })
      }
    }
  }

  @Test("Operations go on while a history is read slowly; the client gets history first, then them")
  func slowHistory() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      for number in 1...4 { _ = await ann.ask(.add(Int64(number)), "\(number)") }
      let store = house.store
      store.close(.journal)
      let slow = house.client(ward)
      slow.open(since: 1)
      await house.until { store.waiting(at: .journal) == 1 }
      for number in 5...9 { #expect(await ann.ask(.add(Int64(number)), "\(number)") == "ack \(number) \(number)") }
      #expect(slow.sights == [.resumption("since 1 to 4")])
      store.open(.journal)
      await slow.sees(upTo: 9)
      let journal = try await house.journal(ward)
      #expect(slow.changes == journal.dropFirst(1).map { CounterVoice.describe($0) })
      Checker.check(slow.sights, in: .delta, against: journal)
    }
  }

  @Test("A history that cannot be read becomes a sync")
  func brokenHistory() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      for number in 1...4 { _ = await ann.ask(.add(Int64(number)), "\(number)") }
      house.store.faults.readError = .unavailable("broken for the test")
      let client = house.client(ward)
      client.open(since: 1)
      await client.sees { $0.isSync }
      #expect(client.sights.map(\.position) == [nil, 4])
    }
  }

  @Test(
    "A position beyond the head, before the beginning or too far behind gets a full sync",
    arguments: [9, Int64.max, -1, Int64.min, 1])
  func unknownPositions(_ since: Int64) async throws {
    try await withHouse(adjusted { $0.replayLimit = 3 }) { house in
      let ann = await house.connect(ward)
      for number in 1...8 { _ = await ann.ask(.add(Int64(number)), "\(number)") }
      let client = house.client(ward)
      client.open(since: since)
      await client.sees { $0.isSync }
      #expect(client.sights.count == 1 && client.position == 8)
      _ = await ann.ask(.add(1), "9")
      await client.sees(upTo: 9)
      #expect(client.changes == ["9 added(1) by ann/9"])
    }
  }

  @Test("The full dialect gets one fresh sync after a reconnect, never replays")
  func fullNeverResumes() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      for number in 1...3 { _ = await ann.ask(.add(Int64(number)), "\(number)") }
      let full = house.client(ward, .full)
      full.open(since: 1)
      await full.sees(upTo: 3)
      #expect(full.sights.count == 1)
    }
  }

  @Test("Where the journal was trimmed, a client gets a full sync")
  func trimmed() async throws {
    try await withHouse(adjusted { $0.journalRetention = .seconds(60) }) { house in
      let ann = await house.connect(ward)
      for number in 1...5 { _ = await ann.ask(.add(Int64(number)), "\(number)") }
      ann.close()
      await house.passivate()
      house.time.advance(by: .seconds(120))
      await house.registry.keepHouse(clock: OnePassClock())
      let rest = try await house.store.faults.journal(of: ward, after: .zero, through: SequenceNumber(5))
      #expect(rest == nil)

      let client = house.client(ward)
      client.open(since: 2)
      await client.sees { $0.isSync }
      #expect(client.position == 5)
      #expect(await client.ask(.add(2), "1") == "no 1 operation_conflict")
      #expect(await client.ask(.add(6), "6") == "ack 6 6")
      await client.sees(upTo: 6)
      let atHead = house.client(ward)
      atHead.open(since: 5)
      await atHead.sees(upTo: 6)
      #expect(atHead.changes == ["6 added(6) by ann/6"])
    }
  }

  @Test("Whoever lost messages gets the whole state when it asks")
  func resync() async throws {
    try await withHouse { house in
      let ann = await house.connect(ward)
      #expect(await ann.ask(.add(1), "one") == "ack one 1")
      ann.send(.resync(ann.session))
      await ann.sees { $0 == .sync(1, "1 total=1 trace=1 members= online=ann") }
      ann.send(.resync(SessionNumber(999)))
      #expect(await ann.ask(.add(1), "two") == "ack two 2")
    }
  }
}

/// Holds what a client saw against the journal.
enum Checker {
  /// A client sees a contiguous slice from each sync or resumption on, and each text is what the journal says.
  static func check(
    _ sights: [Listener.Sight], in dialect: Dialect, against journal: [Recorded<Counter.Event>],
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    var states: [String] = []
    var state = Counter.State()
    states.append(CounterVoice.describe(state, at: .zero))
    for record in journal {
      Counter.evolve(&state, applying: record)
      states.append(CounterVoice.describe(state, at: record.sequence))
    }
    var position: Int64?
    for sight in sights {
      switch sight {
      case .sync(let head, let text):
        position = head
        guard let text else { continue }
        let expected = states.indices.contains(Int(head)) ? states[Int(head)] : "a position beyond the journal"
        #expect(text.hasPrefix(expected + " online="), sourceLocation: sourceLocation)
      case .resumption(let text): position = Int64(text.split(separator: " ")[1])
      case .change(let text, _):
        guard let at = sight.position, journal.indices.contains(Int(at - 1)) else {
          Issue.record("\(text) is not in the journal", sourceLocation: sourceLocation)
          return
        }
        guard let known = position, known < at else {
          Issue.record("\(text) comes after \(position ?? -1): \(sights)", sourceLocation: sourceLocation)
          return
        }
        if dialect == .delta {
          #expect(at == known + 1, "\(sights)", sourceLocation: sourceLocation)
          #expect(text == CounterVoice.describe(journal[Int(at - 1)]), sourceLocation: sourceLocation)
        } else {
          let isSilent = journal[Int(known)..<Int(at - 1)].allSatisfy {
            if case .idleSet = $0.event { true } else { false }
          }
          #expect(isSilent, "\(sights)", sourceLocation: sourceLocation)
          #expect(text == states[Int(at)], sourceLocation: sourceLocation)
        }
        position = at
      case .transient, .direct, .ended: break
      }
    }
  }
}
