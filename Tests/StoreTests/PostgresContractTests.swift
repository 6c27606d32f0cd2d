import Store
import StoreTesting
import Testing

/// The contract, kept by several handles onto one PostgreSQL database.
@Suite(.serialized)
struct PostgresContractTests {
  @Test(arguments: StoreContract.sentences)
  func keeps(_ sentence: StoreContract.Sentence) async throws {
    try await sentence.check(on: PostgresHarness(url: PostgresServer.shared().makeDatabase()))
  }
}

struct PostgresHarness: StoreHarness {
  let url: String

  func open() async throws -> any RoomStore {
    try await PostgresStore.open(PostgresConfiguration(url: url, history: "history"))
  }
}
