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
      try openssl(["req"] + Self.newKey + ["-keyout", "\(name).key", "-out", "\(name).csr", "-subj", "/CN=\(name)"])
      try openssl([
        "x509", "-req", "-in", "\(name).csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
        "-out", "\(name).pem",
      ])
      return try PeerCredentials.TLS(
        certificatePath: path("\(name).pem"), keyPath: path("\(name).key"), authorityPath: path("ca.pem"))
    }

    func path(_ file: String) -> String { folder.appending(path: file).path }

    func remove() throws { try FileManager.default.removeItem(at: folder) }

    private func openssl(_ arguments: [String]) throws {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
      process.arguments = arguments
      process.currentDirectoryURL = folder
      process.standardError = FileHandle.nullDevice
      process.standardOutput = FileHandle.nullDevice
      try process.run()
      process.waitUntilExit()
      try #require(process.terminationStatus == 0, "openssl \(arguments)")
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

  @Test("files that cannot be used are named")
  func unusable() throws {
    let authority = try Authority()
    defer { #expect(throws: Never.self) { try authority.remove() } }
    let error = #expect(throws: PeerCredentials.TLS.Unusable.self) {
      try PeerCredentials.TLS(
        certificatePath: authority.path("ca.pem"), keyPath: authority.path("missing.key"),
        authorityPath: authority.path("ca.pem"))
    }
    #expect(error?.description.contains("missing.key") == true)
  }
}
