import Membership
import NIOCore
import NIOPosix
import RoomCore
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Link

@Suite("Connections between processes")
struct PeerNetworkTests {
  @Test("two processes talk")
  func conversation() async throws {
    let (a, b) = (TestPeer.make("a"), TestPeer.make("b"))
    let address = try await b.listen()
    try a.network.connect(to: address)
    let out = try await a.connection()
    let back = try await b.connection()
    #expect(out.direction == .outgoing(to: address))
    #expect(out.peer.node == NodeID("b-1"))
    #expect(out.peer.address == address.description)
    #expect(out.peer.features == ["x"])
    #expect(out.version == 1)
    #expect(back.direction == .incoming)
    #expect(back.peer.node == NodeID("a-1"))
    #expect(a.network.connection(to: address) === out)
    #expect(a.network.connection(to: NodeID("b-1")) === out)
    #expect(b.network.connection(to: NodeID("a-1")) == nil)

    let request = PeerFrame.request(room: .named("r"), .resync(session: 7))
    #expect(out.send(request) == .queued)
    try await b.wait(for: "the request") { $0.contains(.received(request)) }
    let answer = PeerFrame.output(PeerOutput(room: .named("r"), epoch: Epoch(1), items: [.transient([1])]))
    back.send(answer)
    back.send(.gossip([2]))
    try await a.wait(for: "the answers") { $0.suffix(2) == [.received(answer), .received(.gossip([2]))] }

    await a.close()
    try await b.wait(for: "a goodbye") {
      $0.last == .disconnected(NodeID("a-1"), .goodbye("the test is over"))
    }
    #expect(out.send(request) == .closed)
    #expect(a.news.last == .disconnected(NodeID("b-1"), .closedByUs("the test is over")))
    await b.close()
  }

  @Test("processes of two versions talk in the one that both speak, whoever dials", arguments: [true, false])
  func versions(newDials: Bool) async throws {
    let (new, old) = (TestPeer.make("new", versions: 1...2), TestPeer.make("old", versions: 1...1))
    let (dialer, acceptor) = newDials ? (new, old) : (old, new)
    try dialer.network.connect(to: try await acceptor.listen())
    let (out, back) = (try await dialer.connection(), try await acceptor.connection())
    #expect(out.version == 1 && back.version == 1)
    #expect((newDials ? back : out).peer.versions == 1...2)
    let request = PeerFrame.request(room: .named("r"), .resync(session: 7))
    let answer = PeerFrame.output(PeerOutput(room: .named("r"), epoch: Epoch(1), items: [.transient([1])]))
    out.send(request)
    back.send(answer)
    try await acceptor.wait(for: "the request") { $0.contains(.received(request)) }
    try await dialer.wait(for: "the answer") { $0.contains(.received(answer)) }
    await dialer.close()
    await acceptor.close()
  }

  @Test("two that both speak a later version talk in it")
  func laterVersion() async throws {
    let (a, b) = (TestPeer.make("a", versions: 1...3), TestPeer.make("b", versions: 2...4))
    try a.network.connect(to: try await b.listen())
    #expect(try await a.connection().version == 3)
    #expect(try await b.connection().version == 3)
    await a.close()
    await b.close()
  }

  @Test("processes without a common version are told so, and try again", arguments: [1...1, 4...5])
  func noCommonVersion(dialed: ClosedRange<UInt64>) async throws {
    let (dialer, acceptor) = (TestPeer.make("dialer", versions: dialed), TestPeer.make("acceptor", versions: 2...3))
    let address = try await acceptor.listen()
    try dialer.network.connect(to: address)
    let refusal = PeerRefusal(.noCommonVersion, "versions 2...3 are spoken here, and \(dialed) there")
    try await dialer.wait(for: "refusals") { news in
      news.filter { $0 == .dialFailed(address, .handshake(.refusedByPeer(refusal))) }.count >= 2
    }
    #expect(dialer.connections.isEmpty && acceptor.connections.isEmpty)
    #expect(acceptor.news.isEmpty)
    await dialer.close()
    await acceptor.close()
  }

  @Test("what is beyond a bound of the protocol is not sent, and the connection goes on")
  func unsendable() async throws {
    try await withPair { out, a, b in
      let long = PeerFrame.gossip(Array(repeating: 0, count: PeerLimits.maxFrameBytes))
      guard case .unsendable = out.send(long) else {
        Issue.record("it was sent")
        return
      }
      out.send(.gossip([1]))
      try await b.wait(for: "the next frame") { $0.contains(.received(.gossip([1]))) }
    }
  }

