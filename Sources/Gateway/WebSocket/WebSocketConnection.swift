import CoreMetrics
import NIOCore
import NIOWebSocket

/// What a WebSocket's messages mean: a session in a room, or an echo. Called on the connection's loop.
protocol WebSocketApplication: AnyObject {
  func opened(_ connection: WebSocketConnection)
  func received(_ opcode: WebSocketOpcode, _ message: ByteBuffer)
  /// The socket takes more again, after it had refused.
  func drained()
  func closed()
  /// Called every second.
  func sweep(now: NIODeadline)
}

/// One WebSocket: frames in, frames out, pings, and the closing handshake.
///
/// The last handler of its channel. Writes are flushed once per tick of the loop.
final class WebSocketConnection: ChannelInboundHandler {
  typealias InboundIn = WebSocketFrame
  typealias OutboundOut = ByteBuffer

  private enum Phase: Equatable {
    case open
    /// We have said close, and wait for the peer's until the deadline.
    case closing(until: NIODeadline)
    case closed
  }

  private let application: any WebSocketApplication
  private let loopContext: LoopContext
  private let settings: GatewaySettings
  private let metrics: GatewayMetrics
  private var assembler: MessageAssembler
  private var context: ChannelHandlerContext?
  private var phase = Phase.open
  private var heardAt: NIODeadline
  private var pingedAt: NIODeadline?
  private var isFlushPending = false

  init(
    application: any WebSocketApplication, maxMessageBytes: Int, loopContext: LoopContext, settings: GatewaySettings,
    metrics: GatewayMetrics
  ) {
    self.application = application
    self.loopContext = loopContext
    self.settings = settings
    self.metrics = metrics
    assembler = MessageAssembler(maxBytes: maxMessageBytes)
    heardAt = .now()
  }

  // MARK: - What the application does

  var allocator: ByteBufferAllocator { context?.channel.allocator ?? ByteBufferAllocator() }

  /// Whether the bytes that wait for the client are within their bound.
  var isWritable: Bool { context?.channel.isWritable ?? false }

  /// Sends a finished frame.
  func send(_ frame: ByteBuffer) {
    guard phase == .open, let context else { return }
    context.write(wrapOutboundOut(frame), promise: nil)
    metrics.framesSent.increment()
    flushLater()
  }

  func close(_ code: WebSocketErrorCode, reason: String) {
    guard phase == .open, let context else { return }
    context.write(wrapOutboundOut(Frames.close(code, reason: reason, allocator: allocator)), promise: nil)
    phase = .closing(until: .now() + TimeAmount(settings.closeWithin))
    flushLater()
  }

  private func flushLater() {
    guard !isFlushPending else { return }
    isFlushPending = true
    loopContext.flushLater(self)
  }

  // MARK: - What the loop does

  func flush() {
    isFlushPending = false
    context?.flush()
  }

  func sweep(now: NIODeadline) {
    switch phase {
    case .closed: return
    case .closing(let deadline):
      if now >= deadline { context?.close(promise: nil) }
      return
    case .open: break
    }
    if let pingedAt, heardAt <= pingedAt {
      if now >= pingedAt + TimeAmount(settings.pongWithin) {
        metrics.deadPeers.increment()
        context?.close(promise: nil)
      }
    } else if now >= heardAt + TimeAmount(settings.pingAfter) {
      pingedAt = now
      send(Frames.frame(.ping, ByteBuffer(), allocator: allocator))
    }
    application.sweep(now: now)
  }

  func goAway() { close(.serviceRestart, reason: "the server is restarting") }

  // MARK: - What the channel does

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    loopContext.add(self)
    application.opened(self)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    heardAt = .now()
    // The decoder goes on with what it has, also after the connection has ended.
    guard phase != .closed else { return }
    let arrival = assembler.receive(unwrapInboundIn(data))
    if case .closing = phase {
      // Nothing counts any more but the peer's own close.
      if case .close = arrival {
        context.flush()
        context.close(promise: nil)
      }
      return
    }
    switch arrival {
    case .message(let opcode, let message): application.received(opcode, message)
    case .ping(let payload): send(Frames.frame(.pong, payload, allocator: allocator))
    case .pong, .part: break
    case .close(let payload):
      close(MessageAssembler.answer(toClose: payload), reason: "")
      flush()
      context.close(promise: nil)
    case .violation(let code, let reason): close(code, reason: reason)
    }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable { application.drained() }
    context.fireChannelWritabilityChanged()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    switch event {
    case ChannelEvent.inputClosed:
      // A WebSocket that cannot be read is of no use to anybody.
      context.flush()
      context.close(promise: nil)
    case is ChannelShouldQuiesceEvent: goAway()
    default: context.fireUserInboundEventTriggered(event)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // What comes behind a frame that could not be read cannot be read either, and is no news.
    if case .closing = phase { return }
    switch error {
    case NIOWebSocketError.invalidFrameLength: closeUnread(.messageTooLarge, reason: "the frame is too long")
    case is NIOWebSocketError: closeUnread(.protocolError, reason: "malformed frame")
    default: context.close(promise: nil)
    }
  }

  /// Closes what cannot be understood any more.
  ///
  /// What still comes is read and dropped until the peer ends the connection or its time is up: a socket that is closed
  /// with bytes unread is reset, and the peer would never see the code that says why.
  private func closeUnread(_ code: WebSocketErrorCode, reason: String) {
    guard phase == .open else { return }
    close(code, reason: reason)
    flush()
    context?.close(mode: .output, promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) {
    leave()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { leave() }

  private func leave() {
    guard phase != .closed else { return }
    phase = .closed
    context = nil
    loopContext.remove(self)
    application.closed()
  }
}

extension WebSocketErrorCode {
  /// 1012: the server restarts; reconnect.
  static let serviceRestart = WebSocketErrorCode(codeNumber: 1012)
  /// 1013: try again later.
  static let tryAgainLater = WebSocketErrorCode(codeNumber: 1013)
}
