internal import RoomCore

extension SlotGovernor {
  // MARK: Loss

  /// Slots that somebody else owns by now, as gossip or the store says.
  mutating func losses(
    _ ownership: OwnershipTable, reading: StoreReading, now: MonotonicTime
  ) -> [SlotDirective] {
    var directives: [SlotDirective] = []
    for number in held.indices {
      guard let holding = held[number] else { continue }
      let slot = Slot(number)
      let known = ownership[slot]
      // What was learned before the claim ended may be older than the claim, unless its epoch is higher.
      let isOther =
        known.epoch > holding.epoch
        || (ownership.learnedAt(slot) > holding.since && (known.epoch != holding.epoch || known.owner != me))
      guard isOther else { continue }
      // Its own release, read from the store before the end of the hand-off was reported.
      let isReleased = known.epoch == holding.epoch && known.owner == nil
      if isReleased && handingOff[slot] != nil { continue }
      held[slot.number] = nil
      handingOff[slot] = nil
      if now - holding.since < deadlines.contentionWindow { contend(slot, now: now) }
      directives.append(.lost(slot, at: holding.epoch))
    }
    return directives
  }

  /// Leaves a slot alone for a while: twice as long each time, and a random part of that on top, so that two who fight
  /// do not come back at once.
  mutating func contend(_ slot: Slot, now: MonotonicTime) {
    var fights = contention[slot.number]?.fights ?? 0
    if let last = contention[slot.number]?.lastAt, now - last > deadlines.contentionWindow * 2 { fights = 0 }
    let pause = min(deadlines.claimBackoff * (1 << min(fights, 20)), deadlines.claimBackoffMax)
    contention[slot.number] = Contention(
      fights: fights + 1, lastAt: now, notBefore: now + pause * (1 + generator.fraction() / 2))
  }

  func isLeftAlone(_ slot: Slot, now: MonotonicTime) -> Bool {
    contention[slot.number].map { now < $0.notBefore } ?? false
  }

  // MARK: Majority

  mutating func judgeMajority(
    _ view: ClusterView, reading: StoreReading, now: MonotonicTime
  ) -> [SlotDirective] {
    let fresh = freshNodes(view, reading: reading, now: now)
    let reached = fresh.filter { $0 == me || view[$0]?.status == .alive }
    // Of two halves the one with the lowest id goes on.
    let isMajority =
      reached.count * 2 > fresh.count || (reached.count * 2 == fresh.count && reached.first == fresh.first)
    if isMajority {
      minoritySince = nil
      if hasSteppedDown { returnedAt = now }
      hasSteppedDown = false
      return []
    }
    let since = minoritySince ?? now
    minoritySince = since
    guard now - since >= deadlines.stepDownGrace, !hasSteppedDown else { return [] }
    hasSteppedDown = true
    return [.stepDown(.minority(reached: reached.count, fresh: fresh.count), giveUpAll())]
  }

  /// The nodes that count for a majority, this one included, in order.
  ///
  /// A dead process counts until its heartbeat is old, as it cannot be told from one that is out of reach. Where it can
  /// be told (it left, was restarted, or its machine refuses the connection) it does not count, unless it writes on.
  private func freshNodes(_ view: ClusterView, reading: StoreReading, now: MonotonicTime) -> [NodeID] {
    var newest: [String: StoreReading.Heartbeat] = [:]
    for heartbeat in reading.heartbeats where heartbeat.age < newest[heartbeat.name]?.age ?? .seconds(Int64.max) {
      newest[heartbeat.name] = heartbeat
    }
    let others = reading.heartbeats.filter { heartbeat in
      guard heartbeat.name != name, newest[heartbeat.name] == heartbeat else { return false }
      guard age(of: heartbeat, reading: reading, now: now) <= deadlines.heartbeatFresh else { return false }
      guard let entry = view[heartbeat.node], entry.isGone, !entry.status.isLive else { return true }
      let writtenAt = reading.startedAt - heartbeat.age
      return entry.status == .dead && writtenAt > entry.since + deadlines.readingBound
    }
    return (others.map(\.node) + [me]).sorted()
  }

  func age(of heartbeat: StoreReading.Heartbeat, reading: StoreReading, now: MonotonicTime) -> Duration {
    heartbeat.age + (now - reading.startedAt)
  }

  /// Whether a node has not written for so long that it does not matter whether it lives.
  ///
  /// - Parameter observed: for how long the store must have been well to blame the node.
  private func isSilent(
    _ node: NodeID, since: MonotonicTime?, observed: Duration, reading: StoreReading, now: MonotonicTime
  ) -> Bool {
    guard let storeIsWellSince, now - storeIsWellSince >= observed else { return false }
    guard let heartbeat = reading[node] else {
      return since.map { now - $0 > deadlines.heartbeatDead } ?? true
    }
    return age(of: heartbeat, reading: reading, now: now) > deadlines.heartbeatDead
  }

  // MARK: Placement

  /// Computes placement anew if other nodes than before can own slots.
  mutating func computePlacement(_ view: ClusterView, reading: StoreReading, now: MonotonicTime) {
    let candidates = view.members.compactMap { entry -> Placement.Candidate? in
      let member = entry.record.member
      guard entry.status.isLive, member.weight > 0 else { return nil }
      if member.node == me {
        guard !isDraining else { return nil }
      } else if isSilent(
        member.node, since: entry.since, observed: deadlines.heartbeatDead, reading: reading, now: now)
      {
        return nil
      }
      return Placement.Candidate(node: member.node, name: member.name, weight: member.weight)
    }
    guard Placement.ordered(candidates) != placement.candidates else { return }
    placement = Placement(over: candidates)
    forgetMoves()
  }

