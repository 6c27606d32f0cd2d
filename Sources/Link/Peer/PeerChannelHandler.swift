import CoreMetrics
import NIOCore
import Wire

/// The last handler of a connection between processes: handshake, frames, signs of life.
///
/// What goes wrong here closes this one connection.
final class PeerChannelHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let network: PeerNetwork
  /// Nil for an accepted connection.
  private let dial: PeerNetwork.DialNumber?
  private let settings: PeerSettings
  private let metrics: PeerMetrics

  private var decoder = PeerFrameDecoder(maxFrameBytes: PeerLimits.maxHandshakeFrameBytes)
  private var handshake: PeerHandshake
  private var connection: PeerConnection?
  private var channel: (any Channel)?
  /// Why there was no connection.
  private var failure: PeerDialFailure?
  private var deadline: Scheduled<Void>?
  private var ticks: RepeatedTask?

  private var isReading = true
  private var isDelivering = false
  private var isOver = false
  private var hasReceived = false
  private var silentTicks: Int64 = 0
  private var countedSkips = 0

  init(_ network: PeerNetwork, _ handshake: PeerHandshake, dial: PeerNetwork.DialNumber?) {
    self.network = network
    self.handshake = handshake
    self.dial = dial
    settings = network.settings
    metrics = network.metrics
  }

  // MARK: - The channel

  func handlerAdded(context: ChannelHandlerContext) {
    channel = context.channel
    if context.channel.isActive { start(context) }
  }

  func channelActive(context: ChannelHandlerContext) {
    start(context)
    context.fireChannelActive()
  }

  private func start(_ context: ChannelHandlerContext) {
    guard deadline == nil else { return }
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    deadline = context.eventLoop.scheduleTask(in: settings.handshakeTimeout) { bound.value.handshakeTookTooLong() }
    carryOut(handshake.start())
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let buffer = unwrapInboundIn(data)
    hasReceived = true
    metrics.bytesReceived.increment(by: buffer.readableBytes)
    buffer.withUnsafeReadableBytes { decoder.feed($0) }
    deliver()
  }

  func channelInactive(context: ChannelHandlerContext) {
    finish()
    context.fireChannelInactive()
  }

  /// A channel that was never active says nothing else.
  func handlerRemoved(context: ChannelHandlerContext) { finish() }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    connection?.end(.failed("\(error)"))
    fail(.broken("\(error)"))
  }

  private func finish() {
    guard !isOver else { return }
    isOver = true
    deadline?.cancel()
    ticks?.cancel()
    channel = nil
    if let connection {
      self.connection = nil
      connection.end(.closedByPeer)
      network.ended(connection, dial: dial)
    } else if deadline != nil || dial == nil {
      // Else it was never connected, which whoever dialed knows.
      metrics.failedHandshakes.increment()
      network.handshakeFailed(failure ?? .broken("the peer closed the connection in the handshake"), dial: dial)
    }
  }

  // MARK: - Frames

  func setReading(_ isReading: Bool) {
    guard self.isReading != isReading, let channel else { return }
    self.isReading = isReading
    channel.setOption(.autoRead, value: isReading).whenFailure { _ in
      // The channel is closed: there is nothing to read.
    }
    if isReading { deliver() }
  }

  private func deliver() {
    // A frame's receiver may ask to go on, which leads here.
    guard !isDelivering else { return }
    isDelivering = true
    defer { isDelivering = false }
    do throws(PeerFrameError) {
      while isReading, !isOver, failure == nil, connection?.isOpen ?? true, let frame = try decoder.next() {
        metrics.framesReceived.increment()
        if let connection { receive(frame, on: connection) } else { carryOut(handshake.receive(frame)) }
      }
    } catch {
      if let connection { connection.cut(.violation(error.reason)) } else { carryOut(handshake.receive(error)) }
    }
    if decoder.skippedFrames > countedSkips {
      metrics.framesSkipped.increment(by: decoder.skippedFrames - countedSkips)
      countedSkips = decoder.skippedFrames
    }
  }

  private func receive(_ frame: PeerFrame, on connection: PeerConnection) {
    switch frame {
    case .ping(let number): connection.send(.pong(number))
    case .pong: break
    case .goodbye(let reason): connection.cut(.goodbye(reason))
    case .hello, .authenticate, .refused: connection.cut(.violation("a handshake's frame after the handshake"))
    case .request, .ask, .read:
      guard dial == nil else { return connection.cut(.violation("a request to who has dialed")) }
      network.delegate.received(frame, on: connection)
    case .output, .full, .reply, .reading, .notOwner:
      guard dial != nil else { return connection.cut(.violation("an answer from who has dialed")) }
      network.delegate.received(frame, on: connection)
    case .gossip, .move: network.delegate.received(frame, on: connection)
    }
  }

  // MARK: - The handshake

  private func carryOut(_ directives: [PeerHandshake.Directive]) {
    for directive in directives {
      guard failure == nil, let channel else { return }
      switch directive {
      case .send(let frame): write(frame, to: channel)
      case .identified(let peer):
        if let dial, !network.wants(peer, dial) { fail(.duplicate) }
      case .established(let peer, let version): establish(peer, version, channel)
      case .fail(let reason): fail(.handshake(reason))
      }
    }
  }

  private func write(_ frame: PeerFrame, to channel: any Channel) {
    do throws(PeerFrameError) {
      let bytes = try frame.encoded()
      metrics.framesSent.increment()
      metrics.bytesSent.increment(by: bytes.count)
      channel.writeAndFlush(channel.allocator.buffer(bytes: bytes), promise: nil)
    } catch {
      fail(.broken(error.reason))
    }
  }

  private func establish(_ peer: PeerHello, _ version: UInt64, _ channel: any Channel) {
    deadline?.cancel()
    let new = PeerConnection(
      peer: peer, version: version, direction: network.direction(of: dial), channel: channel, handler: self,
      settings: settings, metrics: metrics)
    guard network.established(new, on: channel, dial: dial, said: handshake.own.features) else { return fail(.stopped) }
    connection = new
    decoder.maxFrameBytes = PeerLimits.maxFrameBytes
    let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
    ticks = channel.eventLoop.scheduleRepeatedTask(
      initialDelay: settings.pingInterval, delay: settings.pingInterval
    ) { _ in bound.value.tick() }
    network.delegate.connected(new)
  }

  private func handshakeTookTooLong() {
    if connection == nil { fail(.tooSlow) }
  }

  private func fail(_ reason: PeerDialFailure) {
    if failure == nil { failure = reason }
    channel?.close(promise: nil)
  }

  // MARK: - Signs of life

  /// Silence is counted in looks and not in time: a process that was stopped looks once when it goes on, and not at
  /// all that it has missed, so it does not take its own sleep for its peer's.
  private func tick() {
    guard let connection else { return }
    if hasReceived || !isReading {
      silentTicks = 0
    } else {
      silentTicks += 1
      if silentTicks >= settings.silentTicks {
        metrics.silences.increment()
        return connection.cut(.silent)
      }
    }
    // Also while this side does not read: the peer must hear something.
    if !hasReceived { connection.send(.ping(0)) }
    hasReceived = false
  }
}
