import CoreMetrics
import NIOCore
import NIOWebSocket
import RoomCore

/// The client's end of a session, as the session sees it: in the product a WebSocket, in a simulation a model of one.
protocol ClientSocket: AnyObject {
  var allocator: ByteBufferAllocator { get }
  /// Whether the bytes that wait for the client are within their bound.
  var isWritable: Bool { get }

  /// Sends finished frames.
  func send(_ frames: ByteBuffer, count: Int)
  func close(_ code: WebSocketErrorCode, reason: String)
  /// Flushes what `body` sends at its end, and not with the rest of the tick.
  func withOneFlush<Result>(_ body: () -> Result) -> Result
}

extension ClientSocket {
  func send(_ frame: ByteBuffer) { send(frame, count: 1) }
}

/// What a WebSocket's messages mean: a session in a room, or an echo. Called on the connection's loop.
protocol WebSocketApplication: AnyObject {
  func opened(_ connection: any ClientSocket)
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
/// The only handler of its channel, but for TLS: each more would be passed by every read, write and flush. What is sent in
/// one tick of the loop goes out as one write, past the channel where that is possible (`DirectSocket`). Who does not read
/// is not read from: else its pings and refusals would pile up here.
final class WebSocketConnection: ChannelDuplexHandler, ClientSocket {
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
  private(set) var isWritable = true
  /// A read that waits until the client takes bytes again.
  private var isReadHeld = false
  private var heardAt: NIODeadline
  private var pingedAt: NIODeadline?
  private var isFlushPending = false
  /// Sent since the last flush.
  private var unsent: ByteBuffer?
  /// The way past the channel, once the first write has gone through it: the end of the handshake may wait there before.
  private var directSocket: DirectSocket?
  /// Writes that wait in the channel. While there is one, nothing goes past it.
  private var waitingWrites = 0
  private let isPlain: Bool
  /// A write that fails has the channel read what is left, and then close. That must not come in while frames are read.
  private var isReading = false
  /// The peer has said close, and been answered.
  private var isOver = false
  /// What still comes is dropped.
  private var isBeyondReading = false

  init(
    application: any WebSocketApplication, maxMessageBytes: Int, limitsFrames: Bool, loopContext: LoopContext,
    metrics: GatewayMetrics
  ) {
    self.application = application
    self.loopContext = loopContext
    self.metrics = metrics
    isPlain = loopContext.settings.certificate == nil
    reader = FrameReader(maxBytes: maxMessageBytes)
    heardAt = .now()
    frameBucket = TokenBucket(
      burst: loopContext.settings.frameBurst,
      perSecond: limitsFrames ? Double(loopContext.settings.framesPerSecond) : 0,
      now: heardAt.uptimeNanoseconds)
  }

  // MARK: - What the application does

  func send(_ frames: ByteBuffer, count: Int) {
    guard phase == .open else { return }
    append(frames)
    metrics.framesSent.increment(by: count)
    flushLater()
  }

  func close(_ code: WebSocketErrorCode, reason: String) {
    guard phase == .open else { return }
    append(Frames.close(code, reason: reason, allocator: allocator))
    phase = .closing(until: .now() + TimeAmount(settings.closeWithin))
    flushLater()
  }

  func withOneFlush<Result>(_ body: () -> Result) -> Result {
    guard !isFlushPending else { return body() }
    isFlushPending = true
    defer { flush() }
    return body()
  }

  private func flushLater() {
    guard !isFlushPending else { return }
    isFlushPending = true
    loopContext.flushLater(self)
  }

  private func append(_ frames: ByteBuffer) {
    if unsent == nil { unsent = frames } else { unsent?.writeImmutableBuffer(frames) }
  }

  private var settings: GatewaySettings { loopContext.settings }

  // MARK: - What the loop does

  func flush() {
    isFlushPending = false
    guard let context, var bytes = unsent.take() else { return }
    if waitingWrites == 0 { directSocket?.write(&bytes) }
    if bytes.readableBytes > 0 { write(bytes, to: context) }
  }

  /// Through the channel, which keeps what the socket does not take.
  private func write(_ bytes: ByteBuffer, to context: ChannelHandlerContext) {
    waitingWrites += 1
    let written = context.eventLoop.makePromise(of: Void.self)
    written.futureResult.assumeIsolated().whenSuccess {
      self.waitingWrites -= 1
      if self.isPlain, self.directSocket == nil { self.directSocket = DirectSocket(of: context.channel) }
    }
    context.writeAndFlush(wrapOutboundOut(bytes), promise: written)
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
    guard phase != .closed, !isBeyondReading, !isReading else { return }
    let now = NIODeadline.now()
    heardAt = now
    let result = withOneFlush { read(unwrapInboundIn(data), at: now) }
    if isOver {
      flush()
      context.close(promise: nil)
    } else if case .failure(let violation) = result {
      closeUnread(WebSocketErrorCode(codeNumber: Int(violation.code)), reason: violation.reason)
    }
  }

  private func read(_ bytes: ByteBuffer, at now: NIODeadline) -> Result<Void, FrameReader.Violation> {
    isReading = true
    defer { isReading = false }
    return bytes.withUnsafeReadableBytes { bytes in
      Result { () throws(FrameReader.Violation) in
        try reader.read(bytes) { arrival in
          take(arrival, at: now)
          return !isOver
        }
      }
    }
  }

  private func take(_ arrival: FrameReader.Arrival, at now: NIODeadline) {
    if case .closing = phase {
      // Nothing counts any more but the peer's own close.
      if case .close = arrival { isOver = true }
      return
    }
    switch arrival {
    case .message(let opcode, let message): return application.received(opcode, message, at: now)
    case .close(let payload):
      isOver = true
      return close(WebSocketErrorCode(codeNumber: Int(FrameReader.answer(toClose: payload))), reason: "")
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
      flush()
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
    directSocket = nil
    unsent = nil
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
