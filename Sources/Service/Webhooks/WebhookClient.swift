import Foundation
package import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Ordering

/// Posts to receivers, over HTTP/1.1 and a connection for each request.
///
/// Whose name a tenant has given may lead into the operator's own network, and somewhere else at each lookup. So the name
/// is looked up once, what comes of it is judged, and the connection goes to exactly that address; the name is for TLS and
/// for the `Host` field. Redirections are answers like any other: they are not followed.
package final class WebhookClient: Sendable {
  /// Finds the addresses of a host and port. Blocks.
  package typealias LookUp = @Sendable (_ host: String, _ port: Int) throws -> [SocketAddress]

  package struct Result: Sendable {
    package let outcome: Swift.Result<WebhookAnswer, AttemptFailure>
    package let duration: Duration
  }

  private let settings: WebhookSettings
  private let group: any EventLoopGroup
  /// Lookups block for as long as they like, longer than an attempt may take: they have threads of their own, and more of
  /// them than there are attempts, so that those which attempts have left behind hold up no others.
  private let lookups: NIOThreadPool
  private let lookUp: LookUp
  private let tls: NIOSSLContext

  /// How many of a host's addresses are tried.
  private static let maxAddresses = 3
  private static let connectLimit = TimeAmount.seconds(5)

  /// - Throws: if the authorities cannot be read.
  package convenience init(settings: WebhookSettings, group: any EventLoopGroup) throws {
    try self.init(settings: settings, group: group) { try HostLookup.addresses(of: $0, port: $1) }
  }

  package init(settings: WebhookSettings, group: any EventLoopGroup, lookUp: @escaping LookUp) throws {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv12
    configuration.certificateVerification = .fullVerification
    if let authority = settings.authority { configuration.additionalTrustRoots = [.file(authority)] }
    tls = try NIOSSLContext(configuration: configuration)
    self.settings = settings
    self.group = group
    self.lookUp = lookUp
    lookups = NIOThreadPool(numberOfThreads: 2 * settings.concurrency)
    lookups.start()
  }

  /// To be called once, when nothing is sent any more. A lookup that hangs is not waited for.
  package func stop() { lookups.shutdownGracefully { _ in } }

  package func send(_ message: WebhookMessage) async -> Result {
    let start = NIODeadline.now()
    let outcome = await answer(to: message)
    let duration = Duration.nanoseconds((NIODeadline.now() - start).nanoseconds)
    return Result(outcome: outcome, duration: duration)
  }

  private func answer(to message: WebhookMessage) async -> Swift.Result<WebhookAnswer, AttemptFailure> {
    guard message.url.isSecure || settings.allowsPrivateAddresses else { return .failure(.insecure) }
    let loop = group.next()
    let promise = loop.makePromise(of: WebhookAnswer.self)
    let deadline = loop.scheduleTask(in: TimeAmount(settings.attemptLimit)) { promise.fail(AttemptFailure.timedOut) }
    defer { deadline.cancel() }
    let (lookUp, allowsLocal) = (lookUp, settings.allowsPrivateAddresses)
    lookups.runIfActive(eventLoop: loop) {
      try Self.allowed(lookUp(message.url.host, message.url.port), allowsLocal: allowsLocal)
    }
    .flatMap { self.connect(to: $0[...], message, promise) }
    .cascadeFailure(to: promise)
    do {
      return .success(
        try await withTaskCancellationHandler {
          try await promise.futureResult.get()
        } onCancel: {
          promise.fail(AttemptFailure.cancelled)
        })
    } catch {
      return .failure(AttemptFailure(error))
    }
  }

  /// - Throws: if none of the addresses may be connected to.
  private static func allowed(_ addresses: [SocketAddress], allowsLocal: Bool) throws(AttemptFailure) -> [SocketAddress]
  {
    guard let first = addresses.first else { throw .unresolved("it has no address") }
    let allowed = addresses.filter { address in
      switch address.addressBytes.map({ AddressKind($0) }) {
      case .global?: true
      case .local?: allowsLocal
      case .unusable?, nil: false
      }
    }
    guard !allowed.isEmpty else { throw .refusedAddress(first.ipAddress ?? "an address of another kind") }
    return Array(allowed.prefix(maxAddresses))
  }

  /// Connects to the first address that takes a connection.
  private func connect(
    to addresses: ArraySlice<SocketAddress>, _ message: WebhookMessage, _ promise: EventLoopPromise<WebhookAnswer>
  ) -> EventLoopFuture<Void> {
    let (settings, tls) = (settings, tls)
    let loop = promise.futureResult.eventLoop
    guard let address = addresses.first else { return loop.makeFailedFuture(AttemptFailure.unreachable("no address")) }
    return ClientBootstrap(group: loop)
      .connectTimeout(Self.connectLimit)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          // However the attempt ends, the connection ends with it.
          promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
          let pipeline = channel.pipeline.syncOperations
          if message.url.isSecure {
            try pipeline.addHandler(NamedPeer.handler(tls, host: message.url.host))
          }
          try pipeline.addHTTPClientHandlers()
          try pipeline.addHandler(
            WebhookExchange(
              message, maxBytes: settings.maxAnswerBytes, keptBytes: settings.keptAnswerBytes, promise: promise))
        }
      }
      .connect(to: address)
      .map { _ in }
      .flatMapError { error in
        // What there is to try after a connection that was refused is not for one that the deadline has closed.
        addresses.count > 1 ? self.connect(to: addresses.dropFirst(), message, promise) : loop.makeFailedFuture(error)
      }
  }
}

extension AttemptFailure {
  /// In words that are short enough to be kept.
  init(_ error: any Error) {
    let reason = String("\(error)".prefix(200))
    switch error {
    case let failure as AttemptFailure: self = failure
    case let failure as IOError: self = .unreachable(String(cString: strerror(failure.errnoCode)))
    case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError, is NamedPeer.Stranger: self = .untrusted(reason)
    case is HTTPParserError: self = .malformed(reason)
    default: self = .unreachable(reason)
    }
  }
}
