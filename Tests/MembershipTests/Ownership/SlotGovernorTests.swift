import Membership
import RoomCore
import Testing

/// One `SlotGovernor` of node "a", with whatever the test lets it see.
private struct Seat {
  var governor = SlotGovernor(me: NodeID("a/1"), name: "a", seed: 1)
  var table = OwnershipTable()
  var rows = Slot.all.map { SlotRecord(slot: $0, epoch: .zero, owner: nil) }
  /// Who is in the view, and since when.
  var view = Scene.view([Scene.record("a")])
  /// Ages in milliseconds, by life.
  var heartbeats: [(node: String, ageMillis: Int)] = [("a/1", 100)]
  var now = Scene.at(100_000)

  mutating func own(_ slots: Range<Int>, _ owner: String?, epoch: Int64 = 1) {
    for slot in slots {
      rows[slot] = SlotRecord(slot: Slot(slot), epoch: Epoch(epoch), owner: owner.map { NodeID($0) })
    }
  }

  /// Reads the store, as it is now.
  mutating func read() -> [SlotDirective] {
    let reading = StoreReading(
      startedAt: now, slots: rows,
      heartbeats: heartbeats.map { beat in
        .init(
          node: NodeID(beat.node), name: String(beat.node.prefix { $0 != "/" }), age: .milliseconds(beat.ageMillis))
      })
    _ = table.merge(storeRows: rows, startedAt: now)
    governor.take(reading)
    return decide()
  }

  mutating func decide() -> [SlotDirective] { governor.decide(view: view, ownership: table, now: now) }

  /// Reads once in a while, and returns what was decided.
  mutating func pass(_ millis: Int) -> [SlotDirective] {
    var directives: [SlotDirective] = []
    for _ in 0..<(millis / 100) {
      now = now + .milliseconds(100)
      directives += read()
    }
    return directives
  }

  /// Has every claim succeed.
  mutating func grant(_ directives: [SlotDirective]) -> [SlotDirective] {
    var won: [Slot: Epoch] = [:]
    for intent in claims(in: directives) {
      guard rows[intent.slot.number].epoch == intent.expected else { continue }
      let row = SlotRecord(slot: intent.slot, epoch: intent.expected.next, owner: governor.me)
      rows[intent.slot.number] = row
      _ = table.merge(row, now: now)
      won[intent.slot] = row.epoch
    }
    return governor.claimEnded(won: won, now: now)
  }

  /// Has the store and the governor hear that slots were released, and claimed by their next owners.
  mutating func complete(_ handOffs: [(slot: Slot, to: NodeID)], rooms: Int = 1, areClaimed: Bool = true) {
    for (slot, next) in handOffs {
      let epoch = rows[slot.number].epoch
      rows[slot.number] = SlotRecord(slot: slot, epoch: epoch.next, owner: areClaimed ? next : nil)
      governor.handOffEnded(slot, at: epoch, rooms: rooms, released: true, now: now)
    }
  }

  /// A node alone that has all slots.
  static func withAll(_ deadlines: Deadlines = Deadlines()) -> Seat {
    var seat = Seat()
    seat.governor = SlotGovernor(me: NodeID("a/1"), name: "a", deadlines: deadlines, seed: 1)
    for _ in 0..<4 {
      let directives = seat.read()
      #expect(seat.grant(directives).isEmpty)
    }
    #expect(seat.governor.heldSlots.count == Slot.count)
    return seat
  }

  /// A node beside "b", each with the slots that placement gives it.
  static func besideB() -> Seat {
    var seat = Seat()
    seat.heartbeats.append(("b/1", 100))
    seat.view = Scene.view(["a", "b"].map { Scene.record($0) })
    let placement = Placement(
      over: ["a", "b"].map { Placement.Candidate(node: NodeID("\($0)/1"), name: $0, weight: 100) })
    for slot in Slot.all where placement.owner(of: slot) == NodeID("b/1") {
      seat.own(slot.number..<(slot.number + 1), "b/1")
    }
    for _ in 0..<3 {
      let directives = seat.read()
      #expect(seat.grant(directives).isEmpty)
    }
    #expect(seat.governor.heldSlots.count == Slot.all.count { placement.owner(of: $0) == NodeID("a/1") })
    return seat
  }
}

