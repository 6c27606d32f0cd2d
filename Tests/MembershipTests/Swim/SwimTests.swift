import Membership
import RoomCore
import Testing

@Suite("One member")
struct SwimTests {
  private let b = Scene.record("b")
  private let c = Scene.record("c")

  @Test("a ping is answered, also one that is meant for an earlier life: it learns who is there now")
  func ping() {
    var a = Driven(knowing: [])
    a.hear(.ping(sequence: 7, target: NodeID("a/0")), from: b)
    #expect(a.sent.contains { $0.body == .ack(sequence: 7, target: NodeID("a/1")) && $0.to == "b" })
    #expect(a.changes == ["b/1 alive"])
  }

  @Test("SWIM §3.1: no ack, so others are asked; no ack through them, so it is suspected, and dead in the end")
  func indirect() throws {
    var a = Driven(knowing: [b, c])
    a.pass(1)
    while a.pings(to: "b").isEmpty { answerAll(&a, except: "b") }
    answerAll(&a, except: "b", millis: 80)
    #expect(a.sent.contains { if case .pingRequest(_, NodeID("b/1"), _) = $0.body { $0.to == "c" } else { false } })
    #expect(a.status("b") == .alive)
    answerAll(&a, except: "b", millis: 120)
    #expect(a.status("b") == .suspect)
    #expect(a.status("c") == .alive)
    answerAll(&a, except: "b", millis: 1900)
    #expect(a.status("b") == .suspect)
    answerAll(&a, except: "b", millis: 200)
    #expect(a.status("b") == .dead)
    #expect(a.swim.localHealth == 0)
  }

  /// Everybody but one answers each ping and ping request at once: with an ack, or a nack for the one.
  private func answerAll(_ a: inout Driven, except silent: String, millis: Int = 10) {
    for _ in 0..<max(1, millis / 10) {
      let before = a.sent.count
      a.pass(10)
      for message in a.sent[before...] where message.to != silent {
        switch message.body {
        case .ping(let sequence, let target):
          a.hear(.ack(sequence: sequence, target: target), from: Scene.record(message.to))
        case .pingRequest(let sequence, _, _):
          a.hear(.nack(sequence: sequence), from: Scene.record(message.to))
        default: break
        }
      }
    }
  }

