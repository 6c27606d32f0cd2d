package import NIOCore
import NIOPosix
import Synchronization

package enum WebSocketClientError: Error, Equatable, Sendable {
  /// The server answered with something other than 101.
  case refused(UpgradeResponse)
  case closedDuringUpgrade
  case notConnected
  case timedOut
  /// More messages wait than `inboxLimit` allows: the test forgot to read them.
  case inboxFull
}

/// A WebSocket client for tests: polite by default, and hostile on request.
///
///     let client = WebSocketClient(host: "127.0.0.1", port: 1999, path: "/parties/collaborative_order/lunch")
///     try await client.connect()
///     client.send(#"{"type":"join", …}"#)
///     let reply = try await client.next(within: .seconds(1))
///     await client.close()
///
/// It answers pings and close frames by itself. One task at a time may wait in `next`.
package final class WebSocketClient: Sendable {
  package struct Options: Sendable {
    /// Sent with the request for the upgrade, such as `Origin`, `Authorization` or `Sec-WebSocket-Protocol`.
    package var headers: [(String, String)] = []
    package var connectTimeout: Duration = .seconds(5)
    package var maxMessageBytes = 16 << 20
    package var inboxLimit = 100_000

    package init() {}
  }

  private let host: String
  private let port: Int
  private let path: String
  private let options: Options
  private let eventLoop: any EventLoop
  private let inbox: Inbox
  private let connection = Mutex<Connection?>(nil)

  private struct Connection {
    let channel: any Channel
    let handler: NIOLoopBound<WebSocketChannelHandler<InboxReceiver>>
    let response: UpgradeResponse
  }

  package init(
    host: String = "127.0.0.1", port: Int, path: String, options: Options = Options(), eventLoop: (any EventLoop)? = nil
  ) {
    self.host = host
    self.port = port
    self.path = path
    self.options = options
    self.eventLoop = eventLoop ?? MultiThreadedEventLoopGroup.singleton.next()
    inbox = Inbox(limit: options.inboxLimit)
  }

  /// Connects and upgrades. May be called once.
  ///
  /// - Throws: `WebSocketClientError`, `UpgradeExchange.Failure`, or what the system says about the connection.
  package func connect() async throws {
    let (eventLoop, inbox, options) = (eventLoop, inbox, options)
    let request = UpgradeExchange.request(host: host, port: port, path: path, headers: options.headers)
    let opened = eventLoop.makePromise(of: (NIOLoopBound<WebSocketChannelHandler<InboxReceiver>>, UpgradeResponse).self)
    let timeout = TimeAmount(options.connectTimeout)
    let bootstrap = ClientBootstrap(group: eventLoop)
      .connectTimeout(timeout)
      .channelOption(.socketOption(.tcp_nodelay), value: 1)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let receiver = InboxReceiver(inbox: inbox, opened: opened)
          let handler = WebSocketChannelHandler(
            request: request, maxMessageBytes: options.maxMessageBytes, receiver: receiver)
          receiver.handler = handler
          try channel.pipeline.syncOperations.addHandler(handler)
        }
      }
    let channel: any Channel
    do {
      channel = try await bootstrap.connect(host: host, port: port).get()
    } catch {
      opened.fail(error)
      throw error
    }
    let expiry = eventLoop.scheduleTask(in: timeout) {
      opened.fail(WebSocketClientError.timedOut)
      channel.close(promise: nil)
    }
    defer { expiry.cancel() }
    let (handler, response) = try await opened.futureResult.get()
    connection.withLock { $0 = Connection(channel: channel, handler: handler, response: response) }
  }

  /// The server's answer to the request for the upgrade; nil before `connect` has returned.
  package var upgradeResponse: UpgradeResponse? { connection.withLock { $0?.response } }

  /// How the connection ended; nil while it has not, and before all messages that came ahead have been read.
  package var closure: WebSocketClosure? { inbox.closure }

  // MARK: Sending

  package func send(_ text: String) {
    send(frame: ClientFrameEncoder().encode(.text, payload: text.utf8))
  }

  package func ping(_ payload: String = "") {
    send(frame: ClientFrameEncoder().encode(.ping, payload: payload.utf8))
  }

  /// Sends bytes as they are: a frame that no polite client would send, a part of one, or no frame at all.
  package func send(frame: ByteBuffer) {
    withHandler { $0.send(frame) }
  }

  // MARK: Receiving

  /// The next text message. Other messages are not shown.
  ///
  /// - Returns: nil when the connection has ended; `closure` then says how.
  /// - Throws: `WebSocketClientError.timedOut` if nothing comes in time, `.inboxFull`, or `CancellationError`.
  package func next(within limit: Duration) async throws -> String? {
    let id = inbox.newTicket()
    let expiry = eventLoop.scheduleTask(in: TimeAmount(limit)) { [inbox] in
      inbox.giveUp(id, because: WebSocketClientError.timedOut)
    }
    defer { expiry.cancel() }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { inbox.take($0, ticket: id) }
    } onCancel: {
      inbox.giveUp(id, because: CancellationError())
    }
  }

  /// Reads, and drops, what is left until the connection ends.
  package func waitForClosure(within limit: Duration) async throws -> WebSocketClosure? {
    let deadline = ContinuousClock.now.advanced(by: limit)
    while try await next(within: deadline - .now) != nil {}
    return closure
  }

  /// Stops and resumes reading from the socket: a consumer that is too slow, at the press of a button.
  package func setReading(_ isReading: Bool) async throws {
    guard let channel = connection.withLock({ $0?.channel }) else { throw WebSocketClientError.notConnected }
    try await channel.setOption(.autoRead, value: isReading).get()
  }

  // MARK: Ending

  /// Says goodbye, and waits for the server to do so too; hangs up when it does not within `limit`.
  package func close(code: UInt16? = 1000, reason: String = "", within limit: Duration = .seconds(5)) async {
    guard let channel = connection.withLock({ $0?.channel }) else { return }
    withHandler { $0.sendClose(code: code, reason: reason) }
    let expiry = eventLoop.scheduleTask(in: TimeAmount(limit)) { channel.close(promise: nil) }
    try? await channel.closeFuture.get()
    expiry.cancel()
  }

  /// Hangs up without a word, as a client does whose machine lost power.
  package func disconnect() async {
    guard let channel = connection.withLock({ $0?.channel }) else { return }
    try? await channel.close().get()
  }

  private func withHandler(_ body: @escaping @Sendable (WebSocketChannelHandler<InboxReceiver>) -> Void) {
    guard let handler = connection.withLock({ $0?.handler }) else { return }
    eventLoop.execute { body(handler.value) }
  }
}

