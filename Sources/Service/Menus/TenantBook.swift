package import Directory
package import Logging
package import Ordering
package import Rooms
import Synchronization

/// What the tenants of this process's rooms say, as it was in the records a moment ago: rooms decide by it without waiting.
///
/// A tenant is looked up when one of its rooms needs it, and looked at again each second; whoever's rooms have not asked for
/// ten minutes is forgotten. So a new menu binds within about a second, on every node.
package final class TenantBook: Sendable {
  private struct Entry {
    var context: TenantContext
    /// Looks at all since a room has asked.
    var idleLooks = 0
  }

  private static let lookInterval = Duration.seconds(1)
  private static let mostIdleLooks = 600

  private let directory: Directory
  private let base: TenantContext
  private let logger: Logger
  private let entries = Mutex<[String: Entry]>([:])

  /// - Parameter base: what holds for all tenants.
  package init(directory: Directory, base: TenantContext, logger: Logger) {
    self.directory = directory
    self.base = base
    self.logger = logger
  }

  /// Nil: `fetch` it first. A room that is nobody's yet is bound by no menu.
  package func context(of tenant: String?) -> TenantContext? {
    guard let tenant else { return base }
    return entries.withLock { entries in
      guard let entry = entries[tenant] else { return nil }
      if entry.idleLooks > 0 { entries[tenant]?.idleLooks = 0 }
      return entry.context
    }
  }

  /// Looks a tenant up. It stays unknown if the records cannot be read.
  package func fetch(_ tenant: String?) async {
    guard let tenant else { return }
    do {
      var context = base
      context.menu = try await directory.menuIfAny(tenant)
      entries.withLock { [context] in $0[tenant, default: Entry(context: context)].context = context }
    } catch {
      logger.warning("a tenant's menu cannot be read", metadata: ["tenant": "\(tenant)", "reason": "\(error)"])
    }
  }

  /// Keeps what is known up to date, until the task is cancelled.
  package func run(clock: some Clock<Duration>) async {
    while !Task.isCancelled {
      await look()
      do { try await clock.sleep(for: Self.lookInterval) } catch { return }
    }
  }

  package func look() async {
    let known = entries.withLock { entries in
      for tenant in entries.keys { entries[tenant]?.idleLooks += 1 }
      entries = entries.filter { $0.value.idleLooks <= Self.mostIdleLooks }
      return entries.mapValues { $0.context.menu?.version }
    }
    guard !known.isEmpty else { return }
    do {
      let versions = try await directory.menuVersions(of: Array(known.keys))
      for (tenant, version) in known where versions[tenant] != version { await fetch(tenant) }
    } catch {
      logger.warning("the versions of menus cannot be read", metadata: ["reason": "\(error)"])
    }
  }
}

extension TenantBook {
  package var contexts: TenantContexts<TenantContext> {
    TenantContexts(known: { self.context(of: $0) }, fetch: { await self.fetch($0) })
  }
}
