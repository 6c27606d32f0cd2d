import Load
import Testing

/// Bad input gets a clear error and changes nothing; another room never notices.
@Suite("Hostile messages", .hostileServer, .timeLimit(.minutes(5)))
struct HostileMessageTests {
  static let table =
    HostileMessage.envelopes + HostileMessage.items + HostileMessage.rules + HostileMessage.permissions

  @Test(
    "a message that breaks a rule gets the error that names it, changes nothing, and leaves its connection as it was",
    arguments: table.indices)
  func refused(index: Int) async throws {
    let hostile = Self.table[index]
    try await HostileServer.visit { server async throws in
      let table = try await HostileTable(
        hostile.scene, room: "refused-\(index)", on: server.port, withStranger: hostile.sender == .stranger)
      let before = try await table.state()
      let sender = try table.client(of: hostile.sender)

      sender.send(hostile.opcode, hostile.text.utf8)
      let answers = try await sender.untilBarrier()

      try #require(answers.count == 1, "\(hostile): \(answers)")
      let (error, data) = (answers[0], answers[0]["data"])
      #expect(error["type"] == "error", "\(hostile): \(error)")
      #expect(data["code"] == .string(hostile.code), "\(hostile): \(error)")
      #expect(hostile.isExpected(data["message"].string), "\(hostile): \(error)")
      #expect(error["error"] == data["message"], "\(hostile)")
      #expect(data["retryable"] == false, "\(hostile)")
      #expect(data["opId"].string == hostile.opId, "\(hostile): \(error)")
      for other in table.clients where other !== sender {
        #expect(try await other.untilBarrier() == [], "\(hostile)")
      }
      #expect(try await table.state() == before, "\(hostile)")
      try await expectUse(of: sender, by: hostile)
    }
  }

  /// The connection of who was refused takes a good operation as if nothing had been.
  private func expectUse(of client: FrameClient, by hostile: HostileMessage) async throws {
    if hostile.scene.hasEnded { return }
    let participant =
      switch hostile.sender {
      case .owner: "asha"
      case .member: "mina"
      case .stranger: "zoe"
      }
    if hostile.sender == .stranger {
      if hostile.scene == .locked || hostile.scene == .full { return }
      client.send("join", as: participant, data: #"{"circleId":"test","tenantId":"test"}"#, opId: "good")
    } else {
      client.send(RoomClient.text("ready", as: participant, opId: "good"))
    }
    #expect(try await client.next("ack")["opId"] == "good", "\(hostile)")
  }

  @Test("the table is as long as was asked for, and no case is there twice")
  func extent() {
    #expect(Self.table.count >= 150)
    #expect(Set(Self.table.map { "\($0)\($0.scene)\($0.sender)" }).count == Self.table.count)
  }
}