private func claims(in directives: [SlotDirective]) -> [SlotClaim] {
  directives.flatMap { directive -> [SlotClaim] in
    if case .claim(let intents) = directive { return intents }
    return []
  }
}

private func handOffs(in directives: [SlotDirective]) -> [(slot: Slot, to: NodeID)] {
  directives.compactMap { directive in
    if case .handOff(let record, let next) = directive { (record.slot, next) } else { nil }
  }
}

private func stepDowns(in directives: [SlotDirective]) -> [StepDownReason] {
  directives.compactMap { directive in if case .stepDown(let reason, _) = directive { reason } else { nil } }
}

@Suite("Which slots a node claims, keeps and gives up")
struct SlotGovernorTests {
  @Test("nothing is claimed before the store was read, and one claim at a time")
  func first() {
    var seat = Seat()
    #expect(seat.decide().isEmpty)
    let directives = seat.read()
    #expect(claims(in: directives).count == 512)
    #expect(seat.decide().isEmpty)
    #expect(seat.grant(directives).isEmpty)
    #expect(claims(in: seat.decide()).count == 512)
  }

  @Test(
    "a slot is claimed from nobody, from oneself before a restart, and from the dead; never from the living",
    arguments: [
      (nil, MemberStatus.alive, 100, true), ("a/0", .alive, 100, true), ("a/1", .alive, 100, true),
      ("b/1", .alive, 100, false), ("b/1", .suspect, 100, false), ("b/1", .dead, 100, true), ("b/1", .left, 100, true),
      // Gossip says it lives, but it has not written for long.
      ("b/1", .alive, 60_000, true),
      // Nobody has heard of it.
      ("x/1", .alive, 100, false), ("x/1", .alive, 60_000, true),
    ] as [(String?, MemberStatus, Int, Bool)])
  func claimable(owner: String?, status: MemberStatus, ageMillis: Int, isClaimed: Bool) {
    var seat = Seat()
    // The owner keeps no slots in placement, so that all are this node's.
    seat.view = Scene.view(
      ["a", "c", "d"].map { Scene.record($0, weight: $0 == "a" ? 100 : 0) } + [Scene.record("b", status, weight: 0)])
    seat.heartbeats = [("a/0", 3000), ("a/1", 100), ("c/1", 100), ("d/1", 100), ("b/1", ageMillis), ("x/1", ageMillis)]
    seat.own(0..<Slot.count, owner)
    #expect(claims(in: seat.read()).isEmpty || owner == nil || owner != "x/1")
    let directives = seat.pass(7000)
    let wasClaimed = seat.governor.claimsMade > 0
    #expect(wasClaimed == isClaimed)
    for intent in claims(in: directives) { #expect(intent.expected == seat.rows[intent.slot.number].epoch) }
  }

  @Test("after the store was unreadable, an old heartbeat is not the node's fault")
  func storeOutage() {
    var seat = Seat()
    seat.view = Scene.view([Scene.record("a"), Scene.record("b")])
    seat.heartbeats = [("a/1", 100), ("b/1", 30_000)]
    seat.own(0..<Slot.count, "b/1")
    #expect(claims(in: seat.pass(3900)).isEmpty)
    seat.now = seat.now + .seconds(30)
    #expect(claims(in: seat.pass(3900)).isEmpty)
    #expect(!claims(in: seat.pass(400)).isEmpty)
  }

  @Test("while this node cannot write either, an old heartbeat is not the other node's fault, nor right after")
  func storeTakesNoWrites() {
    var seat = Seat()
    seat.view = Scene.view([Scene.record("a"), Scene.record("b")])
    seat.heartbeats = [("a/1", 30_000), ("b/1", 30_000)]
    seat.own(0..<Slot.count, "b/1")
    #expect(claims(in: seat.pass(10_000)).isEmpty)
    seat.heartbeats = [("a/1", 100), ("b/1", 30_000)]
    #expect(claims(in: seat.pass(3900)).isEmpty)
    #expect(!claims(in: seat.pass(400)).isEmpty)
  }

  @Test("slots that placement gives to another are handed off, a few at a time, once it has settled")
  func rebalancing() {
    var seat = Seat.withAll()
    seat.heartbeats.append(("b/1", 100))
    seat.view = ClusterView(
      me: NodeID("a/1"),
      members: [
        .init(record: Scene.record("a"), since: .zero, isGone: false),
        .init(record: Scene.record("b"), since: seat.now, isGone: false),
      ])
    #expect(handOffs(in: seat.pass(1900)).isEmpty)
    let first = handOffs(in: seat.pass(1000))
    #expect(first.count == seat.governor.deadlines.handOffsAtOnce)
    for (slot, next) in first { #expect(next == NodeID("b/1") && seat.governor.placement.owner(of: slot) == next) }
    var total = first.count
    var open = first
    for _ in 0..<20 {
      seat.complete(open)
      let directives = seat.pass(100)
      #expect(claims(in: directives).isEmpty)
      open = handOffs(in: directives)
      total += open.count
    }
    #expect(total == 8 + 8 * 20)
  }

  /// How many slots a drain has handed off after a while.
  private func drained(_ millis: Int, rooms: Int, inSlot: Int, claimed: Bool = true) -> Int {
    var seat = Seat.withAll()
    seat.heartbeats += [("b/1", 100)]
    seat.view = Scene.view(["a", "b"].map { Scene.record($0) })
    seat.governor.drain(rooms: rooms)
    var total = 0
    for _ in 0..<(millis / 100) {
      let started = handOffs(in: seat.pass(100))
      #expect(started.count <= seat.governor.deadlines.handOffsAtOnce)
      total += started.count
      seat.complete(started, rooms: inSlot, areClaimed: claimed)
    }
    return total
  }

  @Test("rooms are handed off no faster than others load them, unless there are so many that it would take too long")
  func pace() {
    // 300 rooms in a second.
    #expect((75...90).contains(drained(5000, rooms: 1000, inSlot: 20)))
    // A million of them within 30 s.
    #expect((85...115).contains(drained(3200, rooms: 1_000_000, inSlot: 1000)))
    // As many as there are in each look, where nobody waits.
    #expect(drained(5000, rooms: 0, inSlot: 0) == 8 * 50)
  }

  @Test("slots that nobody has claimed yet count as being on their way, for a while")
  func unclaimed() {
    #expect(drained(900, rooms: 0, inSlot: 0, claimed: false) == 8)
    #expect(drained(2000, rooms: 0, inSlot: 0, claimed: false) == 16)
  }

  @Test("a drain hands everything off, claims nothing, and ends")
  func drain() {
    var seat = Seat.withAll()
    seat.heartbeats += [("b/1", 100), ("c/1", 100)]
    seat.view = Scene.view(["a", "b", "c"].map { Scene.record($0) })
    seat.governor.drain(rooms: 0)
    var directives: [SlotDirective] = []
    for _ in 0..<150 {
      directives = seat.pass(100)
      #expect(handOffs(in: directives).count <= 8)
      seat.complete(handOffs(in: directives))
    }
    #expect(seat.governor.heldSlots.isEmpty)
    #expect(!directives.contains(.drained))
    #expect(seat.governor.claimsMade == Slot.count)
  }

  @Test("a drain without anybody to hand to gives everything up")
  func drainAlone() {
    var seat = Seat.withAll()
    seat.governor.drain(rooms: 0)
    let directives = seat.pass(200)
    guard case .release(let records) = directives.first else {
      Issue.record("\(directives.prefix(3))")
      return
    }
    #expect(records.count == Slot.count)
    #expect(directives.count { $0 == .drained } == 1)
  }

  @Test("a drain that is taken back: slots are claimed again, and the next drain ends as well")
  func drainTakenBack() {
    var seat = Seat.withAll()
    for _ in 0..<2 {
      seat.governor.drain(rooms: 0)
      #expect(seat.pass(200).contains(.drained))
      seat.own(0..<Slot.count, nil, epoch: seat.rows[0].epoch.number)
      #expect(claims(in: seat.pass(1000)).isEmpty)
      seat.governor.endDrain()
      for _ in 0..<3 {
        let directives = seat.pass(100)
        #expect(seat.grant(directives).isEmpty)
      }
      #expect(seat.governor.heldSlots.count == Slot.count)
    }
  }

  @Test("a slot that an operator moves is handed off against placement, and left alone for a while")
  func movedAway() throws {
    var seat = Seat.besideB()
    let slot = try #require(seat.governor.heldSlots.first?.slot)
    seat.governor.move(slot, to: NodeID("b/1"), now: seat.now)
    let directives = handOffs(in: seat.decide())
    #expect(directives.map(\.slot) == [slot])
    #expect(directives.map(\.to) == [NodeID("b/1")])
    let epoch = seat.rows[slot.number].epoch
    seat.own(slot.number..<(slot.number + 1), nil)
    seat.governor.handOffEnded(slot, at: epoch, rooms: 1, released: true, now: seat.now)
    // The other one never comes for it.
    #expect(claims(in: seat.pass(4900)).isEmpty)
    #expect(claims(in: seat.pass(200)).map(\.slot) == [slot])
  }

  @Test("a slot that an operator moves here is claimed when it is free, and kept until other nodes can own slots")
  func movedHere() throws {
    var seat = Seat.besideB()
    let slot = try #require(seat.rows.first { $0.owner == NodeID("b/1") }?.slot)
    seat.governor.move(slot, to: seat.governor.me, now: seat.now)
    #expect(claims(in: seat.pass(200)).isEmpty, "its owner lives and has it")
    seat.own(slot.number..<(slot.number + 1), nil)
    let directives = seat.pass(100)
    #expect(claims(in: directives).map(\.slot) == [slot])
    #expect(seat.grant(directives).isEmpty)
    #expect(handOffs(in: seat.pass(20_000)).isEmpty, "it is reserved for a while only, and kept for longer")
    #expect(seat.governor.isPinned(slot))
    seat.heartbeats.append(("c/1", 100))
    seat.view = Scene.view(["a", "b", "c"].map { Scene.record($0, weight: $0 == "c" ? 1 : 100) })
    #expect(handOffs(in: seat.pass(300)).contains { $0.slot == slot })
    #expect(!seat.governor.isPinned(slot))
  }

  @Test("a node that drains takes no slot, whatever an operator wants")
  func movedToADrain() throws {
    var seat = Seat.besideB()
    seat.governor.drain(rooms: 0)
    let slot = try #require(seat.governor.heldSlots.first?.slot)
    seat.governor.move(slot, to: seat.governor.me, now: seat.now)
    #expect(handOffs(in: seat.pass(100)).contains { $0.slot == slot })
  }

  @Test("a hand-off that failed is tried again later")
  func failedHandOff() throws {
    var deadlines = Deadlines()
    deadlines.handOffsAtOnce = Slot.count
    var seat = Seat.withAll(deadlines)
    seat.heartbeats.append(("b/1", 100))
    seat.view = Scene.view(["a", "b"].map { Scene.record($0) })
    let slot = try #require(handOffs(in: seat.pass(100)).first?.slot)
    seat.governor.handOffEnded(slot, at: Epoch(1), rooms: 1, released: false, now: seat.now)
    #expect(seat.governor.epoch(of: slot) == Epoch(1))
    #expect(!handOffs(in: seat.pass(200)).contains { $0.slot == slot })
    #expect(handOffs(in: seat.pass(300)).contains { $0.slot == slot })
  }

  @Test("the end of a hand-off takes nothing from a slot that was claimed anew meanwhile", arguments: [true, false])
  func lateHandOff(released: Bool) throws {
    var seat = Seat.withAll()
    seat.heartbeats.append(("b/1", 100))
    seat.view = Scene.view(["a", "b"].map { Scene.record($0) })
    let slot = try #require(handOffs(in: seat.pass(100)).first?.slot)
    // Another was quicker, and is gone again.
    seat.own(slot.number..<(slot.number + 1), "b/1", epoch: 2)
    #expect(seat.pass(100).contains(.lost(slot, at: Epoch(1))))
    seat.own(slot.number..<(slot.number + 1), nil, epoch: 2)
    seat.heartbeats.removeLast()
    seat.view = Scene.view([Scene.record("a")])
    for _ in 0..<20 where seat.governor.epoch(of: slot) == nil {
      let directives = seat.pass(500)
      #expect(seat.grant(directives).isEmpty)
    }
    #expect(seat.governor.epoch(of: slot) == Epoch(3))
    seat.governor.handOffEnded(slot, at: Epoch(1), rooms: 1, released: released, now: seat.now)
    #expect(seat.governor.epoch(of: slot) == Epoch(3))
  }

  @Test("what the store or gossip says is another's is lost, once")
  func lost() {
    var seat = Seat.withAll()
    seat.now = seat.now + .milliseconds(100)
    seat.own(5..<6, "b/1", epoch: 2)
    #expect(seat.read().contains(.lost(Slot(5), at: Epoch(1))))
    #expect(!seat.decide().contains(.lost(Slot(5), at: Epoch(1))))
    _ = seat.table.merge(SlotRecord(slot: Slot(6), epoch: Epoch(2), owner: NodeID("b/1")), now: seat.now)
    #expect(seat.decide().contains(.lost(Slot(6), at: Epoch(1))))
    #expect(seat.governor.epoch(of: Slot(6)) == nil)
    // A reading that began before the claim ended knows nothing of it.
    var other = Seat()
    let directives = other.read()
    let before = other.rows
    let startedAt = other.now
    other.now = other.now + .milliseconds(50)
    _ = other.grant(directives)
    _ = other.table.merge(storeRows: before, startedAt: startedAt)
    #expect(!other.decide().contains { if case .lost = $0 { true } else { false } })
  }

  @Test(
    "a node steps down when it reaches no majority of those that write; a tie goes to the lowest id",
    arguments: [
      // Alone with the store.
      ("a", [], [], false), ("a", ["b"], ["b"], false), ("a", [], ["b"], false), ("b", [], ["a"], true),
      ("a", [], ["b", "c"], true), ("a", ["b"], ["b", "c"], false), ("b", ["c"], ["a", "c", "d"], true),
      ("a", ["c"], ["b", "c", "d"], false), ("b", ["c", "d"], ["a", "c", "d"], false),
      ("d", ["e"], ["a", "b", "c", "e"], true),
    ] as [(String, [String], [String], Bool)])
  func majority(me: String, reached: [String], fresh: [String], mustStepDown: Bool) {
    var seat = Seat()
    seat.governor = SlotGovernor(me: NodeID("\(me)/1"), name: me, seed: 1)
    let others = Set(reached + fresh).sorted()
    seat.view = Scene.view(
      [Scene.record(me)] + others.map { Scene.record($0, reached.contains($0) ? .alive : .dead) }, me: me)
    seat.heartbeats = fresh.map { ("\($0)/1", 200) }
    let early = seat.pass(2400)
    #expect(stepDowns(in: early).isEmpty)
    #expect(claims(in: early).isEmpty == mustStepDown, "nothing is claimed without a majority")
    #expect(stepDowns(in: seat.pass(300)).count == (mustStepDown ? 1 : 0))
    #expect(seat.governor.isFresh(now: seat.now) == !mustStepDown)
    guard mustStepDown else { return }
    #expect(claims(in: seat.pass(5000)).isEmpty)
    seat.view = Scene.view([Scene.record(me)] + others.map { Scene.record($0) }, me: me)
    #expect(!claims(in: seat.pass(100)).isEmpty)
  }

  @Test("who is gone for certain does not count, unless it writes on; nor does who has not written for long")
  func gone() {
    func stepsDown(status: MemberStatus, isGone: Bool, ageMillis: Int, diedMillisAgo: Int) -> Bool {
      var seat = Seat()
      seat.governor = SlotGovernor(me: NodeID("b/1"), name: "b", seed: 1)
      var found = false
      for _ in 0..<40 {
        seat.now = seat.now + .milliseconds(100)
        seat.view = ClusterView(
          me: NodeID("b/1"),
          members: [
            .init(record: Scene.record("b"), since: .zero, isGone: false),
            .init(
              record: Scene.record("a", status), since: Scene.at(100_000 - diedMillisAgo), isGone: isGone),
          ])
        seat.heartbeats = [("a/1", ageMillis), ("b/1", 100)]
        found = found || !stepDowns(in: seat.read()).isEmpty
      }
      return found
    }
    #expect(stepsDown(status: .dead, isGone: false, ageMillis: 200, diedMillisAgo: 0))
    #expect(!stepsDown(status: .left, isGone: true, ageMillis: 200, diedMillisAgo: 0))
    #expect(!stepsDown(status: .dead, isGone: false, ageMillis: 2600, diedMillisAgo: 0))
    // Its heartbeat stays 200 ms old: it goes on writing after its death.
    #expect(stepsDown(status: .dead, isGone: true, ageMillis: 200, diedMillisAgo: 1000))
    #expect(!stepsDown(status: .dead, isGone: true, ageMillis: 2400, diedMillisAgo: -3000))
  }

  @Test("a claim that ends after a step-down is given back")
  func lateClaim() {
    var seat = Seat()
    seat.governor = SlotGovernor(me: NodeID("b/1"), name: "b", seed: 1)
    seat.view = Scene.view([Scene.record("b")], me: "b")
    seat.heartbeats = [("b/1", 100)]
    let directives = seat.read()
    #expect(!claims(in: directives).isEmpty)
    seat.view = Scene.view([Scene.record("b"), Scene.record("a", .dead)], me: "b")
    seat.heartbeats = [("a/1", 100)]
    #expect(stepDowns(in: seat.pass(3000)).count == 1)
    guard case .release(let records) = seat.grant(directives).first else {
      Issue.record("nothing is released")
      return
    }
    #expect(records.count == 512)
    #expect(seat.governor.heldSlots.isEmpty)
  }

  @Test("reads are served for a second after the last reading began, by the clock that runs on")
  func freshness() {
    var seat = Seat.withAll()
    let read = seat.now
    #expect(seat.governor.mayServe(Slot(0), now: read + .seconds(1)))
    #expect(!seat.governor.mayServe(Slot(0), now: read + .milliseconds(1001)))
    _ = seat.governor.supersede()
    #expect(!seat.governor.isFresh(now: read))
    #expect(seat.pass(1000).isEmpty)
  }

  @Test("a slot that is lost again and again is left alone for longer and longer")
  func noWar() {
    var seat = Seat()
    seat.view = Scene.view([Scene.record("a"), Scene.record("b", .dead)])
    seat.heartbeats = [("a/1", 100), ("c/1", 9000)]
    seat.own(0..<Slot.count, "b/1")
    for _ in 0..<300 {
      let directives = seat.pass(100)
      _ = seat.grant(directives)
      // The other takes back at once whatever this node wins.
      for record in seat.governor.heldSlots {
        seat.rows[record.slot.number] = SlotRecord(
          slot: record.slot, epoch: record.epoch.next, owner: NodeID("b/1"))
      }
    }
    // In 30 s a slot is claimed 8 times at most: after ¼, ½, 1, 2, 4, 8, 10 s.
    #expect(seat.governor.claimsMade <= 8 * Slot.count)
    #expect(seat.governor.claimsMade >= 4 * Slot.count)
  }

  @Test("a claim that was refused waits, and then expects what the store says by now")
  func refusedClaim() throws {
    var seat = Seat()
    let intents = claims(in: seat.read())
    seat.own(0..<1, nil, epoch: 5)
    #expect(intents.contains { $0.slot == Slot(0) })
    _ = seat.governor.claimEnded(won: [:], now: seat.now)
    #expect(!claims(in: seat.decide()).contains { $0.slot == Slot(0) })
    seat.now = seat.now + .milliseconds(400)
    _ = seat.governor.claimEnded(won: [:], now: seat.now)
    seat.now = seat.now + .milliseconds(400)
    #expect(claims(in: seat.read()).contains(SlotClaim(slot: Slot(0), expected: Epoch(5))))
  }
}
