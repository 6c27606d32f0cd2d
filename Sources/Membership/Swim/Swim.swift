public import RoomCore

/// Who is alive, as one process sees it: SWIM with Lifeguard's extensions, as a value.
///
/// How it works. In each interval a node pings the next member of its round. If no ack comes in time it asks others to
/// ping for it; if none of them can say more, the member is suspected, and everybody hears so. A suspect that lives
/// refutes by raising its incarnation; one that does not is dead when the suspicion times out. All of this travels on
/// the pings themselves. Lifeguard adds that a node first asks whether it is itself the slow one: missing nacks,
/// suspicions of itself and gaps in its own time raise its `localHealth`, and a node with a high score takes its time.
///
/// Each method takes an event and the time, and returns what is to be done; the shell sends messages and calls `tick` no
/// later than `nextWake`. Messages may be lost, doubled, delayed and reordered.
///
/// Sources: A. Das, I. Gupta, A. Motivala, "SWIM: Scalable Weakly-consistent Infection-style Process Group Membership
/// Protocol", 2002; A. Dadgar, J. Phillips, J. Currey, "Lifeguard: Local Health Awareness for More Accurate Failure
/// Detection", 2017.
public struct Swim: Sendable {
  struct Peer: Sendable {
    var record: MemberRecord
    /// Since when it has its status here.
    var since: MonotonicTime
    /// While it is suspect.
    var suspicion: SuspicionTimer?
    var isGone = false
    var refusalsIgnoredUntil = MonotonicTime(nanoseconds: .min)

    var isLive: Bool { record.status.isLive }
  }

  /// A ping on its way.
  struct Probe: Sendable {
    let sequence: UInt64
    let target: NodeID
    /// Whether nobody suspected the target when the probe began.
    let wasAlive: Bool
    let indirectAt: MonotonicTime
    let endsAt: MonotonicTime
    /// Who was asked to ping, and has sent neither ack nor nack yet.
    var silentHelpers: [NodeID] = []
    var isIndirect = false
  }

  /// A ping on somebody else's behalf.
  struct Relay: Sendable {
    let sequence: UInt64
    let target: NodeID
    let requester: NodeID
    let requesterAddress: PeerAddress
    let requestSequence: UInt64
    let nackAt: MonotonicTime
    var isNacked = false
  }

  static let maxRecords = 4096
  static let maxRelays = 256
  static let maxMembersInMessage = 32
  static let maxSlotsInMessage = 512
  /// How many members that somebody else suspects are probed at once, out of turn.
  static let maxUrgentProbes = 4

  public let deadlines: Deadlines
  let seeds: [PeerAddress]
  var generator: SeededGenerator

  var own: MemberRecord
  /// All other members that are known, the dead included, in the order of their ids.
  var peers: [Peer] = []
  /// Who owns what, as far as gossip and the store have told.
  public internal(set) var ownership = OwnershipTable()
  var memberNews = Dissemination<NodeID>()
  var ownershipNews = Dissemination<Slot>()

  var round: [NodeID] = []
  var urgent: [NodeID] = []
  var probes: [Probe] = []
  var relays: [Relay] = []
  var lastSequence: UInt64 = 0

  /// 0 for a node that is well, up to `Deadlines.maxLocalHealth`. Everything takes `1 + localHealth` times as long.
  public internal(set) var localHealth = 0
  /// Whether anybody else has answered yet.
  public internal(set) var hasJoined = false
  /// How often this node noticed that it had been stopped.
  public internal(set) var pauses = 0
  /// How often this node had to say that it lives.
  public internal(set) var refutations = 0

  var isRunning = false
  var lastEventAt = MonotonicTime.zero
  var nextProbeAt = MonotonicTime.zero
  var nextGossipAt = MonotonicTime.zero
  var nextPushPullAt = MonotonicTime.zero
  var nextReconnectAt = MonotonicTime.zero

  /// - Parameters:
  ///   - incarnation: the wall clock's milliseconds, so that it is higher than that of any earlier life of this name.
  ///   - seeds: addresses of members to begin with; one's own does no harm.
  ///   - seed: of all chance in this value.
  public init(own: Member, incarnation: UInt64, seeds: [PeerAddress], deadlines: Deadlines = Deadlines(), seed: UInt64)
  {
    self.own = MemberRecord(member: own, status: .alive, incarnation: incarnation)
    self.seeds = seeds.filter { $0 != own.address }
    self.deadlines = deadlines
    generator = SeededGenerator(seed: seed)
  }