  @Test("the largest frame arrives, and small ones behind it")
  func large() async throws {
    try await withPair { out, a, b in
      var bytes = [UInt8](repeating: 7, count: PeerLimits.maxFrameBytes - 5)
      for index in stride(from: 0, to: bytes.count, by: 4099) { bytes[index] = UInt8(truncatingIfNeeded: index >> 7) }
      let large = PeerFrame.gossip(bytes)
      out.send(large)
      out.send(.gossip([1]))
      try await b.wait(for: "both") { $0.last == .received(.gossip([1])) }
      #expect(b.received == [large, .gossip([1])])
      try await eventually("nothing to wait") { out.waitingBytes == 0 }
    }
  }

  @Test("the order of each sender is kept, however many there are")
  func order() async throws {
    let (senders, count) = (8, 2000)
    try await withPair { out, a, b in
      await withDiscardingTaskGroup { group in
        for sender in 0..<senders {
          group.addTask {
            for number in 0..<count {
              out.send(.request(room: .named("r\(sender)"), .close(session: UInt64(number))))
            }
          }
        }
      }
      try await eventually("all frames") { b.received.count == senders * count }
      var next = Array(repeating: 0, count: senders)
      for frame in b.received {
        guard case .request(let room, .close(let session)) = frame, let sender = Int(room.name.dropFirst()) else {
          Issue.record("\(frame)")
          return
        }
        guard session == next[sender] else {
          Issue.record("\(session) of \(sender) comes instead of \(next[sender])")
          return
        }
        next[sender] += 1
      }
    }
  }

  @Test("a peer that does not read is cut, and nobody waits for it")
  func slowReader() async throws {
    let (a, b) = (TestPeer.make("a") { $0.maxWaitingBytes = 1 << 20 }, TestPeer.make("b"))
    b.holdBack()
    try a.network.connect(to: try await b.listen())
    let out = try await a.connection()
    _ = try await b.connection()
    let frame = PeerFrame.gossip(Array(repeating: 1, count: 100_000))
    var sent = 0
    while out.send(frame) == .queued {
      sent += 1
      // What the sockets hold is not ours to bound.
      guard sent < 10_000 else {
        Issue.record("1 GB is waiting")
        break
      }
    }
    try await a.wait(for: "the end") { $0.contains(.disconnected(NodeID("b-1"), .overloaded)) }
    #expect(!out.isOpen)
    // It is dialed again.
    try await a.wait(for: "another connection") { news in
      news.count { if case .connected = $0 { true } else { false } } >= 2
    }
    await a.close()
    await b.close()
  }

  @Test("reading stops and goes on when its user says so; nothing is lost")
  func pausing() async throws {
    let (a, b) = (TestPeer.make("a"), TestPeer.make("b"))
    b.holdBack()
    try a.network.connect(to: try await b.listen())
    let out = try await a.connection()
    let back = try await b.connection()
    for number in 0..<100 { out.send(.gossip([UInt8(number)])) }
    // An answer still goes out, which shows that the connection lives.
    back.send(.gossip([200]))
    try await a.wait(for: "an answer") { $0.contains(.received(.gossip([200]))) }
    #expect(b.received.isEmpty)
    back.setReading(true)
    try await eventually("all frames") { b.received == (0..<100).map { .gossip([UInt8($0)]) } }
    await a.close()
    await b.close()
  }

  @Test("a peer that is silent although it was asked is cut")
  func silence() async throws {
    let a = TestPeer.make("a") {
      $0.pingInterval = .milliseconds(10)
      $0.deadAfter = .milliseconds(50)
    }
    let address = try await a.listen()
    let raw = try await RawPeer.open(address)
    try await raw.shakeHands()
    try await a.wait(for: "the end") { $0.contains(.disconnected(NodeID("raw"), .silent)) }
    #expect(raw.frames.contains(.ping(0)))
    await a.close()
  }

  @Test("a ping is answered, and keeps a connection that says nothing else")
  func pings() async throws {
    let a = TestPeer.make("a") {
      $0.pingInterval = .milliseconds(2)
      $0.deadAfter = .milliseconds(600)
    }
    let raw = try await RawPeer.open(try await a.listen(), answersPings: true)
    try await raw.shakeHands()
    try raw.send(.ping(77))
    try await eventually("a pong") { raw.frames.contains(.pong(77)) }
    // It is asked more often than a silent peer would be.
    try await eventually("many pings") { raw.frames.count { $0 == .ping(0) } > 400 }
    #expect(!raw.isEnded)
    await a.close()
    #expect(raw.frames.contains(.goodbye(reason: "the test is over")))
  }

  @Test("a peer that starts again is found again")
  func restart() async throws {
    let a = TestPeer.make("a")
    var b = TestPeer.make("b")
    let address = try await b.listen()
    try a.network.connect(to: address)
    _ = try await a.connection()
    await b.close()
    try await a.wait(for: "a refusal") { $0.contains(.dialFailed(address, .refused)) }
    b = TestPeer.make("b", node: "b-2", seed: 2)
    _ = try await b.listen(port: address.port)
    try await a.wait(for: "the new life") { $0.contains(.connected(NodeID("b-2"), .outgoing(to: address))) }
    #expect(a.news.contains(.disconnected(NodeID("b-1"), .goodbye("the test is over"))))

    a.network.disconnect(from: address, reason: "enough")
    try await b.wait(for: "a goodbye") { $0.contains(.disconnected(NodeID("a-1"), .goodbye("enough"))) }
    #expect(a.network.connection(to: address) == nil)
    await a.close()
    await b.close()
  }

