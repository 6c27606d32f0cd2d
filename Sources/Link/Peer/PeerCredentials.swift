import NIOSSL
import Synchronization

/// How peers prove that they belong together: a shared secret, certificates, or both. Both may be replaced while the
/// process runs; connections that there are stay.
package final class PeerCredentials: Sendable {
  /// TLS with certificates on both sides, all signed by the cluster's own authority. It is not asked what a certificate
  /// is for: an authority for peers signs nothing else.
  package struct TLS: Sendable {
    let server: NIOSSLContext
    let client: NIOSSLContext

    /// Why files cannot be used.
    package struct Unusable: Error, Equatable, CustomStringConvertible {
      package let description: String
    }

    /// When the process's own certificate ends, in seconds since 1970.
    let expirySeconds: Double

    /// Reads and parses files: not for event loops.
    ///
    /// - Parameters:
    ///   - certificatePath: PEM; the process's own certificate first.
    ///   - keyPath: PEM; its key.
    ///   - authorityPath: PEM; the certificates that sign the peers'.
    package init(certificatePath: String, keyPath: String, authorityPath: String) throws(Unusable) {
      let paths = PeerCertificate.Paths(certificate: certificatePath, key: keyPath, authority: authorityPath)
      try self.init(try paths.read(), from: paths)
    }

    init(_ files: PeerCertificate.Files, from paths: PeerCertificate.Paths) throws(Unusable) {
      do {
        let certificates = try NIOSSLCertificate.fromPEMBytes(files.certificate)
        guard let own = certificates.first else {
          throw Unusable(description: "\(paths.certificate) holds no certificate in PEM form")
        }
        let chain = certificates.map { NIOSSLCertificateSource.certificate($0) }
        let key = NIOSSLPrivateKeySource.privateKey(try NIOSSLPrivateKey(bytes: files.key, format: .pem))
        let authorities = NIOSSLTrustRoots.certificates(try NIOSSLCertificate.fromPEMBytes(files.authority))
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
        self.server = try NIOSSLContext(configuration: server)
        self.client = try NIOSSLContext(configuration: client)
        expirySeconds = Double(own.notValidAfter)
      } catch let error as Unusable {
        throw error
      } catch {
        throw Unusable(
          description:
            "\(paths.certificate), \(paths.key) and \(paths.authority) cannot be used for peers: \(error)")
      }
    }
  }

  struct Current: Sendable {
    var secrets: [[UInt8]]
    var tls: TLS?
  }

  private let current: Mutex<Current>
  /// Where the certificates are from, if from files.
  private let certificate: PeerCertificate?

  /// - Parameters:
  ///   - secrets: the first is what this process proves to know, any is good enough for a peer. A new secret is put
  ///     behind the old one at every process, then before it, and then the old one is taken away.
  ///   - tls: nil for plain TCP.
  package init(secrets: [[UInt8]] = [], tls: TLS? = nil) {
    current = Mutex(Current(secrets: secrets, tls: tls))
    certificate = nil
  }

  /// - Parameter certificate: looked at again by `reload`; nil for plain TCP.
  package init(secrets: [[UInt8]], certificate: PeerCertificate?) {
    current = Mutex(Current(secrets: secrets, tls: certificate?.tls))
    self.certificate = certificate
  }

  /// From the next connection on.
  package func replace(secrets: [[UInt8]], tls: TLS?) {
    current.withLock { $0 = Current(secrets: secrets, tls: tls) }
  }

  /// Looks at the certificate's files, and uses what is new in them from the next connection on, if it can be used. Blocks.
  func reload() -> PeerCertificate.Reloading {
    guard let certificate else { return .unchanged }
    let outcome = certificate.reload()
    if outcome == .replaced { current.withLock { $0.tls = certificate.tls } }
    return outcome
  }

  var now: Current { current.withLock { $0 } }

  /// Whether connections may leave the machine.
  package var protect: Bool { current.withLock { $0.tls != nil || !$0.secrets.isEmpty } }
}
