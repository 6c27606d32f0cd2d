public import RoomCore

/// A restaurant that the records are kept for.
public struct Tenant: Equatable, Sendable {
  public let id: String
  public var name: String
  public let createdAt: Timestamp
  public var updatedAt: Timestamp
  /// Counts the changes, from 1.
  public var version: Int64

  public init(id: String, name: String, createdAt: Timestamp, updatedAt: Timestamp, version: Int64) {
    self.id = id
    self.name = name
    self.createdAt = createdAt
    self.updatedAt = updatedAt
    self.version = version
  }

  public static func make(id: String, name: String, at now: Timestamp) throws(RecordRejection) -> Tenant {
    try TextRule.name.require(name, "name")
    return Tenant(id: id, name: name, createdAt: now, updatedAt: now, version: 1)
  }

  /// - Returns: whether it is called otherwise than before.
  public mutating func rename(_ name: String, at now: Timestamp) throws(RecordRejection) -> Bool {
    try TextRule.name.require(name, "name")
    guard name != self.name else { return false }
    self.name = name
    updatedAt = max(updatedAt, now)
    version += 1
    return true
  }
}

/// What a tenant's servers prove with who they are. The secret in it is nowhere but with them.
public struct ApiKey: Equatable, Sendable {
  public let id: String
  public let tenant: String
  /// For people: where it is used.
  public let label: String
  public let createdAt: Timestamp
  /// Nil: never.
  public let expiresAt: Timestamp?
  /// Nil: it is good, unless it has expired.
  public var revokedAt: Timestamp?
  /// About when: it is not written down at each use.
  public let lastUsedAt: Timestamp?

  public init(
    id: String, tenant: String, label: String, createdAt: Timestamp, expiresAt: Timestamp?, revokedAt: Timestamp? = nil,
    lastUsedAt: Timestamp? = nil
  ) {
    self.id = id
    self.tenant = tenant
    self.label = label
    self.createdAt = createdAt
    self.expiresAt = expiresAt
    self.revokedAt = revokedAt
    self.lastUsedAt = lastUsedAt
  }

  public static func make(
    id: String, tenant: String, label: String, expiresAt: Timestamp?, at now: Timestamp
  ) throws(RecordRejection) -> ApiKey {
    try TextRule.name.require(label, "label")
    if let expiresAt, expiresAt <= now { throw RecordRejection(.invalidField, "expiresAt must be a time to come") }
    return ApiKey(id: id, tenant: tenant, label: label, createdAt: now, expiresAt: expiresAt)
  }

  public func isGood(at now: Timestamp) -> Bool {
    guard revokedAt == nil else { return false }
    guard let expiresAt else { return true }
    return now < expiresAt
  }
}
