import HummingbirdCore
import Link
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOHTTPTypesHTTP2
import NIOSSL
import NIOTLS
import NIOWebSocket

/// Sets up each connection: the TLS handshake, if there is one, decides between HTTP/2 and HTTP/1.1; the first request of
/// HTTP/1.1 decides whether it becomes a WebSocket.
///
/// A WebSocket needs no task: its handlers do everything on its loop. HTTP gets one when it turns out to be HTTP. One bad
/// connection ends by itself and takes nothing else with it.
struct GatewayChannel {
  let http: HTTPService
  let hub: SessionHub
  let connections: Connections
  let logger: Logger

  func setup(_ channel: any Channel) -> EventLoopFuture<Void> {
    channel.eventLoop.makeCompletedFuture {
      guard connections.admit(channel) else { throw Connections.Exceeded() }
      let water = hub.settings.outboxBytes
      try channel.syncOptions?.setOption(.writeBufferWaterMark, value: .init(low: water / 4, high: water))
      try channel.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1)
      // All connections of a loop take turns: what one sends without end must not keep the others waiting for long. Each
      // keeps its buffer for reading, and most of them never get more than it holds at first.
      try channel.syncOptions?.setOption(.maxMessagesPerRead, value: 1)
      try channel.syncOptions?.setOption(
        .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 256, initial: 512, maximum: Self.bytesPerTurn))
      let connection = NewConnection(
        channel: channel, firstRequestBy: .now() + TimeAmount(hub.settings.firstRequestWithin), logger: logger)
      if let certificate = hub.settings.certificate {
        try installTLSHandlers(on: connection, certificate: certificate)
      } else {
        try installFirstRequestHandlers(on: connection, isSecure: false)
      }
    }
  }

  /// A connection of which nothing is known yet. Handshake and first request share one deadline.
  private struct NewConnection: Sendable {
    let channel: any Channel
    let firstRequestBy: NIODeadline
    let logger: Logger

    var pipeline: ChannelPipeline.SynchronousOperations { channel.pipeline.syncOperations }

    func noteFailure(of beginning: EventLoopFuture<Void>) {
      let logger = logger
      beginning.whenFailure { error in
        logger.trace("connection ended before its first request was understood", metadata: ["error": "\(error)"])
      }
    }
  }

  private func installTLSHandlers(on connection: NewConnection, certificate: ServerCertificate) throws {
    let negotiation = NIOTypedApplicationProtocolNegotiationHandler<Void> { result, channel in
      channel.eventLoop.makeCompletedFuture {
        if case .negotiated(ApplicationProtocol.http2) = result {
          try installHTTP2Handlers(on: connection)
        } else {
          try installFirstRequestHandlers(on: connection, isSecure: true)
        }
      }
    }
    try connection.pipeline.addHandler(NIOSSLServerHandler(context: certificate.value.context))
    try connection.pipeline.addHandler(HandshakeGuard(deadline: connection.firstRequestBy, metrics: hub.metrics))
    try connection.pipeline.addHandler(negotiation)
    connection.noteFailure(of: negotiation.protocolNegotiationResult)
  }

  private func installHTTP2Handlers(on connection: NewConnection) throws {
    let loop = connection.channel.eventLoop
    let keeper = HTTP2Connection(
      firstRequestBy: connection.firstRequestBy, idle: TimeAmount(hub.settings.idleHTTP))
    let configuration = HTTP2Connection.configuration()
    let handler = NIOHTTP2Handler(
      mode: .server, eventLoop: loop, connectionConfiguration: configuration.connection,
      streamConfiguration: configuration.stream, streamDelegate: keeper.streamDelegate(on: loop)
    ) { stream in
      stream.eventLoop.makeCompletedFuture { try serve(stream) }
    }
    try addWriteDeadline(to: connection)
    // Who does not take its answers asks for no more.
    try connection.pipeline.addHandler(BackPressureHandler())
    try connection.pipeline.addHandler(handler)
    try connection.pipeline.addHandler(keeper)
  }

  /// An answer may wait for its client as long as a connection may lie idle.
  private func addWriteDeadline(to connection: NewConnection) throws {
    let deadline = WriteDeadline(within: TimeAmount(hub.settings.idleHTTP), metrics: hub.metrics)
    try connection.pipeline.addHandler(deadline, position: .first)
  }

  /// Serves the one request of an HTTP/2 stream, which has as long for it as an HTTP/1.1 connection may lie idle.
  private func serve(_ stream: any Channel) throws {
    try stream.pipeline.syncOperations.addHandler(HTTP2FramePayloadToHTTPServerCodec())
    let asyncChannel = try HTTPService.AsyncChannel(wrappingChannelSynchronously: stream)
    let timeout = stream.eventLoop.scheduleTask(in: TimeAmount(hub.settings.idleHTTP)) { stream.close(promise: nil) }
    stream.closeFuture.whenComplete { _ in timeout.cancel() }
    http.start(on: asyncChannel)
  }

  private func installFirstRequestHandlers(on connection: NewConnection, isSecure: Bool) throws {
    let (channel, pipeline) = (connection.channel, connection.pipeline)
    let encoder = HTTPResponseEncoder()
    let decoder = ByteToMessageHandler(
      HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: RequestRules.parserLimits),
      maximumBufferSize: Self.maxUnparsedBytes)
    let deadline = RequestDeadline(within: TimeAmount(hub.settings.idleHTTP), metrics: hub.metrics)
    let gate = UpgradeGate(admission: UpgradeAdmission(hub: hub), firstRequestBy: connection.firstRequestBy)
    let boundGate = NIOLoopBound(gate, eventLoop: channel.eventLoop)
    let upgrader = RoomUpgrader(hub: hub, gate: boundGate)
    let upgradeHandler = NIOTypedHTTPServerUpgradeHandler<Void>(
      httpEncoder: encoder, extraHTTPHandlers: [decoder, deadline, gate],
      upgradeConfiguration: .init(
        upgraders: [upgrader],
        notUpgradingCompletionHandler: { channel in
          channel.eventLoop.makeCompletedFuture { try installHTTPHandlers(on: connection, isSecure: isSecure) }
        }))
    try pipeline.addHandlers([encoder, decoder, deadline, gate])
    try pipeline.addHandler(upgradeHandler)
    connection.noteFailure(of: upgradeHandler.upgradeResultFuture)
  }

  /// How much is read from one connection at once. Fifty requests or three hundred pings fit in, at some microseconds
  /// each; honest messages are shorter, and a long one costs a few system calls more.
  private static let bytesPerTurn = 2048

  /// Bytes that may wait for the parser, which stops behind each request that asks for an upgrade: what a client has to
  /// say at once when its WebSocket opens.
  private static let maxUnparsedBytes = 128 * 1024

  private func installHTTPHandlers(on connection: NewConnection, isSecure: Bool) throws {
    try connection.pipeline.addHandler(
      LingeringClose(within: TimeAmount(hub.settings.closeWithin)), position: .first)
    try addWriteDeadline(to: connection)
    try connection.pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: isSecure))
    try connection.pipeline.addHandler(
      HTTPConnectionStateHandler(idleTimeout: hub.settings.idleHTTP, logger: connection.logger))
    http.start(
      on: try HTTPService.AsyncChannel(
        wrappingChannelSynchronously: connection.channel, configuration: .init(isOutboundHalfClosureEnabled: true)))
  }
}

