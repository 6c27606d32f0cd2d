import CoreMetrics
import NIOCore
import NIOWebSocket
import RoomCore

/// What a WebSocket's messages mean: a session in a room, or an echo. Called on the connection's loop.
protocol WebSocketApplication: AnyObject {
  func opened(_ connection: WebSocketConnection)
  /// - Parameter message: valid during the call.
  func received(_ opcode: Opcode, _ message: UnsafeRawBufferPointer, at now: NIODeadline)
  /// The socket takes more again, after it had refused.
  func drained()
  func closed()
  /// Called every second.
  func sweep(now: NIODeadline)
}

/// One WebSocket: frames in, frames out, pings, and the closing handshake.
///
/// The only handler of its channel, but for TLS: each more would be passed by every read, write and flush. Writes are
/// flushed once per tick of the loop. Who does not read is not read from: else its pings and refusals would pile up here.
final class WebSocketConnection: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private enum Phase: Equatable {
    case open
    /// We have said close, and wait for the peer's until the deadline.
    case closing(until: NIODeadline)
    case closed
  }

  private let application: any WebSocketApplication
  private let loopContext: LoopContext
  private let metrics: GatewayMetrics
  private var reader: FrameReader
  private var frameBucket: TokenBucket
  private var context: ChannelHandlerContext?
  private(set) var allocator = ByteBufferAllocator()
  private var phase = Phase.open
  /// Whether the bytes that wait for the client are within their bound.
  private(set) var isWritable = true
  /// A read that waits until the client takes bytes again.
  private var isReadHeld = false
  private var heardAt: NIODeadline
  private var pingedAt: NIODeadline?
  private var isFlushPending = false
  /// What still comes is dropped.
  private var isBeyondReading = false

  init(
    application: any WebSocketApplication, maxMessageBytes: Int, limitsFrames: Bool, loopContext: LoopContext,
    metrics: GatewayMetrics
  ) {
    self.application = application
    self.loopContext = loopContext
    self.metrics = metrics
    reader = FrameReader(maxBytes: maxMessageBytes)
    heardAt = .now()
    frameBucket = TokenBucket(
      burst: loopContext.settings.frameBurst,
      perSecond: limitsFrames ? Double(loopContext.settings.framesPerSecond) : 0,
      now: heardAt.uptimeNanoseconds)
  }

  // MARK: - What the application does

  /// Sends finished frames.
  func send(_ frames: ByteBuffer, count: Int = 1) {
    guard phase == .open, let context else { return }
    context.write(wrapOutboundOut(frames), promise: nil)
    metrics.framesSent.increment(by: count)
    flushLater()
  }

  func close(_ code: WebSocketErrorCode, reason: String) {
    guard phase == .open, let context else { return }
    context.write(wrapOutboundOut(Frames.close(code, reason: reason, allocator: allocator)), promise: nil)
    phase = .closing(until: .now() + TimeAmount(settings.closeWithin))
    flushLater()
  }

  /// Flushes what `body` sends at its end, and not with the rest of the tick.
  func withOneFlush(_ body: () -> Void) {
    guard !isFlushPending else { return body() }
    isFlushPending = true
    body()
    flush()
  }

  private func flushLater() {
    guard !isFlushPending else { return }
    isFlushPending = true
    loopContext.flushLater(self)
  }

  private var settings: GatewaySettings { loopContext.settings }

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
      send(Frames.frame(.ping, [], allocator: allocator))
    }
    application.sweep(now: now)
  }

  func goAway() { close(.serviceRestart, reason: "the server is restarting") }

  // MARK: - What the channel does

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    allocator = context.channel.allocator
    isWritable = context.channel.isWritable
    loopContext.add(self)
    application.opened(self)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard phase != .closed, !isBeyondReading else { return }
    let now = NIODeadline.now()
    heardAt = now
    do throws(FrameReader.Violation) {
      let result = unwrapInboundIn(data).withUnsafeReadableBytes { bytes in
        Result { () throws(FrameReader.Violation) in
          try reader.read(bytes) { arrival in
            take(arrival, at: now)
            return phase != .closed
          }
        }
      }
      try result.get()
    } catch {
      closeUnread(WebSocketErrorCode(codeNumber: Int(error.code)), reason: error.reason)
    }
  }

  private func take(_ arrival: FrameReader.Arrival, at now: NIODeadline) {
    if case .closing = phase {
      // Nothing counts any more but the peer's own close.
      if case .close = arrival {
        context?.flush()
        context?.close(promise: nil)
      }
      return
    }
    switch arrival {
    case .message(let opcode, let message): return application.received(opcode, message, at: now)
    case .close(let payload):
      close(WebSocketErrorCode(codeNumber: Int(FrameReader.answer(toClose: payload))), reason: "")
      flush()
      context?.close(promise: nil)
      return
    case .ping(let payload): send(Frames.frame(.pong, payload, allocator: allocator))
    case .pong, .part: break
    }
    if !frameBucket.take(now: now.uptimeNanoseconds) {
      metrics.rateLimited.increment()
      close(.policyViolation, reason: "too many control frames and parts of messages")
    }
  }

  func read(context: ChannelHandlerContext) {
    if isWritable { context.read() } else { isReadHeld = true }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    isWritable = context.channel.isWritable
    if isWritable {
      application.drained()
      if isReadHeld {
        isReadHeld = false
        context.read()
      }
    }
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

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  /// Closes what cannot be understood any more.
  ///
  /// What still comes is read and dropped until the peer ends the connection or its time is up: a socket that is closed
  /// with bytes unread is reset, and the peer would never see the code that says why.
  private func closeUnread(_ code: WebSocketErrorCode, reason: String) {
    isBeyondReading = true
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
