public import RoomCore

/// Where a peer listens for other peers.
public struct PeerAddress: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let host: String
  public let port: Int

  public init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  public static func < (left: PeerAddress, right: PeerAddress) -> Bool {
    (left.host, left.port) < (right.host, right.port)
  }

  public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// One life of a process of the cluster, as it describes itself.
public struct Member: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    /// Owns slots in proportion to its weight. 0: it lives, but shall have none; so is a node that drains.
    case node(weight: Int)
    /// Owns no slots.
    case gateway
  }

  /// A new one for each start of the process.
  public let node: NodeID
  /// The same for all lives of a process. Of two lives of one name the older is dead.
  public let name: String
  public let address: PeerAddress
  public var kind: Kind
  /// The versions of the peer protocol that it speaks.
  public let protocols: ClosedRange<Int>

  /// Weights lie within this, so that scores of two of them can be compared in 64 bits.
  public static let maxWeight = 65_535

  public init(node: NodeID, name: String, address: PeerAddress, kind: Kind, protocols: ClosedRange<Int> = 1...1) {
    if case .node(let weight) = kind {
      precondition((0...Self.maxWeight).contains(weight), "weight \(weight) is outside 0...\(Self.maxWeight)")
    }
    self.node = node
    self.name = name
    self.address = address
    self.kind = kind
    self.protocols = protocols
  }

  public var weight: Int {
    if case .node(let weight) = kind { weight } else { 0 }
  }

  public var isNode: Bool { kind != .gateway }
}

/// What is said of a member. Of two statements about one incarnation the later case counts.
public enum MemberStatus: UInt8, Sendable, Comparable, CaseIterable {
  case alive
  /// It missed a probe, and may still refute that.
  case suspect
  case dead
  /// It said goodbye: there is nothing to suspect.
  case left

  public static func < (left: MemberStatus, right: MemberStatus) -> Bool { left.rawValue < right.rawValue }

  public var isLive: Bool { self == .alive || self == .suspect }
}

/// One statement about a member, as nodes tell one another.
///
/// Statements about one member form a semilattice: `merged` takes the higher incarnation, then the worse status, then
/// the union of the accusers. Whatever the order in which two nodes hear the same statements, they end up with the same.
/// Source: SWIM §4.2, with the order among `dead` and later incarnations of hashicorp/memberlist: a member that is said
/// to be dead may refute it.
public struct MemberRecord: Hashable, Sendable {
  public var member: Member
  public var status: MemberStatus
  /// Raised by the member alone, to refute what is said of it. Begins with the wall clock's milliseconds at the start
  /// of the life, so that a later life of one name has a higher one.
  public var incarnation: UInt64
  /// Who suspects it, in order; at most `maxAccusers`. Empty unless it is suspect.
  public private(set) var accusers: [NodeID]

  public static let maxAccusers = 8

  public init(member: Member, status: MemberStatus, incarnation: UInt64, accusers: [NodeID] = []) {
    self.member = member
    self.status = status
    self.incarnation = incarnation
    self.accusers = status == .suspect ? Array(Set(accusers).sorted().prefix(Self.maxAccusers)) : []
  }

  public var node: NodeID { member.node }

  /// Whether it overrides `other`, a statement about the same member.
  public func overrides(_ other: MemberRecord) -> Bool {
    (incarnation, status.rawValue) > (other.incarnation, other.status.rawValue)
  }

  /// What is known to who has heard both.
  public func merged(with other: MemberRecord) -> MemberRecord {
    precondition(node == other.node, "\(node) and \(other.node) are not one member")
    if overrides(other) { return self }
    if other.overrides(self) { return other }
    return MemberRecord(
      member: member, status: status, incarnation: incarnation, accusers: accusers + other.accusers)
  }

  /// Whether it is of an older life of the name that `other` is of.
  public func isOlderLife(than other: MemberRecord) -> Bool {
    member.name == other.member.name && node != other.node
      && (incarnation, node) < (other.incarnation, other.node)
  }
}
