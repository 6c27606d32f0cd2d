import NIOCore
import NIOPosix
import NIOSSL

/// Who drives a connection.
protocol DialedClient: WebSocketReceiver {
  /// Nil when there is no connection.
  var handler: WebSocketChannelHandler<Self>? { get set }
  /// Who it acts for, where a server asks for tokens.
  var participant: String { get }
}

extension DialedClient {
  /// Who only looks is nobody in particular.
  var participant: String { "onlooker" }
}

/// What all connections to a server have in common.
struct LoadDialing: Sendable {
  let target: LoadTarget
  let address: SocketAddress
  private let tls: NIOSSLContext?

  /// Looks names up and reads files.
  ///
  /// - Parameter protocols: what is asked for over TLS.
  init(_ target: LoadTarget, protocols: [String] = ["http/1.1"]) async throws {
    self.target = target
    let found = try await NIOThreadPool.singleton.runIfActive {
      let address = try SocketAddress.makeAddressResolvingHost(target.host, port: target.port)
      guard target.isSecure else { return (address, nil as NIOSSLContext?) }
      var configuration = TLSConfiguration.makeClientConfiguration()
      if let path = target.authorityPath { configuration.trustRoots = .file(path) }
      configuration.applicationProtocols = protocols
      return (address, try NIOSSLContext(configuration: configuration))
    }
    (address, tls) = found
  }

  /// What comes first in a channel's pipeline.
  func addTLS(to channel: any Channel) throws {
    guard let tls else { return }
    // An address is no name that a client may say it is looking for.
    let isName = (try? SocketAddress(ipAddress: target.host, port: 0)) == nil
    let handler = try NIOSSLClientHandler(context: tls, serverHostname: isName ? target.host : nil)
    try channel.pipeline.syncOperations.addHandler(handler)
  }

  /// - Parameter number: of the connection: they come from the addresses of this machine in turn.
  func bootstrap(on eventLoop: any EventLoop, number: Int) throws -> ClientBootstrap {
    let bootstrap = ClientBootstrap(group: eventLoop)
      .connectTimeout(.seconds(10))
      .channelOption(.socketOption(.tcp_nodelay), value: 1)
    guard target.sourceAddresses > 1 else { return bootstrap }
    return bootstrap.bind(
      to: try SocketAddress(ipAddress: "127.0.0.\(1 + number % target.sourceAddresses)", port: 0))
  }
}

/// Makes connections to a server. Used on its event loop only.
final class LoadDialer {
  private let dialing: LoadDialing
  private let dialect: LoadScenario.Dialect
  private let eventLoop: any EventLoop
  private var dialed = 0

  init(_ dialing: LoadDialing, dialect: LoadScenario.Dialect, eventLoop: any EventLoop) {
    self.dialing = dialing
    self.dialect = dialect
    self.eventLoop = eventLoop
  }

  /// Connects to a room and asks for the upgrade. What goes wrong before there is a channel, the client is told as
  /// `webSocketFailed`.
  ///
  /// - Parameter query: what else the server is to know, as `&name=value`. Dialect 2 only.
  func connect<Client: DialedClient>(
    _ client: Client, to room: String, query: String = "", connected: @escaping (any Channel) -> Void
  ) {
    let target = dialing.target
    var path = target.path + room
    if dialect == .deltas { path += "?v=2" + query }
    if let tokens = target.tokens {
      path += (dialect == .deltas ? "&" : "?") + "token=" + tokens.token(for: client.participant, in: room)
    }
    let request = UpgradeExchange.request(host: target.host, port: target.port, path: path)
    let bound = NIOLoopBound(client, eventLoop: eventLoop)
    defer { dialed += 1 }
    do {
      try dialing.bootstrap(on: eventLoop, number: dialed)
        .channelInitializer { [dialing] channel in
          channel.eventLoop.makeCompletedFuture {
            let handler = WebSocketChannelHandler(request: request, maxMessageBytes: 16 << 20, receiver: bound.value)
            bound.value.handler = handler
            try dialing.addTLS(to: channel)
            try channel.pipeline.syncOperations.addHandler(handler)
          }
        }
        .connect(to: dialing.address).assumeIsolated().whenComplete { result in
          switch result {
          case .success(let channel): connected(channel)
          case .failure(let error): client.webSocketFailed(error)
          }
        }
    } catch {
      client.webSocketFailed(error)
    }
  }
}
