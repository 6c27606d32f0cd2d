import NIOCore

/// A connection that speaks HTTP/2. It lives on its event loop.
final class HTTP2ClientHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let session: HTTP2Session
  private let opened: () -> Void
  private let closed: ((any Error)?) -> Void
  private var context: ChannelHandlerContext?
  private var failure: (any Error)?
  private var isReading = false
  private var hasOpened = false

  /// - Parameters:
  ///   - opened: called when the server has shown that it speaks HTTP/2.
  ///   - closed: called at the end, with what went wrong, if anything did. Requests that wait have been told before.
  init(_ session: HTTP2Session, opened: @escaping () -> Void, closed: @escaping ((any Error)?) -> Void) {
    self.session = session
    self.opened = opened
    self.closed = closed
  }

  /// Sends a request; `answer` is called on the event loop.
  func send(_ request: HTTP2Request, answer: @escaping HTTP2Session.Answer) {
    guard let context else { return answer(.failure(.closed)) }
    do throws(HTTP2Failure) {
      try session.submit(request, answer: answer)
      // All that is asked for because of what was read goes out at once, with the acknowledgments of that.
      if !isReading { try flush(context) }
    } catch {
      fail(error, context)
    }
  }

  private func flush(_ context: ChannelHandlerContext) throws(HTTP2Failure) {
    let bytes = try session.bytesToSend()
    if !bytes.isEmpty { context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil) }
  }

  private func fail(_ error: any Error, _ context: ChannelHandlerContext) {
    failure = failure ?? error
    context.close(promise: nil)
  }

  // MARK: ChannelInboundHandler

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    if context.channel.isActive { begin(context) }
  }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelActive(context: ChannelHandlerContext) { begin(context) }

  private func begin(_ context: ChannelHandlerContext) {
    do throws(HTTP2Failure) {
      try flush(context)
    } catch {
      fail(error, context)
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    isReading = true
    do {
      try unwrapInboundIn(data).withUnsafeReadableBytes { bytes throws(HTTP2Failure) in try session.received(bytes) }
      if session.isOpen, !hasOpened {
        hasOpened = true
        opened()
      }
    } catch {
      fail(error, context)
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    isReading = false
    do throws(HTTP2Failure) { try flush(context) } catch { fail(error, context) }
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.context = nil
    session.connectionEnded()
    closed(failure)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { fail(error, context) }
}
