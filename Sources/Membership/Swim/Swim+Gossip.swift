internal import RoomCore

// How news and full state travel.
extension Swim {
  /// One round of gossip, if there is news and the last round is long enough ago.
  mutating func spreadNews(now: MonotonicTime, _ directives: inout [SwimDirective]) {
    guard isRunning, now >= nextGossipAt, !memberNews.isEmpty || !ownershipNews.isEmpty else { return }
    nextGossipAt = now + deadlines.gossipInterval
    let live = peers.filter(\.isLive).map(\.record.member)
    for member in generator.sample(deadlines.gossipFanout, of: live) { send(.gossip, to: member, &directives) }
    // Nobody to tell: whoever comes gets the full state.
    if live.isEmpty {
      memberNews = Dissemination()
      ownershipNews = Dissemination()
    }
  }

  /// Full exchanges: with a random member now and then, sooner while an owner is wanting, and with whoever is not reached
  /// at present.
  mutating func exchangeStates(now: MonotonicTime, _ directives: inout [SwimDirective]) {
    if now >= nextPushPullAt {
      nextPushPullAt = now + (ownership.isComplete ? deadlines.pushPullInterval : deadlines.reconnectInterval)
      if let member = peers.filter(\.isLive).map(\.record.member).randomElement(using: &generator) {
        sendState(.pushPull, to: member.address, node: member.node, &directives)
      }
    }
    if now >= nextReconnectAt {
      nextReconnectAt = now + deadlines.reconnectInterval
      let lost = unreachedAddresses
      for address in hasJoined ? generator.sample(1, of: lost) : lost {
        sendState(.pushPull, to: address, node: nil, &directives)
      }
    }
  }

  /// Where somebody may be who is not a live member here, in order. Who was restarted is not looked for.
  private var unreachedAddresses: [PeerAddress] {
    let live = peers.filter(\.isLive).map(\.record.member) + [own.member]
    let names = Set(live.map(\.name))
    let dead = peers.map(\.record).filter { $0.status == .dead && !names.contains($0.member.name) }
    return Set(seeds + dead.map(\.member.address)).subtracting(live.map(\.address)).sorted()
  }

  // MARK: Sending

  /// How often each news is told.
  var retransmitLimit: Int { deadlines.retransmitFactor * FixedPoint.log2(of: liveCount).ceiling(atLeast: 1) }

  mutating func send(_ body: GossipMessage.Body, to member: Member, _ directives: inout [SwimDirective]) {
    send(body, to: member.address, node: member.node, &directives)
  }

  mutating func send(
    _ body: GossipMessage.Body, to address: PeerAddress, node: NodeID, _ directives: inout [SwimDirective]
  ) {
    var told: [NodeID] = []
    // Lifeguard §4.3, "buddy system": whoever is talked to hears first of all what is said of it.
    if let index = index(of: node), peers[index].record.status != .alive {
      told.append(node)
      if !peers[index].isLive { told += successors(of: peers[index].record) }
    }
    let times = retransmitLimit
    told += memberNews.take(limit: Self.maxMembersInMessage, times: times).filter { !told.contains($0) }
    let slots = ownershipNews.take(limit: Self.maxSlotsInMessage, times: times)
    let message = GossipMessage(
      sender: own, body: body, members: told.compactMap(record), ownership: slots.map { ownership[$0] })
    directives.append(.send(message, to: address, node: node))
  }

  mutating func sendState(
    _ body: GossipMessage.Body, to address: PeerAddress, node: NodeID?, _ directives: inout [SwimDirective]
  ) {
    let message = GossipMessage(
      sender: own, body: body, members: peers.prefix(GossipMessage.maxMembers).map(\.record),
      ownership: ownership.records)
    directives.append(.send(message, to: address, node: node))
  }

  /// The live members of the same name, so that a life that is over learns why.
  private func successors(of record: MemberRecord) -> [NodeID] {
    peers.filter { $0.isLive && $0.record.member.name == record.member.name && $0.record.node != record.node }
      .map(\.record.node)
  }

  private func record(of node: NodeID) -> MemberRecord? {
    node == me ? own : index(of: node).map { peers[$0].record }
  }
}

extension Double {
  /// The next whole number.
  fileprivate func ceiling(atLeast lowest: Int) -> Int { Swift.max(lowest, Int(rounded(.up))) }
}
