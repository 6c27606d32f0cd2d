import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes
import Rooms

/// Answers the HTTP requests of one connection, or one stream of HTTP/2, after the other.
struct HTTPService: HTTPChannelHandler {
  typealias AsyncChannel = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

  let responder: Responder
  private let logger: Logger

  init(_ responder: some HTTPResponder<GatewayContext>, time: any TimeSource, logger: Logger) {
    let date = HTTPDate()
    self.logger = logger
    self.responder = { request, writer, channel in
      let context = GatewayContext(source: ApplicationRequestContextSource(channel: channel, logger: logger))
      var response = try await responder.respond(to: request, context: context)
      response.headers[.date] = date.text(at: time.now())
      response.headers[.server] = "stonepot"
      try await writer.write(response: response.head, body: response.body)
    }
  }

  /// Serves a channel until it closes, in a task of its own.
  func start(on channel: AsyncChannel) {
    Task { await handleHTTP(asyncChannel: channel, logger: logger) }
  }

  // MARK: - What the protocol asks for beside its responder

  struct Value: ServerChildChannelValue {
    let channel: any Channel
  }

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    channel.eventLoop.makeSucceededFuture(Value(channel: channel))
  }

  func handle(value: Value, logger: Logger) async {}
}
