package import Link
package import RoomCore

/// What the HTTP face says of the cluster, and has done in it for an operator.
package protocol ClusterDesk: Sendable {
  /// How this process sees the cluster, as JSON.
  ///
  /// - Parameter sessions: of this process's own clients.
  func report(sessions: Int) -> [UInt8]

  /// Who owns each slot, as JSON.
  func slots() -> [UInt8]

  /// Hands all slots off, and takes none.
  func drain() throws(OperatorRefusal)

  /// Takes slots again.
  func endDrain() throws(OperatorRefusal)

  /// Has a slot handed to the node of this name.
  func move(_ slot: Slot, to name: String) throws(OperatorRefusal)
}
