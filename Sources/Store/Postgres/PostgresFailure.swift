/// An error of PostgreSQL or of the way to it, before it is known what it means for whoever asked.
struct PostgresFailure: Error {
  /// The five characters of https://www.postgresql.org/docs/current/errcodes-appendix.html; empty if libpq itself failed.
  let state: String
  let message: String
  /// Whether the connection is of no more use. Whatever it was asked last may have been done.
  let isConnectionLost: Bool

  /// One that came from here.
  static func lost(_ message: String) -> PostgresFailure {
    PostgresFailure(state: "", message: message, isConnectionLost: true)
  }

  private var errorClass: Substring { state.prefix(2) }

  /// Whether this may be about one entry and not about the database: the others are tried without it.
  ///
  /// Class 22 is about data, 23 about constraints, 54 about sizes, and XX00x means a damaged page, which harms the rooms
  /// that have something on it.
  var concernsOneEntry: Bool {
    guard !isConnectionLost else { return false }
    return concernsContent || isCorruption
  }

  private var concernsContent: Bool { ["22", "23", "54"].contains(errorClass) }
  private var isCorruption: Bool { state == "XX001" || state == "XX002" }

  /// Whether another connection may fare better: this one is to a server that has become a standby, or its prepared
  /// statements are gone.
  var spoilsConnection: Bool { isConnectionLost || state == "25006" || errorClass == "26" || errorClass == "25" }

  /// Whether a transaction was undone because of another one: tried again, it may do.
  var isConflict: Bool { state == "40001" || state == "40P01" }

  /// Whether another one has written the same key meanwhile: tried again, the transaction sees it.
  var isDuplicate: Bool { state == "23505" }

  var storeError: StoreError {
    if isConnectionLost { return .unavailable("the connection to PostgreSQL is lost: \(message)") }
    if isCorruption { return .corrupt(message) }
    if concernsContent { return .refused("the store cannot hold this: \(message)") }
    switch state {
    case "53100": return .unavailable("the server's disk is full (\(message)); free some space")
    case "55P03": return .unavailable("a lock was not given in time (\(message))")
    case "25006": return .unavailable("the server takes no writes (\(message))")
    case "42501": return .refused("the role may not do this: \(message)")
    case "": return .unavailable(message)
    default: return .unavailable("\(message) (SQLSTATE \(state))")
    }
  }
}
