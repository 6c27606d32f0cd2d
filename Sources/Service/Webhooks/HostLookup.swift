import Foundation
package import NIOCore

/// Finds the addresses of a host. Blocks.
enum HostLookup {
  static func addresses(of host: String, port: Int) throws(AttemptFailure) -> [SocketAddress] {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, "\(port)", &hints, &list)
    guard code == 0 else { throw .unresolved(String(cString: gai_strerror(code))) }
    defer { freeaddrinfo(list) }
    var addresses: [SocketAddress] = []
    var next = list
    while let entry = next?.pointee {
      let address = UnsafeRawPointer(entry.ai_addr)
      switch entry.ai_family {
      case AF_INET: addresses += address.map { [SocketAddress($0.load(as: sockaddr_in.self))] } ?? []
      case AF_INET6: addresses += address.map { [SocketAddress($0.load(as: sockaddr_in6.self))] } ?? []
      default: break
      }
      next = entry.ai_next
    }
    return addresses
  }
}

extension SocketAddress {
  /// As they go over the network: 4 or 16; nil if it is no address of the Internet Protocol.
  package var addressBytes: [UInt8]? {
    switch self {
    case .v4(let address): withUnsafeBytes(of: address.address.sin_addr) { Array($0) }
    case .v6(let address): withUnsafeBytes(of: address.address.sin6_addr) { Array($0) }
    case .unixDomainSocket: nil
    }
  }
}
