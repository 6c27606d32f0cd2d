import Membership
import RoomCore
import TestSupport

/// Members and messages as tests want them.
enum Scene {
  static let deadlines = Deadlines()

  static func member(_ name: String, life: String = "1", weight: Int = 100) -> Member {
    Member(
      node: NodeID("\(name)/\(life)"), name: name, address: PeerAddress(host: name, port: 7000),
      kind: .node(weight: weight))
  }

  static func record(
    _ name: String, life: String = "1", _ status: MemberStatus = .alive, incarnation: UInt64 = 1,
    accusers: [String] = [], weight: Int = 100
  ) -> MemberRecord {
    MemberRecord(
      member: member(name, life: life, weight: weight), status: status, incarnation: incarnation,
      accusers: accusers.map { NodeID("\($0)/1") })
  }

  static func at(_ millis: Int) -> MonotonicTime { .zero + .milliseconds(millis) }

  static func view(_ records: [MemberRecord], me: String = "a", since: Int = -60_000, gone: Set<String> = [])
    -> ClusterView
  {
    ClusterView(
      me: NodeID("\(me)/1"),
      members: records.map { .init(record: $0, since: at(since), isGone: gone.contains($0.member.name)) })
  }

  /// Random statements about few members, so that they often concern one another.
  static func randomRecord(_ generator: inout SplitMix64) -> MemberRecord {
    let names = ["a", "b", "c", "d", "e"]
    return record(
      generator.pick(names), life: generator.pick(["1", "2"]), generator.pick(MemberStatus.allCases),
      incarnation: UInt64(generator.below(3)),
      accusers: (0..<generator.below(4)).map { _ in generator.pick(names) })
  }
}

/// One `Swim` named "a", driven by hand.
struct Driven {
  var swim: Swim
  private(set) var now = Scene.at(0)
  /// All that was sent, in order.
  var sent: [(body: GossipMessage.Body, members: [MemberRecord], to: String)] = []
  var changes: [String] = []
  var supersededBy: NodeID?

  /// A member that knows the given others, and has just probed one of them.
  init(knowing others: [MemberRecord], deadlines: Deadlines = Deadlines(), incarnation: UInt64 = 1) {
    swim = Swim(own: Scene.member("a"), incarnation: incarnation, seeds: [], deadlines: deadlines, seed: 1)
    take(swim.start(now: now))
    for other in others { hear(.gossip, from: other) }
    sent = []
    changes = []
  }

  mutating func take(_ directives: [SwimDirective]) {
    for directive in directives {
      switch directive {
      case .send(let message, let address, _): sent.append((message.body, message.members, address.host))
      case .changed(let record, _): changes.append("\(record.node) \(record.status)")
      case .superseded(let by): supersededBy = by.node
      case .ownershipChanged: break
      }
    }
  }

  mutating func hear(
    _ body: GossipMessage.Body, from sender: MemberRecord, saying members: [MemberRecord] = [],
    owners: [SlotRecord] = []
  ) {
    take(swim.receive(GossipMessage(sender: sender, body: body, members: members, ownership: owners), now: now))
  }

  /// Lets time pass, waking it whenever it wants, and nobody answers.
  mutating func pass(_ millis: Int) {
    let end = now + .milliseconds(millis)
    while swim.nextWake <= end {
      now = max(now, swim.nextWake)
      take(swim.tick(now: now))
    }
    now = end
    take(swim.tick(now: now))
  }

  /// Lets time pass without being woken.
  mutating func sleep(_ millis: Int) { now = now + .milliseconds(millis) }

  mutating func refuse(_ name: String) {
    take(swim.connectionRefused(by: NodeID("\(name)/1"), now: now))
  }

  func status(_ name: String, life: String = "1") -> MemberStatus? { swim.view[NodeID("\(name)/\(life)")]?.status }

  /// The pings sent to a member's life.
  func pings(to name: String) -> [UInt64] {
    sent.compactMap { message in
      if case .ping(let sequence, let target) = message.body, target == NodeID("\(name)/1") { sequence } else { nil }
    }
  }
}
