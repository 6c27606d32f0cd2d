import ArgumentParser
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Asks one process of a cluster, over HTTP/1.1; a connection for each request.
struct AdminClient {
  private let host: String
  private let port: Int
  private let tls: NIOSSLContext?
  private let token: String?

  private static let connectTimeout = TimeAmount.seconds(5)
  private static let answerTimeout = TimeAmount.seconds(10)
  private static let maxAnswerBytes = 16 << 20

  /// - Parameters:
  ///   - url: as `http://127.0.0.1:1999`; a path is not looked at.
  ///   - authority: a PEM file with whom to trust over TLS; nil for the system's own.
  init(url: String, authority: String?, token: String?) throws {
    guard let parts = URLComponents(string: url), let scheme = parts.scheme, ["http", "https"].contains(scheme),
      let host = parts.host, !host.isEmpty
    else { throw ValidationError("--url must be as http://127.0.0.1:1999; \(url) is not") }
    let isSecure = scheme == "https"
    // The brackets of an IPv6 address are the URL's, not the address's.
    self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
    port = parts.port ?? (isSecure ? 443 : 80)
    self.token = token
    var configuration = TLSConfiguration.makeClientConfiguration()
    if let authority { configuration.trustRoots = .file(authority) }
    do {
      tls = isSecure ? try NIOSSLContext(configuration: configuration) : nil
    } catch {
      throw ValidationError("--authority \(authority ?? "") cannot be used: \(error)")
    }
  }

  func get<Answer: Decodable>(_ path: String, as _: Answer.Type) async throws -> Answer {
    try JSONDecoder().decode(Answer.self, from: Data(try await send(.GET, path)))
  }

  func send<Answer: Decodable>(
    _ method: HTTPMethod, _ path: String, body: [UInt8] = [], as _: Answer.Type
  ) async throws -> Answer {
    try JSONDecoder().decode(Answer.self, from: Data(try await send(method, path, body: body)))
  }

  /// - Returns: the answer's body.
  /// - Throws: `StartFailure`, in the words of the process if it has said no.
  @discardableResult
  func send(_ method: HTTPMethod, _ path: String, body: [UInt8] = []) async throws -> [UInt8] {
    var headers: HTTPHeaders = ["Host": "\(host.contains(":") ? "[\(host)]" : host):\(port)", "Connection": "close"]
    if let token { headers.add(name: "Authorization", value: "Bearer \(token)") }
    if !body.isEmpty { headers.add(name: "Content-Type", value: "application/json") }
    headers.add(name: "Content-Length", value: "\(body.count)")
    let head = HTTPRequestHead(version: .http1_1, method: method, uri: path, headers: headers)
    let answer = try await exchange(head, body)
    let bytes = answer.body.map { Array(buffer: $0) } ?? []
    guard (200..<300).contains(answer.head.status.code) else {
      throw StartFailure(message: Self.reason(bytes, status: answer.head.status, path: path))
    }
    return bytes
  }

  private func exchange(_ head: HTTPRequestHead, _ body: [UInt8]) async throws -> NIOHTTPClientResponseFull {
    let (host, tls) = (host, tls)
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let promise = loop.makePromise(of: NIOHTTPClientResponseFull.self)
    let channel: any Channel
    do {
      channel = try await ClientBootstrap(group: loop)
        .connectTimeout(Self.connectTimeout)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            if let tls {
              let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
              try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : host))
            }
            try pipeline.addHTTPClientHandlers()
            try pipeline.addHandler(NIOHTTPClientResponseAggregator(maxContentLength: Self.maxAnswerBytes))
            try pipeline.addHandler(AdminExchange(head, body, promise: promise))
          }
        }
        .connect(host: host, port: port).get()
    } catch {
      promise.fail(error)
      throw StartFailure(message: "\(host):\(port) cannot be reached: \(error)")
    }
    let timeout = loop.scheduleTask(in: Self.answerTimeout) {
      promise.fail(StartFailure(message: "no answer within \(Self.answerTimeout.nanoseconds / 1_000_000_000) s"))
    }
    defer {
      timeout.cancel()
      channel.close(promise: nil)
    }
    do {
      return try await promise.futureResult.get()
    } catch {
      throw StartFailure(message: "\(host):\(port) does not answer: \(error)")
    }
  }

  private struct ProblemAnswer: Decodable {
    let code: String
    let title: String
    let detail: String?
  }

  private static func reason(_ body: [UInt8], status: HTTPResponseStatus, path: String) -> String {
    let problem = try? JSONDecoder().decode(ProblemAnswer.self, from: Data(body))
    if status == .notFound, problem?.code ?? "not_found" == "not_found" {
      return "there is no \(path) here: the process takes part in no cluster, keeps no records, or is older"
    }
    guard let problem else { return "\(status)" }
    return problem.detail.map { "\(problem.title): \($0)" } ?? problem.title
  }
}

/// Says one request and keeps its answer.
private final class AdminExchange: ChannelInboundHandler {
  typealias InboundIn = NIOHTTPClientResponseFull
  typealias OutboundOut = HTTPClientRequestPart

  private struct Ended: Error, CustomStringConvertible {
    let description = "the connection ended before the answer"
  }

  private let head: HTTPRequestHead
  private let body: [UInt8]
  private let promise: EventLoopPromise<NIOHTTPClientResponseFull>

  init(_ head: HTTPRequestHead, _ body: [UInt8], promise: EventLoopPromise<NIOHTTPClientResponseFull>) {
    self.head = head
    self.body = body
    self.promise = promise
  }

  func channelActive(context: ChannelHandlerContext) {
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    if !body.isEmpty { context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil) }
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { promise.succeed(unwrapInboundIn(data)) }
  func channelInactive(context: ChannelHandlerContext) { promise.fail(Ended()) }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    promise.fail(error)
    context.close(promise: nil)
  }
}
