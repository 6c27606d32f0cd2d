import Foundation
import RoomCore
import Store
import StoreTesting
import TestSupport
import Testing

/// Several node processes on one store, each with slots of its own, that are killed in the middle of their commits.
struct SharedStoreTests {
  static let nodes = 3
  static let rounds = 4

  @Test(.timeLimit(.minutes(3)))
  func nodesThatShareAFileLoseNothingWhenOneIsKilled() async throws {
    let file = try TemporaryFile()
    try await Self.check(place: file.path) {
      try await SQLiteStore.open(SQLiteConfiguration(path: file.path, history: "x", mode: .shared))
    }
    #expect(try RawDatabase(file.path).query("PRAGMA integrity_check") == ["ok"])
  }

  @Test(.timeLimit(.minutes(3)))
  func nodesThatShareADatabaseLoseNothingWhenOneIsKilled() async throws {
    let url = try await PostgresServer.shared().makeDatabase()
    try await Self.check(place: url) { try await PostgresStore.open(PostgresConfiguration(url: url, history: "x")) }
  }

  private static func check(place: String, open: () async throws -> any RoomStore) async throws {
    let seed = ProcessInfo.processInfo.environment["STONEPOT_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...999_999)
    print("shared store test: STONEPOT_SEED=\(seed)")
    var generator = SplitMix64(seed: seed)
    let rooms = (0..<CrashTests.roomCount).map { room("room-\($0)") }
    var told: [RoomID: Int64] = [:]
    for round in 0..<rounds {
      let lives = try await withThrowingTaskGroup(of: CrashTests.Life.self) { group in
        for node in 0..<nodes {
          let lines = Int.random(in: 100...400, using: &generator)
          let seed = generator.next() >> 1
          group.addTask {
            try await CrashTests.run(
              path: place, seed: seed, killAfter: lines, delayMicroseconds: 500, part: node, of: nodes)
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      for life in lives {
        #expect(life.status & 0x7F == SIGKILL, "seed \(seed), round \(round): ended by itself, status \(life.status)")
        #expect(!life.acknowledged.isEmpty)
        told.merge(life.acknowledged) { $1 }
      }
      let owners = Set(lives.flatMap(\.acknowledged.keys).map { Slot(of: $0).number % nodes })
      #expect(owners.count == nodes, "seed \(seed), round \(round): not all took part")
    }
    let store = try await open()
    for room in rooms {
      let rows = try #require(try await store.journal(of: room, after: .zero, through: SequenceNumber(.max)))
      let head = CrashTests.check(rows, after: 0, "seed \(seed), \(room)")
      #expect(head >= told[room] ?? 0, "seed \(seed): \(room) was told \(told[room] ?? 0) and ends at \(head)")
      #expect(zip(rows, rows.dropFirst()).allSatisfy { $0.epoch <= $1.epoch })
    }
    await store.close()
  }
}
