import Membership
import NIOCore
import RoomCore
import TestSupport
import Wire

@testable import Link

/// The network between the processes of a cluster: streams, as TCP gives them, that are slow, hang, and break.
///
/// What goes through one stream arrives in order, or the stream breaks and what was on its way is lost. Gossip, which
/// does not rely on that, is lost, doubled and overtaken one message at a time as well.
final class VirtualNetwork {
  struct Weather {
    /// Of 100 messages of gossip.
    var lossPercent = 0
    var duplicatePercent = 0
    var overtakingPercent = 0
    var delay: ClosedRange<Int64> = 100_000...800_000
    /// One way, by the names of the processes.
    var blocked: Set<Way> = []
  }

  struct Way: Hashable {
    let from: String
    let to: String
  }

  let scheduler: Scheduler
  let settings = PeerSettings()
  var weather = Weather()
  private var chance: SplitMix64
  private var ends: [String: VirtualPeers] = [:]
  private(set) var streams: [Stream] = []
  private(set) var broken = 0

  init(seed: UInt64, scheduler: Scheduler) {
    chance = SplitMix64(seed: seed)
    self.scheduler = scheduler
  }

  func isBlocked(_ from: String, _ to: String) -> Bool { weather.blocked.contains(Way(from: from, to: to)) }

  func delay() -> Int64 { Int64.random(in: weather.delay, using: &chance) }

  func attach(_ peers: VirtualPeers) { ends[peers.name] = peers }

  /// The process has ended: its machine closes its connections, and refuses new ones.
  func detach(_ name: String) {
    guard let peers = ends.removeValue(forKey: name) else { return }
    for stream in streams where stream.ends.contains(where: { $0.peers === peers }) { stream.machineCloses(peers) }
  }

  /// Breaks a stream, as if a machine on the way had forgotten it.
  func breakOne() {
    guard !streams.isEmpty else { return }
    broken += 1
    let stream = streams[chance.below(streams.count)]
    for end in stream.ends { end.hasEnded(.failed("reset")) }
  }

  /// Once after each change of what is blocked.
  func unblock() { for stream in streams { stream.flow() } }

  fileprivate func remove(_ stream: Stream) { streams.removeAll { $0 === stream } }

  // MARK: - Dialing

  fileprivate func dial(_ from: VirtualPeers, _ address: PeerAddress, _ number: Int) {
    let (to, host) = (ends[address.host], address.host)
    if isBlocked(from.name, host) || isBlocked(host, from.name) || to?.life.isPaused == true {
      // Long enough for those that a paused machine accepts and never answers, too.
      return scheduler.after(1_000_000_000, as: from.life) { from.failed(address, number, .unreachable("no answer")) }
    }
    scheduler.after(delay() + delay()) { [self] in
      guard let to = ends[host] else {
        return scheduler.onLoop(of: from.life) { from.failed(address, number, .refused) }
      }
      guard !from.life.hasEnded else { return }
      let stream = Stream(from, to, address, in: self)
      streams.append(stream)
      scheduler.onLoop(of: from.life) { from.opened(stream.ends[0], address, number) }
      scheduler.onLoop(of: to.life) { to.accepted(stream.ends[1]) }
    }
  }

  // MARK: - Streams

  /// One connection between two processes.
  final class Stream {
    private(set) var ends: [VirtualLine] = []
    /// What is on its way to each end.
    private var waiting: [[(frame: [UInt8], isGossip: Bool)]] = [[], []]
    private var arrivesAt: [Int64] = [0, 0]
    private var hangsSince: [Int64?] = [nil, nil]
    private unowned let network: VirtualNetwork

    init(_ dialer: VirtualPeers, _ acceptor: VirtualPeers, _ address: PeerAddress, in network: VirtualNetwork) {
      self.network = network
      ends = [
        VirtualLine(dialer, to: acceptor.hello, .outgoing(to: address), of: self, at: 0),
        VirtualLine(acceptor, to: dialer.hello, .incoming, of: self, at: 1),
      ]
    }

