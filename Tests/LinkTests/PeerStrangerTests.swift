import Foundation
import Membership
import NIOCore
import RoomCore
import TestSupport
import Testing
import Wire

@testable import Link

@Suite("Strangers and misfits among processes")
struct PeerStrangerTests {
  private func isHandshakeFailure(_ news: [TestPeer.News], _ code: PeerRefusal.Code) -> Bool {
    news.contains { news in
      switch news {
      case .dialFailed(_, .handshake(.refusedByUs(let refusal))),
        .dialFailed(_, .handshake(.refusedByPeer(let refusal))):
        refusal.code == code
      default: false
      }
    }
  }

  @Test(
    "who does not belong is refused, and hears why",
    arguments: [
      ("other", 8, "secret", 1...1, .wrongCluster), ("test", 16, "secret", 1...1, .wrongSlotCount),
      ("test", 8, "guess", 1...1, .badMAC), ("test", 8, "secret", 2...3, .noCommonVersion),
    ] as [(String, Int, String, ClosedRange<UInt64>, PeerRefusal.Code)])
  func misfits(
    cluster: String, slots: Int, secret: String, versions: ClosedRange<UInt64>, code: PeerRefusal.Code
  ) async throws {
    let a = TestPeer.make("a", cluster: cluster, slotCount: slots, secrets: [secret], versions: versions)
    let b = TestPeer.make("b")
    try a.network.connect(to: try await b.listen())
    try await a.wait(for: "a refusal") { isHandshakeFailure($0, code) }
    #expect(b.news.isEmpty)
    #expect(a.connections.isEmpty)
    await a.close()
    await b.close()
  }

  @Test("versions that overlap speak the highest common one")
  func overlappingVersions() async throws {
    let (a, b) = (TestPeer.make("a", versions: 1...1), TestPeer.make("b", versions: 1...2))
    try a.network.connect(to: try await b.listen())
    #expect(try await a.connection().version == 1)
    #expect(try await b.connection().version == 1)
    await a.close()
    await b.close()
  }

  @Test("a process that dials itself notices")
  func itself() async throws {
    let a = TestPeer.make("a")
    try a.network.connect(to: try await a.listen())
    try await a.wait(for: "a refusal") { isHandshakeFailure($0, .itself) }
    #expect(a.connections.isEmpty)
    await a.close()
  }

  @Test("a secret is replaced while processes run")
  func newSecret() async throws {
    let (a, b) = (TestPeer.make("a", secrets: ["old"]), TestPeer.make("b", secrets: ["old"]))
    let address = try await b.listen()
    try a.network.connect(to: address)
    let first = try await a.connection()
    // First everybody learns the new one, then everybody uses it, then the old one is forgotten.
    b.network.credentials.replace(secrets: [Array("new".utf8), Array("old".utf8)], tls: nil)
    first.cut(.failed("a test"))
    try await eventually("the next connection") { a.connections.first.map { $0 !== first } ?? false }
    let second = try await a.connection()
    a.network.credentials.replace(secrets: [Array("new".utf8)], tls: nil)
    b.network.credentials.replace(secrets: [Array("new".utf8)], tls: nil)
    second.cut(.failed("a test"))
    try await eventually("the last connection") { a.connections.first.map { $0 !== second } ?? false }
    await a.close()
    await b.close()
  }

