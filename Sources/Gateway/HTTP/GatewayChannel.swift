import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOWebSocket

/// Sets up each connection: its first request decides whether it becomes a WebSocket or stays HTTP/1.1.
struct GatewayChannel: HTTPChannelHandler {
  /// What the first request made of a connection.
  enum Use: Sendable {
    case http(NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>)
    /// Runs by itself, on its loop.
    case webSocket
  }

  struct Value: ServerChildChannelValue {
    let channel: any Channel
    /// Known once the first request's head is there.
    let use: EventLoopFuture<Use>
  }

  let responder: Responder
  let hub: SessionHub
  let limits: ConnectionLimits

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    channel.eventLoop.makeCompletedFuture {
      guard limits.admit(channel) else {
        channel.close(promise: nil)
        throw ConnectionLimits.Exceeded()
      }
      return Value(channel: channel, use: try installFirstRequestHandlers(on: channel, logger: logger))
    }
  }

  private func installFirstRequestHandlers(
    on channel: any Channel, logger: Logger
  ) throws -> EventLoopFuture<Use> {
    let pipeline = channel.pipeline.syncOperations
    let water = hub.settings.outboxBytes
    try channel.syncOptions?.setOption(.writeBufferWaterMark, value: .init(low: water / 4, high: water))
    try channel.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1)
    let encoder = HTTPResponseEncoder()
    let decoder = ByteToMessageHandler(
      HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes), maximumBufferSize: Self.maxUnparsedBytes)
    let gate = UpgradeGate(
      admission: UpgradeAdmission(hub: hub), firstRequestWithin: TimeAmount(hub.settings.firstRequestWithin))
    let boundGate = NIOLoopBound(gate, eventLoop: channel.eventLoop)
    let upgrader = RoomUpgrader(hub: hub, gate: boundGate)
    let upgradeHandler = NIOTypedHTTPServerUpgradeHandler<Use>(
      httpEncoder: encoder, extraHTTPHandlers: [decoder, gate],
      upgradeConfiguration: .init(
        upgraders: [upgrader],
        notUpgradingCompletionHandler: { channel in
          channel.eventLoop.makeCompletedFuture { try installHTTPHandlers(on: channel, logger: logger) }
        }))
    try pipeline.addHandlers([encoder, decoder, gate])
    try pipeline.addHandler(upgradeHandler)
    return upgradeHandler.upgradeResultFuture
  }

  /// Bytes that may wait for the parser, which stops behind each request that asks for an upgrade: the largest head
  /// that it takes has 80 KiB.
  private static let maxUnparsedBytes = 128 * 1024

  private func installHTTPHandlers(on channel: any Channel, logger: Logger) throws -> Use {
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
    try pipeline.addHandler(HTTPConnectionStateHandler(idleTimeout: hub.settings.idleHTTP, logger: logger))
    return .http(
      try NIOAsyncChannel(
        wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true)))
  }

  /// A WebSocket needs no task: its handlers do everything on its loop. One bad connection ends here and takes nothing
  /// else with it.
  func handle(value: Value, logger: Logger) async {
    do {
      switch try await value.use.get() {
      case .http(let asyncChannel): await handleHTTP(asyncChannel: asyncChannel, logger: logger)
      case .webSocket: break
      }
    } catch {
      logger.trace("connection ended before its first request was understood", metadata: ["error": "\(error)"])
    }
  }
}

/// Does the WebSocket handshake for what the gate has let through, and puts the session on the channel.
///
/// The frames are written as finished buffers, so the pipeline gets a frame decoder and no encoder.
private struct RoomUpgrader: NIOTypedHTTPServerProtocolUpgrader {
  typealias UpgradeResult = GatewayChannel.Use

  let hub: SessionHub
  let gate: NIOLoopBound<UpgradeGate>
  let supportedProtocol = "websocket"
  let requiredUpgradeHeaders: [String] = []

  func buildUpgradeResponse(
    channel: any Channel, upgradeRequest: HTTPRequestHead, initialResponseHeaders: HTTPHeaders
  ) -> EventLoopFuture<HTTPHeaders> {
    let offered = upgradeRequest.headers[canonicalForm: "sec-websocket-protocol"].map(String.init)
    var headers = HTTPHeaders()
    if let chosen = Subprotocol.choose(from: offered) { headers.add(name: "Sec-WebSocket-Protocol", value: chosen) }
    let extra = headers
    let handshake = NIOTypedWebSocketServerUpgrader<UpgradeResult>(
      shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture(extra) },
      upgradePipelineHandler: { channel, _ in channel.eventLoop.makeSucceededFuture(.webSocket) })
    return handshake.buildUpgradeResponse(
      channel: channel, upgradeRequest: upgradeRequest, initialResponseHeaders: initialResponseHeaders)
  }

  func upgrade(channel: any Channel, upgradeRequest: HTTPRequestHead) -> EventLoopFuture<UpgradeResult> {
    channel.eventLoop.makeCompletedFuture {
      guard let target = gate.value.target else {
        preconditionFailure("an upgrade to \(upgradeRequest.uri) was not let through by the gate")
      }
      let index = hub.loopIndex(of: channel.eventLoop)
      let maxBytes =
        switch target {
        case .room: hub.settings.maxMessageBytes
        case .echo: hub.settings.maxEchoBytes
        }
      let pipeline = channel.pipeline.syncOperations
      // Who does not read is not read from: else its pings and refusals would pile up here.
      try pipeline.addHandler(BackPressureHandler())
      try pipeline.addHandler(ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: maxBytes)))
      // Made last: it counts in its room from here on, and only a handler in the pipeline takes it out again.
      let application: any WebSocketApplication =
        switch target {
        case .room(let entry): RoomSession(entry: entry, hub: hub, loopIndex: index)
        case .echo: EchoApplication()
        }
      try pipeline.addHandler(
        WebSocketConnection(
          application: application, maxMessageBytes: maxBytes, loopContext: hub.loops[index].onLoop,
          settings: hub.settings, metrics: hub.metrics))
      return .webSocket
    }
  }
}
