import Load
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import TestSupport

/// A TCP connection with nothing on it, or TLS: says what no polite client would, and shows every byte of the answer.
final class RawConnection: Sendable {
  struct Ended: Error, CustomStringConvertible {
    let what: String
    var description: String { "the connection ended before \(what)" }
  }

  fileprivate let channel: any Channel
  private let inbox: ByteInbox

  private init(_ channel: any Channel, _ inbox: ByteInbox) {
    self.channel = channel
    self.inbox = inbox
  }

  /// - Parameter receiveBuffer: the socket's, in bytes; small, so that a server's bytes soon have to wait.
  static func open(_ port: Int, receiveBuffer: Int? = nil, tls: ClientTLS? = nil) async throws -> RawConnection {
    let inbox = ByteInbox()
    let tlsContext = try tls.map { try $0.context() }
    var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connectTimeout(TimeAmount(patience))
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelOption(.socketOption(.tcp_nodelay), value: 1)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let tlsContext {
            try channel.pipeline.syncOperations.addHandler(
              NIOSSLClientHandler(context: tlsContext, serverHostname: "localhost"))
          }
          try channel.pipeline.syncOperations.addHandler(ByteCollector(inbox))
        }
      }
    if let receiveBuffer {
      bootstrap = bootstrap.channelOption(.socketOption(.so_rcvbuf), value: .init(receiveBuffer))
    }
    return RawConnection(try await bootstrap.connect(host: "127.0.0.1", port: port).get(), inbox)
  }

  func send(_ text: String) { send(ByteBuffer(string: text)) }
  func send(_ bytes: ByteBuffer) { channel.writeAndFlush(bytes, promise: nil) }

  /// Says that nothing more will come, and goes on listening.
  func endSending() { channel.close(mode: .output, promise: nil) }

  func setReading(_ isReading: Bool) async throws { try await channel.setOption(.autoRead, value: isReading).get() }

  func close() async { try? await channel.close().get() }

  /// From now on closing resets the connection, so that the server's next write fails.
  func closeByReset() async throws {
    guard let options = channel as? any SocketOptionProvider else { preconditionFailure("a socket has options") }
    try await options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
  }

  /// Waits until `parse` makes something of what has come.
  ///
  /// - Parameter parse: takes what it understands off the buffer; is told whether more can come.
  func take<Value>(_ what: String, _ parse: (inout ByteBuffer, _ isEnded: Bool) throws -> Value?) async throws -> Value
  {
    let inbox = inbox
    let expiry = channel.eventLoop.scheduleTask(in: TimeAmount(patience)) { inbox.expire() }
    defer { expiry.cancel() }
    while true {
      let (value, isEnded) = try inbox.read(parse)
      if let value { return value }
      if isEnded { throw Ended(what: what) }
      guard await inbox.wait() else { throw GaveUp(what: what) }
    }
  }

  /// What comes until the server ends the connection.
  func rest() async throws -> String {
    try await take("the end") { buffer, isEnded in
      isEnded ? buffer.readString(length: buffer.readableBytes) : nil
    }
  }

  /// The next HTTP response.
  ///
  /// - Parameter toHead: the request was a HEAD: there is no body, whatever the headers say.
  func response(toHead: Bool = false) async throws -> UpgradeResponse {
    try await take("an HTTP response") { buffer, isEnded in try HTTPText.response(&buffer, toHead: toHead, isEnded) }
  }

  /// Sends a request and reads its response.
  func get(_ path: String, headers: [String] = []) async throws -> UpgradeResponse {
    send(HTTPText.request("GET \(path) HTTP/1.1", headers))
    return try await response()
  }

  /// - Parameter line: method and target.
  func call(_ line: String, _ body: String = "", headers: [String] = []) async throws -> UpgradeResponse {
    let length = body.isEmpty && line.hasPrefix("GET") ? [] : ["Content-Length: \(body.utf8.count)"]
    send(HTTPText.request("\(line) HTTP/1.1", headers + length, body: body))
    return try await response()
  }
}

enum HTTPText {
  struct Malformed: Error {
    let text: String
  }

