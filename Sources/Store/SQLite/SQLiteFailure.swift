internal import GRDB
internal import GRDBSQLite

/// An error of SQLite, before it is known what it means for whoever asked.
struct SQLiteFailure: Error {
  /// The extended result code.
  let code: Int32
  let message: String

  init(code: Int32, message: String) {
    self.code = code
    self.message = message
  }

  init(code: Int32, connection: OpaquePointer?) {
    self.init(code: code, message: connection.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory")
  }

  var primaryCode: Int32 { code & 0xFF }

  /// Whether this is about what was to be stored.
  private var concernsContent: Bool {
    switch primaryCode {
    case SQLITE_CONSTRAINT, SQLITE_TOOBIG, SQLITE_MISMATCH, SQLITE_RANGE: true
    default: false
    }
  }

  /// Whether this may be about one entry and not about the file: the others of its transaction are tried without it.
  ///
  /// A damaged page harms the rooms that have something on it. If more is damaged, each entry will find out. (SQLite
  /// itself commits no transaction in which it found damage, so a savepoint does not help.)
  var concernsOneEntry: Bool { concernsContent || primaryCode == SQLITE_CORRUPT }

  /// Whether a COMMIT that failed so has certainly written nothing.
  ///
  /// BUSY is answered before anything is written. FULL means that a write before or of the commit frame fell short, and
  /// a frame that is not whole fails its checksum. Of any other error, a failed fsync above all, that cannot be said.
  var leavesCommitUndone: Bool {
    switch primaryCode {
    case SQLITE_BUSY, SQLITE_FULL, SQLITE_READONLY: true
    default: false
    }
  }

  /// Whether the connection may have lost track of the file.
  var spoilsConnection: Bool {
    !concernsContent && primaryCode != SQLITE_BUSY && primaryCode != SQLITE_FULL
  }

  var storeError: StoreError {
    switch primaryCode {
    case SQLITE_FULL: .unavailable("the disk is full (\(message)); free some space")
    case SQLITE_IOERR: .unavailable("the disk failed (\(message), code \(code))")
    case SQLITE_READONLY: .unavailable("the file or its directory cannot be written (\(message))")
    case SQLITE_BUSY, SQLITE_LOCKED, SQLITE_PROTOCOL:
      .unavailable("another process holds the file's write lock (\(message))")
    case SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_AUTH: .unavailable("the file cannot be opened (\(message))")
    case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_FORMAT: .corrupt(message)
    case _ where concernsContent: .refused("the store cannot hold this: \(message)")
    default: .unavailable("\(message) (SQLite code \(code))")
    }
  }
}

extension StoreError {
  /// The same, when nobody's entry is to blame: what could not be written now may be written when the store is whole.
  var blamingNobody: StoreError { concernsContent ? .unavailable(message) : self }

  /// What an error thrown by GRDB means.
  init(_ error: any Error) {
    switch error {
    case let error as StoreError: self = error
    case let error as SQLiteFailure: self = error.storeError
    case let error as DatabaseError:
      let failure = SQLiteFailure(
        code: error.extendedResultCode.rawValue, message: error.message ?? "\(error.resultCode)")
      self = failure.storeError
    default: self = .unavailable("\(error)")
    }
  }
}
