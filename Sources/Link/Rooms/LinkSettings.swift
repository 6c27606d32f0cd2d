import Metrics

/// How long a gateway looks for a room's owner.
public struct LinkSettings: Sendable {
  /// How long a room is looked for again after it was not found, or was not where it should be; twice as long after each
  /// further time, up to `maxDelay`. Longer spares work while a node is replaced; shorter finds its successor sooner.
  public var firstDelay: Duration = .milliseconds(5)
  public var maxDelay: Duration = .milliseconds(200)
  /// After how many looks in vain the clients are told to come back later: with the delays above about 30 s, which is
  /// as long as the original client would go on trying.
  public var maxAttempts = 155
  /// The same for whoever asks once over HTTP: about 3 s.
  public var readAttempts = 20
  /// And for whoever asks a room to do something, and would only ask again: about 11 s.
  public var askAttempts = 60

  public init() {}

  /// 0 for the first look.
  func delay(before attempt: Int) -> Duration {
    if attempt == 0 { return .zero }
    return min(maxDelay, firstDelay * (1 << min(attempt - 1, 10)))
  }
}

/// What links count.
struct LinkMetrics: Sendable {
  /// Owners that rooms with sessions have lost.
  let losses = Counter(label: "stonepot_link_owners_lost_total")
  /// Owners that such rooms have found, the first included.
  let moves = Counter(label: "stonepot_link_owners_found_total")
  /// Rooms whose clients were sent away because no owner was found.
  let failures = Counter(label: "stonepot_link_rooms_given_up_total")
}
