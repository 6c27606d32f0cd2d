import Membership
import NIOCore
import RoomCore
import Testing
import Wire

@testable import Link

@Suite("The handshake between processes")
struct PeerHandshakeTests {
  private func hello(
    _ node: String, cluster: String = "c", slots: Int = 8, versions: ClosedRange<UInt64> = 1...1, nonce: UInt8? = nil
  ) -> PeerHello {
    PeerIdentity(
      cluster: cluster, slotCount: slots, node: NodeID(node), name: node, kind: .node, versions: versions
    ).hello(nonce: Array(repeating: nonce ?? node.utf8.first ?? 0, count: PeerLimits.nonceBytes))
  }

  private struct Result: Equatable {
    var dialer: [PeerHandshake.Directive] = []
    var acceptor: [PeerHandshake.Directive] = []
    var sent: [PeerFrame] = []

    var ends: [PeerHandshake.Directive] {
      (dialer + acceptor).filter { directive in
        switch directive {
        case .established, .fail: true
        case .send, .identified: false
        }
      }
    }
  }

  /// Lets both sides talk until neither says anything.
  private func run(
    _ dialer: PeerHello, _ acceptor: PeerHello, secrets: [[UInt8]] = [[1]], otherSecrets: [[UInt8]] = [[1]],
    tamper: (PeerFrame) -> PeerFrame = { $0 }
  ) -> Result {
    var one = PeerHandshake(.dialer, own: dialer, secrets: secrets)
    var other = PeerHandshake(.acceptor, own: acceptor, secrets: otherSecrets)
    var result = Result()
    var forOther: [PeerFrame] = []
    var forOne: [PeerFrame] = []
    func take(_ directives: [PeerHandshake.Directive], _ log: WritableKeyPath<Result, [PeerHandshake.Directive]>)
      -> [PeerFrame]
    {
      result[keyPath: log] += directives
      return directives.compactMap { directive in
        guard case .send(let frame) = directive else { return nil }
        result.sent.append(frame)
        return tamper(frame)
      }
    }
    forOther += take(one.start(), \.dialer)
    forOne += take(other.start(), \.acceptor)
    while !forOne.isEmpty || !forOther.isEmpty {
      if !forOther.isEmpty {
        forOne += take(other.receive(forOther.removeFirst()), \.acceptor)
      } else {
        forOther += take(one.receive(forOne.removeFirst()), \.dialer)
      }
    }
    return result
  }

  @Test("hello, hello, proof, proof")
  func established() {
    let (a, b) = (hello("a"), hello("b"))
    let result = run(a, b)
    #expect(result.sent.count == 4)
    #expect(result.sent[0] == .hello(a))
    #expect(result.sent[1] == .hello(b))
    #expect(result.ends == [.established(b, version: 1), .established(a, version: 1)])
    // The dialer learns who answers before it proves anything.
    #expect(result.dialer[1] == .identified(b))
  }

  @Test(
    "the highest common version is spoken",
    arguments: [
      (1...1, 1...1, 1), (1...1, 1...2, 1), (1...2, 1...1, 1), (1...2, 1...2, 2), (1...5, 3...9, 5), (4...5, 2...4, 4),
      (1...1, 2...3, nil), (2...3, 1...1, nil),
    ] as [(ClosedRange<UInt64>, ClosedRange<UInt64>, UInt64?)])
  func versions(one: ClosedRange<UInt64>, other: ClosedRange<UInt64>, expected: UInt64?) {
    let (a, b) = (hello("a", versions: one), hello("b", versions: other))
    let result = run(a, b)
    if let expected {
      #expect(result.ends == [.established(b, version: expected), .established(a, version: expected)])
    } else {
      #expect(codes(result) == [.noCommonVersion, .noCommonVersion])
    }
  }

  /// The codes with which both sides end.
  private func codes(_ result: Result) -> [PeerRefusal.Code] {
    result.ends.compactMap { directive in
      switch directive {
      case .fail(.refusedByUs(let refusal)), .fail(.refusedByPeer(let refusal)): refusal.code
      default: nil
      }
    }
  }

  @Test("what does not belong together is told so")
  func refusals() {
    let a = hello("a")
    #expect(codes(run(a, hello("b", cluster: "d"))) == [.wrongCluster, .wrongCluster])
    #expect(codes(run(a, hello("b", slots: 9))) == [.wrongSlotCount, .wrongSlotCount])
    #expect(codes(run(a, hello("a", nonce: 7))) == [.itself, .itself])
    // Nothing was proved before it was refused.
    for result in [run(a, hello("b", cluster: "d")), run(a, hello("a", nonce: 7))] {
      #expect(result.sent.count == 2)
    }
  }

