/// What a frame between processes may hold at most. A frame beyond it is refused by whoever reads it, and cannot be
/// written.
public enum PeerLimits {
  /// Type and body of a frame. A room's state is far smaller; a longer history is sent in parts.
  public static let maxFrameBytes = 16 << 20
  /// The same, of a peer that has not proved who it is.
  public static let maxHandshakeFrameBytes = 16 << 10
  /// The name of a cluster, a node, a participant or an operation, an address, a message for people.
  public static let maxNameBytes = 1024
  public static let maxFeatures = 64
  /// Items of one output.
  public static let maxItems = 1 << 16
  /// Texts of one history.
  public static let maxTexts = 1 << 16
  public static let nonceBytes = 32
  public static let macBytes = 32
}

/// Why bytes are no frame, or a frame cannot become bytes.
public struct PeerFrameError: Error, Equatable, CustomStringConvertible {
  public let reason: String

  public init(_ reason: String) { self.reason = reason }

  public var description: String { reason }
}
