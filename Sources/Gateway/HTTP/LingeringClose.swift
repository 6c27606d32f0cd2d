import NIOCore

/// Ends an HTTP/1.1 connection that has said its last word.
///
/// Behind the last answer, or the one to what could not be parsed, nobody reads any more: the end of the client would go
/// unnoticed. What still comes is read here and dropped until the client ends the connection, too, or has had its time:
/// a socket that is closed with bytes unread is reset, and takes the answer with it (RFC 9112 section 9.6).
final class LingeringClose: ChannelDuplexHandler {
  typealias InboundIn = NIOAny
  typealias InboundOut = NIOAny
  typealias OutboundIn = NIOAny
  typealias OutboundOut = NIOAny

  private let within: TimeAmount
  private var isLingering = false
  private var isInputClosed = false
  private var timeout: Scheduled<Void>?

  init(within: TimeAmount) { self.within = within }

  func handlerRemoved(context: ChannelHandlerContext) { timeout?.cancel() }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    guard mode == .output else { return context.close(mode: mode, promise: promise) }
    // Closing the second half closes the channel at once, with what still waits for the client.
    if isInputClosed { return closeBehindAll(context, promise) }
    // Done when all that was written has gone, for which there is a deadline of its own.
    let promise = promise ?? context.eventLoop.makePromise()
    promise.futureResult.assumeIsolated().whenSuccess { self.linger(context) }
    context.close(mode: .output, promise: promise)
  }

  private func closeBehindAll(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
    let written = context.eventLoop.makePromise(of: Void.self)
    written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: promise) }
    context.writeAndFlush(NIOAny(ByteBuffer()), promise: written)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event as? ChannelEvent == .inputClosed { isInputClosed = true }
    context.fireUserInboundEventTriggered(event)
  }

  private func linger(_ context: ChannelHandlerContext) {
    guard !isLingering, context.channel.isActive else { return }
    isLingering = true
    timeout = context.eventLoop.assumeIsolated().scheduleTask(in: within) { context.close(promise: nil) }
    context.read()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if !isLingering { context.fireChannelRead(data) }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    if isLingering { context.read() } else { context.fireChannelReadComplete() }
  }
}
