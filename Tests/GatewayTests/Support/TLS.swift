import Foundation
import Gateway
import NIOCore
import NIOSSL
import TestSupport
import Testing

/// A certificate for `localhost`, signed by itself, and its key.
struct TestCertificate: Sendable {
  let certificate: String
  let key: String

  static func make(_ name: String, in directory: TemporaryDirectory) async throws -> TestCertificate {
    let made = TestCertificate(certificate: directory.file("\(name).pem"), key: directory.file("\(name).key"))
    let openssl = try ChildProcess(
      "/usr/bin/openssl",
      [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout",
        made.key, "-out", made.certificate, "-subj", "/CN=\(name)", "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
      ])
    let result = try await openssl.result()
    try #require(result.exit == .code(0), "\(result.errors)")
    return made
  }

  /// Puts this one's files where the other's are.
  func replace(_ other: TestCertificate) throws {
    try Self.copy(certificate, to: other.certificate)
    try Self.copy(key, to: other.key)
  }

  static func copy(_ path: String, to target: String) throws {
    try Data(contentsOf: URL(fileURLWithPath: path)).write(to: URL(fileURLWithPath: target), options: .atomic)
  }
}

/// Certificates of one authority, as the processes of a cluster show one another.
struct TestAuthority: Sendable {
  let authority: String
  let certificate: String
  let key: String

  /// The three options with which a process takes part.
  var arguments: [String] {
    ["--peer-certificate", certificate, "--peer-key", key, "--peer-authority", authority]
  }

  static func make(_ name: String, in directory: TemporaryDirectory) async throws -> TestAuthority {
    func file(_ suffix: String) -> String { directory.file("\(name)-\(suffix)") }
    let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    try await openssl(
      ["req", "-x509"] + newKey
        + ["-days", "2", "-keyout", file("ca.key"), "-out", file("ca.pem"), "-subj", "/CN=\(name)"])
    try await openssl(
      ["req"] + newKey + ["-keyout", file("peer.key"), "-out", file("peer.csr"), "-subj", "/CN=peer of \(name)"])
    try await openssl([
      "x509", "-req", "-in", file("peer.csr"), "-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial",
      "-days", "2", "-out", file("peer.pem"),
    ])
    return TestAuthority(authority: file("ca.pem"), certificate: file("peer.pem"), key: file("peer.key"))
  }

  private static func openssl(_ arguments: [String]) async throws {
    let result = try await ChildProcess("/usr/bin/openssl", arguments).result()
    try #require(result.exit == .code(0), "\(result.errors)")
  }

  /// Puts this one's files where the other's are.
  func replace(_ other: TestAuthority) throws {
    for (file, target) in [(authority, other.authority), (certificate, other.certificate), (key, other.key)] {
      try TestCertificate.copy(file, to: target)
    }
  }
}

/// Runs a server with a certificate of its own.
func withTLSServer(
  _ configure: (inout TestSettings) -> Void = { _ in },
  _ body: (TestServer, TestCertificate, TemporaryDirectory) async throws -> Void
) async throws {
  let directory = try TemporaryDirectory()
  let certificate = try await TestCertificate.make("server", in: directory)
  let loaded = try ServerCertificate(certificatePath: certificate.certificate, keyPath: certificate.key)
  try await withServer {
    $0.gateway.certificate = loaded
    configure(&$0)
  } _: { server async throws in
    try await body(server, certificate, directory)
  }
}

/// How a client speaks TLS.
struct ClientTLS {
  /// The one certificate that it trusts.
  var trusted: String
  var protocols: [String] = []

  func context() throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.trustRoots = .file(trusted)
    configuration.applicationProtocols = protocols
    return try NIOSSLContext(configuration: configuration)
  }
}

/// One request by an independent client.
enum Curl {
  struct Response {
    let version: String
    let status: Int
    /// Head and body.
    let text: String
  }

  struct Failed: Error {
    let errors: String
  }

