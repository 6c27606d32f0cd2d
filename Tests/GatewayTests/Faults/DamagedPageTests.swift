import Foundation
import Load
import TestSupport
import Testing

/// Bad input changes nothing, for the disk's own mistakes: a damaged room is told so, and no other room notices.
@Suite("The program and a damaged page", .timeLimit(.minutes(5)))
struct DamagedPageTests {
  private static let pageBytes = 4096

  @Test("its room is refused and named until the page is whole again; all others are served, all of the time")
  func damaged() async throws {
    try await withPrograms { directory async throws in
      let file = directory.file("rooms.sqlite")
      let first = try await ServingProcess.start(file)
      // Large enough for pages of their own.
      for room in ["hurt", "sound"] {
        let asha = try await RoomClient.joined(first.port, RoomClient.path + room + "?v=2", as: "asha")
        for number in 0..<80 {
          asha.add("\(room) \(number) " + String(repeating: "x", count: 100), as: "asha", opId: "\(number)")
        }
        while try await asha.next("ack")["opId"] != "79" {}
        await asha.socket.disconnect()
      }
      first.child.kill(SIGTERM)
      #expect(await first.child.exit == .code(0))

      let (place, page) = try Self.page(of: "hurt 5 ", without: "sound ", in: file)
      try Self.write(Data(repeating: 0xEE, count: page.count), at: place, in: file)
      let server = try await ServingProcess.start(file)
      let probe = try await RawConnection.open(server.port)
      #expect(try await probe.get("/party/hurt").status == 503)
      let client = try await RoomClient.open(server.port, RoomClient.path + "hurt?v=2")
      #expect(try await client.closure()?.code == 1013)
      let line = try await server.child.errorLine { $0.contains("room cannot be loaded") }
      #expect(line.contains("room=hurt") && line.contains("damaged"), "\(line)")
      let sound = try await RoomClient.open(server.port, RoomClient.path + "sound?v=2")
      #expect(try await sound.next("sync")["seq"] == 82)
      sound.add("More", as: "asha", opId: "more")
      #expect(try await sound.next("ack")["seq"] == 83)
      #expect(try await probe.get("/readyz").status == 200)
      let verified = try await ChildProcess.run(["rooms", "verify", "--store", "sqlite:\(file)"])
      #expect(verified.exit == .code(1))
      #expect(verified.output.contains("hurt") || verified.output.contains("room number"), "\(verified.output)")
      #expect(!verified.output.contains("room sound"), "\(verified.output)")

      // From a backup, say.
      try Self.write(page, at: place, in: file)
      sound.add("Still more", as: "asha", opId: "still more")
      #expect(try await sound.next("ack")["seq"] == 84)
      let whole = try await RoomClient.open(server.port, RoomClient.path + "hurt?v=2")
      #expect(try await whole.next("sync")["data"]["items"].elements.count == 80)
      whole.add("More", as: "asha", opId: "more")
      #expect(try await whole.next("ack")["seq"] == 83)
      server.child.kill(SIGTERM)
      #expect(await server.child.exit == .code(0))
      let afterwards = try await ChildProcess.run(["rooms", "verify", "--store", "sqlite:\(file)"])
      #expect(afterwards.lines == ["rooms: 2, events in the journal: 167, findings: 0"])
    }
  }

  /// The last page that has one text and not the other: the snapshot's, which is written at the end.
  private static func page(of text: String, without other: String, in file: String) throws -> (Int, Data) {
    let data = try Data(contentsOf: URL(fileURLWithPath: file))
    let places = stride(from: 0, to: data.count, by: pageBytes).filter { place in
      let page = data[place..<min(place + pageBytes, data.count)]
      return page.range(of: Data(text.utf8)) != nil && page.range(of: Data(other.utf8)) == nil
    }
    let place = try #require(places.last)
    return (place, data[place..<place + pageBytes])
  }

  private static func write(_ page: Data, at place: Int, in file: String) throws {
    let handle = try #require(FileHandle(forWritingAtPath: file))
    defer { handle.closeFile() }
    try handle.seek(toOffset: UInt64(place))
    try handle.write(contentsOf: page)
  }
}
