import NIOCore
import NIOHTTP2

/// Ends an HTTP/2 connection that has had no open stream for too long, or whose server stops: no new requests, those
/// that there are get their answers, then the connection closes.
///
/// The peer is not asked whether it agrees. A `GOAWAY` names the last request that was taken, so that a client knows
/// which of its requests were not; and a client that answers nothing cannot keep the connection.
final class HTTP2Connection: ChannelInboundHandler {
  typealias InboundIn = HTTP2Frame
  typealias OutboundOut = HTTP2Frame

  /// What a connection may ask for at once.
  static let maxStreams = 100
  /// Names and values of a request's header fields, with 32 bytes for each field (RFC 9113 section 6.5.2).
  static let maxHeaderBytes = 16 * 1024

  private let firstRequestBy: NIODeadline
  private let idle: TimeAmount
  private var context: ChannelHandlerContext?
  private var openStreams: Set<HTTP2StreamID> = []
  private var lastStream = HTTP2StreamID.rootStream
  private var timeout: Scheduled<Void>?
  private var isEnding = false

  init(firstRequestBy: NIODeadline, idle: TimeAmount) {
    self.firstRequestBy = firstRequestBy
    self.idle = idle
  }

  /// The protocol's handler is made with this; it hears of streams before this handler could.
  func streamDelegate(on loop: any EventLoop) -> any NIOHTTP2StreamDelegate {
    Streams(connection: NIOLoopBound(self, eventLoop: loop))
  }

  private struct Streams: NIOHTTP2StreamDelegate {
    let connection: NIOLoopBound<HTTP2Connection>

    func streamCreated(_ id: HTTP2StreamID, channel: any Channel) { connection.value.opened(id) }
    func streamClosed(_ id: HTTP2StreamID, channel: any Channel) { connection.value.closed(id) }
  }

  static func configuration() -> NIOHTTP2Handler.Configuration {
    var configuration = NIOHTTP2Handler.Configuration()
    configuration.connection.initialSettings = [
      HTTP2Setting(parameter: .maxConcurrentStreams, value: maxStreams),
      HTTP2Setting(parameter: .maxHeaderListSize, value: maxHeaderBytes),
    ]
    return configuration
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    end(at: firstRequestBy)
  }

  func handlerRemoved(context: ChannelHandlerContext) { forget() }

  func channelInactive(context: ChannelHandlerContext) {
    forget()
    context.fireChannelInactive()
  }

  private func forget() {
    timeout?.cancel()
    context = nil
  }

  // MARK: - Streams

  private func opened(_ id: HTTP2StreamID) {
    timeout?.cancel()
    openStreams.insert(id)
    lastStream = max(lastStream, id)
  }

  private func closed(_ id: HTTP2StreamID) {
    guard openStreams.remove(id) != nil, openStreams.isEmpty, let context else { return }
    if isEnding { finish(context) } else { end(at: .now() + idle) }
  }

  // MARK: - Ending

  private func end(at deadline: NIODeadline) {
    guard let loop = context?.eventLoop else { return }
    timeout?.cancel()
    timeout = loop.assumeIsolated().scheduleTask(deadline: deadline) { self.end() }
  }

  private func end() {
    guard !isEnding, let context else { return }
    isEnding = true
    if openStreams.isEmpty { finish(context) } else { sendGoAway(context, promise: nil) }
  }

  /// Closes when all that was written has gone, or when the client is too slow to take it.
  private func finish(_ context: ChannelHandlerContext) {
    let channel = context.channel
    timeout?.cancel()
    timeout = context.eventLoop.scheduleTask(in: idle) { channel.close(promise: nil) }
    let promise = context.eventLoop.makePromise(of: Void.self)
    promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
    sendGoAway(context, promise: promise)
  }

  private func sendGoAway(_ context: ChannelHandlerContext, promise: EventLoopPromise<Void>?) {
    let frame = HTTP2Frame(
      streamID: .rootStream, payload: .goAway(lastStreamID: lastStream, errorCode: .noError, opaqueData: nil))
    context.writeAndFlush(wrapOutboundOut(frame), promise: promise)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    switch event {
    case is ChannelShouldQuiesceEvent, ChannelEvent.inputClosed: end()
    default: context.fireUserInboundEventTriggered(event)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // One bad request ends its stream and is no other's concern.
    if error is NIOHTTP2Errors.StreamError { return }
    context.close(promise: nil)
  }
}
