import Foundation
import Gateway
import JSONText
import Link
import Logging
import Membership
import NIOCore
import Ordering
import RoomCore
import Rooms
import ServiceLifecycle
import Store
import Wire

/// A clock that runs while the process, or its machine, is stopped.
enum SteadyClock {
  private static let start = ContinuousClock.now

  static var now: MonotonicTime {
    let (seconds, attoseconds) = (ContinuousClock.now - start).components
    return MonotonicTime(nanoseconds: seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
  }
}

/// This process among those of its cluster.
struct ClusterMember: Sendable {
  let agent: ClusterAgent<OrderVoice>
  let network: PeerNetwork
  private let listening: PeerAddress

  /// - Parameters:
  ///   - rooms: nil for a gateway.
  ///   - history: of the store; nil for a gateway.
  init(
    _ peers: ServeSettings.Peers, cluster: String,
    rooms: (
      registry: RoomRegistry<OrderVoice>, store: any RoomStore, numbers: SessionNumbers, witness: StoreWitness?
    )?,
    history: String?, credentials: PeerCredentials, lane: EventLoopLane, group: any EventLoopGroup, logger: Logger
  ) {
    let clock: @Sendable () -> MonotonicTime = { SteadyClock.now }
    let me = NodeID(peers.name, life: randomName())
    let local = rooms.map { LocalCarrier(to: $0.registry) }
    let book = OwnerBook<OrderCommand>(me: me, local: local, clock: clock)
    let own = Member(
      node: me, name: peers.name, address: peers.address, kind: rooms == nil ? .gateway : .node(weight: peers.weight))
    let serving = rooms.map { rooms in
      ClusterAgent<OrderVoice>.Rooms(
        registry: rooms.registry, store: rooms.store,
        server: RoomServer(registry: rooms.registry, numbers: rooms.numbers) { book.owner(of: $0) })
    }
    agent = ClusterAgent(
      own: own, seeds: peers.seeds, incarnation: UInt64(Date().timeIntervalSince1970 * 1000),
      seed: .random(in: .min ... .max), book: book, link: ClusterLink(finder: book, scheduler: lane), rooms: serving,
      witness: rooms?.witness, clock: clock, logger: logger)
    let identity = PeerIdentity(
      cluster: cluster, node: me, name: peers.name, kind: rooms == nil ? .gateway : .node,
      address: peers.address.description,
      features: history.map { [StoreHistory.feature($0)] } ?? [])
    network = PeerNetwork(
      identity,
      credentials: credentials, group: group,
      random: SystemRandomNumberGenerator(), delegate: agent, logger: logger)
    listening = peers.listen
  }

  func listen() async throws {
    do {
      try await network.listen(on: listening)
    } catch {
      throw StartFailure(message: "cannot listen for peers on \(listening): \(error)")
    }
  }
}

extension ClusterMember {
  /// The store has a new history, and the registry has begun anew with it: sessions that others have open here end, and
  /// open again where they are told the new one.
  func historyChanged(to history: String) {
    network.replaceFeatures([StoreHistory.feature(history)], reason: "the store has a new history")
    agent.roomsBeganAnew()
  }
}

struct ClusterService: Service {
  let member: ClusterMember

  func run() async throws {
    try await member.listen()
    await cancelWhenGracefulShutdown { await member.agent.run(on: member.network) }
    await member.network.close(reason: "the node stops")
  }
}

/// Ends the process when a later one runs under its name: it has no part in the cluster any more, and serves nothing.
struct SuccessionService: Service {
  let member: ClusterMember

  func run() async throws {
    let successor = await cancelWhenGracefulShutdown { await member.agent.superseded() }
    if let successor { throw Superseded(successor: successor) }
  }
}

/// A later process runs under this one's name.
struct Superseded: Error, CustomStringConvertible {
  /// Not 1, so that a supervisor can tell it apart: started again, the process would supersede its successor in turn.
  static let exitCode: Int32 = 3

  let successor: Member

  var description: String {
    "a later process runs under the name \(successor.name), at \(successor.address): this one ends. "
      + "Each process needs a --name of its own"
  }
}

/// Has the clients of a gateway come back elsewhere when it stops.
struct DrainService: Service {
  let gateway: Gateway
  let limit: Duration

  func run() async throws {
    try await gracefulShutdown()
    gateway.beginDraining()
    await gateway.closeSessions(within: limit)
  }
}