  @Test("both may dial each other; each has a connection of its own")
  func mutual() async throws {
    let (a, b) = (TestPeer.make("a"), TestPeer.make("b"))
    let (aAddress, bAddress) = (try await a.listen(), try await b.listen())
    try a.network.connect(to: bAddress)
    try b.network.connect(to: aAddress)
    try await eventually("two connections each") { a.connections.count == 2 && b.connections.count == 2 }
    await a.close()
    await b.close()
  }

  @Test("two addresses of one process are one connection")
  func twoAddresses() async throws {
    let (a, b) = (TestPeer.make("a"), TestPeer.make("b"))
    let first = try await b.listen()
    let second = PeerAddress(host: "localhost", port: first.port)
    try a.network.connect(to: first)
    let out = try await a.connection()
    try a.network.connect(to: second)
    try await eventually("the second address to lead there") { a.network.connection(to: second) === out }
    #expect(b.connections.count == 1)
    // When it ends, either address brings the process back.
    out.cut(.failed("a test"))
    try await eventually("a new connection") { !a.connections.isEmpty && a.connections.allSatisfy(\.isOpen) }
    try await eventually("both addresses to lead there") {
      let (one, other) = (a.network.connection(to: first), a.network.connection(to: second))
      return one != nil && one === other
    }
    await a.close()
    await b.close()
  }

  @Test("a process that has something else to say of itself has those dial again who have dialed it")
  func newFeatures() async throws {
    let (a, b) = (TestPeer.make("a"), TestPeer.make("b"))
    let address = try await b.listen()
    try a.network.connect(to: address)
    try b.network.connect(to: try await a.listen())
    try await eventually("two connections each") { a.connections.count == 2 && b.connections.count == 2 }
    let (first, back) = (a.network.connection(to: address), b.network.connection(to: NodeID("a-1")))
    b.network.replaceFeatures(["y"], reason: "a test")
    try await a.wait(for: "a goodbye") { $0.contains(.disconnected(NodeID("b-1"), .goodbye("a test"))) }
    try await eventually("another connection") { a.network.connection(to: address).map { $0 !== first } ?? false }
    #expect(a.network.connection(to: address)?.peer.features == ["y"])
    #expect(b.network.connection(to: NodeID("a-1")) === back, "nobody has to be told what is said by who has dialed")
    await a.close()
    await b.close()
  }

  @Test("a process that dials anew replaces its connection that nobody misses yet")
  func replaced() async throws {
    let a = TestPeer.make("a")
    let address = try await a.listen()
    let first = try await RawPeer.open(address)
    try await first.shakeHands()
    let second = try await RawPeer.open(address)
    try await second.shakeHands(nonce: 2)
    try await first.waitForEnd()
    try await a.wait(for: "the end of the first") { $0.contains(.disconnected(NodeID("raw"), .replaced)) }
    #expect(!second.isEnded)
    #expect(a.network.connections.count == 1)
    await a.close()
  }
}

/// Two processes that are connected.
func withPair(
  _ configure: (inout PeerSettings) -> Void = { _ in },
  _ body: (_ out: PeerConnection, _ a: TestPeer, _ b: TestPeer) async throws -> Void
) async throws {
  let (a, b) = (TestPeer.make("a", configure), TestPeer.make("b", configure))
  try a.network.connect(to: try await b.listen())
  let out = try await a.connection()
  _ = try await b.connection()
  try await body(out, a, b)
  await a.close()
  await b.close()
}

extension RawPeer {
  static func hello(node: String = "raw", cluster: String = "test", slots: Int = 8, nonce: UInt8 = 1) -> PeerHello {
    PeerIdentity(cluster: cluster, slotCount: slots, node: NodeID(node), name: node, kind: .node)
      .hello(nonce: Array(repeating: nonce, count: PeerLimits.nonceBytes))
  }

  /// Dials as a peer does.
  func shakeHands(secret: String = "secret", node: String = "raw", nonce: UInt8 = 1) async throws {
    var handshake = PeerHandshake(
      .dialer, own: Self.hello(node: node, nonce: nonce), secrets: [Array(secret.utf8)])
    var read = 0
    var directives = handshake.start()
    while true {
      for directive in directives {
        switch directive {
        case .send(let frame): try send(frame)
        case .established: return
        case .identified: break
        case .fail(let failure): throw failure
        }
      }
      directives = handshake.receive(try await frame(read))
      read += 1
    }
  }
}
