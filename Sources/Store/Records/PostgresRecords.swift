internal import Foundation

extension PostgresStore: RecordStore {
  public func readRecords<Value: Sendable>(
    _ body: @escaping @Sendable (any RecordTransaction) throws -> Value
  ) async throws -> Value {
    try await run(body, .load, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
  }

  public func writeRecords<Value: Sendable>(
    _ body: @escaping @Sendable (any RecordTransaction) throws -> Value
  ) async throws -> Value {
    // Along the indexes, or a small table would be read as a whole, and everybody be in everybody's way. Locks are another
    // transaction's for as long as it takes to write, or a process's that stands still.
    try await run(
      body, .write,
      "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL enable_seqscan = off; SET LOCAL lock_timeout = 500")
  }

  /// For how long a transaction is tried again that others were in the way of.
  private static let patience = Duration.seconds(3)

  private func run<Value: Sendable>(
    _ body: @escaping @Sendable (any RecordTransaction) throws -> Value, _ kind: PostgresSessions.Kind,
    _ begin: String
  ) async throws -> Value {
    let body = RecordBody(body)
    do {
      return try await records(kind) { connection, history in
        let clock = ContinuousClock()
        let deadline = clock.now + Self.patience
        var pause = 0.001
        while true {
          do {
            let value = try connection.transaction(begin) {
              try body.run(PostgresRecords(connection: connection)) { $0 is PostgresFailure }
            }
            if !kind.isRead { try history.written(on: connection) }
            return value
          } catch let failure as PostgresFailure {
            // Nothing was written. Whoever was in the way may still be waiting for the disk.
            guard failure.isConflict || failure.isDuplicate, clock.now < deadline else { throw failure }
            // Those who were in one another's way have other pauses.
            Thread.sleep(forTimeInterval: pause * (1 + connection.share))
            pause = min(pause * 2, 0.05)
          }
        }
      }
    } catch {
      throw body.error(instead: error)
    }
  }
}

private struct PostgresRecords: RecordTransaction {
  let connection: PostgresConnection

  func run(_ sql: String, _ parameters: [RecordValue]) throws -> [RecordRow] {
    var bound = PostgresParameters()
    for parameter in parameters {
      switch parameter {
      case .null: bound.add(nil as String?)
      case .integer(let number): bound.add(number)
      case .text(let text): bound.add(text)
      }
    }
    let result = try connection.run(connection.statement(for: sql), bound)
    return try result.rows.map { row in
      RecordRow(try (0..<result.columns).map { try result.value(row, $0) })
    }
  }
}
