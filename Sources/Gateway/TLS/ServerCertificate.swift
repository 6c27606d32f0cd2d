package import Foundation
import NIOCore
import NIOSSL
import Synchronization

/// The certificate and the key that new connections are served with. Both files may be replaced while the server runs.
///
/// Reading and parsing block: make one, and reload it, off the event loops.
package final class ServerCertificate: Sendable {
  /// Why two files cannot be used.
  package struct Unusable: Error, Equatable, CustomStringConvertible {
    package let description: String
  }

  package enum Reloading: Equatable, Sendable {
    /// The files are as they were when they were last looked at, usable or not.
    case unchanged
    case replaced
    case refused(Unusable)
  }

  /// What is in the two files.
  private enum Content: Equatable {
    case read(certificate: [UInt8], key: [UInt8])
    case unreadable(Unusable)
  }

  /// What a handshake needs.
  private struct Loaded {
    let context: NIOSSLContext
    let expiry: Date
  }

  private let certificatePath: String
  private let keyPath: String
  private let loaded: Mutex<Loaded>
  /// Locked while files are read and parsed, so that two reloads cannot overtake one another.
  private let seen: Mutex<Content>

  /// - Parameters:
  ///   - certificatePath: a PEM file, the server's own certificate first, then those that lead to a root.
  ///   - keyPath: a PEM file with the key, not encrypted.
  package init(certificatePath: String, keyPath: String) throws(Unusable) {
    self.certificatePath = certificatePath
    self.keyPath = keyPath
    let content = Self.read(certificatePath: certificatePath, keyPath: keyPath)
    loaded = Mutex(try Self.load(content, certificatePath: certificatePath, keyPath: keyPath))
    seen = Mutex(content)
  }

  /// When the certificate ends.
  package var expiry: Date { loaded.withLock { $0.expiry } }

  /// For the handshake of a new connection; those that there are keep theirs.
  var context: NIOSSLContext { loaded.withLock { $0.context } }

  /// Looks at the files, and uses what is new in them if it can be used.
  package func reload() -> Reloading {
    seen.withLock { seen in
      let content = Self.read(certificatePath: certificatePath, keyPath: keyPath)
      guard content != seen else { return .unchanged }
      seen = content
      do throws(Unusable) {
        let new = try Self.load(content, certificatePath: certificatePath, keyPath: keyPath)
        loaded.withLock { $0 = new }
        return .replaced
      } catch {
        return .refused(error)
      }
    }
  }

  private static func read(certificatePath: String, keyPath: String) -> Content {
    do throws(Unusable) {
      return .read(
        certificate: try bytes(of: certificatePath, "certificate"), key: try bytes(of: keyPath, "key"))
    } catch {
      return .unreadable(error)
    }
  }

  private static func bytes(of path: String, _ what: String) throws(Unusable) -> [UInt8] {
    do {
      return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    } catch {
      throw Unusable(description: "the TLS \(what) \(path) cannot be read: \(error.localizedDescription)")
    }
  }

  private static func load(
    _ content: Content, certificatePath: String, keyPath: String
  ) throws(Unusable) -> Loaded {
    switch content {
    case .unreadable(let reason): throw reason
    case .read(let certificate, let key):
      guard let chain = try? NIOSSLCertificate.fromPEMBytes(certificate), let own = chain.first else {
        throw Unusable(description: "\(certificatePath) holds no certificate in PEM form")
      }
      guard let privateKey = try? NIOSSLPrivateKey(bytes: key, format: .pem) else {
        throw Unusable(description: "\(keyPath) holds no key in PEM form, or an encrypted one")
      }
      var configuration = TLSConfiguration.makeServerConfiguration(
        certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(privateKey))
      configuration.minimumTLSVersion = .tlsv12
      // Closing need not wait for the peer's word (RFC 8446 section 6.1), and many a client just hangs up without one.
      configuration.shutdownTimeout = .milliseconds(200)
      configuration.applicationProtocols = [ApplicationProtocol.http2, ApplicationProtocol.http1]
      do {
        return Loaded(
          context: try NIOSSLContext(configuration: configuration),
          expiry: Date(timeIntervalSince1970: Double(own.notValidAfter)))
      } catch {
        throw Unusable(description: "the key \(keyPath) does not go with the certificate \(certificatePath): \(error)")
      }
    }
  }
}

/// Names by which client and server agree on a protocol in the handshake (ALPN, RFC 7301).
enum ApplicationProtocol {
  static let http1 = "http/1.1"
  static let http2 = "h2"
}
