import ArgumentParser
import Directory
import Foundation
import Ordering
import RoomCore
import Rooms
import Store

struct AuditRooms: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "Check that what finalized orders have placed is in the records, once.",
    discussion: """
      Reads all rooms and changes nothing. What a room has reported in the last seconds may not be in the records yet.

      Example: stonepot rooms audit --store sqlite:data/stonepot.sqlite

      Exit codes: 0 all is there; 1 there are findings, a line each; 2 the store cannot be opened or read; 64 wrong usage.
      """)

  @OptionGroup var store: StoreOption

  func run() async throws {
    var audit = RecordAudit()
    do {
      try await store.withStore { store in
        guard let records = store as? any RecordStore else { throw StartFailure(message: "the store has no records") }
        try await audit.run(store, Directory(store: records, now: WallClock().now, makeID: randomName))
      }
    } catch {
      FileHandle.standardError.write(Data("Error: \(error)\n".utf8))
      throw ExitCode(2)
    }
    print(audit.summary)
    if audit.findings > 0 { throw ExitCode.failure }
  }
}

/// Compares rooms with what the records have of them.
private struct RecordAudit {
  private(set) var findings = 0
  private var finalized = 0
  private var placed = 0

  var summary: String { "finalized orders: \(finalized), orders placed by them: \(placed), findings: \(findings)" }

  mutating func run(_ store: any RoomStore, _ directory: Directory) async throws {
    var last: RoomID?
    while true {
      let rooms = try await store.rooms(after: last, limit: 500)
      for room in rooms { try await check(room.room, store, directory) }
      guard let end = rooms.last else { break }
      last = end.room
    }
    // Rooms are deleted some time after their end; what they have placed stays.
    let count = try await directory.placedCount()
    if count < placed { find("the records have \(count) orders that were placed by rooms") }
  }

  private mutating func check(_ room: RoomID, _ store: any RoomStore, _ directory: Directory) async throws {
    guard let stored = try await store.load(room) else { return }
    let machine = try RoomMachine<OrderLogic>(room: room, stored: stored)
    guard let state = machine.state.order, state.status == .finalized else { return }
    finalized += 1
    let order = SharedOrder(room: room, state)
    let expected = PlacedOrder.placed(of: order, state) { _ in .unknown }
    do {
      let found = try await directory.orders(placedBy: order.id, order.tenant)
      placed += found.count
      let isSame = Set(found.map { "\($0.id) \($0.total)" }) == Set(expected.map { "\($0.id) \($0.total)" })
      if !isSame || found.count != expected.count {
        find("room \(room) has placed \(found.count) orders of \(expected.count)")
      }
    } catch let rejection as RecordRejection where rejection.code == .orderNotFound {
      find("room \(room) is finalized, and the records do not know of it")
    }
  }

  private mutating func find(_ line: String) {
    findings += 1
    print(line)
  }
}
