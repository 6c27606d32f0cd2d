import CoreMetrics
import NIOCore

/// Cuts an HTTP connection whose client does not take what is written to it.
///
/// The first handler of its pipeline, where everything is bytes on their way to the socket: whatever stands behind it,
/// TLS or HTTP/2, a client that does not read makes a write wait here. Each write has the same time from when it was
/// made, so that reading a byte now and then keeps nobody.
final class WriteDeadline: ChannelOutboundHandler {
  typealias OutboundIn = NIOAny
  typealias OutboundOut = NIOAny

  private let within: TimeAmount
  private let metrics: GatewayMetrics
  /// When each write that waits must be done, in the order in which they are.
  private var deadlines = CircularBuffer<NIODeadline>()
  /// Stays when the last write is done, for the next one: it looks for itself whether it has anything to do.
  private var timeout: Scheduled<Void>?

  init(within: TimeAmount, metrics: GatewayMetrics) {
    self.within = within
    self.metrics = metrics
  }

  func handlerRemoved(context: ChannelHandlerContext) { timeout?.cancel() }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let promise = promise ?? context.eventLoop.makePromise()
    deadlines.append(.now() + within)
    promise.futureResult.assumeIsolated().whenComplete { _ in self.deadlines.removeFirst() }
    if timeout == nil { look(context) }
    context.write(data, promise: promise)
  }

  private func look(_ context: ChannelHandlerContext) {
    guard let deadline = deadlines.first else {
      timeout = nil
      return
    }
    guard NIODeadline.now() < deadline else {
      metrics.slowClients.increment()
      return context.close(promise: nil)
    }
    timeout = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { self.look(context) }
  }
}