  static func get(_ url: String, trusting certificate: String, _ arguments: [String] = []) async throws -> Response {
    let marker = "\n-- "
    let curl = try ChildProcess(
      "/usr/bin/curl",
      ["-sS", "-i", "--cacert", certificate, "-w", marker + "%{http_version} %{http_code}\n"] + arguments + [url])
    let result = try await curl.result()
    guard result.exit == .code(0), let end = result.output.range(of: marker, options: .backwards) else {
      throw Failed(errors: result.errors)
    }
    let words = result.output[end.upperBound...].split(whereSeparator: \.isWhitespace)
    return Response(
      version: String(words[0]), status: Int(words[1]) ?? 0, text: String(result.output[..<end.lowerBound]))
  }
}

/// Frames of HTTP/2 (RFC 9113), made by hand: says what no polite client would.
struct HTTP2Frames {
  struct Frame {
    let type: UInt8
    let flags: UInt8
    let stream: UInt32
    let payload: [UInt8]
  }

  static let (data, headers, reset, settings, goAway) = (0 as UInt8, 1 as UInt8, 3 as UInt8, 4 as UInt8, 7 as UInt8)
  static let (endStream, acknowledged, endHeaders) = (1 as UInt8, 1 as UInt8, 4 as UInt8)

  /// What a client begins with: the preface and settings that change nothing.
  static let start = ByteBuffer(
    bytes: Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + frame(settings, stream: 0, []))

  static func frame(_ type: UInt8, flags: UInt8 = 0, stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
    let count = UInt32(payload.count)
    let length = [UInt8(truncatingIfNeeded: count >> 16), UInt8(truncatingIfNeeded: count >> 8), UInt8(count & 255)]
    return length + [type, flags] + (0..<4).map { UInt8(truncatingIfNeeded: stream >> (24 - 8 * $0)) } + payload
  }

  /// A GET in one frame.
  static func get(
    _ path: String, stream: UInt32, fields: [(String, String)] = [], isWhole: Bool = true
  ) -> ByteBuffer {
    // HPACK (RFC 7541): GET and https from the table, everything else as it stands.
    var block: [UInt8] = [0x82, 0x87, 0x04] + text(path) + [0x01] + text("localhost")
    for (name, value) in fields { block += [0x00] + text(name) + text(value) }
    return ByteBuffer(bytes: frame(headers, flags: endHeaders | (isWhole ? endStream : 0), stream: stream, block))
  }

  private static func text(_ text: String) -> [UInt8] {
    let count = text.utf8.count
    var bytes: [UInt8] = []
    if count < 127 {
      bytes.append(UInt8(count))
    } else {
      bytes.append(127)
      var rest = count - 127
      while rest >= 128 {
        bytes.append(UInt8(rest & 127) | 128)
        rest >>= 7
      }
      bytes.append(UInt8(rest))
    }
    return bytes + text.utf8
  }
}

extension RawConnection {
  /// The next HTTP/2 frame; nil when the connection has ended.
  func frame() async throws -> HTTP2Frames.Frame? {
    try await take("an HTTP/2 frame") { buffer, isEnded -> HTTP2Frames.Frame?? in
      let start = buffer.readerIndex
      guard let head = buffer.getBytes(at: start, length: 9) else { return isEnded ? .some(nil) : nil }
      let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
      guard let payload = buffer.getBytes(at: start + 9, length: length) else { return isEnded ? .some(nil) : nil }
      buffer.moveReaderIndex(forwardBy: 9 + length)
      let stream = head[5...].reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
      return HTTP2Frames.Frame(type: head[3], flags: head[4], stream: stream, payload: payload)
    }
  }

  /// All frames until the connection ends.
  func framesToEnd() async throws -> [HTTP2Frames.Frame] {
    var frames: [HTTP2Frames.Frame] = []
    while let frame = try await frame() { frames.append(frame) }
    return frames
  }
}