/// What has come and was not read yet, or the one who waits for it.
private final class Inbox: Sendable {
  private struct State {
    var messages: ArraySlice<String> = []
    var waiter: (ticket: Int, continuation: CheckedContinuation<String?, any Error>)?
    var givenUp: [Int: any Error] = [:]
    var lastTicket = 0
    var closure: WebSocketClosure?
    var isOverfull = false
  }

  private let limit: Int
  private let state = Mutex(State())

  init(limit: Int) {
    self.limit = limit
  }

  var closure: WebSocketClosure? {
    state.withLock { $0.messages.isEmpty ? $0.closure : nil }
  }

  func newTicket() -> Int {
    state.withLock {
      $0.lastTicket += 1
      return $0.lastTicket
    }
  }

  func take(_ continuation: CheckedContinuation<String?, any Error>, ticket: Int) {
    let outcome: Result<String?, any Error>? = state.withLock { state in
      if let error = state.givenUp.removeValue(forKey: ticket) { return .failure(error) }
      if let message = state.messages.popFirst() { return .success(message) }
      if state.isOverfull { return .failure(WebSocketClientError.inboxFull) }
      if state.closure != nil { return .success(nil) }
      precondition(state.waiter == nil, "two tasks wait for the messages of one client")
      state.waiter = (ticket, continuation)
      return nil
    }
    if let outcome { continuation.resume(with: outcome) }
  }

  func giveUp(_ ticket: Int, because error: any Error) {
    let waiter = state.withLock { state -> CheckedContinuation<String?, any Error>? in
      guard let waiter = state.waiter, waiter.ticket == ticket else {
        // The task was cancelled before it began to wait. Older tickets have had their answer.
        if ticket == state.lastTicket { state.givenUp = [ticket: error] }
        return nil
      }
      state.waiter = nil
      return waiter.continuation
    }
    waiter?.resume(throwing: error)
  }

  /// - Returns: false if there is no room.
  func put(_ message: String) -> Bool {
    let (waiter, hasRoom) = state.withLock { state -> (CheckedContinuation<String?, any Error>?, Bool) in
      if let waiter = state.waiter {
        state.waiter = nil
        return (waiter.continuation, true)
      }
      guard state.messages.count < limit else {
        state.isOverfull = true
        return (nil, false)
      }
      state.messages.append(message)
      return (nil, true)
    }
    waiter?.resume(returning: message)
    return hasRoom
  }

  func end(_ closure: WebSocketClosure) {
    let waiter = state.withLock { state in
      state.closure = closure
      defer { state.waiter = nil }
      return state.waiter?.continuation
    }
    waiter?.resume(returning: nil)
  }
}

/// Carries what a connection brings into the inbox.
private final class InboxReceiver: WebSocketReceiver {
  private let inbox: Inbox
  private let opened: EventLoopPromise<(NIOLoopBound<WebSocketChannelHandler<InboxReceiver>>, UpgradeResponse)>
  unowned var handler: WebSocketChannelHandler<InboxReceiver>?

  init(
    inbox: Inbox,
    opened: EventLoopPromise<(NIOLoopBound<WebSocketChannelHandler<InboxReceiver>>, UpgradeResponse)>
  ) {
    self.inbox = inbox
    self.opened = opened
  }

  func webSocketOpened(_ response: UpgradeResponse) {
    guard let handler else { return }
    opened.succeed((NIOLoopBound(handler, eventLoop: opened.futureResult.eventLoop), response))
  }

  func webSocketFailed(_ error: any Error) {
    opened.fail(error)
  }

  func webSocketReceived(_ event: WebSocketDecoder.Event) {
    guard case .text(let payload) = event else { return }
    guard let text = try? payload.getUTF8ValidatedString(at: payload.readerIndex, length: payload.readableBytes) else {
      handler?.sendClose(code: 1007, reason: "")
      handler?.disconnect()
      return
    }
    if !inbox.put(text) { handler?.disconnect() }
  }

  func webSocketClosed(_ closure: WebSocketClosure) {
    inbox.end(closure)
  }
}
