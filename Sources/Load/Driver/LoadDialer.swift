import NIOCore
import NIOPosix

/// Who drives a connection.
protocol DialedClient: WebSocketReceiver {
  /// Nil when there is no connection.
  var handler: WebSocketChannelHandler<Self>? { get set }
}

/// Makes connections to a server. Used on its event loop only.
final class LoadDialer {
  private let target: LoadTarget
  private let address: SocketAddress
  private let dialect: LoadScenario.Dialect
  private let eventLoop: any EventLoop
  private var dialed = 0

  init(target: LoadTarget, address: SocketAddress, dialect: LoadScenario.Dialect, eventLoop: any EventLoop) {
    self.target = target
    self.address = address
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
    var path = target.path + room
    if dialect == .deltas { path += "?v=2" + query }
    let request = UpgradeExchange.request(host: target.host, port: target.port, path: path)
    let bound = NIOLoopBound(client, eventLoop: eventLoop)
    var bootstrap = ClientBootstrap(group: eventLoop)
      .connectTimeout(.seconds(10))
      .channelOption(.socketOption(.tcp_nodelay), value: 1)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let handler = WebSocketChannelHandler(request: request, maxMessageBytes: 16 << 20, receiver: bound.value)
          bound.value.handler = handler
          try channel.pipeline.syncOperations.addHandler(handler)
        }
      }
    do {
      if let source = try nextSource() { bootstrap = bootstrap.bind(to: source) }
    } catch {
      return client.webSocketFailed(error)
    }
    bootstrap.connect(to: address).assumeIsolated().whenComplete { result in
      switch result {
      case .success(let channel): connected(channel)
      case .failure(let error): client.webSocketFailed(error)
      }
    }
  }

  private func nextSource() throws -> SocketAddress? {
    guard target.sourceAddresses > 1 else { return nil }
    defer { dialed += 1 }
    return try SocketAddress(ipAddress: "127.0.0.\(1 + dialed % target.sourceAddresses)", port: 0)
  }
}
