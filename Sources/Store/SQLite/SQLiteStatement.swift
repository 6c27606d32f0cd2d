internal import GRDB
internal import GRDBSQLite
internal import RoomCore

/// A prepared statement, used through SQLite's C interface: no allocation for each binding and column.
///
/// Bound text is not copied, so a statement runs within the closure that holds its bytes, and is reset before the
/// closure returns.
struct SQLiteStatement {
  let pointer: OpaquePointer

  init(_ pointer: OpaquePointer) { self.pointer = pointer }

  /// A statement of one's own, to be finalized before the connection is closed.
  init(preparing sql: String, on connection: OpaquePointer) throws(SQLiteFailure) {
    var pointer: OpaquePointer?
    let code = sqlite3_prepare_v3(connection, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &pointer, nil)
    guard code == SQLITE_OK, let pointer else { throw SQLiteFailure(code: code, connection: connection) }
    self.pointer = pointer
  }

  func finalize() {
    sqlite3_finalize(pointer)
  }

  /// A statement that GRDB keeps for its connection.
  static func cached(_ sql: String, on database: Database) throws(SQLiteFailure) -> SQLiteStatement {
    do {
      return SQLiteStatement(try database.cachedStatement(sql: sql).sqliteStatement)
    } catch let error as DatabaseError {
      throw SQLiteFailure(code: error.extendedResultCode.rawValue, message: error.message ?? "\(error)")
    } catch {
      throw SQLiteFailure(code: SQLITE_ERROR, message: "\(error)")
    }
  }

  func bind(_ index: Int32, _ value: Int64) {
    check(sqlite3_bind_int64(pointer, index, value))
  }

  func bindNull(_ index: Int32) {
    check(sqlite3_bind_null(pointer, index))
  }

  func bind(_ index: Int32, _ value: Int) {
    bind(index, Int64(value))
  }

  /// - Throws: TOOBIG if the text is beyond the connection's limit.
  func bind(_ index: Int32, text: UnsafeRawBufferPointer) throws(SQLiteFailure) {
    // An empty buffer may have no address, which SQLite would take for NULL.
    let empty: StaticString = ""
    let start = text.baseAddress ?? UnsafeRawPointer(empty.utf8Start)
    let code = sqlite3_bind_text64(
      pointer, index, start.assumingMemoryBound(to: CChar.self), UInt64(text.count), nil, UInt8(SQLITE_UTF8))
    guard code == SQLITE_OK else { throw SQLiteFailure(code: code, connection: sqlite3_db_handle(pointer)) }
  }

  /// Runs to the next row.
  ///
  /// - Returns: false when there is none.
  func step() throws(SQLiteFailure) -> Bool {
    switch sqlite3_step(pointer) {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    case let code: throw SQLiteFailure(code: code, connection: sqlite3_db_handle(pointer))
    }
  }

  /// Makes the statement ready for its next use; ends what it still holds open.
  func reset() {
    // The code repeats the error of the last step, which was thrown there.
    sqlite3_reset(pointer)
  }

  /// Runs a statement that answers nothing.
  func run() throws(SQLiteFailure) {
    defer { reset() }
    _ = try step()
  }

  /// The same with a text, which is held during the run only.
  func run(_ index: Int32, text: [UInt8]) throws(SQLiteFailure) {
    let result = text.withUnsafeBytes { bytes in
      Result { () throws(SQLiteFailure) in
        try bind(index, text: bytes)
        try run()
      }
    }
    try result.get()
  }

  /// The same with a string.
  func run(_ index: Int32, _ string: String) throws(SQLiteFailure) {
    try with(index, string) { () throws(SQLiteFailure) in _ = try step() }
  }

  /// Binds a string and runs `body` while it is there.
  func with<Value>(
    _ index: Int32, _ string: String, _ body: () throws(SQLiteFailure) -> Value
  ) throws(SQLiteFailure) -> Value {
    var string = string
    let result = string.withUTF8 { bytes in
      Result { () throws(SQLiteFailure) -> Value in
        defer { reset() }
        try bind(index, text: UnsafeRawBufferPointer(bytes))
        return try body()
      }
    }
    return try result.get()
  }

  func int64(_ column: Int32) -> Int64 { sqlite3_column_int64(pointer, column) }
  func int(_ column: Int32) -> Int { Int(int64(column)) }
  func isNull(_ column: Int32) -> Bool { sqlite3_column_type(pointer, column) == SQLITE_NULL }

  var columns: Int32 { sqlite3_column_count(pointer) }

  func value(_ column: Int32) -> RecordValue {
    switch sqlite3_column_type(pointer, column) {
    case SQLITE_NULL: .null
    case SQLITE_INTEGER: .integer(int64(column))
    default: .text(string(column))
    }
  }

  /// Valid until the next step.
  func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
    let start = sqlite3_column_text(pointer, column)
    return UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(pointer, column)))
  }

  func text(_ column: Int32) -> [UInt8] { Array(bytes(column)) }
  func string(_ column: Int32) -> String { String(decoding: bytes(column), as: UTF8.self) }

  private func check(_ code: Int32) {
    precondition(code == SQLITE_OK, "binding failed with \(code): \(String(cString: sqlite3_sql(pointer)))")
  }
}

/// Runs statements that answer nothing, for set-up and for the borders of transactions.
func executeSQL(_ sql: String, on connection: OpaquePointer) throws(SQLiteFailure) {
  let code = sqlite3_exec(connection, sql, nil, nil, nil)
  guard code == SQLITE_OK else { throw SQLiteFailure(code: code, connection: connection) }
}
