import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket

/// A WebSocket server on a port of its own, made of NIO's own codec, so that the client is tested against another's
/// reading of the RFC.
struct LoopbackServer: Sendable {
  /// What a connection does with a frame. It is called on the connection's event loop.
  typealias Behavior = @Sendable (WebSocketFrame, Peer) -> Void

  /// A connection, seen from the server.
  struct Peer: Sendable {
    let channel: any Channel

    func send(_ opcode: WebSocketOpcode, _ text: String, isFinal: Bool = true) {
      let frame = WebSocketFrame(fin: isFinal, opcode: opcode, data: ByteBuffer(string: text))
      channel.writeAndFlush(frame, promise: nil)
    }

    func close(code: UInt16, reason: String) {
      var payload = ByteBuffer(integer: code)
      payload.writeString(reason)
      channel.writeAndFlush(WebSocketFrame(fin: true, opcode: .connectionClose, data: payload), promise: nil)
    }
  }

  let channel: any Channel
  var port: Int { channel.localAddress?.port ?? 0 }

  /// - Parameter opened: called with the path when a connection has been upgraded.
  static func start(
    opened: @escaping @Sendable (String, Peer) -> Void = { _, _ in }, behavior: @escaping Behavior
  ) async throws -> LoopbackServer {
    let upgrader = NIOWebSocketServerUpgrader(
      maxFrameSize: 1 << 20,
      automaticErrorHandling: true,
      shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture([:]) },
      upgradePipelineHandler: { channel, request in
        channel.eventLoop.makeCompletedFuture {
          let peer = Peer(channel: channel)
          try channel.pipeline.syncOperations.addHandler(FrameHandler(peer: peer, behavior: behavior))
          opened(request.uri, peer)
        }
      })
    // One loop, so that tests may keep a room's state without locks.
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    let bootstrap = ServerBootstrap(group: eventLoop, childGroup: eventLoop)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.pipeline.configureHTTPServerPipeline(
          withServerUpgrade: (upgraders: [upgrader], completionHandler: { @Sendable _ in }))
      }
    return LoopbackServer(channel: try await bootstrap.bind(host: "127.0.0.1", port: 0).get())
  }

  /// A server that answers whatever comes with the same bytes, and hangs up.
  static func start(answering answer: String) async throws -> LoopbackServer {
    let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(FixedAnswer(answer: answer))
        }
      }
    return LoopbackServer(channel: try await bootstrap.bind(host: "127.0.0.1", port: 0).get())
  }

  func stop() async {
    try? await channel.close().get()
  }
}

private final class FrameHandler: ChannelInboundHandler {
  typealias InboundIn = WebSocketFrame

  private let peer: LoopbackServer.Peer
  private let behavior: LoopbackServer.Behavior

  init(peer: LoopbackServer.Peer, behavior: @escaping LoopbackServer.Behavior) {
    self.peer = peer
    self.behavior = behavior
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let frame = unwrapInboundIn(data)
    if frame.opcode == .connectionClose {
      context.close(promise: nil)
    } else {
      behavior(frame, peer)
    }
  }
}

private final class FixedAnswer: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let answer: String

  init(answer: String) {
    self.answer = answer
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
    context.close(promise: nil)
  }
}