    func send(_ frame: [UInt8], isGossip: Bool, to end: Int) {
      waiting[end].append((frame, isGossip))
      flow(to: end)
    }

    func flow() {
      flow(to: 0)
      flow(to: 1)
    }

    private func flow(to end: Int) {
      let (from, to) = (ends[1 - end], ends[end])
      guard !network.isBlocked(from.peers.name, to.peers.name) else { return hang(end) }
      hangsSince[end] = nil
      let frames = waiting[end]
      waiting[end] = []
      for (frame, isGossip) in frames { carry(frame, isGossip, to: to, end) }
    }

    private func carry(_ frame: [UInt8], _ isGossip: Bool, to: VirtualLine, _ end: Int) {
      let network = network
      if isGossip {
        if network.chance.chance(network.weather.lossPercent, in: 100) { return }
        if network.chance.chance(network.weather.duplicatePercent, in: 100) {
          network.scheduler.after(network.delay() * 2, as: to.peers.life) { to.received(frame) }
        }
        if network.chance.chance(network.weather.overtakingPercent, in: 100) {
          return network.scheduler.after(network.delay() * 3, as: to.peers.life) { to.received(frame) }
        }
      }
      arrivesAt[end] = max(arrivesAt[end] + 1, network.scheduler.now + network.delay())
      let time = arrivesAt[end]
      network.scheduler.after(time - network.scheduler.now, as: to.peers.life) { to.received(frame) }
    }

    /// Who hears nothing of the other for too long cuts the line.
    private func hang(_ end: Int) {
      guard hangsSince[end] == nil else { return }
      let since = network.scheduler.now
      hangsSince[end] = since
      let line = ends[end]
      network.scheduler.after(network.settings.deadAfter.nanoseconds + 250_000_000) { [self] in
        guard hangsSince[end] == since else { return }
        network.scheduler.onLoop(of: line.peers.life) { line.hasEnded(.silent) }
      }
    }

    /// One end has closed, or its process is gone.
    func closed(at end: Int) {
      network.remove(self)
      let (from, other) = (ends[end], ends[1 - end])
      let tell = { [network] in
        network.scheduler.onLoop(of: other.peers.life) { other.hasEnded(.closedByPeer) }
      }
      if network.isBlocked(from.peers.name, other.peers.name) {
        network.scheduler.after(network.settings.deadAfter.nanoseconds + 250_000_000, tell)
      } else {
        network.scheduler.after(max(network.delay(), arrivesAt[1 - end] - network.scheduler.now), tell)
      }
    }

    func machineCloses(_ peers: VirtualPeers) {
      if let end = ends.firstIndex(where: { $0.peers === peers }) { closed(at: end) }
    }
  }
}

/// One end of a stream.
final class VirtualLine: PeerLine, @unchecked Sendable {
  // Unchecked: touched by the scheduler's thread only.
  let peers: VirtualPeers
  let peer: PeerHello
  let direction: PeerConnection.Direction
  private let stream: VirtualNetwork.Stream
  private let index: Int
  private var isOpen = true
  /// Whether its process has been told that it is there.
  fileprivate var isKnown = false
  private var early: [[UInt8]] = []

  init(
    _ peers: VirtualPeers, to peer: PeerHello, _ direction: PeerConnection.Direction, of stream: VirtualNetwork.Stream,
    at index: Int
  ) {
    self.peers = peers
    self.peer = peer
    self.direction = direction
    self.stream = stream
    self.index = index
  }

  var isOverloaded: Bool { false }

  func send(_ frame: PeerFrame) -> PeerConnection.Sending {
    guard isOpen, !peers.life.hasEnded else { return .closed }
    do {
      let isGossip = if case .gossip = frame { true } else { false }
      stream.send(try frame.encoded(), isGossip: isGossip, to: 1 - index)
      return .queued
    } catch {
      return .unsendable(error)
    }
  }

  func cut(_ reason: PeerDisconnection) {
    guard isOpen else { return }
    isOpen = false
    peers.network.scheduler.onLoop(of: peers.life) { self.end(reason) }
  }

