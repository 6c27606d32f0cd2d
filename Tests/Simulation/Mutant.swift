/// Bugs that are planted to see whether the simulation finds them: each breaks one thing that a promise rests on.
///
/// They come in by way of what rooms, sessions and nodes are given anyway: a store, a link, a witness.
enum Mutant: String, CaseIterable {
  /// The store answers before it has written.
  case ackBeforeCommit = "ack-before-commit"
  /// The store takes writes under whichever epoch.
  case epochNotChecked = "epoch-not-checked"
  /// The store lets a slot change its owner without raising the epoch.
  case claimWithoutBump = "claim-without-bump"
  /// A room's next owner does not learn which operations were taken before.
  case dedupForgotten = "dedup-forgotten"
  /// A commit whose outcome is not known is taken for one that failed.
  case unknownIsFailure = "unknown-is-failure"
  /// A node takes what the store said once for true for ever.
  case alwaysFresh = "always-fresh"
  /// A session that moves says that it has seen one event more than it has.
  case staleResume = "stale-resume"
  /// What is sent again to a room's next owner goes under a new name.
  case replayWithoutDedup = "replay-without-dedup"
  /// What was not settled is not sent again.
  case noReplay = "no-replay"
  /// Sessions are not told that their room has another owner.
  case deafSessions = "deaf-sessions"

  /// By how many seeds it is found at the latest.
  var bound: Int { 20 }

  /// What is broken: something that must never happen, or something that must happen in the end.
  var breaks: Violation.Kind {
    switch self {
    case .noReplay, .deafSessions: .liveness
    default: .safety
    }
  }
}

struct Violation {
  enum Kind: String {
    case safety, liveness
  }

  let kind: Kind
  let what: String
}
