import Foundation
import Load
import TestSupport
import Testing

/// Rooms that have ended are kept for 30 days, then deleted.
@Suite("The program and old rooms", .timeLimit(.minutes(5)))
struct RetentionTests {
  @Test("rooms that ended more than the retention ago are deleted, and begin anew; others are not")
  func retention() async throws {
    try await withPrograms { directory async throws in
      let (old, new) = (directory.file("old.sqlite"), directory.file("new.sqlite"))
      let first = try await ServingProcess.start(old)
      for room in ["ended-30-days-ago", "ended-20-days-ago", "cancelled-30-days-ago", "ended-now"] {
        let asha = try await RoomClient.joined(first.port, RoomClient.path + room + "?v=2", as: "asha")
        asha.add("Dal", as: "asha", opId: "dal")
        _ = try await asha.next("ack")
        asha.send(room.hasPrefix("ended") ? "finalize" : "cancel", as: "asha", opId: "end")
        _ = try await asha.next("ack")
        await asha.socket.disconnect()
      }
      first.child.kill(SIGTERM)
      #expect(await first.child.exit == .code(0))
      let day: Int64 = 86_400_000
      try await ShiftedRooms.copy(from: old, to: new, in: directory) { room in
        room.contains("30") ? -30 * day - 1000 : room.contains("20") ? -20 * day : 0
      }

      let kept = try await ServingProcess.start(new, ["--room-retention", "off"])
      let page = try await RoomClient.open(kept.port, RoomClient.path + "ended-30-days-ago?v=2")
      let sync = try await page.next()
      #expect(sync["data"]["status"] == "finalized")
      let (seq, history) = (try #require(sync["seq"].int), try #require(sync["history"].string))
      #expect(seq == 4)
      kept.child.kill(SIGTERM)
      #expect(await kept.child.exit == .code(0))

      let server = try await ServingProcess.start(new)
      let probe = try await RawConnection.open(server.port)
      try await eventually("the old rooms to be deleted") {
        try await StoreFaultTests.metric("stonepot_rooms_deleted_total", probe) == 2
      }
      let names = try await ChildProcess.run(["rooms", "ls", "--store", "sqlite:\(new)"]).lines.map {
        $0.split(separator: "\t").first
      }
      #expect(names == ["ended-20-days-ago", "ended-now"])
      #expect(try await probe.get("/party/ended-30-days-ago").status == 404)

      // Who was there finds an empty room, and nothing that was done then is done again.
      let late = try await RoomClient.open(
        server.port, RoomClient.path + "ended-30-days-ago?v=2&since=\(seq)&history=\(history)")
      let empty = try await late.next()
      #expect(empty["type"] == "sync")
      #expect(empty["seq"] == 0)
      late.send("join", as: "asha", data: "{}", opId: "again", after: seq)
      #expect(try await late.next("error")["data"]["code"] == "operation_expired")
      let ravi = try await RoomClient.joined(
        server.port, RoomClient.path + "ended-30-days-ago?v=2", as: "ravi")
      #expect(try await late.next("participant_joined")["seq"] == 2)
      await ravi.socket.disconnect()
      server.child.kill(SIGTERM)
      #expect(await server.child.exit == .code(0))
    }
  }

  @Test("a retention of rooms below that of the journal is refused")
  func tooShort() async throws {
    try await withPrograms { directory async throws in
      let store = "sqlite:" + directory.file("rooms.sqlite")
      let result = try await ChildProcess.run(["serve", "--store", store, "--room-retention", "86399"])
      #expect(result.exit == .code(64), "\(result.errors)")
      #expect(result.errors.contains("--room-retention"), "\(result.errors)")
    }
  }
}
