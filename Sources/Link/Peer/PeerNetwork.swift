import CoreMetrics
package import Logging
package import Membership
package import NIOCore
import NIOPosix
import NIOSSL
import RoomCore
import Synchronization
import Wire

/// The connections between this process and its peers: takes those that come, and keeps one to each address that is
/// wanted, dialing again whenever it is lost.
///
/// Its delegate is kept until the network is closed.
package final class PeerNetwork: Sendable {
  /// One wish to be connected to an address, until it is given up.
  struct DialNumber: Hashable, Sendable {
    let address: PeerAddress
    let number: UInt64
  }

  let settings: PeerSettings
  let metrics = PeerMetrics()
  let delegate: any PeerDelegate
  let group: any EventLoopGroup
  let credentials: PeerCredentials
  let logger: Logger
  let state: Mutex<State>

  struct State {
    var identity: PeerIdentity
    var random: Chance
    var listener: (any Channel)?
    var isClosed = false
    /// Accepted connections in their handshake.
    var pending = 0
    /// All channels in their handshake, or before it.
    var unfinished: [ObjectIdentifier: any Channel] = [:]
    var connections: [ObjectIdentifier: PeerConnection] = [:]
    /// The latest connection that each process has dialed.
    var incoming: [NodeID: PeerConnection] = [:]
    var dials: [PeerAddress: Dial] = [:]
    var lastDial: UInt64 = 0

    mutating func nonce() -> [UInt8] {
      (0..<PeerLimits.nonceBytes).map { _ in UInt8.random(in: 0...255, using: &random) }
    }
  }

  /// - Parameter random: for nonces, so it must not be guessable, and for the waits between attempts.
  package init(
    _ identity: PeerIdentity, credentials: PeerCredentials, settings: PeerSettings = PeerSettings(),
    group: any EventLoopGroup, random: any RandomNumberGenerator & Sendable, delegate: any PeerDelegate,
    logger: Logger
  ) {
    self.settings = settings
    self.credentials = credentials
    self.group = group
    self.delegate = delegate
    self.logger = logger
    state = Mutex(State(identity: identity, random: Chance(generator: random)))
    noteExpiry()
  }

  /// Proves itself in new connections with what is in the files of the certificate and the secrets, if that is new and
  /// can be used. Those that there are stay. Blocks.
  package func reloadCredentials() {
    switch credentials.reloadSecrets() {
    case .unchanged: break
    case .replaced: logger.notice("new secrets are in use for peers")
    case .refused(let reason): logger.warning("the secrets for peers stay as they are: \(reason)")
    }
    switch credentials.reloadCertificate() {
    case .unchanged: break
    case .replaced:
      metrics.reloads.increment()
      logger.notice("a new certificate is in use for peers")
      noteExpiry()
    case .refused(let reason):
      metrics.failedReloads.increment()
      logger.warning("the certificate for peers stays as it is: \(reason)")
    }
  }

  private func noteExpiry() {
    if let tls = credentials.now.tls { metrics.certificateExpires(at: tls.expirySeconds) }
  }

  /// What is said of this process; its address is known once it listens.
  package var identity: PeerIdentity { state.withLock { $0.identity } }

  // MARK: - Connections

  /// All that have proved who they are.
  package var connections: [PeerConnection] { state.withLock { Array($0.connections.values) } }

  /// Takes connections from now on.
  ///
  /// - Parameter address: port 0 lets the system choose one.
  /// - Returns: the address that it listens on; peers are told this one if the identity has none.
  @discardableResult
  package func listen(on address: PeerAddress) async throws -> PeerAddress {
    guard credentials.protect || address.isLoopback else { throw PeerNetworkError.unprotected(address) }
    let listener = try await ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 256)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
      .childChannelInitializer { self.accept($0) }
      .bind(host: address.host, port: address.port).get()
    let bound = PeerAddress(host: address.host, port: listener.localAddress?.port ?? address.port)
    let isClosed = state.withLock { state in
      if state.isClosed || state.listener != nil { return true }
      state.listener = listener
      if state.identity.address.isEmpty { state.identity.address = bound.description }
      return false
    }
    if isClosed {
      try await listener.close().get()
      throw PeerNetworkError.closed
    }
    return bound
  }

  /// What peers were told of this process has changed: those that have dialed are to dial again, and hear it.
  package func replaceFeatures(_ features: [String], reason: String) {
    let outdated = state.withLock { state in
      state.identity.features = features
      return state.connections.values.filter { $0.direction == .incoming }
    }
    for connection in outdated { connection.close(reason: reason) }
  }

  /// Says goodbye to all peers, and returns when no connection is left.
  package func close(reason: String) async {
    let (listener, unfinished, connections) = state.withLock { state in
      state.isClosed = true
      for dial in state.dials.values { dial.cancel() }
      state.dials = [:]
      return (state.listener, Array(state.unfinished.values), Array(state.connections.values))
    }
    var ends = connections.map(\.closeFuture) + unfinished.map(\.closeFuture)
    if let listener {
      ends.append(listener.closeFuture)
      listener.close(promise: nil)
    }
    for channel in unfinished { channel.close(promise: nil) }
    for connection in connections { connection.close(reason: reason) }
    let allEnded = EventLoopFuture.andAllComplete(ends, on: group.any())
    // It cannot fail: it waits for completion, whichever.
    try? await allEnded.get()
  }

  // MARK: - Channels

  private func accept(_ channel: any Channel) -> EventLoopFuture<Void> {
    let isWelcome = state.withLock { state in
      guard !state.isClosed, state.pending < settings.maxPending else { return false }
      state.pending += 1
      return true
    }
    guard isWelcome else {
      metrics.refusedConnections.increment()
      return channel.close()
    }
    return configure(channel, dial: nil).flatMapErrorThrowing { error in
      self.state.withLock { $0.pending -= 1 }
      throw error
    }
  }

  func configure(_ channel: any Channel, dial: DialNumber?) -> EventLoopFuture<Void> {
    channel.eventLoop.makeCompletedFuture {
      let credentials = credentials.now
      let hello = state.withLock { state in
        let nonce = state.nonce()
        return state.identity.hello(nonce: nonce)
      }
      let pipeline = channel.pipeline.syncOperations
      if let tls = credentials.tls {
        if dial == nil {
          try pipeline.addHandler(NIOSSLServerHandler(context: tls.server))
        } else {
          try pipeline.addHandler(NIOSSLClientHandler(context: tls.client, serverHostname: nil))
        }
      }
      let handshake = PeerHandshake(dial == nil ? .acceptor : .dialer, own: hello, secrets: credentials.secrets)
      try pipeline.addHandler(PeerChannelHandler(self, handshake, dial: dial))
      track(channel)
    }
  }

  private func track(_ channel: any Channel) {
    let key = ObjectIdentifier(channel)
    let isClosed = state.withLock { state in
      state.unfinished[key] = channel
      return state.isClosed
    }
    channel.closeFuture.whenComplete { _ in
      self.state.withLock { state in
        if state.unfinished[key] === channel { state.unfinished[key] = nil }
      }
    }
    if isClosed { channel.close(promise: nil) }
  }

  // MARK: - What a channel's handler tells

  func direction(of dial: DialNumber?) -> PeerConnection.Direction {
    dial.map { .outgoing(to: $0.address) } ?? .incoming
  }

  /// - Parameter features: what the peer was told.
  /// - Returns: false if the connection is not wanted.
  func established(
    _ connection: PeerConnection, on channel: any Channel, dial: DialNumber?, said features: [String]
  ) -> Bool {
    let (isWanted, replaced, count) = state.withLock { state -> (Bool, PeerConnection?, Int) in
      guard !state.isClosed, features == state.identity.features else { return (false, nil, 0) }
      if let dial {
        guard state.connect(dial, connection) else { return (false, nil, 0) }
      }
      state.unfinished[ObjectIdentifier(channel)] = nil
      state.connections[ObjectIdentifier(connection)] = connection
      var replaced: PeerConnection?
      if dial == nil {
        state.pending -= 1
        replaced = state.incoming.updateValue(connection, forKey: connection.peer.node)
      }
      return (true, replaced, state.connections.count)
    }
    guard isWanted else { return false }
    // The peer has lost it, and this side has not noticed yet.
    replaced?.cut(.replaced)
    metrics.connections.set(count)
    logger.info("connected to \(connection.peer.name)", metadata: ["peer": "\(connection.peer.node)"])
    return true
  }

  func ended(_ connection: PeerConnection, dial: DialNumber?) {
    let (count, waiting) = state.withLock { state in
      state.connections[ObjectIdentifier(connection)] = nil
      let node = connection.peer.node
      if state.incoming[node] === connection { state.incoming[node] = nil }
      return (state.connections.count, dial == nil ? [] : state.takeDuplicates(of: node))
    }
    metrics.connections.set(count)
    let reason = connection.ending
    logger.info(
      "the connection to \(connection.peer.name) has ended: \(reason)", metadata: ["peer": "\(connection.peer.node)"])
    delegate.disconnected(connection, reason)
    if let dial { retry(dial, isHopeless: false) }
    for duplicate in waiting { self.dial(duplicate) }
  }

  func handshakeFailed(_ failure: PeerDialFailure, dial: DialNumber?) {
    if let dial { return dialFailed(failure, dial) }
    state.withLock { $0.pending -= 1 }
    logger.notice("a peer's connection came to nothing: \(failure)")
  }
}

/// A generator of whichever kind.
struct Chance: RandomNumberGenerator, Sendable {
  var generator: any RandomNumberGenerator & Sendable

  mutating func next() -> UInt64 { generator.next() }
}
