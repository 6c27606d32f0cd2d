import NIOCore

/// How a connection ended.
package struct WebSocketClosure: Equatable, Sendable {
  /// The code of the server's close frame; nil if the frame had none, or if there was no such frame.
  package var code: UInt16?
  package var reason: String
  /// Whether the server said goodbye with a close frame.
  package var wasClean: Bool
  /// What the server did wrong, if that is why the client hung up.
  package var fault: WebSocketFault?

  package init(code: UInt16?, reason: String, wasClean: Bool, fault: WebSocketFault? = nil) {
    self.code = code
    self.reason = reason
    self.wasClean = wasClean
    self.fault = fault
  }
}

/// Who gets what a connection brings. All calls come on the connection's event loop.
protocol WebSocketReceiver: AnyObject {
  func webSocketOpened(_ response: UpgradeResponse)
  func webSocketFailed(_ error: any Error)
  func webSocketReceived(_ event: WebSocketDecoder.Event)
  func webSocketClosed(_ closure: WebSocketClosure)
}

/// A client's whole protocol in one handler: bytes at one end, messages at the other.
///
/// One handler instead of a codec, an aggregator and a protocol handler, because each stage costs an allocation and a
/// dynamic call per message, and a load driver has no processor time to give away. It answers pings and close frames.
final class WebSocketChannelHandler<Receiver: WebSocketReceiver>: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private enum State {
    case upgrading(UpgradeExchange)
    case open(WebSocketDecoder)
    /// The decoder is in the hands of `process`: what the receiver does there may come back to this handler.
    case delivering
    case ended
  }

  private let request: ByteBuffer
  private let maxMessageBytes: Int
  private let receiver: Receiver
  private var state = State.upgrading(UpgradeExchange())
  private var unread = ByteBuffer()
  private var context: ChannelHandlerContext?
  private var closure: WebSocketClosure?
  private var sentClose = false
  private var isInactive = false
  private var isReading = false
  private var needsFlush = false

  init(request: ByteBuffer, maxMessageBytes: Int, receiver: Receiver) {
    self.request = request
    self.maxMessageBytes = maxMessageBytes
    self.receiver = receiver
  }

  // MARK: What the receiver may ask for, on the event loop

  /// What is sent because of something that was read leaves when all that arrived with it has been seen: one system
  /// call for many frames.
  func send(_ frame: ByteBuffer) {
    guard let context else { return }
    context.write(wrapOutboundOut(frame), promise: nil)
    if isReading { needsFlush = true } else { context.flush() }
  }

  func sendClose(code: UInt16?, reason: String) {
    guard !sentClose else { return }
    sentClose = true
    send(ClientFrameEncoder().close(code: code, reason: reason))
  }

  func disconnect() {
    context?.flush()
    context?.close(promise: nil)
  }

  // MARK: ChannelInboundHandler

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    if context.channel.isActive { send(request) }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
  }

  func channelActive(context: ChannelHandlerContext) {
    send(request)
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    isReading = true
    var read = unwrapInboundIn(data)
    if unread.readableBytes == 0 {
      // Let go of the old storage first, or it would be copied on the next write.
      swap(&unread, &read)
    } else {
      unread.writeBuffer(&read)
    }
    process(atEnd: false)
    // What is not kept goes back to the channel's pool of receive buffers.
    if unread.readableBytes == 0 { unread = ByteBuffer() }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    isReading = false
    guard needsFlush else { return }
    needsFlush = false
    context.flush()
  }

  func channelInactive(context: ChannelHandlerContext) {
    isInactive = true
    process(atEnd: true)
    finish()
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  // MARK: -

  private func process(atEnd: Bool) {
    switch state {
    case .upgrading(var exchange):
      do {
        switch try exchange.receive(&unread, atEnd: atEnd) {
        case .needsMore:
          state = .upgrading(exchange)
        case .accepted(let response):
          state = .open(WebSocketDecoder(maxMessageBytes: maxMessageBytes))
          receiver.webSocketOpened(response)
          process(atEnd: atEnd)
        case .refused(let response):
          fail(WebSocketClientError.refused(response))
        }
      } catch {
        fail(error)
      }
    case .open(var decoder):
      state = .delivering
      do {
        while closure == nil, let event = try decoder.next(from: &unread) { deliver(event) }
      } catch {
        closure = WebSocketClosure(code: nil, reason: "", wasClean: false, fault: error)
        sendClose(code: 1002, reason: "")
        disconnect()
      }
      state = .open(decoder)
      if closure != nil || isInactive { finish() }
    case .delivering: break
    case .ended: unread.clear()
    }
  }

  private func deliver(_ event: WebSocketDecoder.Event) {
    switch event {
    case .ping(let payload):
      send(ClientFrameEncoder().encode(.pong, payload: payload.readableBytesView))
    case .close(let code, let reason):
      closure = WebSocketClosure(code: code, reason: reason, wasClean: true)
      sendClose(code: code, reason: "")
      disconnect()
      return
    case .text, .binary, .pong: break
    }
    receiver.webSocketReceived(event)
  }

  private func fail(_ error: any Error) {
    state = .ended
    receiver.webSocketFailed(error)
    disconnect()
  }

  private func finish() {
    switch state {
    case .upgrading: fail(WebSocketClientError.closedDuringUpgrade)
    case .open:
      state = .ended
      receiver.webSocketClosed(closure ?? WebSocketClosure(code: nil, reason: "", wasClean: false))
    case .delivering, .ended: break
    }
  }
}
