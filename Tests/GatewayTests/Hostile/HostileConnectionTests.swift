import Foundation
import Load
import NIOCore
import TestSupport
import Testing

/// What is left of connections when they have gone, in a process of its own.
@Suite("Hostile connections", .timeLimit(.minutes(5)))
struct HostileConnectionTests {
  private static func descriptors(of server: ServingProcess) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(server.child.pid)/fd").count
  }

  private static func threads(of server: ServingProcess) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(server.child.pid)/task").count
  }

  @Test("whatever connections have sent, when they have gone their descriptors have, too, and no thread has come")
  func leavings() async throws {
    try await withPrograms { directory in
      let server = try await ServingProcess.start(directory.file("rooms.sqlite"), ["--address-limits", "off"])
      let canary = try await Canary(port: server.port)
      let singing = Task { try await canary.sing() }
      try await abuse(server.port)
      let (descriptors, threads) = (try Self.descriptors(of: server), try Self.threads(of: server))
      for _ in 0..<3 { try await abuse(server.port) }
      try await eventually("the descriptors to be closed") {
        try Self.descriptors(of: server) <= descriptors && Self.threads(of: server) <= threads + 2
      }
      canary.stop()
      try await canary.expectUnharmed(by: try await singing.value)
    }
  }

  /// Opens connections that say all kinds of things and hear nothing, and leaves them.
  private func abuse(_ port: Int) async throws {
    var connections: [RawConnection] = []
    for hostile in HostileRequest.table {
      let connection = try await RawConnection.open(port)
      connection.send(hostile.bytes)
      connections.append(connection)
    }
    for offence in HostileFrameTests.offences {
      let client = try await FrameClient.open(port, RoomClient.path + "abuse")
      offence.commit(client)
      connections.append(client.connection)
    }
    for _ in 0..<100 { connections.append(try await RawConnection.open(port)) }
    for connection in connections { await connection.close() }
  }

  @Test("a reset behind a close, with more frames unread than a connection's turn, ends nothing but the connection")
  func resets() async throws {
    try await withPrograms { directory in
      let server = try await ServingProcess.start(directory.file("rooms.sqlite"), ["--address-limits", "off"])
      for _ in 0..<50 {
        let client = try await FrameClient.open(server.port, RoomClient.path + "room")
        try await client.connection.closeByReset()
        var frames = ClientFrameEncoder().encode(.close, payload: [0x03, 0xE8])
        for _ in 0..<200 {
          frames.writeImmutableBuffer(ClientFrameEncoder().encode(.pong, payload: [UInt8](repeating: 0x78, count: 100)))
        }
        client.connection.send(frames)
        await client.connection.close()
      }
      #expect(try await RawConnection.open(server.port).get("/healthz").status == 200)
      #expect(!server.child.hasExited)
    }
  }

  @Test("a server that has no descriptors left goes on with the connections it has, and takes new ones when it can")
  func noDescriptors() async throws {
    try await withPrograms { directory in
      let command =
        "ulimit -n 80; exec '\(ChildProcess.stonepot)' serve --listen 127.0.0.1:0 --address-limits off"
        + " --store 'sqlite:\(directory.file("rooms.sqlite"))'"
      let server = try await ServingProcess(try ChildProcess("/bin/sh", ["-c", command]))
      let client = try await FrameClient.open(server.port, RoomClient.path + "room?v=2")
      client.send("join", as: "asha", data: #"{"circleId":"test","tenantId":"test"}"#, opId: "join")
      while try await client.next("ack")["opId"] != "join" {}

      var crowd: [RawConnection] = []
      for _ in 0..<120 { crowd.append(try await RawConnection.open(server.port)) }
      try await eventually("the descriptors to run out") { try Self.descriptors(of: server) >= 79 }
      client.send("add_item", as: "asha", data: RoomClient.dish("Dal", id: "dal"), opId: "dal")
      while try await client.next("ack")["opId"] != "dal" {}

      for connection in crowd { await connection.close() }
      #expect(try await RawConnection.open(server.port).get(RoomClient.path + "room").status == 200)
    }
  }
}
