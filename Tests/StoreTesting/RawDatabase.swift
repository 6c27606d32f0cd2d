internal import GRDBSQLite

/// The file as the sqlite3 shell would have it.
package final class RawDatabase {
  private let connection: OpaquePointer

  /// - Parameter withoutLog: whether to see the file alone, as if its write-ahead log were lost.
  package init(_ path: String, withoutLog: Bool = false) throws {
    var connection: OpaquePointer?
    let name = withoutLog ? "file:\(path)?immutable=1" : path
    let flags = withoutLog ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
    guard sqlite3_open_v2(name, &connection, flags, nil) == SQLITE_OK, let connection else {
      throw RawError(message: "open \(path)")
    }
    self.connection = connection
  }

  deinit { sqlite3_close(connection) }

  /// The first column of each row, as text.
  @discardableResult
  package func query(_ sql: String) throws -> [String] {
    var statement: OpaquePointer?
    guard sqlite3_prepare_v2(connection, sql, -1, &statement, nil) == SQLITE_OK else { throw error }
    defer { sqlite3_finalize(statement) }
    var rows: [String] = []
    while true {
      switch sqlite3_step(statement) {
      case SQLITE_ROW: rows.append(sqlite3_column_text(statement, 0).map { String(cString: $0) } ?? "NULL")
      case SQLITE_DONE: return rows
      default: throw error
      }
    }
  }

  private var error: RawError { RawError(message: String(cString: sqlite3_errmsg(connection))) }
}

package struct RawError: Error {
  package let message: String
}
