import CoreMetrics
import NIOCore
import NIOHTTP1

/// Cuts an HTTP/1.1 connection whose client takes too long from a request's head to its end.
///
/// A body that comes byte by byte is never idle for long, so that a look for idleness would let it go on for ever.
final class RequestDeadline: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart

  private let within: TimeAmount
  private let metrics: GatewayMetrics
  private var timeout: Scheduled<Void>?

  init(within: TimeAmount, metrics: GatewayMetrics) {
    self.within = within
    self.metrics = metrics
  }

  func handlerRemoved(context: ChannelHandlerContext) { timeout?.cancel() }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head:
      let (channel, metrics) = (context.channel, metrics)
      timeout = context.eventLoop.scheduleTask(in: within) {
        metrics.slowClients.increment()
        channel.close(promise: nil)
      }
    case .body: break
    case .end: timeout?.cancel()
    }
    context.fireChannelRead(data)
  }
}