  @Test("an ack through a helper counts, one from another life does not")
  func helperAck() throws {
    var a = Driven(knowing: [b])
    a.pass(210)
    let sequence = try #require(a.pings(to: "b").last)
    a.hear(.ack(sequence: sequence, target: NodeID("b/0")), from: c)
    a.hear(.ack(sequence: sequence, target: NodeID("b/1")), from: c)
    a.pass(190)
    #expect(a.status("b") == .alive)
    var other = Driven(knowing: [b])
    other.pass(210)
    other.hear(.ack(sequence: try #require(other.pings(to: "b").last), target: NodeID("b/0")), from: c)
    other.pass(210)
    #expect(other.status("b") == .suspect)
  }

  @Test("Lifeguard §4.1: a helper passes the ack on, and says nack if there is none in time")
  func relay() throws {
    var a = Driven(knowing: [b, c])
    a.hear(.pingRequest(sequence: 40, target: NodeID("c/1"), address: PeerAddress(host: "c", port: 7000)), from: b)
    let sequence = try #require(a.pings(to: "c").last)
    a.pass(79)
    #expect(!a.sent.contains { $0.body == .nack(sequence: 40) })
    a.pass(1)
    #expect(a.sent.contains { $0.body == .nack(sequence: 40) && $0.to == "b" })
    a.hear(.ack(sequence: sequence, target: NodeID("c/1")), from: c)
    #expect(a.sent.contains { $0.body == .ack(sequence: 40, target: NodeID("c/1")) && $0.to == "b" })
  }

  @Test("who is suspected speaks up under a higher incarnation, and who hears that believes it")
  func refutation() {
    var a = Driven(knowing: [b, c])
    a.hear(.gossip, from: b, saying: [Scene.record("a", .suspect, incarnation: 1, accusers: ["b"])])
    #expect(a.swim.ownRecord == Scene.record("a", incarnation: 2))
    #expect(a.swim.localHealth == 1)
    a.hear(.gossip, from: b, saying: [Scene.record("a", .dead, incarnation: 1)])
    #expect(a.swim.ownRecord.incarnation == 2)
    a.hear(.gossip, from: b, saying: [Scene.record("c", .suspect, accusers: ["b"])])
    #expect(a.status("c") == .suspect)
    a.hear(.gossip, from: b, saying: [Scene.record("c", incarnation: 2)])
    #expect(a.status("c") == .alive)
    a.hear(.gossip, from: b, saying: [Scene.record("c", .suspect, incarnation: 1, accusers: ["d"])])
    #expect(a.status("c") == .alive)
  }

  @Test("memberlist: a death that comes with all that somebody knows is an accusation, until the accused has had time")
  func hearsay() {
    for body in [GossipMessage.Body.pushPull, .pushPullReply] {
      var a = Driven(knowing: [b, c, Scene.record("e")])
      a.hear(body, from: b, saying: [Scene.record("c", .dead), Scene.record("d", .dead)])
      #expect(a.status("c") == .suspect)
      #expect(a.status("d") == .dead)
      a.hear(.gossip, from: Scene.record("c", incarnation: 2))
      a.hear(body, from: b, saying: [Scene.record("c", .dead)])
      #expect(a.status("c") == .alive)
      // It may be dead indeed. Who has left is not accused of anything.
      a.hear(body, from: b, saying: [Scene.record("c", .dead, incarnation: 2), Scene.record("e", .left)])
      #expect(a.status("c") == .suspect)
      #expect(a.status("e") == .left)
      answerAll(&a, except: "c", millis: 2500)
      #expect(a.status("c") == .dead)
    }
  }

  @Test("what is said of a member is the first thing it is told")
  func buddy() {
    var deadlines = Deadlines()
    deadlines.suspicionMin = .seconds(10)
    deadlines.suspicionMax = .seconds(10)
    var a = Driven(knowing: [b, c], deadlines: deadlines)
    a.hear(.gossip, from: b, saying: [Scene.record("c", .suspect, accusers: ["b"])])
    a.pass(0)
    #expect(a.sent.contains { $0.to == "c" && $0.members.first?.node == NodeID("c/1") && !a.pings(to: "c").isEmpty })
    // Also when it has long been told to everybody.
    answerAll(&a, except: "c", millis: 1000)
    a.sent = []
    answerAll(&a, except: "c", millis: 1000)
    // In full state all have their places.
    let told = a.sent.filter { $0.to == "c" && $0.body != .pushPull }
    #expect(!told.isEmpty)
    for message in told { #expect(message.members.first?.node == NodeID("c/1")) }
    a.hear(.gossip, from: b, saying: [Scene.record("c", .dead)])
    a.sent = []
    a.hear(.gossip, from: c)
    #expect(a.sent.contains { $0.to == "c" && $0.members.first?.status == .dead })
  }

  @Test("confirmations by others bring death nearer")
  func confirmation() {
    var a = Driven(knowing: [b, c, Scene.record("d"), Scene.record("e")])
    for accuser in ["c", "d", "e"] {
      a.hear(.gossip, from: Scene.record(accuser), saying: [Scene.record("b", .suspect, accusers: [accuser])])
    }
    answerAll(&a, except: "b", millis: 990)
    #expect(a.status("b") == .suspect)
    answerAll(&a, except: "b", millis: 20)
    #expect(a.status("b") == .dead)
  }

  @Test("a refused connection is death within 100 ms")
  func refused() {
    var a = Driven(knowing: [b, c])
    a.refuse("b")
    answerAll(&a, except: "b", millis: 90)
    #expect(a.status("b") == .suspect)
    answerAll(&a, except: "b", millis: 10)
    #expect(a.status("b") == .dead)
    #expect(a.swim.view[NodeID("b/1")]?.isGone == true)
    // It may have been the path, after all.
    a.hear(.pushPullReply, from: c)
    answerAll(&a, except: "b", millis: 1100)
    #expect(a.sent.contains { $0.body == .pushPull && $0.to == "b" })
  }

  @Test("if others still reach it, only this node is refused: no death, and refusals count for nothing for a while")
  func refusedHereOnly() throws {
    var a = Driven(knowing: [b, c])
    a.refuse("b")
    let sequence = try #require(a.pings(to: "b").last)
    a.hear(.ack(sequence: sequence, target: NodeID("b/1")), from: c)
    answerAll(&a, except: "", millis: 200)
    #expect(a.status("b") == .suspect)
    a.hear(.gossip, from: Scene.record("b", incarnation: 2))
    #expect(a.status("b") == .alive)
    a.refuse("b")
    answerAll(&a, except: "", millis: 200)
    #expect(a.status("b") == .alive)
    answerAll(&a, except: "", millis: 5000)
    a.refuse("b")
    #expect(a.status("b") == .suspect)
  }

  @Test("a new life of a name ends the old one at once, and rumours do not bring it back")
  func newLife() {
    var a = Driven(knowing: [b])
    a.hear(.pushPull, from: Scene.record("b", life: "2", incarnation: 5))
    #expect(a.status("b") == .dead)
    #expect(a.swim.view[NodeID("b/1")]?.isGone == true)
    #expect(a.status("b", life: "2") == .alive)
    a.hear(.gossip, from: c, saying: [Scene.record("b", incarnation: 4)])
    #expect(a.status("b") == .dead)
    var late = Driven(knowing: [Scene.record("b", life: "2", incarnation: 5)])
    late.hear(.gossip, from: c, saying: [Scene.record("b", incarnation: 4)])
    #expect(late.status("b") == .dead)
    #expect(late.status("b", life: "2") == .alive)
  }

  @Test("a later process under one's own name ends this one, unless this one is only just joining")
  func superseded() {
    var a = Driven(knowing: [b])
    a.hear(.pushPull, from: b, saying: [Scene.record("a", life: "2", incarnation: 9)])
    // It had not joined yet: the clock was set back, and the other is over.
    #expect(a.swim.ownRecord.incarnation == 10)
    #expect(a.status("a", life: "2") == .dead)
    a.hear(.gossip, from: b, saying: [Scene.record("a", life: "3", incarnation: 99)])
    #expect(a.supersededBy == NodeID("a/3"))
    #expect(a.swim.nextWake == .distantFuture)
  }

  @Test("who leaves is gone at once, and who left says nothing any more")
  func leave() {
    var a = Driven(knowing: [b, c])
    a.hear(.leave, from: Scene.record("b", .left))
    #expect(a.status("b") == .left)
    a.take(a.swim.leave(now: a.now))
    #expect(a.sent.contains { $0.body == .leave && $0.to == "c" })
    a.sent = []
    a.hear(.ping(sequence: 1, target: NodeID("a/1")), from: c)
    a.pass(1000)
    #expect(a.sent.isEmpty)
  }

  @Test("a process that was stopped distrusts its own suspicions when it wakes")
  func pause() {
    var a = Driven(knowing: [b, c])
    a.hear(.gossip, from: c, saying: [Scene.record("b", .suspect, accusers: ["c"])])
    a.sleep(10_000)
    a.take(a.swim.tick(now: a.now))
    #expect(a.status("b") == .suspect)
    #expect(a.swim.localHealth == a.swim.deadlines.maxLocalHealth)
    #expect(a.swim.pauses == 1)
    answerAll(&a, except: "", millis: 4000)
    #expect(a.swim.localHealth == 0)
    #expect(a.swim.pauses == 1)
  }

  @Test("helpers that say nothing make a node doubt itself, and answers give it trust again")
  func localHealth() {
    var a = Driven(knowing: [b, c])
    a.pass(500)
    #expect(a.swim.localHealth > 0)
    a.hear(.gossip, from: Scene.record("b", incarnation: 2))
    a.hear(.gossip, from: Scene.record("c", incarnation: 2))
    answerAll(&a, except: "", millis: 3000)
    #expect(a.swim.localHealth == 0)
  }

  @Test("a changed weight is told under a higher incarnation")
  func weight() {
    var a = Driven(knowing: [b])
    a.pass(60)
    a.sent = []
    a.take(a.swim.setWeight(0, now: a.now))
    a.pass(60)
    #expect(a.sent.contains { $0.members.contains { $0.member.weight == 0 && $0.incarnation == 2 } })
    a.hear(.gossip, from: Scene.record("b", incarnation: 2, weight: 0))
    #expect(a.changes == ["b/1 alive"])
  }

  private func hearers(of record: SlotRecord, in directives: [SwimDirective]) -> [String] {
    directives.compactMap { directive in
      guard case .send(let message, let address, _) = directive, message.ownership == [record] else { return nil }
      return address.host
    }
  }

  @Test("in a large cluster, the next owner is among those that are told at once", arguments: 1...20)
  func largeCluster(next: Int) {
    var a = Driven(knowing: (1...20).map { Scene.record("n\($0)") })
    let record = SlotRecord(slot: Slot(3), epoch: Epoch(4), owner: NodeID("a/1"))
    let told = hearers(
      of: record, in: a.swim.announce([record], to: NodeID("n\(next)/1"), now: a.now))
    #expect(told.first == "n\(next)")
    // 3 ⌈log₂ 22⌉ times each news is told.
    #expect(told.count == 15 && Set(told).count == told.count)
  }

  @Test("who has nothing to tell tells nobody")
  func nothing() {
    var a = Driven(knowing: [b, c])
    #expect(a.swim.announce([], now: a.now).isEmpty)
    _ = a.swim.announce([SlotRecord(slot: Slot(3), epoch: Epoch(4), owner: NodeID("b/1"))], now: a.now)
    #expect(a.swim.announce([SlotRecord(slot: Slot(3), epoch: Epoch(3), owner: NodeID("a/1"))], now: a.now).isEmpty)
  }

  @Test("what a node says of a slot that it was asked for in vain is taken in, unless more is known")
  func hint() {
    var a = Driven(knowing: [b, c])
    let record = SlotRecord(slot: Slot(3), epoch: Epoch(4), owner: NodeID("b/1"))
    #expect(a.swim.heard(record, now: a.now) == [.ownershipChanged([Slot(3)])])
    #expect(a.swim.heard(SlotRecord(slot: Slot(3), epoch: Epoch(3), owner: NodeID("c/1")), now: a.now).isEmpty)
    #expect(a.swim.ownership[Slot(3)] == record)
  }

  /// How often full state is asked for in a time.
  private func exchanges(of a: inout Driven, inMillis millis: Int) -> Int {
    a.sent = []
    answerAll(&a, except: "", millis: millis)
    return a.sent.count { $0.body == .pushPull }
  }

  @Test("who does not know all owners asks for full state each second")
  func unknownOwners() {
    var a = Driven(knowing: [b])
    _ = exchanges(of: &a, inMillis: 1100)
    #expect(exchanges(of: &a, inMillis: 5000) == 5)
  }

  @Test("who knows all owners asks seldom, and soon when a slot is given up")
  func knownOwners() {
    var a = Driven(knowing: [b])
    let all = Slot.all.map { SlotRecord(slot: $0, epoch: Epoch(1), owner: NodeID("b/1")) }
    _ = a.swim.receive(GossipMessage(sender: b, body: .gossip, ownership: all), now: a.now)
    _ = exchanges(of: &a, inMillis: 1100)
    #expect(exchanges(of: &a, inMillis: 5000) == 0)
    a.hear(.gossip, from: b, owners: [SlotRecord(slot: Slot(3), epoch: Epoch(1), owner: nil)])
    #expect(exchanges(of: &a, inMillis: 1100) == 1)
  }

  @Test("a claim that a reading of the store has brought already is told all the same")
  func claimReadFirst() {
    var a = Driven(knowing: [b])
    let record = SlotRecord(slot: Slot(3), epoch: Epoch(4), owner: NodeID("a/1"))
    #expect(a.swim.mergeStore([record], startedAt: a.now) == [Slot(3)])
    #expect(hearers(of: record, in: a.swim.announce([record], now: a.now)) == ["b"])
  }

  @Test("what was claimed is told to all at once, the next owner first; in a large cluster to some")
  func ownership() {
    var a = Driven(knowing: [b, c])
    let record = SlotRecord(slot: Slot(3), epoch: Epoch(4), owner: NodeID("a/1"))
    let directives = a.swim.announce([record], to: NodeID("c/1"), now: a.now)
    guard case .send(let message, PeerAddress(host: "c", port: 7000), _) = directives.first else {
      Issue.record("\(directives)")
      return
    }
    #expect(message.ownership == [record])
    #expect(Set(hearers(of: record, in: directives)) == ["b", "c"])
    #expect(a.swim.ownership.owner(of: Slot(3)) == NodeID("a/1"))
    let heard = SlotRecord(slot: Slot(3), epoch: Epoch(5), owner: NodeID("b/1"))
    #expect(
      a.swim.receive(GossipMessage(sender: b, body: .gossip, ownership: [heard]), now: a.now).contains(
        .ownershipChanged([Slot(3)])))
  }
}
