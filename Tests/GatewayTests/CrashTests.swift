import Load
import NIOPosix
import Ordering
import RoomCore
import Store
import Synchronization
import TestSupport
import Testing

/// Saved before sent, exactly once, one order: held by the real program over real sockets.
@Suite("The program, killed", .timeLimit(.minutes(5)))
struct CrashTests {
  private static func open(_ path: String) async throws -> SQLiteStore {
    try await SQLiteStore.open(SQLiteConfiguration(path: path, history: "", mode: .readOnly))
  }

  @Test("two clients come back after kill -9 and are where they were")
  func comeback() async throws {
    try await withPrograms { directory async throws in
      let file = directory.file("rooms.sqlite")
      let first = try await ServingProcess.start(file)
      let asha = try await RoomClient.joined(first.port, RoomClient.path + "room?v=2", as: "asha")
      let ravi = try await RoomClient.joined(first.port, as: "ravi")
      asha.add("Dal", as: "asha", opId: "dal")
      ravi.add("Naan", as: "ravi")
      var state: JSON = .missing
      for _ in 0..<2 { state = try await ravi.next("item_added")["data"]["orderState"] }
      while try await asha.next("item_added")["seq"] != 5 {}
      first.child.kill(SIGKILL)
      #expect(await first.child.exit == .signal(SIGKILL))
      #expect(try await asha.closure()?.wasClean == false)
      #expect(try await ravi.closure()?.wasClean == false)

      let second = try await ServingProcess.start(file)
      let ashaAgain = try await RoomClient.open(second.port, RoomClient.path + "room?v=2&since=5")
      let resumed = try await ashaAgain.next()
      #expect(resumed["type"] == "resumed")
      #expect(resumed["seq"] == 5)
      let raviAgain = try await RoomClient.open(second.port)
      raviAgain.send("join", as: "ravi", data: "{}")
      // One for the connection, one for the join.
      for _ in 0..<2 {
        let sync = try await raviAgain.next()
        #expect(sync["type"] == "sync")
        #expect(sync["data"].dropping("participants", "updatedAt") == state.dropping("participants", "updatedAt"))
        #expect(sync["data"]["participants"].elements.map { $0["id"] } == ["asha", "ravi"])
      }
      // Neither lost nor doubled.
      ashaAgain.add("Dal", as: "asha", opId: "dal", after: 3)
      #expect(try await ashaAgain.next("ack")["seq"].int.map { $0 == 4 || $0 == 5 } == true)
      raviAgain.add("Roti", as: "ravi")
      let added = try await raviAgain.next("item_added")
      #expect(added["data"]["orderState"]["items"].elements.count == 3)
      #expect(try await ashaAgain.next("item_added")["seq"] == added["seq"])
      second.child.kill(SIGTERM)
      #expect(await second.child.exit == .code(0))
    }
  }

  @Test("killed again and again under load: what was answered is there, once, and each client saw the one sequence")
  func drill() async throws {
    let kills = 15
    let seed = Seed.next()
    var generator = SplitMix64(seed: seed)
    try await withPrograms { directory async throws in
      let file = directory.file("rooms.sqlite")
      let rooms = ["first", "second"]
      var participants = (0..<4).map { LoadedParticipant($0, seed: seed) }
      var pages = rooms.map { OriginalPage(room: $0) }
      for _ in 0..<kills {
        let server = try await ServingProcess.start(file, ["--message-rate", "off"])
        // By chance between two answers, or before the first one.
        let countdown = Countdown(generator.below(80)) { server.child.kill(SIGKILL) }
        try await withThrowingTaskGroup(of: Life.self) { group in
          for (index, participant) in participants.enumerated() {
            group.addTask {
              var participant = participant
              try await participant.live(server.port, room: rooms[index % 2], operations: nil, told: countdown)
              return .participant(index, participant)
            }
          }
          for (index, page) in pages.enumerated() {
            group.addTask {
              var page = page
              try await page.live(server.port)
              return .page(index, page)
            }
          }
          for try await life in group {
            switch life {
            case .participant(let index, let participant): participants[index] = participant
            case .page(let index, let page): pages[index] = page
            }
          }
        }
        #expect(await server.child.exit == .signal(SIGKILL), "seed \(seed)")
      }

      let server = try await ServingProcess.start(file, ["--message-rate", "off"])
      for index in participants.indices {
        try await participants[index].finish(server.port, room: rooms[index % 2])
      }
      for index in pages.indices { try await pages[index].checkAgainstState(server.port, "seed \(seed)") }
      server.child.kill(SIGTERM)
      #expect(await server.child.exit == .code(0), "seed \(seed)")

      let store = try await Self.open(file)
      for (number, room) in rooms.enumerated() {
        let journal = try await TestServer.journal(of: room, in: store)
        for (position, record) in journal.enumerated() { #expect(record.sequence.number == Int64(position + 1)) }
        for index in participants.indices where index % 2 == number {
          participants[index].check(against: journal, "seed \(seed), \(participants[index].id)")
        }
      }
      await store.close()
      let answered = participants.map(\.acknowledged.count).reduce(0, +)
      let resumes = participants.map(\.view.resumes).reduce(0, +)
      print("drill: \(kills) kills, \(answered) operations answered, \(resumes) resumed connections")
      // Else the kills came too early to prove anything.
      #expect(answered > kills * 8 && resumes > kills, "seed \(seed)")
    }
  }

  private enum Life: Sendable {
    case participant(Int, LoadedParticipant)
    case page(Int, OriginalPage)
  }
}

/// What the original app's page shows: it believes a sync, and applies each change blindly.
private struct OriginalPage: Sendable {
  let room: String
  private var items: [JSON] = []
  private var problems: [String] = []

  init(room: String) { self.room = room }

  mutating func live(_ port: Int) async throws {
    do {
      let client = try await RoomClient.open(port, RoomClient.path + room)
      while true { apply(try await client.next()) }
    } catch let error as GaveUp {
      throw error
    } catch WebSocketClientError.timedOut {
      throw GaveUp(what: "the page's server to be killed")
    } catch {
      // The server is gone, and with it the connection.
    }
  }

  private mutating func apply(_ message: JSON) {
    let data = message["data"]
    switch message["type"] {
    case "sync": items = data["items"].elements
    case "item_added":
      if items.contains(where: { $0["id"] == data["item"]["id"] }) { problems.append("twice: \(data["item"])") }
      items.append(data["item"])
    case "item_removed": items.removeAll { $0["id"] == data["itemId"] }
    case "quantity_updated":
      guard let index = items.firstIndex(where: { $0["id"] == data["itemId"] }) else { break }
      // What the page shows must be what the server says it is.
      items[index] = data["orderState"]["items"].elements.first { $0["id"] == data["itemId"] } ?? .missing
      if items[index]["quantity"] != data["quantity"] { problems.append("another quantity: \(message)") }
    default: break
    }
    let state = data["orderState"]["items"]
    if state != .missing, state.elements != items { problems.append("it shows \(items), the server has \(state)") }
  }

  mutating func checkAgainstState(_ port: Int, _ place: String) async throws {
    let client = try await RoomClient.open(port, RoomClient.path + room)
    apply(try await client.next())
    let state = try JSON(parsing: try await RawConnection.open(port).get("/party/\(room)").body)
    #expect(items == state["data"]["items"].elements, "\(place)")
    #expect(problems.isEmpty, "\(place)")
    await client.socket.disconnect()
  }
}
