public import RoomCore

/// What members say to one another.
///
/// Whatever its kind, a message introduces its sender and carries news along: SWIM's piggy-backing (§4.1).
public struct GossipMessage: Hashable, Sendable {
  public enum Body: Hashable, Sendable {
    /// Is `target` there? A life that is not `target` answers for itself.
    case ping(sequence: UInt64, target: NodeID)
    /// `target` is there. Comes from `target`, or from a member that was asked to ping it.
    case ack(sequence: UInt64, target: NodeID)
    /// Please ping `target` for me.
    case pingRequest(sequence: UInt64, target: NodeID, address: PeerAddress)
    /// I have pinged for you and got no answer yet: so I am well (Lifeguard §4.1).
    case nack(sequence: UInt64)
    /// Here is all I know; please answer with all you know.
    case pushPull
    case pushPullReply
    /// I am going.
    case leave
    /// News only.
    case gossip

    /// Whether it comes with all that its sender knows.
    var isState: Bool { self == .pushPull || self == .pushPullReply }
  }

  /// The sender, as it describes itself.
  public let sender: MemberRecord
  public let body: Body
  public let members: [MemberRecord]
  public let ownership: [SlotRecord]

  public init(
    sender: MemberRecord, body: Body, members: [MemberRecord] = [], ownership: [SlotRecord] = []
  ) {
    self.sender = sender
    self.body = body
    self.members = members
    self.ownership = ownership
  }
}
