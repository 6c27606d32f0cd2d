import NIOCore
import RoomCore
import Synchronization

/// Counts what each tenant's clients use of this gateway: connections, and messages a second.
///
/// A client is of the tenant that its token names; without one, of the tenant that its `join` names. Until then, and as
/// a known participant who comes back without saying, it is nobody's.
final class TenantLimits: Sendable {
  /// A tenant's connections share one.
  final class Account: Sendable {
    fileprivate let tenant: String
    /// Nil: any number.
    private let messages: Mutex<TokenBucket?>

    fileprivate init(tenant: String, messagesPerSecond: Int?, now: NIODeadline) {
      self.tenant = tenant
      messages = Mutex(
        messagesPerSecond.map { rate in
          // A burst that the tenant's clients may send together when they come back.
          TokenBucket(burst: rate * 5, perSecond: Double(rate), now: now.uptimeNanoseconds)
        })
    }

    /// Whether one more message is within the tenant's rate.
    func takeMessage(now: NIODeadline) -> Bool {
      messages.withLock { $0?.take(now: now.uptimeNanoseconds) ?? true }
    }
  }

  private struct Entry {
    let account: Account
    var connections = 0
  }

  private let maxConnections: Int?
  private let messagesPerSecond: Int?
  private let entries = Mutex<[String: Entry]>([:])

  /// Nil: there is nothing to count.
  init?(settings: GatewaySettings) {
    if settings.connectionsPerTenant == nil, settings.messagesPerTenant == nil { return nil }
    maxConnections = settings.connectionsPerTenant
    messagesPerSecond = settings.messagesPerTenant
  }

  /// Whether the tenant may have one more connection; handshakes under way do not count yet.
  func hasPlace(for tenant: String) -> Bool {
    guard let maxConnections else { return true }
    return entries.withLock { $0[tenant]?.connections ?? 0 } < maxConnections
  }

  /// Counts a connection of a tenant until it leaves; nil if there are too many.
  func enter(_ tenant: String, now: NIODeadline) -> Account? {
    entries.withLock { entries in
      var entry =
        entries[tenant]
        ?? Entry(account: Account(tenant: tenant, messagesPerSecond: messagesPerSecond, now: now))
      guard entry.connections < maxConnections ?? .max else { return nil }
      entry.connections += 1
      entries[tenant] = entry
      return entry.account
    }
  }

  func leave(_ account: Account) {
    entries.withLock { entries in
      guard let entry = entries[account.tenant] else { preconditionFailure("\(account.tenant) left without entering") }
      if entry.connections > 1 {
        entries[account.tenant]?.connections -= 1
      } else {
        entries[account.tenant] = nil
      }
    }
  }
}
