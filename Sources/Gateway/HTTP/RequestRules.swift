import NIOHTTP1

/// What HTTP/1.1 requests must look like beyond what the parser asks of them.
enum RequestRules {
  /// The parser's bounds. A target is bounded like a field; HTTP/2 has the same bound on all fields together.
  static var parserLimits: NIOHTTPDecoderLimitConfiguration {
    var limits = NIOHTTPDecoderLimitConfiguration()
    limits.maxHeaderFieldSize = HTTP2Connection.maxHeaderBytes
    limits.maxHeaderListSize = HTTP2Connection.maxHeaderBytes
    limits.maxHeaderFieldCount = maxFields
    return limits
  }

  /// Header fields and trailers of one request.
  static let maxFields = 256

  /// Which rule the head breaks, if any.
  ///
  /// Whoever stands before this server must not read a request otherwise than it does: two that do not agree on where a
  /// request ends, or whom it is for, can be played off against each other (RFC 9112 sections 3.2, 6.1 and 11.2).
  static func fault(of head: HTTPRequestHead) -> String? {
    let hosts = head.headers["Host"].count
    if hosts > 1 || hosts == 0 && head.version == .http1_1 { return "Host must be given once" }
    let encodings = head.headers["Transfer-Encoding"]
    if encodings.isEmpty { return nil }
    guard head.version == .http1_1 else { return "Transfer-Encoding must not be given in HTTP/1.0" }
    return encodings.map { $0.lowercased() } == ["chunked"] ? nil : "Transfer-Encoding must be chunked, or absent"
  }
}