  @Test("secrets come from a file that may be replaced, and one that cannot be used changes nothing")
  func secretFile() async throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "stonepot-\(UUID().uuidString)")
    func write(_ text: String) throws { try Data(text.utf8).write(to: file, options: .atomic) }
    let (old, new) = ("a secret of yesterday", "a secret of tomorrow")
    try write("\(old)\n")
    defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: file) } }
    let server = TestPeer.make(
      "server", credentials: PeerCredentials(secretFile: try PeerSecrets(path: file.path), certificate: nil))
    let address = try await server.listen()
    func isTaken(_ name: String, _ secret: String) async throws -> Bool {
      let peer = TestPeer.make(name, secrets: [secret])
      try peer.network.connect(to: address)
      try await peer.wait(for: "an answer") { !$0.isEmpty }
      let isTaken = !peer.connections.isEmpty
      await peer.close()
      return isTaken
    }
    #expect(try await isTaken("first", old))
    #expect(try await !isTaken("early", new))
    for unusable in ["\n", "short\n", "\(new)\nshort"] {
      try write(unusable)
      guard case .refused(let reason) = server.network.credentials.reloadSecrets() else {
        Issue.record("\(unusable) was taken")
        return
      }
      #expect(reason.description.contains(file.path) && !reason.description.contains(new))
    }
    #expect(try await isTaken("second", old))
    try write("\(old)\r\n\(new)\r\n")
    server.network.reloadCredentials()
    #expect(server.network.credentials.now.secrets == [Array(old.utf8), Array(new.utf8)])
    #expect(try await isTaken("third", old))
    #expect(try await isTaken("fourth", new))
    await server.close()
  }

  @Test("a proof that was overheard is of no use")
  func replay() async throws {
    let b = TestPeer.make("b")
    let address = try await b.listen()
    // What a peer has once said to `b`: here it is made with `b`'s real hello of another connection.
    let overheard = try await RawPeer.open(address)
    try overheard.send(.hello(RawPeer.hello()))
    guard case .hello(let answer) = try await overheard.frame(0) else {
      Issue.record("no hello")
      return
    }
    var handshake = PeerHandshake(.dialer, own: RawPeer.hello(), secrets: [Array("secret".utf8)])
    _ = handshake.start()
    let proofs = handshake.receive(.hello(answer)).compactMap { directive -> PeerFrame? in
      if case .send(let frame) = directive { frame } else { nil }
    }
    let proof = try #require(proofs.first)

    let replayed = try await RawPeer.open(address)
    try replayed.send(.hello(RawPeer.hello()))
    try replayed.send(proof)
    guard case .refused(let refusal) = try await replayed.frame(1) else {
      Issue.record("\(replayed.frames)")
      return
    }
    #expect(refusal.code == .badMAC)
    try await replayed.waitForEnd()
    #expect(b.news.isEmpty)

    // On its own connection it is good: the test has tried the right bytes.
    try overheard.send(proof)
    _ = try await b.connection()
    await b.close()
  }

  @Test(
    "what is no peer is told so and closed",
    arguments: [
      Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8), [0xFF, 0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 0],
      // A hello that is longer than one may be, and one of another service.
      [0, 0, 0x40, 0x01, 1], [0, 0, 0, 3, 1, 1, 0x61],
      // A frame that is not due.
      [0, 0, 0, 2, 5, 1],
    ] as [[UInt8]])
  func garbage(bytes: [UInt8]) async throws {
    let b = TestPeer.make("b")
    let raw = try await RawPeer.open(try await b.listen())
    raw.send(bytes)
    try await raw.waitForEnd()
    guard case .refused(let refusal) = raw.frames.first else {
      Issue.record("\(raw.frames)")
      return
    }
    #expect(refusal.code == .malformed)
    #expect(b.news.isEmpty)
    await b.close()
  }

  @Test(
    "a peer that says what it must not say is cut",
    arguments: [
      // A second hello, an answer to who has not asked, bytes that are no frame.
      [0, 0, 0, 35, 2, 32] + Array(repeating: 0, count: 33), [0, 0, 0, 5, 33, 1, 0x61, 1, 1], [0, 0, 0, 0],
      [0, 0, 0, 2, 19, 0],
    ] as [[UInt8]])
  func violations(bytes: [UInt8]) async throws {
    let b = TestPeer.make("b")
    let raw = try await RawPeer.open(try await b.listen())
    try await raw.shakeHands()
    raw.send(bytes)
    try await raw.waitForEnd()
    try await b.wait(for: "the end") { news in
      if case .disconnected(NodeID("raw"), .violation) = news.last { true } else { false }
    }
    await b.close()
  }

  @Test("who says nothing loses its place, and the next gets it")
  func halfOpen() async throws {
    let b = TestPeer.make("b") {
      $0.handshakeTimeout = .milliseconds(200)
      $0.maxPending = 4
    }
    let address = try await b.listen()
    var silent: [RawPeer] = []
    for _ in 0..<4 { silent.append(try await RawPeer.open(address)) }
    for raw in silent { try await raw.waitForEnd() }
    let a = TestPeer.make("a")
    try a.network.connect(to: address)
    _ = try await a.connection()
    await a.close()
    await b.close()
  }

  @Test("only so many strangers at a time")
  func tooManyStrangers() async throws {
    let b = TestPeer.make("b") { $0.maxPending = 2 }
    let address = try await b.listen()
    var places: [RawPeer] = []
    for _ in 0..<2 {
      let raw = try await RawPeer.open(address)
      // It has its place once it is answered.
      try raw.send(.hello(RawPeer.hello()))
      _ = try await raw.frame(0)
      places.append(raw)
    }
    let third = try await RawPeer.open(address)
    try await third.waitForEnd()
    #expect(third.frames.isEmpty)
    #expect(places.allSatisfy { !$0.isEnded })
    // A place that is left is free again.
    await places[0].close()
    let a = TestPeer.make("a")
    try a.network.connect(to: address)
    _ = try await a.connection()
    await a.close()
    await b.close()
  }

  @Test("a dialer does not wait for ever for one who says nothing")
  func silentAcceptor() async throws {
    let (address, listener, accepted) = try await RawPeer.listen()
    let a = TestPeer.make("a") { $0.handshakeTimeout = .milliseconds(100) }
    try a.network.connect(to: address)
    try await a.wait(for: "it to give up") { $0.contains(.dialFailed(address, .tooSlow)) }
    try await eventually("another attempt") { accepted().count >= 2 }
    await a.close()
    try await listener.close().get()
  }

  @Test("nothing leaves the machine without a secret or certificates")
  func unprotected() async throws {
    let open = TestPeer.make("open", secrets: [])
    let everywhere = PeerAddress(host: "0.0.0.0", port: 0)
    await #expect(throws: PeerNetworkError.unprotected(everywhere)) { try await open.network.listen(on: everywhere) }
    let elsewhere = PeerAddress(host: "192.0.2.1", port: 7000)
    #expect(throws: PeerNetworkError.unprotected(elsewhere)) { try open.network.connect(to: elsewhere) }
    // On the machine it works.
    let other = TestPeer.make("other", secrets: [])
    try other.network.connect(to: try await open.listen())
    _ = try await other.connection()
    await other.close()
    await open.close()
  }
}
