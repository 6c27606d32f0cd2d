import Foundation
import Synchronization

/// The files with which a process speaks TLS to its peers. They may be replaced while it runs.
///
/// Reading and parsing block: make one, and reload it, off the event loops.
package final class PeerCertificate: Sendable {
  struct Paths: Sendable {
    let certificate: String
    let key: String
    let authority: String

    func read() throws(PeerCredentials.TLS.Unusable) -> Files {
      Files(
        certificate: try Self.bytes(of: certificate), key: try Self.bytes(of: key),
        authority: try Self.bytes(of: authority))
    }

    private static func bytes(of path: String) throws(PeerCredentials.TLS.Unusable) -> [UInt8] {
      do {
        return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
      } catch {
        throw PeerCredentials.TLS.Unusable(
          description: "\(path) cannot be read for peers: \(error.localizedDescription)")
      }
    }
  }

  /// What is in them.
  struct Files: Equatable, Sendable {
    let certificate: [UInt8]
    let key: [UInt8]
    let authority: [UInt8]
  }

  enum Reloading: Equatable, Sendable {
    /// The files are as they were when they were last looked at, usable or not.
    case unchanged
    case replaced
    case refused(PeerCredentials.TLS.Unusable)
  }

  private struct State {
    var tls: PeerCredentials.TLS
    var seen: Result<Files, PeerCredentials.TLS.Unusable>
  }

  private let paths: Paths
  private let state: Mutex<State>

  /// - Parameters:
  ///   - certificatePath: PEM; the process's own certificate first.
  ///   - keyPath: PEM; its key.
  ///   - authorityPath: PEM; the certificates that sign the peers'.
  package init(
    certificatePath: String, keyPath: String, authorityPath: String
  ) throws(PeerCredentials.TLS.Unusable) {
    paths = Paths(certificate: certificatePath, key: keyPath, authority: authorityPath)
    let files = try paths.read()
    state = Mutex(State(tls: try PeerCredentials.TLS(files, from: paths), seen: .success(files)))
  }

  /// What was last read that could be used.
  var tls: PeerCredentials.TLS { state.withLock { $0.tls } }

  /// Looks at the files, and uses what is new in them if it can be used.
  func reload() -> Reloading {
    state.withLock { state in
      let files = Result { () throws(PeerCredentials.TLS.Unusable) in try paths.read() }
      guard files != state.seen else { return .unchanged }
      state.seen = files
      do throws(PeerCredentials.TLS.Unusable) {
        state.tls = try PeerCredentials.TLS(try files.get(), from: paths)
        return .replaced
      } catch {
        return .refused(error)
      }
    }
  }
}
