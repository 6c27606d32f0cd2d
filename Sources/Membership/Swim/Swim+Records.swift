internal import RoomCore

// What is said of members, and what follows from it.
extension Swim {
  mutating func apply(_ record: MemberRecord, now: MonotonicTime, _ directives: inout [SwimDirective]) {
    guard isRunning else { return }
    if record.node == me { return refute(record) }
    var record = record
    var isReplaced = false
    if record.member.name == own.member.name {
      meetNamesake(record, &directives)
      guard isRunning else { return }
      isReplaced = true
    }
    for index in peers.indices where peers[index].record.member.name == record.member.name {
      let other = peers[index].record
      if record.isOlderLife(than: other) { isReplaced = true }
      if other.isOlderLife(than: record) {
        set(index, to: other.asDead, now: now, &directives)
        peers[index].isGone = true
      }
    }
    if isReplaced { record = record.asDead }
    if let index = index(of: record.node) {
      set(index, to: peers[index].record.merged(with: record), now: now, &directives)
      if isReplaced { peers[index].isGone = true }
    } else {
      insert(record, isGone: isReplaced || record.status == .left, now: now, &directives)
    }
  }

  /// What one who tells all it knows says of a member that lives, as far as is known here. Whoever comes back from behind
  /// a partition takes everybody else for dead: that is an accusation, and the accused may refute it. Source: the merging
  /// of remote state in hashicorp/memberlist.
  func doubted(_ record: MemberRecord, by sender: NodeID) -> MemberRecord {
    guard record.status == .dead, let index = index(of: record.node), peers[index].isLive else { return record }
    return MemberRecord(
      member: record.member, status: .suspect, incarnation: record.incarnation, accusers: [sender])
  }

  /// What others say of this node counts only until it speaks up.
  private mutating func refute(_ record: MemberRecord) {
    guard record.overrides(own) else { return }
    own = MemberRecord(member: own.member, status: .alive, incarnation: record.incarnation + 1)
    memberNews.add(me)
    refutations += 1
    worsenLocalHealth()
  }

  /// Another life of this node's name: an earlier one that is over, unless it claims to be later.
  ///
  /// Before this node has joined, a higher incarnation only means that the wall clock was set back between the two.
  private mutating func meetNamesake(_ record: MemberRecord, _ directives: inout [SwimDirective]) {
    guard own.isOlderLife(than: record) else { return }
    if hasJoined && record.status.isLive {
      own = MemberRecord(member: own.member, status: .left, incarnation: own.incarnation)
      isRunning = false
      directives.append(.superseded(by: record.member))
    } else {
      own = MemberRecord(member: own.member, status: .alive, incarnation: record.incarnation + 1)
      memberNews.add(me)
    }
  }

  private mutating func insert(
    _ record: MemberRecord, isGone: Bool, now: MonotonicTime, _ directives: inout [SwimDirective]
  ) {
    if peers.count >= Self.maxRecords {
      let oldest = peers.indices.filter { !peers[$0].isLive }.min { peers[$0].since < peers[$1].since }
      guard let oldest else { return }
      peers.remove(at: oldest)
    }
    var peer = Peer(record: record, since: now)
    peer.isGone = isGone
    if record.status == .suspect { peer.suspicion = SuspicionTimer(startedAt: now) }
    peers.insert(peer, at: peers.partitioningIndex { $0.record.node >= record.node })
    guard record.status.isLive else { return }
    memberNews.add(record.node)
    // SWIM §4.3: somewhere in the present round, so that it is probed within the next one at the latest.
    round.insert(record.node, at: Int.random(in: 0...round.count, using: &generator))
    directives.append(.changed(record, previous: nil))
  }

  /// Takes in a statement that is at least as strong as what is known.
  mutating func set(_ index: Int, to record: MemberRecord, now: MonotonicTime, _ directives: inout [SwimDirective]) {
    let old = peers[index]
    guard record != old.record else { return }
    peers[index].record = record
    memberNews.add(record.node)
    let isAnew = record.status != old.record.status
    if isAnew { peers[index].since = now }
    let wasRefused = old.suspicion?.refusedUntil != nil
    switch record.status {
    case .alive:
      peers[index].suspicion = nil
      peers[index].isGone = false
      if wasRefused || old.isGone { peers[index].refusalsIgnoredUntil = now + deadlines.refusalDistrust }
      if !old.isLive {
        round.insert(record.node, at: Int.random(in: 0...round.count, using: &generator))
      }
    case .suspect:
      if old.suspicion == nil || record.incarnation != old.record.incarnation {
        peers[index].suspicion = SuspicionTimer(startedAt: now)
      }
      peers[index].isGone = false
      // An own look confirms the suspicion sooner, and tells the suspect of it.
      if !record.accusers.contains(me), !urgent.contains(record.node) { urgent.append(record.node) }
    case .dead, .left:
      peers[index].suspicion = nil
      peers[index].isGone = old.isGone || wasRefused || record.status == .left
      probes.removeAll { $0.target == record.node }
    }
    if isAnew || record.member != old.record.member {
      directives.append(.changed(record, previous: old.record.status))
    }
  }

  /// This node has a reason of its own to suspect a member.
  mutating func suspect(_ index: Int, now: MonotonicTime, _ directives: inout [SwimDirective]) {
    let record = peers[index].record
    guard record.status.isLive else { return }
    let wasAlive = record.status == .alive
    let accused = MemberRecord(
      member: record.member, status: .suspect, incarnation: record.incarnation, accusers: record.accusers + [me])
    set(index, to: accused, now: now, &directives)
    // It should be the first to know.
    if wasAlive { send(.gossip, to: record.member, &directives) }
  }

  mutating func expireSuspicions(now: MonotonicTime, _ directives: inout [SwimDirective]) {
    for index in peers.indices where peers[index].suspicion != nil && deadline(of: peers[index]) <= now {
      set(index, to: peers[index].record.asDead, now: now, &directives)
    }
    let forgotten = deadlines.tombstoneRetention
    peers.removeAll { !$0.isLive && now - $0.since >= forgotten }
  }

  func deadline(of peer: Peer) -> MonotonicTime {
    guard let suspicion = peer.suspicion else { return .distantFuture }
    return suspicion.deadline(
      accusers: max(1, peer.record.accusers.count), members: liveCount, localHealth: localHealth, deadlines)
  }

  // MARK: Local health

  mutating func worsenLocalHealth() { localHealth = min(deadlines.maxLocalHealth, localHealth + 1) }
  mutating func improveLocalHealth() { localHealth = max(0, localHealth - 1) }

  /// A process that was stopped finds all its deadlines passed and the acks still unread. It must not act on them.
  mutating func noticePause(now: MonotonicTime) {
    defer { lastEventAt = max(lastEventAt, now) }
    guard now - lastEventAt > deadlines.pauseThreshold else { return }
    pauses += 1
    localHealth = deadlines.maxLocalHealth
    probes = []
    relays = []
    nextProbeAt = now
    for index in peers.indices where peers[index].suspicion != nil {
      peers[index].suspicion = SuspicionTimer(startedAt: now)
    }
  }
}

extension MemberRecord {
  /// The same, dead; one that left stays so.
  var asDead: MemberRecord {
    MemberRecord(member: member, status: max(status, .dead), incarnation: incarnation)
  }
}