  public var me: NodeID { own.node }
  public var ownRecord: MemberRecord { own }

  // MARK: Events

  /// Joins through the seeds.
  public mutating func start(now: MonotonicTime) -> [SwimDirective] {
    isRunning = true
    lastEventAt = now
    nextProbeAt = now
    nextGossipAt = now
    nextPushPullAt = now + deadlines.reconnectInterval
    nextReconnectAt = now
    return tick(now: now)
  }

  /// To be called at `nextWake`, or earlier.
  public mutating func tick(now: MonotonicTime) -> [SwimDirective] {
    guard isRunning else { return [] }
    var directives: [SwimDirective] = []
    noticePause(now: now)
    answerRelays(now: now, &directives)
    advanceProbes(now: now, &directives)
    expireSuspicions(now: now, &directives)
    startProbes(now: now, &directives)
    exchangeStates(now: now, &directives)
    spreadNews(now: now, &directives)
    return directives
  }

  /// A message has arrived.
  public mutating func receive(_ message: GossipMessage, now: MonotonicTime) -> [SwimDirective] {
    guard isRunning, message.sender.node != me else { return [] }
    var directives: [SwimDirective] = []
    noticePause(now: now)
    apply(message.sender, now: now, &directives)
    for record in message.members where record.node != message.sender.node {
      apply(message.body.isState ? doubted(record, by: message.sender.node) : record, now: now, &directives)
    }
    let news = message.ownership.filter { ownership.merge($0, now: now) }.map(\.slot)
    if !news.isEmpty {
      if news.contains(where: { ownership.owner(of: $0) == nil }) { ownerIsMissing(now: now) }
      ownershipNews.add(news)
      directives.append(.ownershipChanged(news))
    }
    guard isRunning else { return directives }
    answer(message, now: now, &directives)
    spreadNews(now: now, &directives)
    return directives
  }

  /// A connection to a member was closed, or could not be made, and connecting anew was refused: nothing listens there.
  public mutating func connectionRefused(by node: NodeID, now: MonotonicTime) -> [SwimDirective] {
    guard isRunning, let index = index(of: node), now >= peers[index].refusalsIgnoredUntil else { return [] }
    var directives: [SwimDirective] = []
    noticePause(now: now)
    guard peers[index].isLive else {
      if peers[index].record.status == .dead { peers[index].isGone = true }
      return []
    }
    suspect(index, now: now, &directives)
    if peers[index].suspicion?.refusedUntil == nil {
      peers[index].suspicion?.refusedUntil = now + deadlines.refusalGrace
      // Others may still reach it: then only this node is refused.
      startProbe(of: node, isIndirectAtOnce: true, now: now, &directives)
    }
    spreadNews(now: now, &directives)
    return directives
  }

  /// Says goodbye. Nothing happens afterwards, whatever comes.
  public mutating func leave(now: MonotonicTime) -> [SwimDirective] {
    guard isRunning else { return [] }
    own = MemberRecord(member: own.member, status: .left, incarnation: own.incarnation)
    var directives: [SwimDirective] = []
    for peer in peers where peer.isLive { send(.leave, to: peer.record.member, &directives) }
    isRunning = false
    return directives
  }

  /// Changes this node's share of the slots; 0 lets others know that it drains.
  public mutating func setWeight(_ weight: Int, now: MonotonicTime) -> [SwimDirective] {
    guard isRunning, own.member.isNode, own.member.weight != weight else { return [] }
    var member = own.member
    member.kind = .node(weight: min(max(0, weight), Member.maxWeight))
    own = MemberRecord(member: member, status: .alive, incarnation: own.incarnation + 1)
    memberNews.add(me)
    var directives: [SwimDirective] = []
    spreadNews(now: now, &directives)
    return directives
  }

  /// Tells what this node has claimed or given up, after the store has it: to all at once, or to some in a large cluster,
  /// and to the rest by gossip. Clients wait for it wherever their rooms are.
  ///
  /// - Parameter next: is among those who hear it at once: the node that ought to claim now.
  public mutating func announce(
    _ records: [SlotRecord], to next: NodeID? = nil, now: MonotonicTime
  ) -> [SwimDirective] {
    guard isRunning else { return [] }
    // Also if a reading of the store was faster: those who do not read it have to hear.
    let news = records.filter { ownership.merge($0, now: now) || ownership[$0.slot] == $0 }.map(\.slot)
    guard !news.isEmpty else { return [] }
    ownershipNews.add(news)
    var directives: [SwimDirective] = []
    let live = peers.filter(\.isLive).map(\.record.member)
    let told = live.filter { $0.node == next } + generator.sample(live.count, of: live.filter { $0.node != next })
    // More often than that no news is told.
    for member in told.prefix(min(deadlines.toldAtOnce, retransmitLimit)) { send(.gossip, to: member, &directives) }
    // That was a round.
    nextGossipAt = now + deadlines.gossipInterval
    return directives + [.ownershipChanged(news)]
  }

