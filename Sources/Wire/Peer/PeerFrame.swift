public import RoomCore

/// What the processes of one cluster say to one another, one at a time, over a connection.
///
/// Whoever opened the connection is its dialer. Requests go from the dialer to the acceptor, answers the other way,
/// everything else both ways. `docs/peer-protocol.md` says how each frame is written.
public enum PeerFrame: Sendable, Equatable {
  /// Who speaks. The first frame of either side.
  case hello(PeerHello)
  /// The proof that its sender knows the secret.
  case authenticate(mac: [UInt8])
  /// There will be no conversation; the connection closes.
  case refused(PeerRefusal)

  /// What members tell one another about the cluster, in a form of its own.
  case gossip([UInt8])
  /// Asks for a `pong` with the same number.
  case ping(UInt64)
  case pong(UInt64)
  /// The last frame of its sender, who closes the connection in good order.
  case goodbye(reason: String)
  /// An operator wants a slot at a node. The slot's owner tells all others and hands it off; the others leave it alone
  /// for a while, and the node that is named takes it.
  case move(Slot, to: NodeID)

  /// From a session at the dialer to a room at the acceptor.
  case request(room: RoomID, PeerRequest)
  /// Has a room do something for whoever has no session in it, with a `reply` of the same number.
  case ask(number: UInt64, room: RoomID, PeerQuestion)
  /// Asks for a room's state, once, with a `reading` of the same number.
  case read(number: UInt64, room: RoomID)

  case output(PeerOutput)
  /// An operation was not taken, because too much is waiting.
  case full(room: RoomID, session: UInt64, number: UInt64)
  case reading(number: UInt64, PeerReading)
  case reply(number: UInt64, PeerReply)
  /// The acceptor does not serve the room. Which owner it knows of, if it does, is a hint.
  case notOwner(room: RoomID, PeerOwner)
}

/// What a process says about itself before anything else.
public struct PeerHello: Sendable, Equatable {
  public enum Kind: UInt8, Sendable {
    case node = 1
    /// Serves clients and has no rooms.
    case gateway = 2
  }

  /// Tells a peer from whatever else may have connected.
  public static let magic = "stonepot-peer"

  /// The versions of the protocol that it speaks.
  public var versions: ClosedRange<UInt64>
  public var cluster: String
  public var slotCount: UInt64
  public var node: NodeID
  /// The name that it keeps when it starts again.
  public var name: String
  public var kind: Kind
  /// Where it listens for peers, as `host:port`; empty if it does not.
  public var address: String
  /// Drawn at random for this connection.
  public var nonce: [UInt8]
  /// What it can do beyond its versions.
  public var features: [String]
  /// What a later version has to say, as it came. Kept, since the proof covers the whole hello.
  public var laterFields: [UInt8]

  public init(
    versions: ClosedRange<UInt64>, cluster: String, slotCount: UInt64, node: NodeID, name: String, kind: Kind,
    address: String, nonce: [UInt8], features: [String] = [], laterFields: [UInt8] = []
  ) {
    self.versions = versions
    self.cluster = cluster
    self.slotCount = slotCount
    self.node = node
    self.name = name
    self.kind = kind
    self.address = address
    self.nonce = nonce
    self.features = features
    self.laterFields = laterFields
  }
}

/// Why there will be no conversation.
public struct PeerRefusal: Sendable, Equatable {
  /// A later version may know more of them than this one.
  public struct Code: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public static let wrongCluster = Code(rawValue: 1)
    public static let wrongSlotCount = Code(rawValue: 2)
    public static let noCommonVersion = Code(rawValue: 3)
    /// The proof is wrong: another secret, or none.
    public static let badMAC = Code(rawValue: 4)
    /// The process has reached itself.
    public static let itself = Code(rawValue: 5)
    /// What was said is no frame, or not the one that was due.
    public static let malformed = Code(rawValue: 6)
  }

  public let code: Code
  /// A sentence for people.
  public let message: String

  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }
}

/// Which life of which node owns a room's slot, and since which claim, as far as that is known.
public struct PeerOwner: Sendable, Equatable {
  public let epoch: Epoch?
  public let node: NodeID?

  public init(epoch: Epoch?, node: NodeID?) {
    self.epoch = epoch
    self.node = node
  }
}
