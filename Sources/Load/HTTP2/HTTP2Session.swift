internal import CNghttp2

/// A request over HTTP/2.
package struct HTTP2Request: Sendable {
  package var method: String
  package var path: String
  /// In lower case.
  package var headers: [(name: String, value: String)]
  package var body: [UInt8]

  package init(_ method: String, _ path: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
    self.method = method
    self.path = path
    self.headers = headers
    self.body = body
  }
}

package struct HTTP2Response: Sendable {
  package var status = 0
  /// In lower case, in the order in which they came.
  package var headers: [(name: String, value: String)] = []
  package var body: [UInt8] = []
}

package enum HTTP2Failure: Error, Equatable, Sendable, CustomStringConvertible {
  /// The server does not speak HTTP/2, or nothing that libnghttp2 understands; its own words.
  case broken(String)
  /// The stream ended without a whole response: an error code of RFC 9113 section 7.
  case reset(UInt32)
  /// The connection ended before the response.
  case closed
  /// A response is larger than a driver wants to hold.
  case tooLarge

  package var description: String {
    switch self {
    case .broken(let reason): "HTTP/2: \(reason)"
    case .reset(let code): "the server reset the request with code \(code)"
    case .closed: "the connection was closed before the response"
    case .tooLarge: "a response is too large"
    }
  }
}

/// The client's side of one HTTP/2 connection, without any network: bytes in, bytes out. The protocol is libnghttp2's.
///
/// Not for use from within its own callbacks: a response is told when the bytes that it came with have been read.
final class HTTP2Session {
  typealias Answer = (Result<HTTP2Response, HTTP2Failure>) -> Void

  private final class Stream {
    var response = HTTP2Response()
    var unsent: ArraySlice<UInt8>
    var isTooLarge = false
    let answer: Answer

    init(_ body: [UInt8], _ answer: @escaping Answer) {
      unsent = body[...]
      self.answer = answer
    }
  }

  private static let maxBodyBytes = 64 << 20
  private static let windowBytes: Int32 = 16 << 20

  /// Whether the server has shown that it speaks HTTP/2: settings are the first that it says.
  private(set) var isOpen = false
  private var session: OpaquePointer?
  private var streams: [Int32: Stream] = [:]
  private var ended: [(Stream, Result<HTTP2Response, HTTP2Failure>)] = []
  private let scheme: String
  private let authority: String

