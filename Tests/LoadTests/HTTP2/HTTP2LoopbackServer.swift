import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOPosix

/// An HTTP/2 server on a port of its own, without TLS, made of NIO's own codec, so that the client is tested against
/// another's reading of the RFC.
struct HTTP2LoopbackServer: Sendable {
  struct Ask: Sendable {
    var method = ""
    var path = ""
    var headers = HTTPHeaders()
    var body: [UInt8] = []
  }

  enum Answer: Sendable {
    case response(Int, headers: HTTPHeaders = [:], body: [UInt8] = [])
    /// The stream ends with an error, and no response.
    case reset
    /// The connection ends.
    case hangUp
    case silence
  }

  /// What is asked for here is answered when its head has come.
  static let earlyPath = "/early"

  let channel: any Channel
  var port: Int { channel.localAddress?.port ?? 0 }

  /// - Parameters:
  ///   - windowBytes: what a client may send of a body before more is asked for.
  ///   - streams: what it may ask for at once.
  static func start(
    windowBytes: Int = 65535, streams: Int = 100, answer: @escaping @Sendable (Ask) -> Answer
  ) async throws -> HTTP2LoopbackServer {
    let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          var configuration = NIOHTTP2Handler.Configuration()
          configuration.connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: streams),
            HTTP2Setting(parameter: .initialWindowSize, value: windowBytes),
          ]
          configuration.stream.targetWindowSize = windowBytes
          let handler = NIOHTTP2Handler(
            mode: .server, eventLoop: channel.eventLoop, connectionConfiguration: configuration.connection,
            streamConfiguration: configuration.stream
          ) { stream in
            stream.eventLoop.makeCompletedFuture {
              try stream.pipeline.syncOperations.addHandler(HTTP2FramePayloadToHTTP1ServerCodec())
              try stream.pipeline.syncOperations.addHandler(StreamHandler(connection: channel, answer: answer))
            }
          }
          try channel.pipeline.syncOperations.addHandler(handler)
        }
      }
    return HTTP2LoopbackServer(channel: try await bootstrap.bind(host: "127.0.0.1", port: 0).get())
  }

  func stop() async {
    try? await channel.close().get()
  }
}

private final class StreamHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let connection: any Channel
  private let answer: @Sendable (HTTP2LoopbackServer.Ask) -> HTTP2LoopbackServer.Answer
  private var ask = HTTP2LoopbackServer.Ask()

  init(
    connection: any Channel, answer: @escaping @Sendable (HTTP2LoopbackServer.Ask) -> HTTP2LoopbackServer.Answer
  ) {
    self.connection = connection
    self.answer = answer
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      ask.method = head.method.rawValue
      ask.path = head.uri
      ask.headers = head.headers
      if ask.path == HTTP2LoopbackServer.earlyPath { respond(context) }
    case .body(let bytes): ask.body += bytes.readableBytesView
    case .end: if ask.path != HTTP2LoopbackServer.earlyPath { respond(context) }
    }
  }

  private func respond(_ context: ChannelHandlerContext) {
    switch answer(ask) {
    case .response(let status, let headers, let body):
      let head = HTTPResponseHead(version: .http2, status: HTTPResponseStatus(statusCode: status), headers: headers)
      context.write(wrapOutboundOut(.head(head)), promise: nil)
      context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
      context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    case .reset: context.close(promise: nil)
    case .hangUp: connection.close(promise: nil)
    case .silence: break
    }
  }
}