  mutating func forgetMoves() {
    pins = []
    reservations = [:]
  }

  /// Which node ought to own a slot: the one that an operator has chosen, else as placement says.
  func wantedOwner(of slot: Slot) -> NodeID? {
    reservations[slot]?.node ?? (pins.contains(slot) ? me : placement.owner(of: slot))
  }

  // MARK: Hand-off

  /// How many nodes hand slots off at the same time: one that drains does so alone; to one that comes all others give.
  var giverCount: Int { isDraining ? 1 : max(1, placement.candidates.count - 1) }

  var pauseBetweenHandOffs: Duration { deadlines.handOffInterval * giverCount }

  /// How long others may take to load so many rooms.
  func timeToMove(_ rooms: Int) -> Duration {
    .seconds(Double(rooms * giverCount) / (isDraining ? roomsDrainedPerSecond : deadlines.roomsHandedOffPerSecond))
  }

  mutating func handOffs(
    _ view: ClusterView, _ ownership: OwnershipTable, reading: StoreReading, now: MonotonicTime
  ) -> [SlotDirective] {
    handingOff = handingOff.filter { slot, handOff in
      guard let releasedAt = handOff.releasedAt else { return true }
      return ownership.owner(of: slot) == nil && now - releasedAt <= deadlines.claimWithin
    }
    if isDraining && placement.candidates.isEmpty {
      let all = giveUpAll()
      return all.isEmpty ? [] : [.release(all)]
    }
    var directives: [SlotDirective] = []
    let atOnce = max(1, deadlines.handOffsAtOnce / giverCount)
    handOffNotBefore = max(handOffNotBefore, now - pauseBetweenHandOffs * atOnce)
    let takers = placement.candidates.map(\.node).filter { canTake($0, view, reading: reading, now: now) }
    guard !takers.isEmpty else { return [] }
    for number in held.indices {
      let isPaused = handOffNotBefore > now
      guard handingOff.count < atOnce else { break }
      guard let holding = held[number] else { continue }
      let slot = Slot(number)
      // An operator's wish does not wait: it is forgotten soon.
      if isPaused, reservations[slot] == nil { continue }
      guard let next = wantedOwner(of: slot), next != me, takers.contains(next), !isLeftAlone(slot, now: now),
        handingOff[slot] == nil
      else { continue }
      handOffNotBefore = handOffNotBefore + pauseBetweenHandOffs
      handingOff[slot] = HandOff(epoch: holding.epoch)
      directives.append(.handOff(SlotRecord(slot: slot, epoch: holding.epoch, owner: me), to: next))
    }
    return directives
  }

  /// Whether another node will be able to claim what is handed to it.
  private func canTake(_ node: NodeID, _ view: ClusterView, reading: StoreReading, now: MonotonicTime) -> Bool {
    guard node != me, let entry = view[node], entry.status == .alive else { return false }
    guard isDraining || now - entry.since >= deadlines.rebalanceDelay else { return false }
    guard let heartbeat = reading[node] else { return false }
    return age(of: heartbeat, reading: reading, now: now) <= deadlines.heartbeatFresh
  }

  // MARK: Claim

  mutating func claims(
    _ view: ClusterView, _ ownership: OwnershipTable, reading: StoreReading, now: MonotonicTime
  ) -> [SlotDirective] {
    guard claiming.isEmpty else { return [] }
    // One answer for all slots of an owner.
    var answers: [NodeID: Bool] = [:]
    for number in held.indices where held[number] == nil && claiming.count < deadlines.claimsAtOnce {
      let slot = Slot(number)
      guard wantedOwner(of: slot) == me, !isLeftAlone(slot, now: now) else { continue }
      let known = ownership[slot]
      if let owner = known.owner {
        let answer = answers[owner] ?? mayTakeFrom(owner, view, reading: reading, now: now)
        answers[owner] = answer
        guard answer else { continue }
      }
      claiming.append(SlotClaim(slot: slot, expected: known.epoch))
    }
    claimsMade += claiming.count
    return claiming.isEmpty ? [] : [.claim(claiming)]
  }

  /// Slots that the store says are this node's, and that it neither holds nor is to have: a claim or a release whose
  /// outcome it did not learn. Nobody else may claim them as long as it lives.
  mutating func strays(_ ownership: OwnershipTable, now: MonotonicTime) -> [SlotDirective] {
    guard claiming.isEmpty else { return [] }
    let strays = held.indices.map { ownership[Slot($0)] }.filter { record in
      record.owner == me && held[record.slot.number] == nil && wantedOwner(of: record.slot) != me
        && !isLeftAlone(record.slot, now: now)
    }
    for record in strays { contend(record.slot, now: now) }
    return strays.isEmpty ? [] : [.release(strays)]
  }

  private func mayTakeFrom(_ owner: NodeID, _ view: ClusterView, reading: StoreReading, now: MonotonicTime) -> Bool {
    // A claim whose outcome was unknown; claiming again under a new epoch is safe whatever became of it.
    if owner == me { return true }
    let entry = view[owner]
    if (reading[owner]?.name ?? entry?.record.member.name) == name { return true }
    guard let entry else {
      return isSilent(owner, since: nil, observed: deadlines.heartbeatInterval * 2, reading: reading, now: now)
    }
    // It was out of reach of everybody, and may not have heard yet who lives.
    guard entry.status.isLive else { return returnedAt.map { now - $0 >= deadlines.returnGrace } ?? true }
    return isSilent(owner, since: entry.since, observed: deadlines.heartbeatDead, reading: reading, now: now)
  }
}
