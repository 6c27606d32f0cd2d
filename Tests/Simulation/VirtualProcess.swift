import Logging
import Membership
import NIOCore
import Ordering
import RoomCore
import Rooms
import Store
import TestSupport
import Wire

@testable import Gateway
@testable import Link

/// One life of a node or of a gateway: the product's own parts, on a virtual loop, network and store.
final class VirtualProcess: @unchecked Sendable {
  // Unchecked: touched by the scheduler's thread only.
  let life: Life
  let node: NodeID
  let isNode: Bool
  let scheduler: Scheduler
  private let peers: VirtualPeers
  private let agent: ClusterAgent<OrderVoice>
  private let registry: RoomRegistry<OrderVoice>?
  /// Of a gateway.
  let hub: SessionHub?

  private struct WallTime: TimeSource {
    let life: Life
    func now() -> Timestamp { Timestamp(millis: life.wallMillis) }
  }

  static let peerPort = 7000

  /// Called on the life's loop.
  ///
  /// - Parameter weight: nil for a gateway.
  init(_ life: Life, weight: Int?, seeds: [String], seed: UInt64, cluster: VirtualCluster) {
    self.life = life
    isNode = weight != nil
    scheduler = cluster.scheduler
    var chance = SplitMix64(seed: seed)
    node = NodeID(life.name, life: String(chance.next() | 1 << 63, radix: 36))
    let loop = VirtualLoop(of: life, in: cluster.scheduler)
    let lane = EventLoopLane(loop)
    let clock: @Sendable () -> MonotonicTime = { MonotonicTime(nanoseconds: life.steadyNanoseconds) }
    let logger = Logger(label: life.name) { [weak cluster] _ in TraceLogHandler(life.name, cluster) }
    let address = PeerAddress(host: life.name, port: Self.peerPort)
    let time = WallTime(life: life)
    let numbers = SessionNumbers()

    var witness: StoreWitness?
    var local: (any RoomCarrier<OrderCommand>)?
    var store: StoreClient?
    if weight != nil {
      let client = StoreClient(cluster.store, for: node, life: life)
      let storeWitness = StoreWitness(store: client, clock: clock)
      let tenant = TenantContext()
      let registry = RoomRegistry(
        store: client, voice: OrderVoice(history: client.identity.history), settings: cluster.rooms, time: time,
        lanes: [lane], ownership: SlotOwnership(),
        witness: cluster.mutant == .alwaysFresh ? SoleOwner() as any OwnershipWitness : storeWitness, logger: logger,
        contexts: TenantContexts { tenant })
      self.registry = registry
      local = LocalCarrier(to: registry)
      (witness, store) = (storeWitness, client)
    } else {
      registry = nil
    }
    let book = OwnerBook<OrderCommand>(me: node, local: local, clock: clock)
    let link = ClusterLink(finder: book, scheduler: lane)
    var serving: ClusterAgent<OrderVoice>.Rooms?
    if let registry, let store {
      serving = .init(
        registry: registry, store: store,
        server: RoomServer(registry: registry, numbers: numbers) { book.owner(of: $0) })
    }
    agent = ClusterAgent(
      own: Member(node: node, name: life.name, address: address, kind: weight.map { .node(weight: $0) } ?? .gateway),
      seeds: seeds.filter { $0 != life.name }.map { PeerAddress(host: $0, port: Self.peerPort) },
      incarnation: UInt64(life.wallMillis), seed: chance.next(), book: book, link: link, rooms: serving,
      witness: witness, clock: clock, alarm: VirtualClock(scheduler: cluster.scheduler, life: life), logger: logger)
    let identity = PeerIdentity(
      cluster: "simulation", node: node, name: life.name, kind: weight == nil ? .gateway : .node,
      address: "\(address)", features: [StoreHistory.feature("simulated")])
    peers = VirtualPeers(identity.hello(nonce: []), life: life, seed: chance.next(), in: cluster.network)
    peers.delegate = agent
    if weight == nil {
      var settings = GatewaySettings()
      // A token bucket looks at the machine's clock.
      settings.messagesPerSecond = 0
      let way: any RoomLink<OrderCommand> = cluster.mutant.map { MutantLink(link, $0) } ?? link
      hub = SessionHub(
        loops: [LoopHandle(onLoop: loop, settings: settings)], link: way, settings: settings, time: time,
        numbers: numbers, operationPrefix: node.name, metrics: GatewayMetrics())
    } else {
      hub = nil
    }
  }

  func start(in network: VirtualNetwork) {
    network.attach(peers)
    Task { await agent.run(on: peers) }
    if let registry {
      Task { await registry.keepHouse(clock: VirtualClock(scheduler: scheduler, life: life)) }
    }
  }

  /// As SIGTERM does it.
  func stop(then: @escaping @Sendable () -> Void) {
    scheduler.onLoop(of: life) { [self] in
      Task {
        await agent.drain(within: .seconds(10))
        await registry?.stop()
        await agent.leave()
        then()
      }
    }
  }

  /// A session for a client that has connected. Called on the life's loop.
  func open(_ entry: RoomEntry, _ socket: VirtualSocket) -> RoomSession? {
    guard let hub else { return nil }
    let session = RoomSession(entry: entry, hub: hub, loopIndex: 0)
    session.opened(socket)
    return session
  }

  /// The room's state, as HTTP gives it.
  func read(_ room: RoomID, then: @escaping @Sendable (RoomReading) -> Void) {
    guard let hub else { return }
    scheduler.onLoop(of: life) {
      Task { then(await hub.link.read(room)) }
    }
  }
}

/// Writes what processes log into the simulation's trace.
private struct TraceLogHandler: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.info
  private let name: String
  private weak var cluster: VirtualCluster?

  init(_ name: String, _ cluster: VirtualCluster?) {
    self.name = name
    self.cluster = cluster
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let fields = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
    cluster?.note("\(name): \(event.message)\(fields)")
  }
}
