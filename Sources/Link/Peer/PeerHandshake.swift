import Crypto
import RoomCore
package import Wire

/// The beginning of a connection between processes, as a value: frames in, directives out.
///
/// Each side says hello with a nonce of its own, and then proves that it knows the secret by an HMAC over its role and
/// both hellos, nonces included. So a proof is of no use on any other connection, nor when sent back to its author, and
/// nobody in between can change what either side said, such as its versions. The dialer proves first: whoever merely
/// connects learns nothing but a hello.
struct PeerHandshake {
  enum Role: UInt8 {
    case dialer = 1
    case acceptor = 2
  }

  enum Directive: Equatable {
    case send(PeerFrame)
    /// The peer says that it is this one; nothing is proved, and this side has said no more than its hello.
    case identified(PeerHello)
    case established(PeerHello, version: UInt64)
    /// To be closed, once everything before has been sent.
    case fail(PeerHandshakeFailure)
  }

  private enum State {
    case idle
    case awaitingHello
    case awaitingProof(of: PeerHello, version: UInt64)
    case over
  }

  let role: Role
  let own: PeerHello
  private let secrets: [[UInt8]]
  private var state = State.idle

  /// - Parameter secrets: the first is this side's own, any is good enough for the peer. Without any, the proof shows
  ///   only that the peer has none either.
  init(_ role: Role, own: PeerHello, secrets: [[UInt8]]) {
    self.role = role
    self.own = own
    self.secrets = secrets.isEmpty ? [[]] : secrets
  }

  mutating func start() -> [Directive] {
    guard case .idle = state else { preconditionFailure("a handshake starts twice") }
    state = .awaitingHello
    return role == .dialer ? [.send(.hello(own))] : []
  }

  mutating func receive(_ frame: PeerFrame) -> [Directive] {
    switch (state, frame) {
    case (.awaitingHello, .hello(let peer)): return greet(peer)
    case (.awaitingProof(let peer, let version), .authenticate(let mac)): return check(mac, of: peer, version)
    case (.idle, _), (.over, _): return []
    case (_, .refused(let refusal)):
      state = .over
      return [.fail(.refusedByPeer(refusal))]
    default: return refuse(PeerRefusal(.malformed, "this frame is not due in a handshake"))
    }
  }

  /// The bytes were no frame.
  mutating func receive(_ error: PeerFrameError) -> [Directive] {
    if case .over = state { return [] }
    return refuse(PeerRefusal(.malformed, error.reason))
  }

  private mutating func greet(_ peer: PeerHello) -> [Directive] {
    switch judge(peer) {
    case .failure(let refusal): return refuse(refusal)
    case .success(let version):
      state = .awaitingProof(of: peer, version: version)
      let answer: PeerFrame =
        role == .dialer ? .authenticate(mac: mac(of: .dialer, with: secrets[0], peer)) : .hello(own)
      return [.identified(peer), .send(answer)]
    }
  }

  /// The highest version that both speak, or why there will be no conversation.
  private func judge(_ peer: PeerHello) -> Result<UInt64, PeerRefusal> {
    guard peer.node != own.node, peer.nonce != own.nonce else {
      return .failure(PeerRefusal(.itself, "the connection leads back to where it came from"))
    }
    let version = min(peer.versions.upperBound, own.versions.upperBound)
    guard version >= max(peer.versions.lowerBound, own.versions.lowerBound) else {
      return .failure(
        PeerRefusal(.noCommonVersion, "versions \(own.versions) are spoken here, and \(peer.versions) there"))
    }
    guard peer.cluster == own.cluster else {
      return .failure(PeerRefusal(.wrongCluster, "this is cluster '\(own.cluster)', and not '\(peer.cluster)'"))
    }
    guard peer.slotCount == own.slotCount else {
      return .failure(PeerRefusal(.wrongSlotCount, "there are \(own.slotCount) slots, and not \(peer.slotCount)"))
    }
    return .success(version)
  }

  private mutating func check(_ proof: [UInt8], of peer: PeerHello, _ version: UInt64) -> [Directive] {
    let other: Role = role == .dialer ? .acceptor : .dialer
    let transcript = transcript(of: other, peer)
    let secret = secrets.first { secret in
      // Compares in constant time.
      HMAC<SHA256>.isValidAuthenticationCode(proof, authenticating: transcript, using: SymmetricKey(data: secret))
    }
    guard let secret else { return refuse(PeerRefusal(.badMAC, "the proof is wrong: is the secret the same?")) }
    state = .over
    switch role {
    case .dialer: return [.established(peer, version: version)]
    case .acceptor:
      // With the secret that the dialer knows, which may be an old one or a new one.
      let mac = mac(of: .acceptor, with: secret, peer)
      return [.send(.authenticate(mac: mac)), .established(peer, version: version)]
    }
  }

  private mutating func refuse(_ refusal: PeerRefusal) -> [Directive] {
    state = .over
    return [.send(.refused(refusal)), .fail(.refusedByUs(refusal))]
  }

  private func mac(of role: Role, with secret: [UInt8], _ peer: PeerHello) -> [UInt8] {
    Array(
      HMAC<SHA256>.authenticationCode(for: transcript(of: role, peer), using: SymmetricKey(data: secret)))
  }

  /// What the side of this role proves to have seen.
  private func transcript(of role: Role, _ peer: PeerHello) -> [UInt8] {
    let (dialer, acceptor) = self.role == .dialer ? (own, peer) : (peer, own)
    var writer = BinaryWriter(reservingBytes: 512)
    writer.write("stonepot-peer-proof-1")
    writer.write(byte: role.rawValue)
    writer.write(bytes: dialer.body)
    writer.write(bytes: acceptor.body)
    return writer.bytes
  }
}

/// Why a handshake came to nothing.
package enum PeerHandshakeFailure: Error, Equatable, Sendable, CustomStringConvertible {
  case refusedByUs(PeerRefusal)
  case refusedByPeer(PeerRefusal)

  package var description: String {
    switch self {
    case .refusedByUs(let refusal): "refused: \(refusal.message)"
    case .refusedByPeer(let refusal): "refused by the peer: \(refusal.message)"
    }
  }
}

extension PeerRefusal: Error {}