/// Does the WebSocket handshake for what the gate has let through, and puts the session on the channel.
private struct RoomUpgrader: NIOTypedHTTPServerProtocolUpgrader {
  typealias UpgradeResult = Void

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
      upgradePipelineHandler: { channel, _ in channel.eventLoop.makeSucceededVoidFuture() })
    return handshake.buildUpgradeResponse(
      channel: channel, upgradeRequest: upgradeRequest, initialResponseHeaders: initialResponseHeaders)
  }

  func upgrade(channel: any Channel, upgradeRequest: HTTPRequestHead) -> EventLoopFuture<UpgradeResult> {
    channel.eventLoop.makeCompletedFuture {
      guard let target = gate.value.target else {
        preconditionFailure("an upgrade to \(upgradeRequest.uri) was not let through by the gate")
      }
      let index = hub.loopIndex(of: channel.eventLoop)
      let pipeline = channel.pipeline.syncOperations
      // Made last: it counts in its room from here on, and only a handler in the pipeline takes it out again.
      let (application, maxBytes, limitsFrames): (any WebSocketApplication, Int, Bool) =
        switch target {
        case .room(let entry):
          (RoomSession(entry: entry, hub: hub, loopIndex: index), hub.settings.maxMessageBytes, true)
        case .echo: (EchoApplication(), hub.settings.maxEchoBytes, false)
        }
      try pipeline.addHandler(
        WebSocketConnection(
          application: application, maxMessageBytes: maxBytes, limitsFrames: limitsFrames,
          loopContext: hub.loops[index].onLoop, metrics: hub.metrics))
    }
  }
}
