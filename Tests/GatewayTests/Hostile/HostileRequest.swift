import NIOCore
import Testing

/// Bytes that come instead of a polite request, and what must come of them.
struct HostileRequest: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let bytes: ByteBuffer
  /// Those of all the answers.
  let statuses: [Int]
  /// Whether the server ends the connection behind them.
  let ends: Bool
  var isHalfClosed = false
  var isHead = false

  private init(_ name: String, _ bytes: String, _ statuses: [Int], ends: Bool) {
    testDescription = name
    self.bytes = ByteBuffer(string: bytes)
    self.statuses = statuses
    self.ends = ends
  }

  private init(_ name: String, _ bytes: [UInt8], _ statuses: [Int], ends: Bool) {
    testDescription = name
    self.bytes = ByteBuffer(bytes: bytes)
    self.statuses = statuses
    self.ends = ends
  }

  static let table = smuggled + malformed + oversized + misdirected + halfClosed

  /// What an attacker would have somebody else's request answered with.
  private static let next = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"

  private static func post(_ name: String, _ headers: String, _ body: String = "", _ statuses: [Int] = [400])
    -> HostileRequest
  {
    HostileRequest(
      name, "POST /nowhere HTTP/1.1\r\nHost: test\r\n\(headers)\r\n\r\n\(body)\(next)", statuses, ends: true)
  }

  private static func chunks(_ name: String, _ body: String) -> HostileRequest {
    // The request is answered before its body has come; what follows cannot be told from it any more.
    post(name, "Transfer-Encoding: chunked", body, [404, 400])
  }

  private static let smuggled: [HostileRequest] = [
    post("a length and chunks", "Content-Length: 4\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    post("chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 4", "0\r\n\r\n"),
    post("two lengths", "Content-Length: 4\r\nContent-Length: 5", "abcd"),
    post("the same length twice", "Content-Length: 4\r\nContent-Length: 4", "abcd"),
    post("a list of lengths", "Content-Length: 4, 4", "abcd"),
    post("a length with a plus", "Content-Length: +4", "abcd"),
    post("a negative length", "Content-Length: -4", "abcd"),
    post("a hexadecimal length", "Content-Length: 0x4", "abcd"),
    post("a length of 23 digits", "Content-Length: 99999999999999999999999", "abcd"),
    post("a length of two words", "Content-Length: 4 4", "abcd"),
    post("an empty length", "Content-Length:", "abcd"),
    post("an unknown coding", "Transfer-Encoding: xchunked", "0\r\n\r\n"),
    post("no coding at all", "Transfer-Encoding: identity", "0\r\n\r\n"),
    post("chunks inside something else", "Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
    post("compressed chunks", "Transfer-Encoding: gzip, chunked", "0\r\n\r\n"),
    post("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    post("a coding and nonsense", "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow", "0\r\n\r\n"),
    post("a coding in quotes", "Transfer-Encoding: \"chunked\"", "0\r\n\r\n"),
    post("a space before the colon", "Transfer-Encoding : chunked", "0\r\n\r\n"),
    post("a vertical tab before the coding", "Transfer-Encoding: \u{B}chunked", "0\r\n\r\n"),
    post("a folded field", "Transfer-Encoding:\r\n chunked", "0\r\n\r\n"),
    post("a field behind a bare line feed", "X: a\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    post("a field behind a bare carriage return", "X: a\rTransfer-Encoding: chunked", "0\r\n\r\n"),
    HostileRequest(
      "chunks in HTTP/1.0", "POST /nowhere HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\(next)", [400],
      ends: true),
    chunks("a chunk of more than 2^64 bytes", "FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n"),
    chunks("a negative chunk", "-1\r\nabc\r\n0\r\n\r\n"),
    chunks("a chunk's length with a prefix", "0x3\r\nabc\r\n0\r\n\r\n"),
    chunks("a chunk without an end", "3\r\nabcX0\r\n\r\n"),
    chunks("chunks with bare line feeds", "3\nabc\n0\n\n"),
    chunks("an extension that ends in a bare line feed", "3;a\nabc\r\n0\r\n\r\n"),
    chunks("a length among the trailers", "0\r\nContent-Length: 5\r\n\r\n"),
    chunks("300 trailers", "0\r\n" + String(repeating: "a: b\r\n", count: 300) + "\r\n"),
    chunks("100 000 trailers", "0\r\n" + String(repeating: "a: b\r\n", count: 100_000) + "\r\n"),
    HostileRequest(
      "a request in the body of another",
      "POST /nowhere HTTP/1.1\r\nHost: test\r\nContent-Length: \(next.utf8.count)\r\n\r\n\(next)", [404], ends: false),
    HostileRequest(
      "a request in the body of a GET",
      "GET /healthz HTTP/1.1\r\nHost: test\r\nContent-Length: \(next.utf8.count)\r\n\r\n\(next)", [200], ends: false),
    HostileRequest(
      "a request behind the last", "GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n\(next)", [200],
      ends: true),
    HostileRequest(
      "a request behind a good one, without a host",
      "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n\(next)", [200, 400], ends: true),
    HostileRequest(
      "a request behind a good one, with two codings",
      "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\nPOST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n\(next)",
      [200, 400], ends: true),
  ]

  private static func get(_ name: String, _ headers: String, _ statuses: [Int] = [400]) -> HostileRequest {
    HostileRequest(name, "GET /healthz HTTP/1.1\r\n\(headers)\r\n\r\n\(next)", statuses, ends: true)
  }

  private static func line(_ line: String, _ name: String? = nil) -> HostileRequest {
    HostileRequest(name ?? line, "\(line)\r\nHost: test\r\n\r\n", [400], ends: true)
  }

  private static let malformed: [HostileRequest] = [
    get("no host", "X: a"), get("two hosts", "Host: a\r\nHost: b"),
    get("two hosts in other letters", "Host: a\r\nhOST: a"),
    get("a NUL in a field", "Host: a\r\nX: a\0b"), get("a NUL in a field's name", "Host: a\r\nX\0: a"),
    get("a space in a field's name", "Host: a\r\nX Y: a"), get("a field without a name", "Host: a\r\n: a"),
    get("a field that begins with a space", " Host: a"), get("an escape in a field", "Host: a\r\nX: \u{1B}[31m"),
    get("a delete character in a field", "Host: a\r\nX: \u{7F}"),
    line("get /healthz HTTP/1.1"), line("GET /healthz http/1.1"), line("GET /healthz HTTP/1.2"),
    line("GET /healthz HTTP/0.9"),
    line("GET /healthz HTTP/2.0"), line("GET /healthz HTTP/3"), line("GET /healthz"), line("GET /healthz HTTP/11"),
    line("GET\t/healthz\tHTTP/1.1"), line("GET healthz HTTP/1.1"), line("GET \\healthz HTTP/1.1"), line("GET HTTP/1.1"),
    line("GET /a\0 HTTP/1.1", "a NUL in the target"), line("GET /ä HTTP/1.1"),
    line("\(String(repeating: "A", count: 1000)) / HTTP/1.1", "a method of 1000 letters"),
    line("PRI * HTTP/2.0"), line("SSH-2.0-OpenSSH_9.6"), line("EHLO test"), line("{}"),
    HostileRequest(
      "a TLS handshake", [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03], [400], ends: true),
    HostileRequest("all bytes there are", (0...255).map { UInt8($0) }, [400], ends: true),
  ]

  private static func fields(_ name: String, _ fields: String, _ status: Int = 431) -> HostileRequest {
    HostileRequest(name, "GET /healthz HTTP/1.1\r\nHost: test\r\n\(fields)\r\n", [status], ends: status != 200)
  }

  private static let oversized: [HostileRequest] = [
    fields("255 fields of one name", String(repeating: "a: b\r\n", count: 255), 200),
    fields("256 more fields of one name", String(repeating: "a: b\r\n", count: 256)),
    fields("300 fields", (0..<300).map { "f\($0): b\r\n" }.joined()),
    fields("a field of 16 000 bytes", "a: \(String(repeating: "b", count: 16_000))\r\n", 200),
    fields("a field of 17 000 bytes", "a: \(String(repeating: "b", count: 17_000))\r\n"),
    fields("a field's name of 17 000 bytes", "\(String(repeating: "b", count: 17_000)): a\r\n"),
    fields("20 fields of 1000 bytes", String(repeating: "a: \(String(repeating: "b", count: 1000))\r\n", count: 20)),
    HostileRequest(
      "a target of 17 000 bytes", HTTPText.request("GET /\(String(repeating: "a", count: 17_000)) HTTP/1.1"), [431],
      ends: true),
    HostileRequest(
      "8000 slashes", HTTPText.request("GET \(String(repeating: "/", count: 8000)) HTTP/1.1"), [404], ends: false),
    HostileRequest(
      "5000 parameters", HTTPText.request("GET /parties/main/none?\(String(repeating: "a&", count: 5000)) HTTP/1.1"),
      [404], ends: false),
    HostileRequest(
      "2000 percent signs", HTTPText.request("GET /parties/main/\(String(repeating: "%25", count: 2000)) HTTP/1.1"),
      [404], ends: false),
    HostileRequest(
      "10 000 empty lines", String(repeating: "\r\n", count: 10_000) + HTTPText.request("GET /healthz HTTP/1.1"), [200],
      ends: false),
    HostileRequest(
      "an extension of 100 000 bytes",
      HTTPText.request(
        "POST /nowhere HTTP/1.1", ["Transfer-Encoding: chunked"],
        body: "1;\(String(repeating: "a", count: 100_000))\r\nb\r\n0\r\n\r\n"), [404], ends: false),
  ]

  private static func path(_ target: String, _ status: Int = 404, method: String = "GET", ends: Bool = false)
    -> HostileRequest
  {
    HostileRequest("\(method) \(target)", HTTPText.request("\(method) \(target) HTTP/1.1"), [status], ends: ends)
  }

  private static let misdirected: [HostileRequest] = [
    path("/../../etc/passwd"), path("/parties/../healthz"), path("/parties/main/../../healthz"),
    path("/parties/main/.."),
    path("/parties/main/%2e%2e%2fhealthz"), path("/parties/main/%2561"), path("/parties/main/a%00"),
    path("/healthz%00"),
    path("/healthz#fragment"), path("/HEALTHZ"), path("//healthz", 200), path("/healthz/x"), path("/./healthz"),
    path("/;/healthz"),
    path("file:///etc/passwd"), path("http://elsewhere/healthz", 200), path("*"), path("*", 204, method: "OPTIONS"),
    path("elsewhere:443", method: "CONNECT", ends: true), path("/healthz", 405, method: "CONNECT", ends: true),
    path("/healthz", 405, method: "TRACE"), path("/metrics", 405, method: "DELETE"),
    path("/parties/main/none", 405, method: "PUT"),
    path("/parties/main/none?token=%00&v=%ff&since=-1", 404),
    HostileRequest(
      "an expectation",
      HTTPText.request("POST /nowhere HTTP/1.1", ["Expect: 100-continue", "Content-Length: 1"], body: "a"), [404],
      ends: false),
    HostileRequest(
      "an unknown expectation", HTTPText.request("GET /healthz HTTP/1.1", ["Expect: rain"]), [200], ends: false),
    HostileRequest(
      "an upgrade behind the last request",
      HTTPText.request("GET /healthz HTTP/1.1", ["Connection: close"]) + HTTPText.upgrade("/parties/main/none"), [200],
      ends: true),
    HostileRequest(
      "an upgrade to HTTP/2 of a room",
      HTTPText.request("GET /parties/main/none HTTP/1.1", ["Connection: Upgrade", "Upgrade: h2c"]), [404], ends: true),
    HostileRequest("an upgrade to a path with a fragment", HTTPText.upgrade("/parties/main/a#b"), [404], ends: true),
    HostileRequest("an upgrade in absolute form", HTTPText.upgrade("http://test/parties/main/none"), [404], ends: true),
  ]

  private static func half(_ name: String, _ bytes: String, _ statuses: [Int]) -> HostileRequest {
    var request = HostileRequest(name, bytes, statuses, ends: true)
    request.isHalfClosed = true
    return request
  }

  /// Their clients say that nothing more will come.
  private static let halfClosed: [HostileRequest] = [
    half("nothing", "", []), half("half a line", "GET /hea", [400]),
    half("half a head", "GET /healthz HTTP/1.1\r\nHost: test\r\n", [400]),
    half("a request", HTTPText.request("GET /healthz HTTP/1.1"), [200]),
    half("a request and a half", HTTPText.request("GET /healthz HTTP/1.1") + "GET /h", [200, 400]),
    half("three requests", String(repeating: HTTPText.request("GET /healthz HTTP/1.1"), count: 3), [200, 200, 200]),
    half("half a body", HTTPText.request("POST /nowhere HTTP/1.1", ["Content-Length: 10"], body: "abc"), [404, 400]),
    half(
      "half a chunk", HTTPText.request("POST /nowhere HTTP/1.1", ["Transfer-Encoding: chunked"], body: "5\r\nab"),
      [404, 400]),
  ]
}
