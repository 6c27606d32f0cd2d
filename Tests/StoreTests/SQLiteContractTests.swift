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
