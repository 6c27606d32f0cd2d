package import Membership
package import RoomCore
package import Wire

/// A line to another process: in the product a connection over TCP, in a simulation a model of one.
package protocol PeerLine: AnyObject, Sendable {
  var peer: PeerHello { get }
  var direction: PeerConnection.Direction { get }
  /// Whether whoever sends should slow down.
  var isOverloaded: Bool { get }

  /// Says nothing about arrival: what is not answered may be lost.
  @discardableResult
  func send(_ frame: PeerFrame) -> PeerConnection.Sending

  /// Closes at once. What waits is lost.
  func cut(_ reason: PeerDisconnection)
}

/// The lines that a process keeps to the others.
package protocol PeerLines: AnyObject, Sendable {
  /// Keeps a line to this address from now on.
  func connect(to address: PeerAddress) throws(PeerNetworkError)

  /// Gives up an address; a line to it ends with a goodbye.
  func disconnect(from address: PeerAddress, reason: String)

  /// The line to the process at this address, if there is one.
  func line(to address: PeerAddress) -> (any PeerLine)?

  /// The line that this process has dialed to that one.
  func line(to node: NodeID) -> (any PeerLine)?
}

extension PeerConnection: PeerLine {}

extension PeerNetwork: PeerLines {
  package func line(to address: PeerAddress) -> (any PeerLine)? { connection(to: address) }
  package func line(to node: NodeID) -> (any PeerLine)? { connection(to: node) }
}