  /// - Parameters:
  ///   - scheme: `http` or `https`.
  ///   - authority: host and port.
  init(scheme: String, authority: String) throws(HTTP2Failure) {
    self.scheme = scheme
    self.authority = authority
    var callbacks: OpaquePointer?
    try Self.check(nghttp2_session_callbacks_new(&callbacks))
    defer { nghttp2_session_callbacks_del(callbacks) }
    nghttp2_session_callbacks_set_on_header_callback(callbacks) {
      _, frame, name, nameLength, value, valueLength, _, own in
      guard let frame, let name, let value else { return 0 }
      HTTP2Session.from(own).received(
        header: UnsafeBufferPointer(start: name, count: nameLength),
        UnsafeBufferPointer(start: value, count: valueLength), on: frame.pointee.hd.stream_id)
      return 0
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, stream, data, length, own in
      HTTP2Session.from(own).received(body: UnsafeBufferPointer(start: data, count: length), on: stream)
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, own in
      if let frame, UInt32(frame.pointee.hd.type) == NGHTTP2_SETTINGS.rawValue { HTTP2Session.from(own).isOpen = true }
      return 0
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, stream, code, own in
      HTTP2Session.from(own).closed(stream, code)
      return 0
    }
    try Self.check(nghttp2_session_client_new(&session, callbacks, Unmanaged.passUnretained(self).toOpaque()))
    var settings = [
      nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0),
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), value: UInt32(Self.windowBytes)),
    ]
    try Self.check(nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), &settings, settings.count))
    try Self.check(
      nghttp2_session_set_local_window_size(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, Self.windowBytes))
  }

  deinit { nghttp2_session_del(session) }

  private static func from(_ pointer: UnsafeMutableRawPointer?) -> HTTP2Session {
    guard let pointer else { preconditionFailure("libnghttp2 has lost its user's data") }
    return Unmanaged<HTTP2Session>.fromOpaque(pointer).takeUnretainedValue()
  }

  private static func check(_ code: Int32) throws(HTTP2Failure) {
    guard code == 0 else { throw .broken(String(cString: nghttp2_strerror(code))) }
  }

  // MARK: Out

  /// Begins a request. `bytesToSend` has its bytes afterwards.
  func submit(_ request: HTTP2Request, answer: @escaping Answer) throws(HTTP2Failure) {
    var fields = [
      (":method", request.method), (":scheme", scheme), (":authority", authority), (":path", request.path),
    ]
    fields += request.headers.map { ($0.name, $0.value) }
    if !request.body.isEmpty { fields.append(("content-length", "\(request.body.count)")) }
    let stream = Stream(request.body, answer)
    // libnghttp2 copies names and values.
    let id = withHeaders(fields) { headers in
      guard !request.body.isEmpty else {
        return nghttp2_submit_request(session, nil, headers.baseAddress, headers.count, nil, nil)
      }
      var provider = nghttp2_data_provider()
      provider.read_callback = { _, stream, buffer, length, flags, _, own in
        HTTP2Session.from(own).fill(UnsafeMutableBufferPointer(start: buffer, count: length), for: stream, flags)
      }
      return nghttp2_submit_request(session, nil, headers.baseAddress, headers.count, &provider, nil)
    }
    guard id > 0 else { throw .broken(String(cString: nghttp2_strerror(id))) }
    streams[id] = stream
  }

  private func withHeaders<Value>(
    _ fields: [(String, String)], _ body: (UnsafeMutableBufferPointer<nghttp2_nv>) -> Value
  ) -> Value {
    var bytes: [UInt8] = []
    for (name, value) in fields { bytes += Array(name.utf8) + Array(value.utf8) }
    return bytes.withUnsafeMutableBufferPointer { bytes in
      var position = bytes.baseAddress
      var headers = fields.map { name, value in
        let (nameLength, valueLength) = (name.utf8.count, value.utf8.count)
        defer { position = position.map { $0 + nameLength + valueLength } }
        return nghttp2_nv(
          name: position, value: position.map { $0 + nameLength }, namelen: nameLength, valuelen: valueLength,
          flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
      }
      return headers.withUnsafeMutableBufferPointer { body($0) }
    }
  }

  private func fill(
    _ buffer: UnsafeMutableBufferPointer<UInt8>, for id: Int32, _ flags: UnsafeMutablePointer<UInt32>?
  ) -> Int {
    guard let stream = streams[id] else { return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
    let piece = stream.unsent.prefix(buffer.count)
    _ = buffer.update(fromContentsOf: piece)
    stream.unsent = stream.unsent.dropFirst(piece.count)
    if stream.unsent.isEmpty { flags?.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue }
    return piece.count
  }

  /// What is to be written to the connection now.
  func bytesToSend() throws(HTTP2Failure) -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      var piece: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(session, &piece)
      guard count >= 0 else { throw .broken(String(cString: nghttp2_strerror(Int32(count)))) }
      guard count > 0, let piece else { return bytes }
      bytes += UnsafeBufferPointer(start: piece, count: count)
    }
  }

  // MARK: In

  /// Takes in what has come, and tells the responses that are whole.
  func received(_ bytes: UnsafeRawBufferPointer) throws(HTTP2Failure) {
    let count = nghttp2_session_mem_recv(session, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
    guard count >= 0 else { throw .broken(String(cString: nghttp2_strerror(Int32(count)))) }
    tellEnded()
  }

  /// The connection has ended; who waits hears of it.
  func connectionEnded() {
    ended += streams.values.map { ($0, .failure(.closed)) }
    streams = [:]
    tellEnded()
  }

  private func tellEnded() {
    let ended = ended
    self.ended = []
    for (stream, result) in ended { stream.answer(result) }
  }

  private func received(header name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, on id: Int32) {
    guard let stream = streams[id] else { return }
    let (name, value) = (String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
    if name == ":status" {
      // An informational one may come before.
      stream.response = HTTP2Response(status: Int(value) ?? 0)
    } else {
      stream.response.headers.append((name, value))
    }
  }

  private func received(body: UnsafeBufferPointer<UInt8>, on id: Int32) {
    guard let stream = streams[id] else { return }
    if stream.response.body.count + body.count > Self.maxBodyBytes { stream.isTooLarge = true }
    if !stream.isTooLarge { stream.response.body += body }
  }

  private func closed(_ id: Int32, _ code: UInt32) {
    guard let stream = streams.removeValue(forKey: id) else { return }
    if stream.isTooLarge {
      ended.append((stream, .failure(.tooLarge)))
    } else if code != NGHTTP2_NO_ERROR.rawValue || stream.response.status == 0 {
      ended.append((stream, .failure(.reset(code))))
    } else {
      ended.append((stream, .success(stream.response)))
    }
  }
}
