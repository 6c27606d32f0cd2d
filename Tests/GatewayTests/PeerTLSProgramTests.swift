import Foundation
import Load
import TestSupport
import Testing

@Suite("TLS between the processes of a cluster", .timeLimit(.minutes(5)))
struct PeerTLSProgramTests {
  @Test("all three files or none, and a bad one keeps a process from starting")
  func refusals() async throws {
    try await withPrograms { directory async throws in
      let (one, two) = (
        try await TestAuthority.make("one", in: directory), try await TestAuthority.make("two", in: directory)
      )
      let store = directory.file("rooms.sqlite")
      let arguments = [
        "serve", "--listen", "127.0.0.1:0", "--store", "sqlite:\(store)", "--peer-listen", "127.0.0.1:1",
      ]
      let cases: [(arguments: [String], code: Int32, message: String)] = [
        (["--peer-certificate", one.certificate], 64, "--peer-authority"),
        (["--peer-certificate", one.certificate, "--peer-key", one.key], 64, "--peer-authority"),
        (["--peer-authority", one.authority], 64, "--peer-key"),
        (
          ["--peer-certificate", one.certificate, "--peer-key", two.key, "--peer-authority", one.authority], 1,
          "cannot be used for peers"
        ),
        (
          ["--peer-certificate", one.certificate, "--peer-key", one.key, "--peer-authority", directory.file("none")], 1,
          "none"
        ),
        (["--peer-listen", "0.0.0.0:1"], 64, "--peer-certificate"),
        (["--peer-secret", "of sixteen bytes", "--peer-secret-file", one.key], 64, "give one"),
        (["--peer-secret-file", directory.file("no secrets")], 1, "no secrets"),
      ]
      for (more, code, message) in cases {
        let result = try await ChildProcess.run(arguments + more)
        #expect(result.exit == .code(code), "\(more): \(result.errors)")
        #expect(result.errors.contains(message), "\(more): \(result.errors)")
      }
      #expect(!FileManager.default.fileExists(atPath: store))
    }
  }

  @Test("who has no certificate of the authority is not let in; SIGHUP takes new files, and talk goes on")
  func authority() async throws {
    try await withPrograms { directory async throws in
      let (used, old, new) = (
        try await TestAuthority.make("used", in: directory), try await TestAuthority.make("old", in: directory),
        try await TestAuthority.make("new", in: directory)
      )
      try old.replace(used)
      let cluster = try await ProcessCluster(in: directory, on: .sqlite, count: 1, arguments: used.arguments)
      let node = cluster.nodes[0]
      let asha = try await RoomClient.joined(cluster.gateway.port, as: "asha")

      // The secret alone is not enough.
      for arguments in [[], new.arguments] {
        let stranger = try ChildProcess(
          ChildProcess.stonepot, cluster.gatewayArguments(cluster: nil, secret: nil) + arguments)
        _ = try await node.child.errorLine { $0.contains("a peer's connection came to nothing") }
        stranger.kill(SIGKILL)
        _ = await stranger.exit
      }

      try new.replace(used)
      for process in [node, cluster.gateway] {
        process.child.kill(SIGHUP)
        let probe = try await RawConnection.open(process.port)
        try await eventually("the new files") {
          let text = try await probe.get("/metrics").body
          return text.contains("\nstonepot_peer_tls_reloads_total 1\n")
        }
      }
      asha.add("Dal", as: "asha")
      _ = try await asha.next("item_added")
      #expect(asha.socket.closure == nil)
      let newcomer = try await ServingProcess(
        try ChildProcess(
          ChildProcess.stonepot, cluster.gatewayArguments(cluster: nil, secret: nil) + new.arguments))
      let ravi = try await RoomClient.joined(newcomer.port, as: "ravi")
      #expect(try await asha.next("participant_joined")["participantId"] == "ravi")
      let metrics = try await RawConnection.open(node.port).get("/metrics").body
      #expect(metrics.contains("\nstonepot_peer_tls_certificate_expiry_seconds "))
      #expect(ravi.socket.closure == nil)
      newcomer.child.kill(SIGTERM)
      #expect(await newcomer.child.exit == .code(0))
      try await cluster.stop()
    }
  }
}
