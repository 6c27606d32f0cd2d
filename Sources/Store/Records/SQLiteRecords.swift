internal import GRDB

extension SQLiteStore: RecordStore {
  public func readRecords<Value: Sendable>(
    _ body: @escaping @Sendable (any RecordTransaction) throws -> Value
  ) async throws -> Value {
    let body = RecordBody(body)
    do {
      return try await read { database in
        try body.run(SQLiteRecords(database: database)) { $0 is SQLiteFailure }
      }
    } catch {
      throw body.error(instead: error)
    }
  }

  public func writeRecords<Value: Sendable>(
    _ body: @escaping @Sendable (any RecordTransaction) throws -> Value
  ) async throws -> Value {
    let body = RecordBody(body)
    do {
      // Of a size, so that too many are refused.
      return try await write(bytes: 1024) { session in
        try body.run(SQLiteRecords(statements: session)) { $0 is SQLiteFailure }
      }
    } catch {
      throw body.error(instead: error)
    }
  }
}

/// What prepares statements and keeps them: the writer's session, or GRDB for a reader.
struct SQLiteRecords: RecordTransaction {
  private let prepare: (String) throws -> SQLiteStatement

  init(database: Database) { prepare = { try SQLiteStatement.cached(Self.translated($0), on: database) } }
  init(statements session: SQLiteSession) { prepare = { try session.recordStatement($0) } }

  /// `$1` would be a name to SQLite, numbered in the order of appearance. A reader asks with each run, so bytes are looked
  /// at, not characters.
  static func translated(_ sql: String) -> String {
    String(decoding: sql.utf8.map { $0 == UInt8(ascii: "$") ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
  }

  func run(_ sql: String, _ parameters: [RecordValue]) throws -> [RecordRow] {
    let statement = try prepare(sql)
    defer { statement.reset() }
    return try bind(parameters[...], of: parameters.count, to: statement)
  }

  /// One after the other, as texts are lent for the time of a closure only.
  private func bind(
    _ parameters: ArraySlice<RecordValue>, of count: Int, to statement: SQLiteStatement
  ) throws(SQLiteFailure) -> [RecordRow] {
    guard let value = parameters.first else { return try rows(of: statement) }
    let place = Int32(count - parameters.count + 1)
    let rest = parameters.dropFirst()
    switch value {
    case .null:
      statement.bindNull(place)
      return try bind(rest, of: count, to: statement)
    case .integer(let number):
      statement.bind(place, number)
      return try bind(rest, of: count, to: statement)
    case .text(let text):
      return try statement.with(place, text) { () throws(SQLiteFailure) in
        try bind(rest, of: count, to: statement)
      }
    }
  }

  private func rows(of statement: SQLiteStatement) throws(SQLiteFailure) -> [RecordRow] {
    var rows: [RecordRow] = []
    while try statement.step() { rows.append(RecordRow((0..<statement.columns).map { statement.value($0) })) }
    return rows
  }
}
