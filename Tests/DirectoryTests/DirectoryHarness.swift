import Directory
import Foundation
import Ordering
import RoomCore
import Store
import StoreTesting
import Synchronization
import TestSupport
import Testing

/// A directory in a store of its own, with a clock that goes on by a millisecond at each look.
struct DirectoryHarness: Sendable {
  let engine: Engine
  private let place: RecordPlace
  let store: any RoomStore & RecordStore
  let directory: Directory

  init(_ engine: Engine) async throws {
    self.engine = engine
    place = try await RecordPlace(engine, records: DirectorySchema.migrations)
    store = try await place.open()
    directory = Self.directory(on: store)
  }

  private static func directory(on store: any RecordStore) -> Directory {
    let time = Mutex<Int64>(1_000_000)
    let number = Mutex(0)
    return Directory(store: store) {
      Timestamp(
        millis: time.withLock {
          $0 += 1
          return $0
        })
    } makeID: {
      number.withLock {
        $0 += 1
        return "id-\($0)"
      }
    }
  }

  /// All that stands in all tables, those of the rooms among them; a line a row.
  func everything() async throws -> [(table: String, row: String)] {
    try await store.readRecords { [engine] records in
      let names = try records.run(
        engine == .sqlite
          ? "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
          : "SELECT CAST(tablename AS text) FROM pg_tables WHERE schemaname = current_schema()", []
      ).map { try $0.text(0) }
      return try names.flatMap { name in
        let sql = engine == .sqlite ? "SELECT * FROM \"\(name)\"" : "SELECT CAST(t AS text) FROM \"\(name)\" AS t"
        return try records.run(sql, []).map { (name, "\($0.values)") }
      }
    }
  }

  static func phone(_ number: Int) -> PhoneNumber {
    guard let phone = try? PhoneNumber("\(9_000_000_000 + number)") else { preconditionFailure("\(number)") }
    return phone
  }

  /// What a request was refused with; nil if it was not.
  static func refusal(_ body: () async throws -> Void) async throws -> RecordRejection.Code? {
    do {
      try await body()
      return nil
    } catch let rejection as RecordRejection {
      return rejection.code
    }
  }
}
