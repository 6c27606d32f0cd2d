import NIOSSL
import Synchronization

/// The certificate with which a process speaks TLS to its peers.
package typealias PeerCertificate = ReplaceableFiles<PeerCredentials.TLS>

/// What the processes of a cluster prove to know.
package typealias PeerSecrets = ReplaceableFiles<[[UInt8]]>

/// How peers prove that they belong together: shared secrets, certificates, or both. Both may be replaced while the
/// process runs; connections that there are stay.
package final class PeerCredentials: Sendable {
  /// TLS with certificates on both sides, all signed by the cluster's own authority. It is not asked what a certificate
  /// is for: an authority for peers signs nothing else.
  package struct TLS: Sendable {
    let server: NIOSSLContext
    let client: NIOSSLContext
    /// When the process's own certificate ends, in seconds since 1970.
    let expirySeconds: Double
  }

  struct Current: Sendable {
    /// The first is what this process proves to know, any is good enough for a peer.
    var secrets: [[UInt8]]
    var tls: TLS?
  }

  private let current: Mutex<Current>
  private let secretFile: PeerSecrets?
  private let certificate: PeerCertificate?

  /// - Parameters:
  ///   - secrets: the first is what this process proves to know, any is good enough for a peer. A new secret is put
  ///     behind the old one at every process, then before it, and then the old one is taken away.
  ///   - tls: nil for plain TCP.
  package init(secrets: [[UInt8]] = [], tls: TLS? = nil) {
    current = Mutex(Current(secrets: secrets, tls: tls))
    secretFile = nil
    certificate = nil
  }

  /// - Parameters:
  ///   - secrets: for as long as the process runs, if there is no file of them.
  ///   - certificate: nil for plain TCP.
  package init(secrets: [[UInt8]] = [], secretFile: PeerSecrets? = nil, certificate: PeerCertificate?) {
    current = Mutex(Current(secrets: secretFile?.value ?? secrets, tls: certificate?.value))
    self.secretFile = secretFile
    self.certificate = certificate
  }

  /// From the next connection on.
  package func replace(secrets: [[UInt8]], tls: TLS?) {
    current.withLock { $0 = Current(secrets: secrets, tls: tls) }
  }

  /// Looks at the certificate's files, and uses what is new in them from the next connection on. Blocks.
  func reloadCertificate() -> FileReloading { reload(certificate) { $0.tls = $1 } }

  /// The same for the file with the secrets.
  func reloadSecrets() -> FileReloading { reload(secretFile) { $0.secrets = $1 } }

  private func reload<Value>(
    _ files: ReplaceableFiles<Value>?, _ use: (inout Current, Value) -> Void
  ) -> FileReloading {
    guard let files else { return .unchanged }
    let outcome = files.reload()
    if outcome == .replaced { current.withLock { use(&$0, files.value) } }
    return outcome
  }

  var now: Current { current.withLock { $0 } }

  /// Whether connections may leave the machine.
  package var protect: Bool { current.withLock { $0.tls != nil || !$0.secrets.isEmpty } }
}

extension PeerCertificate {
  /// - Parameters:
  ///   - certificatePath: PEM; the process's own certificate first.
  ///   - keyPath: PEM; its key.
  ///   - authorityPath: PEM; the certificates that sign the peers'.
  package convenience init(
    certificatePath: String, keyPath: String, authorityPath: String
  ) throws(UnusableFiles) {
    try self.init([certificatePath, keyPath, authorityPath]) { contents throws(UnusableFiles) in
      do {
        let certificates = try NIOSSLCertificate.fromPEMBytes(contents[0])
        guard let own = certificates.first else {
          throw UnusableFiles("\(certificatePath) holds no certificate in PEM form")
        }
        let chain = certificates.map { NIOSSLCertificateSource.certificate($0) }
        let key = NIOSSLPrivateKeySource.privateKey(try NIOSSLPrivateKey(bytes: contents[1], format: .pem))
        let authorities = NIOSSLTrustRoots.certificates(try NIOSSLCertificate.fromPEMBytes(contents[2]))
        var server = TLSConfiguration.makeServerConfigurationWithMTLS(
          certificateChain: chain, privateKey: key, trustRoots: authorities)
        server.minimumTLSVersion = .tlsv13
        var client = TLSConfiguration.makeClientConfiguration()
        client.minimumTLSVersion = .tlsv13
        client.certificateChain = chain
        client.privateKey = key
        client.trustRoots = authorities
        // Peers are dialed by addresses that change; who they are is what the authority has signed.
        client.certificateVerification = .noHostnameVerification
        return PeerCredentials.TLS(
          server: try NIOSSLContext(configuration: server), client: try NIOSSLContext(configuration: client),
          expirySeconds: Double(own.notValidAfter))
      } catch let error as UnusableFiles {
        throw error
      } catch {
        throw UnusableFiles(
          "\(certificatePath), \(keyPath) and \(authorityPath) cannot be used for peers: \(error)")
      }
    }
  }
}

extension PeerSecrets {
  /// The shortest secret, in bytes.
  package static var minBytes: Int { 16 }

  /// - Parameter path: a file with a secret a line. The first is what this process proves to know, any is good enough for
  ///   a peer.
  package convenience init(path: String) throws(UnusableFiles) {
    try self.init([path]) { contents throws(UnusableFiles) in
      let lines = contents[0].split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }.map(Array.init)
      guard !lines.isEmpty else { throw UnusableFiles("\(path) holds no secret") }
      guard lines.allSatisfy({ $0.count >= Self.minBytes }) else {
        throw UnusableFiles("\(path) holds a secret of less than \(Self.minBytes) bytes")
      }
      return lines
    }
  }
}
