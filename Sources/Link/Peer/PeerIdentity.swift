package import Membership
package import RoomCore
package import Wire

/// What this process says of itself to its peers.
package struct PeerIdentity: Sendable {
  /// The versions of the protocol that this program speaks.
  package static let versions: ClosedRange<UInt64> = 1...1

  package var cluster: String
  package var slotCount: Int
  package var node: NodeID
  package var name: String
  package var kind: PeerHello.Kind
  /// Where others reach it, as `host:port`; empty if it takes no connections.
  package var address: String
  package var features: [String]
  package var versions: ClosedRange<UInt64>

  package init(
    cluster: String, slotCount: Int = Slot.count, node: NodeID, name: String, kind: PeerHello.Kind,
    address: String = "", features: [String] = [], versions: ClosedRange<UInt64> = Self.versions
  ) {
    self.cluster = cluster
    self.slotCount = slotCount
    self.node = node
    self.name = name
    self.kind = kind
    self.address = address
    self.features = features
    self.versions = versions
  }

  func hello(nonce: [UInt8]) -> PeerHello {
    PeerHello(
      versions: versions, cluster: cluster, slotCount: UInt64(slotCount), node: node, name: name, kind: kind,
      address: address, nonce: nonce, features: features)
  }
}

extension PeerAddress {
  /// `host:port`, or `[address]:port` for IPv6.
  package init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    guard !host.isEmpty else { return nil }
    self.init(host: String(host), port: Int(port))
  }

  /// Whether nobody outside of this machine is meant. A name counts as elsewhere, but for `localhost`.
  package var isLoopback: Bool {
    if host == "localhost" || host == "::1" { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }
}
