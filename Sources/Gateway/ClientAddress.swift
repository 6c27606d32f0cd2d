import Foundation
import NIOCore

extension SocketAddress {
  /// Whom limits by address count: an IPv4 address, or the first 64 bits of an IPv6 address, all of which one household
  /// has. Nil for what has no address.
  var household: String? {
    guard case .v6 = self, let text = ipAddress else { return ipAddress }
    var bytes = [UInt8](repeating: 0, count: 16)
    guard inet_pton(AF_INET6, text, &bytes) == 1 else { return text }
    // An IPv4 client of a socket that takes both (RFC 4291 section 2.5.5.2).
    if bytes.prefix(10).allSatisfy({ $0 == 0 }), bytes[10] == 0xFF, bytes[11] == 0xFF {
      return bytes.suffix(4).map { "\($0)" }.joined(separator: ".")
    }
    return stride(from: 0, to: 8, by: 2).map { index in
      String(UInt16(bytes[index]) << 8 | UInt16(bytes[index + 1]), radix: 16)
    }.joined(separator: ":")
  }
}
