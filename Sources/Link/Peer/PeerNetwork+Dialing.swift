import CoreMetrics
import Foundation
import Logging
package import Membership
import NIOCore
import NIOPosix
package import RoomCore
import Synchronization
import Wire

extension PeerNetwork {
  /// How things stand with an address that is wanted.
  struct Dial {
    enum Status {
      case waiting(Scheduled<Void>)
      case dialing
      case connected(PeerConnection)
      /// The process behind it is connected by way of another address.
      case duplicate(of: NodeID)
    }

    let number: UInt64
    var failures = 0
    var status = Status.dialing

    func cancel() {
      if case .waiting(let attempt) = status { attempt.cancel() }
    }
  }

  /// Keeps a connection to this address from now on.
  ///
  /// - Throws: if the address is beyond this machine and nothing protects the connection, or the network is closed.
  package func connect(to address: PeerAddress) throws(PeerNetworkError) {
    guard credentials.protect || address.isLoopback else { throw .unprotected(address) }
    let (isClosed, new) = state.withLock { state -> (Bool, DialNumber?) in
      guard !state.isClosed else { return (true, nil) }
      guard state.dials[address] == nil else { return (false, nil) }
      state.lastDial += 1
      state.dials[address] = Dial(number: state.lastDial)
      return (false, DialNumber(address: address, number: state.lastDial))
    }
    if isClosed { throw .closed }
    if let new { dial(new) }
  }

  /// Gives up an address; a connection to it ends with a goodbye.
  package func disconnect(from address: PeerAddress, reason: String) {
    let dial = state.withLock { $0.dials.removeValue(forKey: address) }
    guard let dial else { return }
    dial.cancel()
    if case .connected(let connection) = dial.status { connection.close(reason: reason) }
  }

  /// The connection to the process at this address, if there is one.
  package func connection(to address: PeerAddress) -> PeerConnection? {
    state.withLock { state in
      switch state.dials[address]?.status {
      case .connected(let connection): connection
      case .duplicate(let node): state.outgoing(to: node)
      case .waiting, .dialing, nil: nil
      }
    }
  }

  /// The connection that this process has dialed to that one.
  package func connection(to node: NodeID) -> PeerConnection? { state.withLock { $0.outgoing(to: node) } }

  // MARK: - Attempts

  func dial(_ dial: DialNumber) {
    let isWanted = state.withLock { state in
      guard state.dials[dial.address]?.number == dial.number else { return false }
      state.dials[dial.address]?.status = .dialing
      return true
    }
    guard isWanted else { return }
    let address = dial.address
    let loop = group.next()
    guard credentials.protect || address.isLoopback else {
      return loop.execute { self.dialFailed(.unreachable("nothing protects a connection to \(address)"), dial) }
    }
    ClientBootstrap(group: loop)
      .connectTimeout(settings.connectTimeout)
      .channelOption(.socketOption(.tcp_nodelay), value: 1)
      .channelInitializer { self.configure($0, dial: dial) }
      .connect(host: address.host, port: address.port)
      .whenFailure { self.dialFailed(Self.failure(of: $0), dial) }
  }

  /// Whether a peer that has said who it is shall be connected by this dial. Of two addresses of one process one is
  /// enough.
  func wants(_ peer: PeerHello, _ dial: DialNumber) -> Bool {
    state.withLock { state in
      guard state.dials[dial.address]?.number == dial.number else { return false }
      guard state.outgoing(to: peer.node) != nil else { return true }
      state.dials[dial.address]?.status = .duplicate(of: peer.node)
      return false
    }
  }

  func dialFailed(_ failure: PeerDialFailure, _ dial: DialNumber) {
    switch failure {
    case .duplicate, .stopped: break
    case .refused, .unreachable, .handshake, .tooSlow, .broken:
      metrics.failedDials.increment()
      var isHandshake = false
      if case .handshake(let reason) = failure {
        isHandshake = true
        logger.warning("no connection to \(dial.address): \(reason)")
      } else {
        logger.debug("no connection to \(dial.address): \(failure)")
      }
      guard retry(dial, isHopeless: isHandshake) else { return }
      delegate.dialFailed(to: dial.address, failure)
    }
  }

  /// Dials again after a time, if the address is still wanted.
  ///
  /// - Parameter isHopeless: one side said no, which is not likely to change soon.
  /// - Returns: false if it is not wanted, or waits already.
  @discardableResult
  func retry(_ dial: DialNumber, isHopeless: Bool) -> Bool {
    state.withLock { state in
      guard var entry = state.dials[dial.address], entry.number == dial.number, !state.isClosed else { return false }
      switch entry.status {
      case .waiting, .duplicate: return false
      case .dialing, .connected: break
      }
      entry.failures += 1
      let chance = Double.random(in: 0..<1, using: &state.random)
      let wait = settings.backoff(afterFailures: isHopeless ? .max : entry.failures, chance: chance)
      entry.status = .waiting(group.next().scheduleTask(in: wait) { self.dial(dial) })
      state.dials[dial.address] = entry
      return true
    }
  }

  private static func failure(of error: any Error) -> PeerDialFailure {
    func isRefusal(_ error: any Error) -> Bool { (error as? IOError)?.errnoCode == ECONNREFUSED }
    if isRefusal(error) { return .refused }
    if let error = error as? NIOConnectionError, !error.connectionErrors.isEmpty,
      error.connectionErrors.allSatisfy({ isRefusal($0.error) })
    {
      return .refused
    }
    return .unreachable("\(error)")
  }
}

extension PeerNetwork.State {
  func outgoing(to node: NodeID) -> PeerConnection? {
    for dial in dials.values {
      if case .connected(let connection) = dial.status, connection.peer.node == node, connection.isOpen {
        return connection
      }
    }
    return nil
  }

  /// - Returns: false if the connection is not wanted.
  mutating func connect(_ dial: PeerNetwork.DialNumber, _ connection: PeerConnection) -> Bool {
    guard var entry = dials[dial.address], entry.number == dial.number else { return false }
    switch entry.status {
    case .connected, .duplicate: return false
    case .dialing: break
    case .waiting(let attempt): attempt.cancel()
    }
    entry.status = .connected(connection)
    entry.failures = 0
    dials[dial.address] = entry
    return true
  }

  /// The addresses that waited for a connection to this process to end.
  func takeDuplicates(of node: NodeID) -> [PeerNetwork.DialNumber] {
    dials.compactMap { address, dial in
      guard case .duplicate(node) = dial.status else { return nil }
      return PeerNetwork.DialNumber(address: address, number: dial.number)
    }
  }
}
