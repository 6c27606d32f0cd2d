import CoreMetrics
import NIOCore
import NIOTLS

/// Gives up a connection whose TLS handshake does not finish in time, and counts those that fail. Leaves the pipeline
/// when the handshake is done.
final class HandshakeGuard: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer

  private let deadline: NIODeadline
  private let metrics: GatewayMetrics
  private var timeout: Scheduled<Void>?
  private var hasFailed = false

  init(deadline: NIODeadline, metrics: GatewayMetrics) {
    self.deadline = deadline
    self.metrics = metrics
  }

  func handlerAdded(context: ChannelHandlerContext) {
    let (channel, metrics) = (context.channel, metrics)
    timeout = context.eventLoop.scheduleTask(deadline: deadline) {
      metrics.failedHandshakes.increment()
      channel.close(promise: nil)
    }
  }

  func handlerRemoved(context: ChannelHandlerContext) { timeout?.cancel() }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    context.fireUserInboundEventTriggered(event)
    switch event {
    case TLSUserEvent.handshakeCompleted: context.pipeline.syncOperations.removeHandler(self, promise: nil)
    case is ChannelShouldQuiesceEvent: context.close(promise: nil)
    default: break
    }
  }

  /// What is no TLS comes here too; the TLS handler closes the connection by itself.
  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    timeout?.cancel()
    if !hasFailed { metrics.failedHandshakes.increment() }
    hasFailed = true
    context.close(promise: nil)
  }
}
