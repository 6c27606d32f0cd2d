import ArgumentParser
import Foundation
import JSONText
import Ordering
import RoomCore
import Rooms
import Store
import Wire

struct RoomsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rooms",
    abstract: "Look into a store, whether a server runs on it or not.",
    discussion: "Example: stonepot rooms ls --store sqlite:data/stonepot.sqlite",
    subcommands: [ListRooms.self, ShowRoom.self, ExportRooms.self, ImportRooms.self, VerifyRooms.self, AuditRooms.self])
}

struct StoreOption: ParsableArguments {
  @Option(help: ArgumentHelp("Where the rooms live: sqlite:path or postgres://….", valueName: "address"))
  var store = "sqlite:data/stonepot.sqlite"

  @Option(help: ArgumentHelp("The cluster's name.", valueName: "name"))
  var cluster = "stonepot"

  /// Lends the store, and closes it whatever comes of it.
  func withStore(forWriting isWriter: Bool = false, _ body: (any RoomStore) async throws -> Void) async throws {
    do {
      let store = try await StoreAddress(store).open(cluster: cluster, forWriting: isWriter)
      do {
        try await body(store)
      } catch {
        await store.close()
        throw error
      }
      await store.close()
    } catch let error as StoreError {
      throw StartFailure(message: error.message)
    }
  }
}

/// The room that an argument names. What is no name of a room is the name of none.
func roomID(_ name: String) throws(StartFailure) -> RoomID {
  guard let room = RoomID(name) else { throw noRoom(name) }
  return room
}

private func noRoom(_ name: String) -> StartFailure { StartFailure(message: "there is no room \(name)") }

private struct ListRooms: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "One line for each room: name, slot, events, last change.",
    discussion: "Example: stonepot rooms ls --limit 20")

  @OptionGroup var store: StoreOption

  @Option(help: "At most so many rooms.")
  var limit = 1000

  @Option(help: "Begin after this room.")
  var after: String?

  func run() async throws {
    let beginning = try after.map { name in
      guard let room = RoomID(name) else { throw ValidationError("\(name) is no name of a room") }
      return room
    }
    try await store.withStore { store in
      for room in try await store.rooms(after: beginning, limit: limit) {
        let changed = Date(timeIntervalSince1970: Double(room.updatedAt.millis) / 1000).ISO8601Format()
        print("\(room.room)\tslot \(room.slot)\t\(room.head) events\t\(changed)")
      }
    }
  }
}

private struct ShowRoom: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "A room's state as JSON, or its events.",
    discussion: "Example: stonepot rooms show test_session --events")

  @OptionGroup var store: StoreOption

  @Argument(help: "The room's name.")
  var room: String

  @Flag(help: "Print the journal instead, an event a line.")
  var events = false

  func run() async throws {
    try await store.withStore { try await show(try roomID(room), from: $0) }
  }

  private func show(_ id: RoomID, from store: any RoomStore) async throws {
    guard let stored = try await store.load(id) else { throw noRoom(room) }
    if events {
      guard let rows = try await store.journal(of: id, after: .zero, through: SequenceNumber(.max)) else {
        throw StartFailure(
          message: "the journal of \(room) no longer reaches back to its first event; see rooms export")
      }
      for row in rows { print(try RoomExport.lines(of: row).joined(separator: "\n")) }
    } else {
      let machine = try RoomMachine<OrderLogic>(room: id, stored: stored)
      let voice = OrderVoice(history: store.identity.history)
      let text = voice.sync(
        state: machine.state, head: machine.head, online: [], in: .full, now: machine.clock)
      print(String(decoding: text ?? [], as: UTF8.self))
    }
  }
}

private struct ExportRooms: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Rooms as JSON, one a line: snapshot, journal beyond it, timer.",
    discussion: "Example: stonepot rooms export > rooms.jsonl")

  @OptionGroup var store: StoreOption

  @Argument(help: "The rooms' names; all, if none is given.")
  var rooms: [String] = []

  func run() async throws {
    try await store.withStore { store in
      if rooms.isEmpty {
        try await exportAll(from: store)
      } else {
        for name in rooms { try await export(try roomID(name), from: store) }
      }
    }
  }

  private func exportAll(from store: any RoomStore) async throws {
    var last: RoomID?
    while true {
      let page = try await store.rooms(after: last, limit: 500)
      guard let end = page.last else { return }
      for summary in page { try await export(summary.room, from: store) }
      last = end.room
    }
  }

  private func export(_ room: RoomID, from store: any RoomStore) async throws {
    guard let stored = try await store.load(room) else { throw noRoom(room.name) }
    print(String(decoding: RoomExport.text(of: room, stored), as: UTF8.self))
  }
}

private struct ImportRooms: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Read rooms that were exported; the server must not be running.",
    discussion: "Example: stonepot rooms import rooms.jsonl --store sqlite:new.sqlite")

  @OptionGroup var store: StoreOption

  @Argument(help: "A file of exported rooms; - for standard input.")
  var file: String

  func run() async throws {
    let data =
      file == "-" ? FileHandle.standardInput.readDataToEndOfFile() : try Data(contentsOf: URL(fileURLWithPath: file))
    var count = 0
    try await store.withStore(forWriting: true) { store in
      for line in data.split(separator: UInt8(ascii: "\n")) where !line.isEmpty {
        let (room, stored) = try RoomExport.read([UInt8](line))
        // A room that cannot be replayed is refused before anything of it is written.
        _ = try RoomMachine<OrderLogic>(room: room, stored: stored)
        try await store.importRoom(room, stored, timer: stored.timer)
        count += 1
      }
    }
    print("\(count) rooms imported")
  }
}
