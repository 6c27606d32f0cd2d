/// Who can be reached at an address of the Internet Protocol: decides whether a tenant may have this process connect to it.
///
/// A receiver's name is anybody's to choose and may lead anywhere, so an address is taken for public only if it can be
/// nothing else: of IPv6 that is what has been given out for global unicast (`2000::/3`), without the ranges for special
/// purposes (RFC 6890 and its registry). An IPv6 address that carries an IPv4 address is what that one is.
package enum AddressKind: Sendable, Equatable {
  case global
  /// Of this machine, or of a network that is somebody's own.
  case local
  /// Nobody's whom one could post to: unspecified, multicast, reserved; and link-local, where clouds keep the keys of
  /// their machines.
  case unusable

  /// - Parameter bytes: 4 or 16, as they go over the network.
  package init(_ bytes: [UInt8]) {
    switch bytes.count {
    case 4: self = Self.kind(v4: bytes)
    case 16: self = Self.kind(v6: bytes)
    default: preconditionFailure("an address of \(bytes.count) bytes")
    }
  }

  /// The first bits of an address.
  private struct Range {
    let bytes: [UInt8]
    let bits: Int

    init(_ bytes: UInt8..., bits: Int) {
      self.bytes = bytes
      self.bits = bits
    }

    func contains(_ address: [UInt8]) -> Bool {
      for bit in 0..<bits {
        let mask = 0x80 as UInt8 >> UInt8(bit % 8)
        let wanted = bit / 8 < bytes.count ? bytes[bit / 8] : 0
        guard address[bit / 8] & mask == wanted & mask else { return false }
      }
      return true
    }
  }

  private static let localV4 = [
    Range(10, bits: 8), Range(100, 64, bits: 10), Range(127, bits: 8), Range(172, 16, bits: 12),
    Range(192, 168, bits: 16), Range(198, 18, bits: 15),
  ]

  /// This network, link-local, protocol assignments, documentation, the relays of 6to4, multicast, reserved.
  private static let unusableV4 = [
    Range(0, bits: 8), Range(169, 254, bits: 16), Range(192, 0, 0, bits: 24), Range(192, 0, 2, bits: 24),
    Range(192, 88, 99, bits: 24), Range(198, 51, 100, bits: 24), Range(203, 0, 113, bits: 24), Range(224, bits: 4),
    Range(240, bits: 4),
  ]

  private static func kind(v4 address: [UInt8]) -> AddressKind {
    if unusableV4.contains(where: { $0.contains(address) }) { return .unusable }
    return localV4.contains { $0.contains(address) } ? .local : .global
  }

  private static let mapped = Range(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, bits: 96)
  private static let nat64 = Range(0, 0x64, 0xFF, 0x9B, bits: 96)
  private static let sixToFour = Range(0x20, 0x02, bits: 16)
  private static let loopback = Range(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, bits: 128)
  private static let uniqueLocal = Range(0xFC, bits: 7)
  private static let globalUnicast = Range(0x20, bits: 3)

  /// Protocol assignments with Teredo among them, and documentation.
  private static let unusableV6 = [
    Range(0x20, 0x01, 0x00, bits: 23), Range(0x20, 0x01, 0x0D, 0xB8, bits: 32), Range(0x3F, 0xFF, bits: 20),
  ]

  private static func kind(v6 address: [UInt8]) -> AddressKind {
    if mapped.contains(address) || nat64.contains(address) { return kind(v4: Array(address[12...])) }
    if sixToFour.contains(address) { return kind(v4: Array(address[2..<6])) }
    if loopback.contains(address) || uniqueLocal.contains(address) { return .local }
    guard globalUnicast.contains(address), !unusableV6.contains(where: { $0.contains(address) }) else {
      return .unusable
    }
    return .global
  }
}
