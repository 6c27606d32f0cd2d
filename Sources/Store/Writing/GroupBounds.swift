/// How much one transaction takes, and how much may wait for the next one.
public struct GroupBounds: Sendable {
  /// Most commits in one transaction, 1024 by default. More of them share an fsync; fewer wait less for one another.
  public var groupRows = 1024
  /// Most text in one transaction, 4 MiB by default; a commit larger than that goes alone.
  public var groupBytes = 4 << 20
  /// Most writes waiting for the writer, 65 536 by default; beyond that commits and whatever else holds text fail at
  /// once and may be retried. More absorbs longer stalls; fewer tells clients sooner.
  public var queueRows = 65_536
  /// Most text waiting for the writer, 256 MiB by default; beyond it, the same.
  public var queueBytes = 256 << 20

  public init() {}
}
