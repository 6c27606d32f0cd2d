import RoomCore
import Synchronization

/// How many rooms may begin: for each address of clients that no token vouches for, and for each tenant.
///
/// A room begins with its first event; whoever only looks into one that does not exist yet costs nothing here.
final class CreationLimits: Sendable {
  /// On whose account a room begins.
  struct Creator: Sendable, Equatable {
    /// Nil: a token vouches for the client.
    var address: String?
    var tenant: String?
  }

  /// Keys that are counted at a time. Beyond, new ones are not: a limit is lost rather than memory.
  static let maxKeys = 100_000

  private struct Rate {
    let perHour: Int?
    var buckets: [String: TokenBucket] = [:]

    mutating func take(_ key: String?, now: UInt64) -> Bool {
      guard let perHour, let key else { return true }
      if buckets[key] == nil {
        if buckets.count >= maxKeys {
          buckets = buckets.compactMapValues { bucket in
            var bucket = bucket
            return bucket.isFull(now: now) ? nil : bucket
          }
          if buckets.count >= maxKeys { return true }
        }
        buckets[key] = TokenBucket(burst: perHour, perSecond: Double(perHour) / 3600, now: now)
      }
      return buckets[key]?.take(now: now) ?? true
    }

    mutating func giveBack(_ key: String?) {
      if let key { buckets[key]?.giveBack() }
    }
  }

  private struct State {
    var byAddress: Rate
    var byTenant: Rate
  }

  private let state: Mutex<State>

  init(perAddressAndHour: Int?, perTenantAndHour: Int?) {
    state = Mutex(State(byAddress: Rate(perHour: perAddressAndHour), byTenant: Rate(perHour: perTenantAndHour)))
  }

  /// Counts a room that begins.
  ///
  /// - Returns: the limit that it would exceed; nothing is counted then.
  func admit(_ creator: Creator, at now: Timestamp) -> RoomLimit? {
    let now = UInt64(max(0, now.millis)) * 1_000_000
    return state.withLock { state in
      guard state.byAddress.take(creator.address, now: now) else { return .address }
      guard state.byTenant.take(creator.tenant, now: now) else {
        state.byAddress.giveBack(creator.address)
        return .tenant
      }
      return nil
    }
  }

  /// The room did not begin after all.
  func giveBack(_ creator: Creator) {
    state.withLock { state in
      state.byAddress.giveBack(creator.address)
      state.byTenant.giveBack(creator.tenant)
    }
  }
}

extension RefusalNotice {
  static func tooManyRooms(because limit: RoomLimit) -> RefusalNotice {
    RefusalNotice(
      code: "rate_limited",
      message: "this \(limit.rawValue) has begun too many orders within the hour; try again later",
      isRetryable: true)
  }
}
