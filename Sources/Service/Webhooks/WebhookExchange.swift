import NIOCore
import NIOHTTP1
import Ordering

/// Why there was no answer.
package enum AttemptFailure: Error, Sendable, Equatable {
  case timedOut
  /// The name leads nowhere.
  case unresolved(String)
  /// The name leads where nothing may be sent.
  case refusedAddress(String)
  /// Nothing is sent there without TLS.
  case insecure
  case unreachable(String)
  /// The receiver cannot prove who it is, or speaks no TLS that is good enough.
  case untrusted(String)
  case ended
  case malformed(String)
  /// By this process, which stops.
  case cancelled

  var message: String {
    switch self {
    case .timedOut: "there was no whole answer in time"
    case .unresolved(let reason): "the name of the host cannot be resolved: \(reason)"
    case .refusedAddress(let address): "nothing is sent to \(address): it is no public address"
    case .insecure: "nothing is sent without TLS"
    case .unreachable(let reason): "the receiver cannot be reached: \(reason)"
    case .untrusted(let reason): "TLS has failed: \(reason)"
    case .ended: "the connection ended before the answer did"
    case .malformed(let reason): "the answer is no HTTP: \(reason)"
    case .cancelled: "the attempt was broken off"
    }
  }
}

/// What a receiver has answered.
package struct WebhookAnswer: Sendable, Equatable {
  package var status: Int
  package var retryAfter: String?
  /// How its body begins.
  package var body: [UInt8]
}

/// Says one request and reads its answer, as far as it goes.
final class WebhookExchange: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  private let message: WebhookMessage
  private let (maxBytes, keptBytes): (Int, Int)
  private let promise: EventLoopPromise<WebhookAnswer>
  private var answer: WebhookAnswer?
  private var readBytes = 0

  init(_ message: WebhookMessage, maxBytes: Int, keptBytes: Int, promise: EventLoopPromise<WebhookAnswer>) {
    self.message = message
    self.maxBytes = maxBytes
    self.keptBytes = keptBytes
    self.promise = promise
  }

  func channelActive(context: ChannelHandlerContext) {
    var head = HTTPRequestHead(version: .http1_1, method: .POST, uri: message.url.target)
    for (name, value) in message.headers { head.headers.add(name: name, value: value) }
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: message.body)))), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      answer = WebhookAnswer(
        status: Int(head.status.code), retryAfter: head.headers.first(name: "Retry-After"), body: [])
    case .body(var bytes):
      readBytes += bytes.readableBytes
      let room = max(0, keptBytes - (answer?.body.count ?? 0))
      answer?.body += bytes.readBytes(length: min(room, bytes.readableBytes)) ?? []
      if readBytes >= maxBytes { finish() }
    case .end: finish()
    }
  }

  /// The promise's owner closes the connection.
  private func finish() {
    if let answer { promise.succeed(answer) }
  }

  func channelInactive(context: ChannelHandlerContext) { promise.fail(AttemptFailure.ended) }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // A connection that is reset has ended like any other.
    promise.fail(error is IOError ? AttemptFailure.ended : error)
    context.close(promise: nil)
  }
}