  @Test(
    "both must know the secret",
    arguments: [
      ([[1]], [[1]], true), ([[1]], [[2]], false), ([[1]], [], false), ([], [[1]], false), ([], [], true),
      // While it is replaced.
      ([[1]], [[1], [2]], true), ([[1], [2]], [[2], [1]], true), ([[2], [1]], [[1], [2]], true),
      ([[2]], [[2], [1]], true),
      // Too early: not everybody knows the new one yet.
      ([[2], [1]], [[1]], false), ([[3]], [[2], [1]], false),
    ] as [([[UInt8]], [[UInt8]], Bool)])
  func secrets(one: [[UInt8]], other: [[UInt8]], isGood: Bool) {
    let result = run(hello("a"), hello("b"), secrets: one, otherSecrets: other)
    if isGood {
      #expect(result.ends.count == 2)
      #expect(codes(result).isEmpty)
    } else {
      #expect(codes(result).allSatisfy { $0 == .badMAC })
      #expect(codes(result).count == 2)
      // Who has not proved anything gets no proof.
      #expect(
        result.acceptor.allSatisfy { directive in
          if case .send(.authenticate) = directive { false } else { true }
        })
    }
  }

  @Test("what is changed on the way is noticed")
  func tampering() {
    let (a, b) = (hello("a", versions: 1...2), hello("b", versions: 1...2))
    // Somebody in between makes both speak an older version.
    let downgraded = run(a, b) { frame in
      guard case .hello(var hello) = frame else { return frame }
      hello.versions = 1...1
      return .hello(hello)
    }
    #expect(codes(downgraded) == [.badMAC, .badMAC])
    let readdressed = run(a, b) { frame in
      guard case .hello(var hello) = frame else { return frame }
      hello.laterFields = [1]
      return .hello(hello)
    }
    #expect(codes(readdressed) == [.badMAC, .badMAC])
  }

  @Test("a proof is of no use a second time, nor to its author")
  func replay() throws {
    let (a, b) = (hello("a"), hello("b"))
    let recorded = run(a, b).sent
    // The acceptor draws another nonce.
    var again = PeerHandshake(.acceptor, own: hello("b", nonce: 99), secrets: [[1]])
    _ = again.start()
    _ = again.receive(recorded[0])
    let answer = again.receive(recorded[2])
    #expect(answer.contains { $0.isRefusal(.badMAC) })

    // A dialer that is sent its own proof back, by somebody who shows another's hello.
    var dialer = PeerHandshake(.dialer, own: a, secrets: [[1]])
    _ = dialer.start()
    let proof = dialer.receive(.hello(b)).compactMap { directive -> PeerFrame? in
      if case .send(let frame) = directive { frame } else { nil }
    }
    #expect(dialer.receive(try #require(proof.first)).contains { $0.isRefusal(.badMAC) })

    // Or its own hello.
    var mirrored = PeerHandshake(.dialer, own: a, secrets: [[1]])
    _ = mirrored.start()
    var mirror = a
    mirror.node = NodeID("z")
    #expect(mirrored.receive(.hello(mirror)).contains { $0.isRefusal(.itself) })
  }

  @Test("a frame that is not due ends the handshake")
  func order() {
    for frame in [.ping(1), .authenticate(mac: Array(repeating: 0, count: 32)), .gossip([])] as [PeerFrame] {
      for role in [PeerHandshake.Role.dialer, .acceptor] {
        var handshake = PeerHandshake(role, own: hello("a"), secrets: [])
        _ = handshake.start()
        #expect(handshake.receive(frame).contains { $0.isRefusal(.malformed) })
        #expect(handshake.receive(frame).isEmpty)
      }
    }
    var handshake = PeerHandshake(.acceptor, own: hello("a"), secrets: [])
    _ = handshake.start()
    #expect(handshake.receive(PeerFrameError("no frame")).contains { $0.isRefusal(.malformed) })
    #expect(handshake.receive(PeerFrameError("no frame")).isEmpty)
  }
}

extension PeerHandshake.Directive {
  fileprivate func isRefusal(_ code: PeerRefusal.Code) -> Bool {
    if case .fail(.refusedByUs(let refusal)) = self { refusal.code == code } else { false }
  }
}

@Suite("Addresses and waits")
struct PeerSettingsTests {
  @Test(
    "an address is a host and a port",
    arguments: [
      ("127.0.0.1:7000", PeerAddress(host: "127.0.0.1", port: 7000)), ("[::1]:1", PeerAddress(host: "::1", port: 1)),
      ("node-1.example:65535", PeerAddress(host: "node-1.example", port: 65535)), ("::1:7", nil), ("a", nil), ("", nil),
      (":7", nil), ("a:65536", nil), ("a:-1", nil), ("a:", nil),
    ] as [(String, PeerAddress?)])
  func address(text: String, address: PeerAddress?) {
    #expect(PeerAddress(text) == address)
    if let address { #expect(address.description == text) }
  }

  @Test(
    "what is beyond this machine",
    arguments: [
      ("127.0.0.1", true), ("127.9.9.9", true), ("::1", true), ("localhost", true), ("0.0.0.0", false), ("::", false),
      ("10.0.0.1", false), ("127.example.com", false), ("127.0.0.1.example", false), ("example.com", false),
    ])
  func loopback(host: String, isLoopback: Bool) {
    #expect(PeerAddress(host: host, port: 1).isLoopback == isLoopback)
  }

  @Test("waits double, up to the longest, and a random half is left out")
  func backoff() {
    var settings = PeerSettings()
    settings.minBackoff = .milliseconds(50)
    settings.maxBackoff = .seconds(2)
    let waits = [1, 2, 3, 6, 7, 100, .max].map { settings.backoff(afterFailures: $0, chance: 0) }
    #expect(
      waits == [
        .milliseconds(50), .milliseconds(100), .milliseconds(200), .milliseconds(1600), .seconds(2), .seconds(2),
        .seconds(2),
      ])
    #expect(settings.backoff(afterFailures: 1, chance: 0.5) == .microseconds(37_500))
    #expect(settings.backoff(afterFailures: 9, chance: 0.999) >= .seconds(1))
  }

  @Test("the deadlines go together")
  func inequalities() {
    let settings = PeerSettings()
    #expect(settings.pingInterval.nanoseconds * 3 <= settings.deadAfter.nanoseconds)
    #expect(settings.minBackoff < settings.maxBackoff)
    #expect(settings.overloadedBytes < settings.maxWaitingBytes)
    // Who heeds the warning can still send a frame of the largest size.
    #expect(PeerLimits.maxFrameBytes + settings.overloadedBytes < settings.maxWaitingBytes)
    #expect(settings.silentTicks == 8)
  }
}
