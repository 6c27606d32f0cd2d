import Store

extension Directory {
  /// A secret that all processes of the deployment share: the one that was made first.
  ///
  /// - Parameter made: used if there is none yet.
  public func secret(_ name: String, otherwise made: String) async throws -> String {
    try await store.writeRecords { records in
      if let row = try records.run("SELECT value FROM secrets WHERE name = $1", [.text(name)]).first {
        return try row.text(0)
      }
      try records.run("INSERT INTO secrets (name, value) VALUES ($1, $2)", [.text(name), .text(made)])
      return made
    }
  }
}
