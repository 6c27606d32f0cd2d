package import Store

/// The stores that records are kept in.
package enum Engine: String, CaseIterable, Sendable {
  case sqlite, postgres
}

/// Data of one test, for any number of handles onto it.
package struct RecordPlace: Sendable {
  private let openStore: @Sendable () async throws -> any RoomStore & RecordStore

  package init(_ engine: Engine, records: [RecordMigration]) async throws {
    switch engine {
    case .sqlite:
      let file = try TemporaryFile()
      openStore = {
        var configuration = SQLiteConfiguration(path: file.path, history: "history")
        configuration.records = records
        configuration.mode = .shared
        return try await SQLiteStore.open(configuration)
      }
    case .postgres:
      let server = try await PostgresServer.shared()
      let url = try server.makeDatabase()
      openStore = {
        // Held as long as the place is.
        withExtendedLifetime(server) {}
        var configuration = PostgresConfiguration(url: url, history: "history")
        configuration.records = records
        return try await PostgresStore.open(configuration)
      }
    }
  }

  package func open() async throws -> any RoomStore & RecordStore { try await openStore() }
}
