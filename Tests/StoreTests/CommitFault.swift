import GRDBSQLite
import Synchronization
import Testing

/// What COMMIT is to do, from now on.
final class CommitFault: Sendable {
  enum Kind {
    case none
    case fail(Int32)
    case writeAndFail(Int32)
  }

  /// SQLITE_IOERR_FSYNC.
  static let fsync = SQLITE_IOERR | (4 << 8)

  private let state = Mutex((kind: Kind.none, count: 0))

  /// How many failed.
  var count: Int { state.withLock { $0.count } }

  func set(_ kind: Kind) { state.withLock { $0.kind = kind } }

  @Sendable func run(_ commit: () -> Int32) -> Int32 {
    let kind = state.withLock { state in
      if case .none = state.kind {} else { state.count += 1 }
      return state.kind
    }
    switch kind {
    case .none: return commit()
    case .fail(let code): return code
    case .writeAndFail(let code):
      #expect(commit() == SQLITE_OK)
      return code
    }
  }
}