  /// The end of it has been noticed here.
  func hasEnded(_ reason: PeerDisconnection) {
    guard isOpen else { return }
    isOpen = false
    end(reason)
  }

  private func end(_ reason: PeerDisconnection) {
    stream.closed(at: index)
    peers.lost(self, reason)
  }

  fileprivate func known() {
    isKnown = true
    let frames = early
    early = []
    for frame in frames { received(frame) }
  }

  func received(_ bytes: [UInt8]) {
    guard isOpen else { return }
    guard isKnown else { return early.append(bytes) }
    var decoder = PeerFrameDecoder()
    decoder.feed(bytes)
    do {
      guard let frame = try decoder.next() else { preconditionFailure("a frame is not whole") }
      peers.network.scheduler.onLoop(of: peers.life) { [self] in
        if isOpen { peers.delegate?.received(frame, on: self) }
      }
    } catch {
      preconditionFailure("a frame cannot be read: \(error)")
    }
  }
}

/// The lines of one process.
final class VirtualPeers: PeerLines, @unchecked Sendable {
  // Unchecked: touched by the scheduler's thread only.
  private struct Dial {
    let number: Int
    var failures = 0
    var line: VirtualLine?
  }

  let hello: PeerHello
  let life: Life
  let network: VirtualNetwork
  weak var delegate: (any PeerDelegate)?
  private var dials: [PeerAddress: Dial] = [:]
  private var incoming: [NodeID: VirtualLine] = [:]
  private var lastDial = 0
  private var chance: SplitMix64

  init(_ hello: PeerHello, life: Life, seed: UInt64, in network: VirtualNetwork) {
    self.hello = hello
    self.life = life
    self.network = network
    chance = SplitMix64(seed: seed)
  }

  var name: String { life.name }

  func connect(to address: PeerAddress) throws(PeerNetworkError) {
    guard dials[address] == nil, address.host != name else { return }
    lastDial += 1
    dials[address] = Dial(number: lastDial)
    network.dial(self, address, lastDial)
  }

  func disconnect(from address: PeerAddress, reason: String) {
    guard let dial = dials.removeValue(forKey: address) else { return }
    dial.line?.cut(.closedByUs(reason))
  }

  func line(to address: PeerAddress) -> (any PeerLine)? { dials[address]?.line }

  func line(to node: NodeID) -> (any PeerLine)? { dials.values.lazy.compactMap(\.line).first { $0.peer.node == node } }

  // MARK: - What the network tells

  fileprivate func opened(_ line: VirtualLine, _ address: PeerAddress, _ number: Int) {
    guard dials[address]?.number == number else { return line.cut(.closedByUs("not wanted any more")) }
    dials[address]?.line = line
    dials[address]?.failures = 0
    delegate?.connected(line)
    line.known()
  }

  fileprivate func accepted(_ line: VirtualLine) {
    incoming.updateValue(line, forKey: line.peer.node)?.cut(.replaced)
    delegate?.connected(line)
    line.known()
  }

  fileprivate func failed(_ address: PeerAddress, _ number: Int, _ failure: PeerDialFailure) {
    guard dials[address]?.number == number else { return }
    dials[address]?.failures += 1
    dialAgain(address)
    delegate?.dialFailed(to: address, failure)
  }

  fileprivate func lost(_ line: VirtualLine, _ reason: PeerDisconnection) {
    if incoming[line.peer.node] === line { incoming[line.peer.node] = nil }
    if line.isKnown { delegate?.disconnected(line, reason) }
    guard case .outgoing(let address) = line.direction, dials[address]?.line === line else { return }
    dials[address]?.line = nil
    dials[address]?.failures += 1
    dialAgain(address)
  }

  private func dialAgain(_ address: PeerAddress) {
    guard let dial = dials[address] else { return }
    let part = Double.random(in: 0..<1, using: &chance)
    let wait = network.settings.backoff(afterFailures: dial.failures, chance: part).nanoseconds
    network.scheduler.after(wait, as: life) { [self] in
      if dials[address]?.number == dial.number, dials[address]?.line == nil { network.dial(self, address, dial.number) }
    }
  }
}
