package import Membership
package import Wire

/// Who is told what happens on the connections between processes.
///
/// What concerns one line comes in order, over TCP on its event loop: `connected`, then `received` for each frame, then
/// `disconnected`, once. Different connections may be on different loops, also those of one peer: the news that an old
/// one was replaced can come after the news of the new one. Nothing here may block.
package protocol PeerDelegate: AnyObject, Sendable {
  func connected(_ connection: any PeerLine)
  /// Requests come from whoever dialed, answers from whoever was dialed; pings and goodbyes are dealt with before.
  func received(_ frame: PeerFrame, on connection: any PeerLine)
  func disconnected(_ connection: any PeerLine, _ reason: PeerDisconnection)
  /// No connection came about; there will be another attempt.
  func dialFailed(to address: PeerAddress, _ failure: PeerDialFailure)
}

/// Why dialing came to nothing.
package enum PeerDialFailure: Error, Sendable, Equatable {
  /// The machine is there, and nobody listens: evidence that the process has ended.
  case refused
  case unreachable(String)
  case handshake(PeerHandshakeFailure)
  /// The peer did not finish the handshake in time.
  case tooSlow
  /// The connection ended in the middle of the handshake.
  case broken(String)
  /// Another connection leads to the same process. Reported to nobody; the address is dialed when that one has ended.
  case duplicate
  /// This side closes, or the address is not wanted any more.
  case stopped
}

/// Why a network cannot do what it was asked to.
package enum PeerNetworkError: Error, Equatable, CustomStringConvertible {
  /// Without a secret and without certificates anybody could join.
  case unprotected(PeerAddress)
  case closed

  package var description: String {
    switch self {
    case .unprotected(let address):
      "\(address) is beyond this machine, and neither a secret nor certificates protect the connections between peers"
    case .closed: "the connections between peers are closed"
    }
  }
}
