package import Link
import NIOCore
import NIOSSL

/// The certificate and the key that new connections are served with.
package typealias ServerCertificate = ReplaceableFiles<ServerTLS>

/// What a handshake with a client needs.
package struct ServerTLS: Sendable {
  let context: NIOSSLContext
  /// When the certificate ends, in seconds since 1970.
  let expirySeconds: Double
}

extension ServerCertificate {
  /// - Parameters:
  ///   - certificatePath: a PEM file, the server's own certificate first, then those that lead to a root.
  ///   - keyPath: a PEM file with the key, not encrypted.
  package convenience init(certificatePath: String, keyPath: String) throws(UnusableFiles) {
    try self.init([certificatePath, keyPath]) { contents throws(UnusableFiles) in
      let chain = try parsed(certificatePath, "certificate") { try NIOSSLCertificate.fromPEMBytes(contents[0]) }
      guard let own = chain.first else { throw UnusableFiles("\(certificatePath) holds no certificate in PEM form") }
      let key = try parsed(keyPath, "key that is not encrypted") {
        try NIOSSLPrivateKey(bytes: contents[1], format: .pem)
      }
      var configuration = TLSConfiguration.makeServerConfiguration(
        certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
      configuration.minimumTLSVersion = .tlsv12
      // Closing need not wait for the peer's word (RFC 8446 section 6.1), and many a client just hangs up without one.
      configuration.shutdownTimeout = .milliseconds(200)
      configuration.applicationProtocols = [ApplicationProtocol.http2, ApplicationProtocol.http1]
      do {
        return ServerTLS(
          context: try NIOSSLContext(configuration: configuration), expirySeconds: Double(own.notValidAfter))
      } catch {
        throw UnusableFiles("the key \(keyPath) does not go with the certificate \(certificatePath): \(error)")
      }
    }
  }
}

private func parsed<Value>(_ path: String, _ what: String, _ parse: () throws -> Value) throws(UnusableFiles) -> Value {
  do {
    return try parse()
  } catch {
    throw UnusableFiles("\(path) holds no \(what) in PEM form: \(error)")
  }
}

/// Names by which client and server agree on a protocol in the handshake (ALPN, RFC 7301).
enum ApplicationProtocol {
  static let http1 = "http/1.1"
  static let http2 = "h2"
}
