internal import RoomCore

// Pings, and pings on behalf of others: SWIM §3.1.
extension Swim {
  mutating func startProbes(now: MonotonicTime, _ directives: inout [SwimDirective]) {
    let due = urgent
    urgent = []
    for node in due.prefix(Self.maxUrgentProbes) {
      startProbe(of: node, isIndirectAtOnce: false, now: now, &directives)
    }
    guard now >= nextProbeAt else { return }
    nextProbeAt = now + deadlines.probeInterval * (1 + localHealth)
    if let node = nextInRound() { startProbe(of: node, isIndirectAtOnce: false, now: now, &directives) }
  }

  /// Each live member once in a round, in an order that is new each time: nobody waits longer than two rounds.
  private mutating func nextInRound() -> NodeID? {
    for _ in 0..<2 {
      while let node = round.popLast() {
        if let index = index(of: node), peers[index].isLive { return node }
      }
      round = peers.filter(\.isLive).map(\.record.node).shuffled(using: &generator)
    }
    return nil
  }

  mutating func startProbe(
    of node: NodeID, isIndirectAtOnce: Bool, now: MonotonicTime, _ directives: inout [SwimDirective]
  ) {
    guard let index = index(of: node), peers[index].isLive else { return }
    guard isIndirectAtOnce || !probes.contains(where: { $0.target == node }) else { return }
    lastSequence += 1
    probes.append(
      Probe(
        sequence: lastSequence, target: node, wasAlive: peers[index].record.status == .alive,
        indirectAt: isIndirectAtOnce ? now : now + deadlines.pingTimeout * (1 + localHealth),
        endsAt: now + deadlines.probeInterval * (1 + localHealth)))
    send(.ping(sequence: lastSequence, target: node), to: peers[index].record.member, &directives)
    if isIndirectAtOnce { askHelpers(probes.count - 1, &directives) }
  }

  mutating func advanceProbes(now: MonotonicTime, _ directives: inout [SwimDirective]) {
    for position in probes.indices where !probes[position].isIndirect && now >= probes[position].indirectAt {
      askHelpers(position, &directives)
    }
    let ended = probes.filter { now >= $0.endsAt }
    probes.removeAll { now >= $0.endsAt }
    for probe in ended {
      guard let index = index(of: probe.target), peers[index].isLive else { continue }
      // Helpers that say nothing: either this node is out of touch, or they are. An own look at them tells.
      if probe.wasAlive && !probe.silentHelpers.isEmpty { worsenLocalHealth() }
      for helper in probe.silentHelpers where !urgent.contains(helper) { urgent.append(helper) }
      suspect(index, now: now, &directives)
    }
  }

  private mutating func askHelpers(_ position: Int, _ directives: inout [SwimDirective]) {
    probes[position].isIndirect = true
    let probe = probes[position]
    guard let target = index(of: probe.target) else { return }
    let address = peers[target].record.member.address
    let others = peers.filter { $0.record.status == .alive && $0.record.node != probe.target }.map(\.record.member)
    let helpers = generator.sample(deadlines.indirectPings, of: others)
    for helper in helpers {
      send(
        .pingRequest(sequence: probe.sequence, target: probe.target, address: address), to: helper, &directives)
    }
    probes[position].silentHelpers = helpers.map(\.node)
  }

  /// Does what the kind of a message asks for.
  mutating func answer(_ message: GossipMessage, now: MonotonicTime, _ directives: inout [SwimDirective]) {
    let sender = message.sender.member
    switch message.body {
    case .ping(let sequence, _):
      send(.ack(sequence: sequence, target: me), to: sender, &directives)
    case .ack(let sequence, let target):
      acknowledge(sequence, target: target, now: now, &directives)
    case .pingRequest(let sequence, let target, let address):
      relay(sequence, target: target, address: address, for: sender, now: now, &directives)
    case .nack(let sequence):
      guard let position = probes.firstIndex(where: { $0.sequence == sequence }) else { return }
      probes[position].silentHelpers.removeAll { $0 == sender.node }
    case .pushPull:
      hasJoined = true
      sendState(.pushPullReply, to: sender.address, node: sender.node, &directives)
    case .pushPullReply:
      hasJoined = true
    case .leave:
      break  // The sender's record says it.
    case .gossip:
      // Who is taken for dead learns it, so that it can refute.
      if let index = index(of: sender.node), !peers[index].isLive, message.sender.status.isLive {
        send(.gossip, to: sender, &directives)
      }
    }
  }

  private mutating func acknowledge(
    _ sequence: UInt64, target: NodeID, now: MonotonicTime, _ directives: inout [SwimDirective]
  ) {
    if let position = relays.firstIndex(where: { $0.sequence == sequence }), relays[position].target == target {
      let relay = relays.remove(at: position)
      send(
        .ack(sequence: relay.requestSequence, target: target), to: relay.requesterAddress, node: relay.requester,
        &directives)
    }
    guard let position = probes.firstIndex(where: { $0.sequence == sequence }), probes[position].target == target
    else { return }
    probes.remove(at: position)
    improveLocalHealth()
    // The probe began after the refusal, so somebody has heard from it since.
    if let index = index(of: target), peers[index].suspicion?.refusedUntil != nil {
      peers[index].suspicion?.refusedUntil = nil
      peers[index].refusalsIgnoredUntil = now + deadlines.refusalDistrust
    }
  }

  private mutating func relay(
    _ sequence: UInt64, target: NodeID, address: PeerAddress, for requester: Member, now: MonotonicTime,
    _ directives: inout [SwimDirective]
  ) {
    guard target != me else {
      return send(.ack(sequence: sequence, target: me), to: requester, &directives)
    }
    guard relays.count < Self.maxRelays else { return }
    lastSequence += 1
    relays.append(
      Relay(
        sequence: lastSequence, target: target, requester: requester.node, requesterAddress: requester.address,
        requestSequence: sequence, nackAt: now + deadlines.pingTimeout))
    send(.ping(sequence: lastSequence, target: target), to: address, node: target, &directives)
  }

  /// Says that a ping on somebody's behalf has not been answered yet; a late ack is still passed on.
  mutating func answerRelays(now: MonotonicTime, _ directives: inout [SwimDirective]) {
    for position in relays.indices where !relays[position].isNacked && now >= relays[position].nackAt {
      relays[position].isNacked = true
      let relay = relays[position]
      send(
        .nack(sequence: relay.requestSequence), to: relay.requesterAddress, node: relay.requester, &directives)
    }
    relays.removeAll { now >= $0.nackAt + deadlines.probeInterval }
  }
}
