public import Ordering
import RoomCore
import Store

extension Directory {
  /// Makes a tenant, or calls it otherwise.
  ///
  /// - Parameter seen: the version that the caller has seen; nil if any will do.
  public func putTenant(
    _ id: String, name: String, seen: Int64? = nil
  ) async throws -> (tenant: Tenant, isNew: Bool) {
    let new = try Tenant.make(id: id, name: name, at: now())
    return try await store.writeRecords { records in
      guard var tenant = try records.tenant(id) else {
        try check(0, against: seen)
        try records.run(
          "INSERT INTO tenants (id, name, created_at, updated_at, version) VALUES ($1, $2, $3, $3, $4)",
          .text(id), .text(name), .integer(new.createdAt.millis), .integer(new.version))
        return (new, true)
      }
      try check(tenant.version, against: seen)
      if try tenant.rename(name, at: new.createdAt) {
        try records.run(
          "UPDATE tenants SET name = $1, updated_at = $2, version = $3 WHERE id = $4",
          .text(tenant.name), .integer(tenant.updatedAt.millis), .integer(tenant.version), .text(id))
      }
      return (tenant, false)
    }
  }

  /// - Throws: `tenant_not_found`.
  public func tenant(_ id: String) async throws -> Tenant {
    try await store.readRecords { try $0.requireTenant(id) }
  }

  /// The newest first.
  public func tenants(size: Int = 20, after: PageToken? = nil) async throws -> Page<Tenant> {
    let size = try Page<Tenant>.checked(size)
    return try await store.readRecords { records in
      let rows = try records.run(
        DirectoryQueries.tenants, DirectoryQueries.page(of: size, after))
      return Page(try rows.map { try Tenant($0) }, size: size) { PageToken(time: $0.createdAt.millis, id: $0.id) }
    }
  }
}

extension RecordTransaction {
  func requireTenant(_ id: String) throws -> Tenant {
    guard let tenant = try tenant(id) else { throw RecordRejection(.tenantNotFound, "there is no such tenant") }
    return tenant
  }

  fileprivate func tenant(_ id: String) throws -> Tenant? {
    try run("SELECT id, name, created_at, updated_at, version FROM tenants WHERE id = $1", .text(id))
      .first.map { try Tenant($0) }
  }
}

extension Tenant {
  fileprivate init(_ row: RecordRow) throws {
    self.init(
      id: try row.text(0), name: try row.text(1), createdAt: Timestamp(millis: try row.integer(2)),
      updatedAt: Timestamp(millis: try row.integer(3)), version: try row.integer(4))
  }
}
