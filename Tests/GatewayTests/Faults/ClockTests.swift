import Foundation
import Load
import NIOCore
import Ordering
import RoomCore
import Rooms
import Synchronization
import TestSupport
import Testing

/// Time never runs backwards within a room, whatever the machine's clock does.
@Suite("The server, when its clock is set back", .timeLimit(.minutes(5)))
struct ClockTests {
  private final class Clock: TimeSource {
    private let millis = Mutex(Int64(1_800_000_000_000))

    func now() -> Timestamp { millis.withLock { Timestamp(millis: $0) } }
    func advance(by seconds: Int64) { millis.withLock { $0 += seconds * 1000 } }
  }

  @Test("times in the journal and in messages stay in order, connections stay open, deadlines hold")
  func setBack() async throws {
    let clock = Clock()
    let start = clock.now()
    try await withServer {
      $0.time = clock
      $0.tenant.deadlineAfterStart = .seconds(600)
    } _: { server async throws in
      let asha = try await RoomClient.joined(server.port, RoomClient.path + "room?v=2", as: "asha")
      let page = try await RoomClient.open(server.port)
      _ = try await page.next("sync")
      clock.advance(by: -3600)
      var times: [Int] = []
      for number in 0..<3 {
        asha.add("Dish \(number)", as: "asha", opId: "op-\(number)")
        for type in ["item_added", "ack"] { times.append(try #require(try await asha.next(type)["timestamp"].int)) }
        times.append(try #require(try await page.next("item_added")["timestamp"].int))
        clock.advance(by: -60)
      }
      let late = try await RoomClient.open(server.port)
      times.append(try #require(try await late.next("sync")["timestamp"].int))
      #expect(times == times.sorted() && times.allSatisfy { $0 >= start.millis })
      let positions = try await server.journal(of: "room").map(\.at)
      #expect(positions == positions.sorted())

      // To one second before the deadline, and to it: by the clock that it was set by.
      clock.advance(by: 3780 + 599)
      await server.registry.wakeDueRooms()
      asha.add("Naan", as: "asha", opId: "naan")
      #expect(try await asha.next("ack")["opId"] == "naan")
      clock.advance(by: 1)
      await server.registry.wakeDueRooms()
      #expect(try await asha.next("order_expired")["data"]["reason"] == "deadline")
      for client in [page, late] { #expect(try await client.next("sync")["data"]["status"] == "expired") }
      asha.add("Roti", as: "asha", opId: "roti")
      #expect(try await asha.next("error")["data"]["code"] == "order_expired")
    }
  }

  @Test("a room whose last event lies in the future goes on at that time, and not before")
  func behindTheFile() async throws {
    try await withPrograms { directory async throws in
      let (old, new) = (directory.file("old.sqlite"), directory.file("new.sqlite"))
      let first = try await ServingProcess.start(old)
      let asha = try await RoomClient.joined(first.port, as: "asha")
      first.child.kill(SIGTERM)
      _ = try await asha.closure()
      #expect(await first.child.exit == .code(0))
      // As if the clock had been a day ahead until now.
      try await ShiftedRooms.copy(from: old, to: new, in: directory) { _ in 86_400_000 }
      let second = try await ServingProcess.start(new)
      let again = try await RoomClient.joinedBefore(second.port, as: "asha")
      let before = try #require(try await again.next("sync")["data"]["updatedAt"].int)
      again.add("Dal", as: "asha")
      let added = try await again.next("item_added")
      #expect(added["timestamp"].int == before)
      #expect(added["data"]["item"]["addedAt"].int == before)
      second.child.kill(SIGTERM)
      #expect(await second.child.exit == .code(0))
      let verified = try await ChildProcess.run(["rooms", "verify", "--store", "sqlite:\(new)"])
      #expect(verified.exit == .code(0), "\(verified.output)")
    }
  }
}

/// Rooms whose past is moved in time, which no clock needs to be moved for.
enum ShiftedRooms {
  /// - Parameter shift: by how many milliseconds, for the name of a room.
  static func copy(
    from old: String, to new: String, in directory: TemporaryDirectory, _ shift: (String) -> Int64
  ) async throws {
    let exported = try await ChildProcess.run(["rooms", "export", "--store", "sqlite:\(old)"])
    try #require(exported.exit == .code(0), "\(exported.errors)")
    let lines = try exported.lines.map { line in
      let millis = shift(try #require(try JSON(parsing: line)["room"].string))
      // All numbers of thirteen digits are times.
      return line.replacing(#/\b1\d{12}\b/#) { match in "\((Int64(match.output) ?? 0) + millis)" }
    }
    let file = directory.file("shifted.jsonl")
    try lines.map { $0 + "\n" }.joined().write(toFile: file, atomically: true, encoding: .utf8)
    let imported = try await ChildProcess.run(["rooms", "import", file, "--store", "sqlite:\(new)"])
    try #require(imported.exit == .code(0), "\(imported.errors)")
  }
}

extension RoomClient {
  /// Opens as one who takes part already.
  static func joinedBefore(_ port: Int, _ path: String = path + "room", as participant: String) async throws
    -> RoomClient
  {
    let client = try await open(port, path)
    client.send("join", as: participant, data: "{}")
    return client
  }
}
