import Foundation
import Store
import StoreTesting
import Testing

/// The contract, kept by several handles onto one SQLite file.
struct SQLiteContractTests {
  @Test(arguments: StoreContract.sentences)
  func keeps(_ sentence: StoreContract.Sentence) async throws {
    let file = try TemporaryFile()
    try await sentence.check(on: SQLiteHarness(path: file.path))
  }
}

struct SQLiteHarness: StoreHarness {
  let path: String

  func open() async throws -> any RoomStore {
    try await SQLiteStore.open(SQLiteConfiguration(path: path, history: "history", mode: .shared))
  }
}

/// The path of a file in a directory of its own, which goes when the test does.
final class TemporaryFile: Sendable {
  let directory: String
  var path: String { directory + "/rooms.sqlite" }

  init() throws {
    directory = FileManager.default.temporaryDirectory.path + "/stonepot-store-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  }

  deinit {
    do {
      try FileManager.default.removeItem(atPath: directory)
    } catch {
      print("\(directory) stays behind: \(error)")
    }
  }
}
