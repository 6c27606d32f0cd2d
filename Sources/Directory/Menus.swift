public import Ordering
import RoomCore
import Store

extension Directory {
  /// Puts a menu in the place of the one that there is, if any.
  ///
  /// - Parameter seen: the version that the caller has seen; nil if any will do.
  public func putMenu(
    _ tenant: String, _ dishes: [Menu.Dish], currency: Currency, seen: Int64? = nil
  ) async throws -> Menu {
    let now = now()
    try Menu(tenant: tenant, currency: currency, dishes: dishes, updatedAt: now, version: 1).check()
    return try await store.writeRecords { records in
      let known = try records.menu(tenant)
      try check(known?.version ?? 0, against: seen)
      let menu = Menu(
        tenant: tenant, currency: currency, dishes: dishes, updatedAt: max(known?.updatedAt ?? now, now),
        version: (known?.version ?? 0) + 1)
      try records.run(
        """
        INSERT INTO menus (tenant, currency, dishes, updated_at, version) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (tenant) DO UPDATE
        SET currency = excluded.currency, dishes = excluded.dishes, updated_at = excluded.updated_at,
          version = excluded.version
        """,
        [
          .text(tenant), .text(StoredParts.text(currency)), .text(StoredParts.text(dishes)),
          .integer(menu.updatedAt.millis), .integer(menu.version),
        ])
      return menu
    }
  }

  /// The versions of the menus that these tenants have.
  public func menuVersions(of tenants: [String]) async throws -> [String: Int64] {
    try await store.readRecords { records in
      var versions: [String: Int64] = [:]
      for start in stride(from: 0, to: tenants.count, by: DirectoryQueries.menusPerLook) {
        var some = Array(tenants[start...].prefix(DirectoryQueries.menusPerLook))
        while let last = some.last, some.count < DirectoryQueries.menusPerLook { some.append(last) }
        for row in try records.run(DirectoryQueries.menuVersions, some.map { .text($0) }) {
          versions[try row.text(0)] = try row.integer(1)
        }
      }
      return versions
    }
  }

  /// - Throws: `menu_not_found` if the tenant has none.
  public func menu(_ tenant: String) async throws -> Menu {
    guard let menu = try await menuIfAny(tenant) else {
      throw RecordRejection(.menuNotFound, "this tenant has no menu")
    }
    return menu
  }

  public func menuIfAny(_ tenant: String) async throws -> Menu? {
    try await store.readRecords { try $0.menu(tenant) }
  }
}

extension DirectoryQueries {
  fileprivate static let menusPerLook = 20
  fileprivate static let menuVersions = """
    SELECT tenant, version FROM menus
    WHERE tenant IN (\((1...menusPerLook).map { "$\($0)" }.joined(separator: ", ")))
    """
}

extension RecordTransaction {
  func menu(_ tenant: String) throws -> Menu? {
    let rows = try run("SELECT currency, dishes, updated_at, version FROM menus WHERE tenant = $1", [.text(tenant)])
    return try rows.first.map { row in
      Menu(
        tenant: tenant, currency: try StoredParts.currency(try row.text(0)),
        dishes: try StoredParts.dishes(try row.text(1)), updatedAt: Timestamp(millis: try row.integer(2)),
        version: try row.integer(3))
    }
  }
}
