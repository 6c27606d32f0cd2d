import NIOCore
import NIOSSL

/// TLS with a receiver that is known by its name.
///
/// The library takes a certificate for good if it is for the address that was connected to, even if somebody was asked for by
/// name. Addresses have certificates, too: whoever can forge the answer to the lookup of a name would only need one for an
/// address of their own. So the names in the certificate are looked at again.
enum NamedPeer {
  struct Stranger: Error, CustomStringConvertible {
    let host: String
    var description: String { "the certificate is not for \(host)" }
  }

  static func handler(_ context: NIOSSLContext, host: String) throws -> NIOSSLClientHandler {
    // The library checks the address of who is known by nothing else.
    if (try? SocketAddress(ipAddress: host, port: 0)) != nil {
      return try NIOSSLClientHandler(context: context, serverHostname: nil)
    }
    return try NIOSSLClientHandler._makeSSLClientHandler(context: context, serverHostname: host) {
      certificate, channel in
      channel.eventLoop.makeCompletedFuture {
        let names = certificate._subjectAlternativeNames().filter { $0.nameType == .dnsName }
        guard names.contains(where: { Self.isName(String(decoding: $0.contents, as: UTF8.self), of: host) }) else {
          throw Stranger(host: host)
        }
      }
    }
  }

  /// RFC 9525: the same, but for case; or `*` in the place of the first label, with at least two more.
  static func isName(_ pattern: String, of host: String) -> Bool {
    let (pattern, host) = (pattern.lowercased(), host.hasSuffix(".") ? host.dropLast().lowercased() : host.lowercased())
    if pattern == host { return true }
    guard pattern.hasPrefix("*."), let dot = host.firstIndex(of: "."), dot > host.startIndex else { return false }
    let rest = host[dot...].dropFirst()
    return rest.contains(".") && rest == pattern.dropFirst(2)
  }
}