  static func request(_ line: String, _ headers: [String] = [], body: String = "") -> String {
    ([line, "Host: test"] + headers).joined(separator: "\r\n") + "\r\n\r\n" + body
  }

  static func upgrade(_ path: String, _ headers: [String] = [], without dropped: String? = nil) -> String {
    let usual = [
      "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    return request(
      "GET \(path) HTTP/1.1", usual.filter { line in dropped.map { !line.hasPrefix($0) } ?? true } + headers)
  }

  static func response(_ buffer: inout ByteBuffer, toHead: Bool, _ isEnded: Bool) throws -> UpgradeResponse? {
    let text = String(buffer: buffer)
    guard let end = text.firstRange(of: "\r\n\r\n") else { return nil }
    let lines = text[..<end.lowerBound].split(separator: "\r\n", omittingEmptySubsequences: false)
    let words = lines[0].split(separator: " ", maxSplits: 2)
    guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
      throw Malformed(text: text)
    }
    var response = UpgradeResponse(status: status, headers: [], body: "")
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { throw Malformed(text: text) }
      let value = line[line.index(after: colon)...].drop { $0 == " " }
      response.headers.append((line[..<colon].lowercased(), String(value)))
    }
    let headBytes = text[..<end.upperBound].utf8.count
    let length: Int
    if toHead || status == 101 || status == 204 || status == 304 {
      length = 0
    } else if let header = response.header("content-length").flatMap({ Int($0) }) {
      length = header
    } else if isEnded {
      length = buffer.readableBytes - headBytes
    } else {
      return nil
    }
    guard buffer.readableBytes >= headBytes + length else { return nil }
    buffer.moveReaderIndex(forwardBy: headBytes)
    response.body = buffer.readString(length: length) ?? ""
    return response
  }
}

private final class ByteInbox: Sendable {
  private struct State {
    var bytes = ByteBuffer()
    var isEnded = false
    var isExpired = false
    /// Something has come since the last look.
    var isNew = false
    var waiter: UnsafeContinuation<Bool, Never>?
  }

  private let state = Mutex(State())

  func put(_ bytes: ByteBuffer) {
    change { $0.bytes.writeImmutableBuffer(bytes) }
  }

  func end() { change { $0.isEnded = true } }
  func expire() { change { $0.isExpired = true } }

  private func change(_ body: (inout sending State) -> Void) {
    let (waiter, isExpired) = state.withLock { state in
      body(&state)
      state.isNew = true
      defer { state.waiter = nil }
      return (state.waiter, state.isExpired)
    }
    waiter?.resume(returning: !isExpired)
  }

  func read<Value>(_ parse: (inout ByteBuffer, Bool) throws -> Value?) throws -> (Value?, isEnded: Bool) {
    var (bytes, isEnded) = state.withLock { state in
      state.isNew = false
      defer { state.bytes = ByteBuffer() }
      return (state.bytes, state.isEnded)
    }
    let value = try parse(&bytes, isEnded)
    bytes.discardReadBytes()
    let rest = bytes
    state.withLock { state in
      var all = rest
      all.writeImmutableBuffer(state.bytes)
      state.bytes = all
    }
    return (value, isEnded)
  }

  /// - Returns: false if it took too long.
  func wait() async -> Bool {
    await withUnsafeContinuation { continuation in
      let answer: Bool? = state.withLock { state in
        if state.isExpired { return false }
        if state.isNew { return true }
        state.waiter = continuation
        return nil
      }
      if let answer { continuation.resume(returning: answer) }
    }
  }
}

private final class ByteCollector: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let inbox: ByteInbox

  init(_ inbox: ByteInbox) { self.inbox = inbox }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { inbox.put(unwrapInboundIn(data)) }
  func channelInactive(context: ChannelHandlerContext) { inbox.end() }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed = event { inbox.end() }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    inbox.end()
    context.close(promise: nil)
  }
}

extension RawConnection {
  /// Bytes that this side could not send yet.
  func unsentBytes() async throws -> Int { try await channel.getOption(.bufferedWritableBytes).get() }
}
