import NIOCore
import NIOPosix

@testable import Load

/// A connection of the driver's client, for tests.
struct HTTP2Caller: Sendable {
  let channel: any Channel
  private let handler: NIOLoopBound<HTTP2ClientHandler>

  /// - Parameter piece: what comes is handed on in pieces of so many bytes; nil: as it comes.
  static func open(_ port: Int, piece: Int? = nil) async throws -> HTTP2Caller {
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let opened = loop.makePromise(of: Void.self)
    let handler = try await loop.submit {
      let session = try HTTP2Session(scheme: "http", authority: "127.0.0.1:\(port)")
      let handler = HTTP2ClientHandler(session) {
        opened.succeed()
      } closed: { error in
        opened.fail(error ?? HTTP2Failure.closed)
      }
      return NIOLoopBound(handler, eventLoop: loop)
    }.get()
    let channel = try await ClientBootstrap(group: loop)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let piece { try channel.pipeline.syncOperations.addHandler(Cutter(piece: piece)) }
          try channel.pipeline.syncOperations.addHandler(handler.value)
        }
      }
      .connect(host: "127.0.0.1", port: port).get()
    try await opened.futureResult.get()
    return HTTP2Caller(channel: channel, handler: handler)
  }

  /// All at once; what became of them, in their order.
  func call(_ requests: [HTTP2Request]) async throws -> [Result<HTTP2Response, HTTP2Failure>] {
    try await channel.eventLoop.flatSubmit {
      let results = requests.map { request in
        let result = channel.eventLoop.makePromise(of: Result<HTTP2Response, HTTP2Failure>.self)
        handler.value.send(request) { result.succeed($0) }
        return result.futureResult
      }
      return EventLoopFuture.whenAllSucceed(results, on: channel.eventLoop)
    }.get()
  }

  func call(_ request: HTTP2Request) async throws -> HTTP2Response { try await call([request])[0].get() }

  func close() async {
    try? await channel.close().get()
  }
}

/// Hands bytes on in small pieces, each as if it had come by itself.
private final class Cutter: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let piece: Int

  init(piece: Int) { self.piece = piece }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    while let part = bytes.readSlice(length: min(piece, bytes.readableBytes)), part.readableBytes > 0 {
      context.fireChannelRead(wrapInboundOut(part))
      context.fireChannelReadComplete()
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {}
}