  /// Its next owner will tell. Should that be missed, full state has it.
  private mutating func ownerIsMissing(now: MonotonicTime) {
    nextPushPullAt = min(nextPushPullAt, now + deadlines.reconnectInterval)
  }

  /// Takes in what a node said of a slot when it was taken for the owner.
  public mutating func heard(_ record: SlotRecord, now: MonotonicTime) -> [SwimDirective] {
    guard isRunning, ownership.merge(record, now: now) else { return [] }
    if record.owner == nil { ownerIsMissing(now: now) }
    return [.ownershipChanged([record.slot])]
  }

  /// Takes in the store's rows. They are no news: everybody reads the store.
  ///
  /// - Returns: the slots about which something else was known.
  public mutating func mergeStore(_ rows: [SlotRecord], startedAt: MonotonicTime) -> [Slot] {
    ownership.merge(storeRows: rows, startedAt: startedAt)
  }

  // MARK: What is known

  /// All members, this one included.
  public var view: ClusterView {
    var members = peers.map {
      ClusterView.Entry(record: $0.record, since: $0.since, isGone: $0.isGone)
    }
    let position = members.partitioningIndex { $0.record.node >= me }
    members.insert(ClusterView.Entry(record: own, since: .zero, isGone: false), at: position)
    return ClusterView(me: me, members: members)
  }

  /// When `tick` is to be called at the latest.
  public var nextWake: MonotonicTime {
    guard isRunning else { return .distantFuture }
    var wake = min(nextProbeAt, nextPushPullAt, nextReconnectAt, lastEventAt + deadlines.probeInterval)
    if !memberNews.isEmpty || !ownershipNews.isEmpty { wake = min(wake, nextGossipAt) }
    for probe in probes { wake = min(wake, probe.isIndirect ? probe.endsAt : probe.indirectAt) }
    for relay in relays where !relay.isNacked { wake = min(wake, relay.nackAt) }
    for peer in peers where peer.suspicion != nil { wake = min(wake, deadline(of: peer)) }
    return urgent.isEmpty ? wake : min(wake, lastEventAt)
  }

  /// How many members are live, this one included.
  var liveCount: Int { 1 + peers.count { $0.isLive } }

  func index(of node: NodeID) -> Int? {
    let position = peers.partitioningIndex { $0.record.node >= node }
    return position < peers.count && peers[position].record.node == node ? position : nil
  }
}

/// What a `Swim` asks of its shell.
public enum SwimDirective: Sendable, Equatable {
  /// `node` is nil for a seed, where nobody is known yet.
  case send(GossipMessage, to: PeerAddress, node: NodeID?)
  /// A member came, went, is suspected, or changed its weight. `previous` is nil for one that is new.
  case changed(MemberRecord, previous: MemberStatus?)
  /// Something was heard about the owners of these slots; it is in `Swim.ownership`.
  case ownershipChanged([Slot])
  /// A later process runs under this node's name. This one has stopped taking part, and must serve nothing.
  case superseded(by: Member)
}

/// The members that one process knows, the dead included, in the order of their ids.
public struct ClusterView: Sendable, Equatable {
  public struct Entry: Sendable, Equatable {
    public let record: MemberRecord
    /// Since when it has its status in this view.
    public let since: MonotonicTime
    /// Not merely out of reach: it left, a later life has taken its place, or its machine refuses connections to it.
    public let isGone: Bool

    public init(record: MemberRecord, since: MonotonicTime, isGone: Bool) {
      self.record = record
      self.since = since
      self.isGone = isGone
    }

    public var status: MemberStatus { record.status }
  }

  public let me: NodeID
  public let members: [Entry]

  public init(me: NodeID, members: [Entry]) {
    self.me = me
    self.members = members.sorted { $0.record.node < $1.record.node }
  }

  public subscript(node: NodeID) -> Entry? {
    let position = members.partitioningIndex { $0.record.node >= node }
    return position < members.count && members[position].record.node == node ? members[position] : nil
  }

  public var live: [MemberRecord] { members.lazy.map(\.record).filter { $0.status.isLive } }
}
