import Logging
import Membership
import NIOCore
import NIOPosix
import RoomCore
import Synchronization
import TestSupport
import Wire

@testable import Link

/// One process's network, which remembers all it is told.
final class TestPeer: PeerDelegate {
  enum News: Equatable {
    case connected(NodeID, PeerConnection.Direction)
    case received(PeerFrame)
    case disconnected(NodeID, PeerDisconnection)
    case dialFailed(PeerAddress, PeerDialFailure)
  }

  private struct State {
    var news: [News] = []
    var connections: [PeerConnection] = []
    var holdsBack = false
  }

  private let state = Mutex(State())
  private let networkBox = Mutex<PeerNetwork?>(nil)
  let name: String

  private init(_ name: String) { self.name = name }

  static func make(
    _ name: String, cluster: String = "test", slotCount: Int = 8, secrets: [String] = ["secret"],
    tls: PeerCredentials.TLS? = nil, credentials: PeerCredentials? = nil, versions: ClosedRange<UInt64> = 1...1,
    node: String? = nil, seed: UInt64 = 1,
    _ configure: (inout PeerSettings) -> Void = { _ in }
  ) -> TestPeer {
    let peer = TestPeer(name)
    var settings = PeerSettings()
    // Nothing here asks whether something was quick, and a busy machine is no silent peer.
    settings.handshakeTimeout = .seconds(60)
    settings.connectTimeout = .seconds(60)
    settings.deadAfter = .seconds(60)
    settings.minBackoff = .milliseconds(5)
    settings.maxBackoff = .milliseconds(40)
    configure(&settings)
    let network = PeerNetwork(
      PeerIdentity(
        cluster: cluster, slotCount: slotCount, node: NodeID(node ?? "\(name)-1"), name: name, kind: .node,
        features: ["x"], versions: versions),
      credentials: credentials ?? PeerCredentials(secrets: secrets.map { Array($0.utf8) }, tls: tls),
      settings: settings,
      group: MultiThreadedEventLoopGroup.singleton,
      // Names differ, and so nonces do.
      random: SplitMix64(seed: seed &+ name.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) }), delegate: peer,
      logger: Logger(label: name) { _ in SwiftLogNoOpLogHandler() })
    peer.networkBox.withLock { $0 = network }
    return peer
  }

  var network: PeerNetwork {
    guard let network = networkBox.withLock({ $0 }) else { preconditionFailure("\(name) has been closed") }
    return network
  }

  /// The network refers to its delegate, and this one to the network.
  func close() async {
    await network.close(reason: "the test is over")
    networkBox.withLock { $0 = nil }
  }

  /// Listens on the loopback.
  func listen(port: Int = 0) async throws -> PeerAddress {
    try await network.listen(on: PeerAddress(host: "127.0.0.1", port: port))
  }

  // MARK: - What happened

  var news: [News] { state.withLock { $0.news } }
  var received: [PeerFrame] {
    news.compactMap { news in
      if case .received(let frame) = news { frame } else { nil }
    }
  }
  var connections: [PeerConnection] { state.withLock { $0.connections } }

  func connection() async throws -> PeerConnection {
    try await eventually("\(name) to be connected") { !self.connections.isEmpty }
    return connections[0]
  }

  /// Stops reading on the next connections.
  func holdBack() { state.withLock { $0.holdsBack = true } }

  func wait(for what: String, _ isSo: @escaping @Sendable ([News]) -> Bool) async throws {
    do {
      try await eventually("\(name): \(what)") { isSo(self.news) }
    } catch {
      throw GaveUp(what: "\(name): \(what); it has \(news.suffix(5))")
    }
  }

  // MARK: - PeerDelegate

  func connected(_ connection: any PeerLine) {
    guard let connection = connection as? PeerConnection else { preconditionFailure("a network has only connections") }
    let holdsBack = state.withLock { state in
      state.news.append(.connected(connection.peer.node, connection.direction))
      state.connections.append(connection)
      return state.holdsBack
    }
    if holdsBack { connection.setReading(false) }
  }

  func received(_ frame: PeerFrame, on connection: any PeerLine) {
    state.withLock { $0.news.append(.received(frame)) }
  }

  func disconnected(_ connection: any PeerLine, _ reason: PeerDisconnection) {
    state.withLock { state in
      state.news.append(.disconnected(connection.peer.node, reason))
      state.connections.removeAll { $0 === connection }
    }
  }

  func dialFailed(to address: PeerAddress, _ failure: PeerDialFailure) {
    state.withLock { $0.news.append(.dialFailed(address, failure)) }
  }
}

extension RoomID {
  static func named(_ name: String) -> RoomID {
    guard let room = RoomID(name) else { preconditionFailure("'\(name)' is no room's name") }
    return room
  }
}
