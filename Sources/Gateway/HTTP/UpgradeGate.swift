import CoreMetrics
import Foundation
import Link
import NIOCore
import NIOHTTP1
import RoomCore

/// Looks at the first request of a connection before anything else does, and decides whether it may become a WebSocket.
///
/// All that is known to be refused is refused here, with a status and a reason, because a client that was accepted and
/// then closed believes that it had been connected and comes back for ever. What passes is a plain request without
/// `Upgrade`, or an upgrade that will succeed. A first request that cannot be parsed is answered with 400; one that does
/// not come is given up.
final class UpgradeGate: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private enum Phase {
    case waiting
    /// The admission is being looked into; parts that arrive meanwhile.
    case deciding([HTTPServerRequestPart])
    case passed
    case refused
    /// A later request was refused, behind the answers to those before it; nothing more counts.
    case ended
  }

  private let admission: UpgradeAdmission
  private let firstRequestBy: NIODeadline
  private var phase = Phase.waiting
  private var timeout: Scheduled<Void>?
  /// What the upgrade leads to, once it has passed.
  private(set) var target: UpgradeTarget?

  init(admission: UpgradeAdmission, firstRequestBy: NIODeadline) {
    self.admission = admission
    self.firstRequestBy = firstRequestBy
  }

  func handlerAdded(context: ChannelHandlerContext) {
    let channel = context.channel
    timeout = context.eventLoop.scheduleTask(deadline: firstRequestBy) { channel.close(promise: nil) }
  }

  func handlerRemoved(context: ChannelHandlerContext) { timeout?.cancel() }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let part = unwrapInboundIn(data)
    switch phase {
    case .waiting: receiveFirst(part, context: context)
    case .deciding(let parts): phase = .deciding(parts + [part])
    case .passed: receiveNext(part, context: context)
    case .refused, .ended: break
    }
  }

  private func receiveFirst(_ part: HTTPServerRequestPart, context: ChannelHandlerContext) {
    guard case .head(let head) = part else { return pass([part], context: context) }
    timeout?.cancel()
    if let fault = RequestRules.fault(of: head) {
      let problem = Problem(status: 400, code: "bad_request", title: "The request is malformed", detail: fault)
      return refuse(UpgradeRefusal(problem), context: context)
    }
    guard head.isWebSocketUpgrade, let route = admission.route(for: head) else {
      return pass([part.withoutUpgrade], context: context)
    }
    phase = .deciding([.head(head)])
    let token: UpgradeAdmission.TokenCheck
    switch admission.decide(head, route: route, from: context.remoteAddress) {
    case .decided(let decision): return conclude(decision, context: context)
    case .depends(let check): token = check
    }
    let context = NIOLoopBound(context, eventLoop: context.eventLoop)
    let gate = NIOLoopBound(self, eventLoop: context.value.eventLoop)
    context.value.eventLoop.makeFutureWithTask { await token.decide() }
      .whenSuccess { decision in gate.value.conclude(decision, context: context.value) }
  }

  /// What comes behind the first request. Its refusal must wait for the answers that are still due, so it goes the way of
  /// what cannot be parsed.
  private func receiveNext(_ part: HTTPServerRequestPart, context: ChannelHandlerContext) {
    if case .head(let head) = part, RequestRules.fault(of: head) != nil {
      phase = .ended
      return context.fireErrorCaught(HTTPParserError.invalidHeaderToken)
    }
    context.fireChannelRead(wrapInboundOut(part.withoutUpgrade))
  }

  private func conclude(_ decision: UpgradeDecision, context: ChannelHandlerContext) {
    guard case .deciding(let parts) = phase else { return }
    switch decision {
    case .admit(let target):
      self.target = target
      pass(parts, context: context)
    case .refuse(let refusal): refuse(refusal, context: context)
    }
  }

  private func pass(_ parts: [HTTPServerRequestPart], context: ChannelHandlerContext) {
    phase = .passed
    for part in parts { context.fireChannelRead(wrapInboundOut(part)) }
    context.fireChannelReadComplete()
  }

  private func refuse(_ refusal: UpgradeRefusal, context: ChannelHandlerContext) {
    phase = .refused
    let body = ByteBuffer(bytes: refusal.problem.json)
    var headers: HTTPHeaders = [
      "content-type": "application/problem+json", "content-length": "\(body.readableBytes)", "connection": "close",
      "access-control-allow-origin": "*",
    ]
    headers.add(contentsOf: refusal.headers)
    let head = HTTPResponseHead(
      version: .http1_1, status: HTTPResponseStatus(statusCode: Int(refusal.problem.status)), headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
    let channel = context.channel
    context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(mode: .output, promise: nil) }
    // What still comes is read and dropped for a while: a socket that is closed with bytes unread is reset, and takes the
    // answer with it.
    timeout?.cancel()
    timeout = context.eventLoop.scheduleTask(in: TimeAmount(admission.hub.settings.closeWithin)) {
      channel.close(promise: nil)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch phase {
    case .waiting, .deciding: refuse(UpgradeRefusal(.unparsed(error)), context: context)
    case .passed:
      context.fireErrorCaught(error)
      if error is ByteToMessageDecoderError.PayloadTooLargeError { context.close(promise: nil) }
    case .refused, .ended: break
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    let isInputClosed = event as? ChannelEvent == .inputClosed
    switch phase {
    case .waiting where isInputClosed || event is ChannelShouldQuiesceEvent: context.close(promise: nil)
    // A WebSocket that cannot be read is of no use to anybody, and its own handlers would not hear of it any more.
    case .deciding where isInputClosed: context.close(promise: nil)
    case .refused where isInputClosed || event is ChannelShouldQuiesceEvent: context.close(promise: nil)
    default: context.fireUserInboundEventTriggered(event)
    }
  }
}

extension HTTPServerRequestPart {
  /// The part as if no upgrade had been asked for, of a connection that ends behind its response if it must: the parser
  /// takes nothing more for HTTP behind such a request, and an HTTP/1.0 client waits for the end.
  fileprivate var withoutUpgrade: HTTPServerRequestPart {
    guard case .head(var head) = self else { return self }
    let isUpgrade = head.headers.contains(name: "Upgrade") || head.method == .CONNECT
    guard isUpgrade || !head.isKeepAlive else { return self }
    head.headers.remove(name: "Upgrade")
    head.headers.replaceOrAdd(name: "Connection", value: "close")
    return .head(head)
  }
}

extension HTTPRequestHead {
  /// Whether the request asks to become a WebSocket.
  fileprivate var isWebSocketUpgrade: Bool {
    headers[canonicalForm: "upgrade"].contains { $0.lowercased() == "websocket" }
  }
}

/// What an upgraded connection is for.
enum UpgradeTarget: Sendable {
  case room(RoomEntry)
  case echo
}

enum UpgradeDecision: Sendable {
  case admit(UpgradeTarget)
  case refuse(UpgradeRefusal)
}

struct UpgradeRefusal: Error, Sendable {
  let problem: Problem
  let headers: [(String, String)]

  init(_ problem: Problem, headers: [(String, String)] = []) {
    self.problem = problem
    self.headers = headers
  }
}

/// The rules by which a request may become a WebSocket.
struct UpgradeAdmission: Sendable {
  let hub: SessionHub

  /// Where the request's path leads, if to a WebSocket.
  func route(for head: HTTPRequestHead) -> RoomRoute? {
    guard hub.settings.takesClients else { return nil }
    return RoomRoute(path: head.path, servesEcho: hub.settings.servesEcho)
  }

  enum Answer {
    case decided(UpgradeDecision)
    case depends(TokenCheck)
  }

  func decide(_ head: HTTPRequestHead, route: RoomRoute, from address: SocketAddress?) -> Answer {
    if let refusal = refuseHandshake(head) { return .decided(.refuse(refusal)) }
    if hub.isStopping {
      return .decided(
        .refuse(
          UpgradeRefusal(
            Problem(status: 503, code: "stopping", title: "The server is stopping"), headers: [("retry-after", "1")])))
    }
    let origins = hub.settings.allowedOrigins
    if !origins.isEmpty, let origin = head.headers.first(name: "Origin"), !origins.contains(origin) {
      return .decided(
        .refuse(UpgradeRefusal(Problem(status: 403, code: "wrong_origin", title: "This origin may not connect"))))
    }
    guard case .room(let room) = route else { return .decided(.admit(.echo)) }
    let query = Query(head.query)
    let protocols = head.headers[canonicalForm: "sec-websocket-protocol"].map(String.init)
    let dialect: Dialect = query["v"] == "2" || protocols.contains(Subprotocol.delta) ? .delta : .full
    let since = query["since"].flatMap { Int64($0) }.flatMap { $0 >= 0 ? SequenceNumber($0) : nil }
    let stranger = RoomEntry(
      room: room, dialect: dialect, since: since, history: query["history"], identity: nil,
      address: address?.household)
    guard let tokens = hub.settings.tokens else { return .decided(admit(stranger)) }
    return .depends(
      TokenCheck(
        admission: self, tokens: tokens, query: query, headers: head.headers, protocols: protocols,
        stranger: stranger))
  }

  /// What is left to be looked at when a token has to be verified, which takes a task.
  struct TokenCheck: Sendable {
    let admission: UpgradeAdmission
    let tokens: RoomTokens
    let query: Query
    let headers: HTTPHeaders
    let protocols: [String]
    /// The entry of a client without a token.
    let stranger: RoomEntry

    func decide() async -> UpgradeDecision {
      do throws(TokenRefusal) {
        let identity = try await tokens.identify(
          query: query, headers: headers, protocols: protocols, room: stranger.room)
        return admission.admit(stranger.identified(as: identity))
      } catch {
        return .refuse(UpgradeRefusal(Problem(error), headers: [("www-authenticate", "Bearer")]))
      }
    }
  }

  private func admit(_ entry: RoomEntry) -> UpgradeDecision {
    if let refusal = refuseForLack(of: entry.room, entry.identity) { return .refuse(refusal) }
    return .admit(.room(entry))
  }

  private func refuseForLack(of room: RoomID, _ identity: TokenIdentity?) -> UpgradeRefusal? {
    if !hub.link.canOpen(room) {
      return UpgradeRefusal(
        Problem(status: 503, RefusalNotice.crowded),
        headers: [("retry-after", "5")])
    }
    if let tenant = identity?.tenant, let tenants = hub.tenants, !tenants.hasPlace(for: tenant) {
      hub.metrics.refusedTenantConnections.increment()
      return UpgradeRefusal(
        Problem(status: 429, RefusalNotice.tenantFull),
        headers: [("retry-after", "5")])
    }
    return nil
  }

  /// What RFC 6455 section 4.2.1 asks of the client's handshake.
  private func refuseHandshake(_ head: HTTPRequestHead) -> UpgradeRefusal? {
    func bad(_ reason: String) -> UpgradeRefusal {
      UpgradeRefusal(
        Problem(status: 400, code: "bad_handshake", title: "The WebSocket handshake is malformed", detail: reason))
    }
    guard head.method == .GET else { return bad("the method must be GET") }
    guard head.version == .http1_1 else { return bad("the version must be HTTP/1.1") }
    let connection = head.headers[canonicalForm: "connection"]
    guard connection.contains(where: { $0.lowercased() == "upgrade" }) else {
      return bad("Connection must name Upgrade")
    }
    let versions = head.headers["Sec-WebSocket-Version"]
    guard versions == ["13"] else {
      return UpgradeRefusal(
        Problem(status: 426, code: "bad_handshake", title: "Sec-WebSocket-Version must be 13"),
        headers: [("sec-websocket-version", "13"), ("upgrade", "websocket")])
    }
    let keys = head.headers["Sec-WebSocket-Key"]
    guard keys.count == 1, Data(base64Encoded: keys[0])?.count == 16 else {
      return bad("Sec-WebSocket-Key must be 16 bytes in base64")
    }
    if head.headers["Content-Length"].contains(where: { $0 != "0" }) || head.headers.contains(name: "Transfer-Encoding")
    {
      return bad("the request must have no body")
    }
    return nil
  }
}

/// Names of WebSocket subprotocols.
enum Subprotocol {
  static let full = "stonepot.v1"
  static let delta = "stonepot.v2"
  /// A token travels as `bearer.<token>`, where a browser can set no header.
  static let tokenPrefix = "bearer."

  /// The one to answer with, of those that were offered: browsers give up if none comes back. A token is not sent back.
  static func choose(from offered: [String]) -> String? {
    offered.first { $0 == delta } ?? offered.first { $0 == full } ?? offered.first { !$0.hasPrefix(tokenPrefix) }
  }
}

extension RoomTokens {
  /// Takes the token from `?token=`, from `Authorization: Bearer`, or from the offered subprotocols, and verifies it.
  func identify(
    query: Query, headers: HTTPHeaders, protocols: [String], room: RoomID
  ) async throws(TokenRefusal) -> TokenIdentity {
    let prefix = "bearer "
    let authorization = headers.first(name: "Authorization").flatMap { value in
      value.lowercased().hasPrefix(prefix) ? String(value.dropFirst(prefix.count)) : nil
    }
    let subprotocol = protocols.first { $0.hasPrefix(Subprotocol.tokenPrefix) }
      .map { String($0.dropFirst(Subprotocol.tokenPrefix.count)) }
    guard let token = query["token"] ?? authorization ?? subprotocol else { throw .missing }
    return try await verify(token, for: room)
  }
}

extension HTTPRequestHead {
  /// The target's path, without its query.
  var path: Substring { uri[..<(queryMark ?? uri.endIndex)] }

  var query: Substring {
    guard let queryMark else { return "" }
    return Substring(uri.utf8[queryMark...].dropFirst())
  }

  /// A byte, not a character: what combines with a `?` does not hide it.
  private var queryMark: String.Index? { uri.utf8.firstIndex(of: UInt8(ascii: "?")) }
}
