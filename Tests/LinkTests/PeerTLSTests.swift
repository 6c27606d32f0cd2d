import Foundation
import Membership
import RoomCore
import TestSupport
import Testing
import Wire

@testable import Link

@Suite("Certificates between processes")
struct PeerTLSTests {
  /// An authority, with certificates that it has signed.
  private struct Authority {
    let folder: URL

    init() throws {
      folder = FileManager.default.temporaryDirectory.appending(path: "stonepot-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try openssl(
        ["req", "-x509"] + Self.newKey + ["-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=peers"])
    }

    private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    func certificate(_ name: String) throws -> PeerCredentials.TLS {
      try makeFiles(name)
      return try PeerCertificate(
        certificatePath: path("\(name).pem"), keyPath: path("\(name).key"), authorityPath: path("ca.pem")
      ).value
    }

    func makeFiles(_ name: String) throws {
      try openssl(["req"] + Self.newKey + ["-keyout", "\(name).key", "-out", "\(name).csr", "-subj", "/CN=\(name)"])
      try openssl([
        "x509", "-req", "-in", "\(name).csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
        "-out", "\(name).pem",
      ])
    }

    func path(_ file: String) -> String { folder.appending(path: file).path }

    func remove() throws { try FileManager.default.removeItem(at: folder) }

    private func openssl(_ arguments: [String]) throws {
      try #require(
        try Program("/usr/bin/openssl", arguments, directory: folder.path).wait() == .code(0), "openssl \(arguments)")
    }
  }

  @Test("peers of one authority talk, on any address; nobody else gets in")
  func authority() async throws {
    let (ours, theirs) = (try Authority(), try Authority())
    let server = TestPeer.make("server", secrets: [], tls: try ours.certificate("server"))
    let bound = try await server.network.listen(on: PeerAddress(host: "0.0.0.0", port: 0))
    let address = PeerAddress(host: "127.0.0.1", port: bound.port)

    let friend = TestPeer.make("friend", secrets: [], tls: try ours.certificate("friend"))
    try friend.network.connect(to: address)
    let out = try await friend.connection()
    let large = PeerFrame.gossip(Array(repeating: 3, count: 3_000_000))
    out.send(large)
    try await server.wait(for: "a large frame") { $0.last == .received(large) }

    // A certificate of another authority; and none at all.
    let stranger = TestPeer.make("stranger", secrets: [], tls: try theirs.certificate("stranger"))
    let plain = TestPeer.make("plain", secrets: [])
    for peer in [stranger, plain] {
      try peer.network.connect(to: address)
      try await peer.wait(for: "a failure") { news in
        if case .dialFailed = news.last { true } else { false }
      }
      #expect(peer.connections.isEmpty)
      await peer.close()
    }

    // The authority is replaced while the processes run.
    server.network.credentials.replace(secrets: [], tls: try theirs.certificate("server"))
    friend.network.credentials.replace(secrets: [], tls: try theirs.certificate("friend"))
    out.cut(.failed("a test"))
    try await eventually("the next connection") { friend.connections.first.map { $0 !== out } ?? false }

    await friend.close()
    #expect(server.connections.allSatisfy { $0.peer.name == "friend" })
    await server.close()
    try ours.remove()
    try theirs.remove()
  }

  @Test("new files are taken for new connections, what cannot be used changes nothing, and connections stay")
  func reload() async throws {
    let (ours, theirs) = (try Authority(), try Authority())
    for name in ["server", "friend"] {
      try ours.makeFiles(name)
      try theirs.makeFiles(name)
    }
    func put(_ file: String, from authority: Authority) throws {
      try Data(contentsOf: URL(fileURLWithPath: authority.path(file)))
        .write(to: URL(fileURLWithPath: ours.path("used-" + file)), options: .atomic)
    }
    func putAll(from authority: Authority) throws {
      for file in ["server.pem", "server.key", "ca.pem"] { try put(file, from: authority) }
    }
    try putAll(from: ours)
    let certificate = try PeerCertificate(
      certificatePath: ours.path("used-server.pem"), keyPath: ours.path("used-server.key"),
      authorityPath: ours.path("used-ca.pem"))
    #expect(certificate.reload() == .unchanged)
    let server = TestPeer.make("server", credentials: PeerCredentials(secrets: [], certificate: certificate))
    let address = try await server.listen()
    let friend = TestPeer.make("friend", secrets: [], tls: try ours.certificate("friend"))
    try friend.network.connect(to: address)
    let out = try await friend.connection()
    _ = try await server.connection()

    // Half of a replacement, and a file that goes.
    try put("server.pem", from: theirs)
    guard case .refused = server.network.credentials.reloadCertificate() else {
      Issue.record("a certificate was taken that does not go with the key")
      return
    }
    #expect(server.network.credentials.reloadCertificate() == .unchanged)
    try FileManager.default.removeItem(atPath: ours.path("used-server.key"))
    guard case .refused(let reason) = server.network.credentials.reloadCertificate() else {
      Issue.record("a key was taken that is not there")
      return
    }
    #expect(reason.description.contains("used-server.key"))

    try putAll(from: theirs)
    server.network.reloadCredentials()
    #expect(server.network.credentials.reloadCertificate() == .unchanged)
    let stranger = TestPeer.make("stranger", secrets: [], tls: try ours.certificate("stranger"))
    try stranger.network.connect(to: address)
    try await stranger.wait(for: "a failure") { $0.contains { if case .dialFailed = $0 { true } else { false } } }
    #expect(stranger.connections.isEmpty)
    let newcomer = TestPeer.make("newcomer", secrets: [], tls: try theirs.certificate("newcomer"))
    try newcomer.network.connect(to: address)
    _ = try await newcomer.connection()
    out.send(.gossip([1]))
    try await server.wait(for: "a word from before") { $0.contains(.received(.gossip([1]))) }
    for peer in [friend, stranger, newcomer, server] { await peer.close() }
    try ours.remove()
    try theirs.remove()
  }

  @Test("files that cannot be used are named")
  func unusable() throws {
    let authority = try Authority()
    defer { #expect(throws: Never.self) { try authority.remove() } }
    let error = #expect(throws: UnusableFiles.self) {
      try PeerCertificate(
        certificatePath: authority.path("ca.pem"), keyPath: authority.path("missing.key"),
        authorityPath: authority.path("ca.pem"))
    }
    #expect(error?.description.contains("missing.key") == true)
  }
}
