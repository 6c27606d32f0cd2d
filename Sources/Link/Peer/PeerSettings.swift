package import NIOCore

/// All deadlines and bounds of the connections between processes.
package struct PeerSettings: Sendable {
  /// How long dialing may take. Longer: a peer behind a slow network is still reached; a lost one is noticed later.
  package var connectTimeout = TimeAmount.seconds(1)
  /// From the connection to both proofs, TLS included. Longer: a busy peer still gets through; whoever only occupies a
  /// place does so longer.
  package var handshakeTimeout = TimeAmount.seconds(2)
  /// Accepted connections that have not proved who they are yet. One more is closed at once. More: a whole cluster may
  /// start at one moment; fewer: less memory for strangers, 16 KiB each.
  package var maxPending = 64
  /// How long a peer may be silent before it is asked for a sign of life, and how often it is asked then. Shorter: more
  /// packets on idle connections; longer: `deadAfter` is less exact.
  package var pingInterval = TimeAmount.milliseconds(250)
  /// How long a peer may be silent, although it was asked, before its connection is cut. A multiple of `pingInterval`.
  /// Shorter: sessions move sooner; longer: a pause of the peer, or of the network, cuts nothing.
  package var deadAfter = TimeAmount.seconds(2)
  /// Bytes on their way to one peer, from `send` to the socket; with one more the connection is cut, for a peer that
  /// does not read is dead to us. More: a longer stall is borne, at the price of that much memory for each peer.
  package var maxWaitingBytes = 64 << 20
  /// From here on a connection says that it is overloaded, so that its users can slow down before it is cut.
  package var overloadedBytes = 16 << 20
  /// The first wait before a peer is dialed again. It doubles with each failure, and a random half of it is left out.
  package var minBackoff = TimeAmount.milliseconds(50)
  /// The longest such wait. Longer: fewer attempts at a dead address; shorter: a peer that comes back is found sooner.
  package var maxBackoff = TimeAmount.seconds(2)
  /// How long a peer may take to close its side after a goodbye.
  package var goodbyeGrace = TimeAmount.milliseconds(500)

  package init() {}

  /// The wait after so many failures in a row, at least one.
  ///
  /// - Parameter chance: 0 up to and without 1.
  func backoff(afterFailures failures: Int, chance: Double) -> TimeAmount {
    let doubled = minBackoff.nanoseconds.multipliedReportingOverflow(by: 1 << Int64(min(max(failures, 1) - 1, 32)))
    let longest = min(doubled.overflow ? .max : doubled.partialValue, maxBackoff.nanoseconds)
    return .nanoseconds(longest - Int64(Double(longest / 2) * chance))
  }

  /// For how many looks in a row a peer may be silent.
  var silentTicks: Int64 { max(1, deadAfter.nanoseconds / max(1, pingInterval.nanoseconds)) }
}
