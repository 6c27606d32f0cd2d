import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// What webhooks are sent to: a server on a loopback port of its own, which behaves at each path as it is told.
package final class Receiver: Sendable {
  private static let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)

  package enum Behaviour: Sendable {
    case answer(Int, headers: [(String, String)] = [], body: String = "")
    /// Takes the request, and says nothing.
    case stall
    /// The head of a good answer, and nothing more.
    case halfAnswer
    /// Ends the connection without a word, by a reset.
    case reset
    /// A good answer without an end.
    case endless
  }

  package struct Request: Sendable {
    package let path: String
    package let method: String
    package let headers: [String: String]
    package let body: [UInt8]
  }

  private struct State {
    var behaviours: [String: Behaviour] = [:]
    var requests: [Request] = []
    var stalled: [any Channel] = []
    var connections = 0
  }

  private let state = Mutex(State())
  private let channel: Mutex<(any Channel)?> = Mutex(nil)
  package let port: Int

  /// - Parameter tls: the files of a certificate and its key.
  package static func start(tls: (certificate: String, key: String)? = nil) async throws -> Receiver {
    var context: NIOSSLContext?
    if let tls {
      let chain = try NIOSSLCertificate.fromPEMFile(tls.certificate).map { NIOSSLCertificateSource.certificate($0) }
      let key = try NIOSSLPrivateKey(file: tls.key, format: .pem)
      context = try NIOSSLContext(
        configuration: .makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key)))
    }
    let handler = Mutex<Receiver?>(nil)
    let channel = try await ServerBootstrap(group: Self.loops)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { [context] channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          if let context { try pipeline.addHandler(NIOSSLServerHandler(context: context)) }
          try pipeline.configureHTTPServerPipeline(withErrorHandling: false)
          guard let receiver = handler.withLock({ $0 }) else { return }
          receiver.state.withLock { $0.connections += 1 }
          try pipeline.addHandler(ReceiverHandler(receiver))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let receiver = Receiver(channel)
    handler.withLock { $0 = receiver }
    return receiver
  }

  private init(_ channel: any Channel) {
    port = channel.localAddress?.port ?? 0
    self.channel.withLock { $0 = channel }
  }

  package func stop() async throws { try await channel.withLock { $0 }?.close() }

  package func url(_ path: String, host: String = "127.0.0.1", scheme: String = "http") -> String {
    "\(scheme)://\(host):\(port)\(path)"
  }

  /// How it behaves at a path from now on; 200 if nothing was said.
  package func at(_ path: String, _ behaviour: Behaviour) { state.withLock { $0.behaviours[path] = behaviour } }

  /// Answers all that were left to wait; nil: forgets them.
  package func answerStalled(_ status: Int? = 200) {
    let channels = state.withLock { state in
      defer { state.stalled = [] }
      return state.stalled
    }
    guard let status else { return }
    for channel in channels { channel.eventLoop.execute { ReceiverHandler.answer(status, [], "", on: channel) } }
  }

  package var requests: [Request] { state.withLock { $0.requests } }
  package var stalledCount: Int { state.withLock { $0.stalled.count } }
  package var connections: Int { state.withLock { $0.connections } }

  package func requests(at path: String) -> [Request] { requests.filter { $0.path == path } }

  fileprivate func take(_ request: Request, on channel: any Channel) -> Behaviour {
    state.withLock { state in
      state.requests.append(request)
      let behaviour = state.behaviours[request.path] ?? .answer(200)
      if case .stall = behaviour { state.stalled.append(channel) }
      return behaviour
    }
  }
}

private final class ReceiverHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let receiver: Receiver
  private var head: HTTPRequestHead?
  private var body: [UInt8] = []
  private var isEndless = false

  init(_ receiver: Receiver) { self.receiver = receiver }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): self.head = head
    case .body(let bytes): body += Array(buffer: bytes)
    case .end:
      guard let head else { return }
      let headers = Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }) { $0 + "," + $1 }
      let request = Receiver.Request(path: head.uri, method: head.method.rawValue, headers: headers, body: body)
      behave(receiver.take(request, on: context.channel), context)
    }
  }

  private func behave(_ behaviour: Receiver.Behaviour, _ context: ChannelHandlerContext) {
    switch behaviour {
    case .answer(let status, let headers, let body): Self.answer(status, headers, body, on: context.channel)
    case .stall: break
    case .halfAnswer:
      let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: ["Content-Length": "10"])
      context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
    case .reset:
      if let options = context.channel as? any SocketOptionProvider {
        let channel = context.channel
        options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in channel.close(promise: nil) }
      }
    case .endless:
      let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: ["Transfer-Encoding": "chunked"])
      context.write(wrapOutboundOut(.head(head)), promise: nil)
      isEndless = true
      goOn(context)
    }
  }

  private func goOn(_ context: ChannelHandlerContext) {
    let chunk = ByteBuffer(string: String(repeating: "endless ", count: 1024))
    context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(chunk)))).assumeIsolated().whenSuccess { [self] in
      if isEndless, context.channel.isActive { goOn(context) }
    }
  }

  func channelInactive(context: ChannelHandlerContext) { isEndless = false }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  static func answer(_ status: Int, _ headers: [(String, String)], _ body: String, on channel: any Channel) {
    var head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status))
    for (name, value) in headers { head.headers.add(name: name, value: value) }
    head.headers.add(name: "Content-Length", value: "\(body.utf8.count)")
    channel.write(HTTPServerResponsePart.head(head), promise: nil)
    channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: body))), promise: nil)
    channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
  }
}
