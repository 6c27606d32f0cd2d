import Crypto
public import Ordering
public import RoomCore
import Store

/// A key as its owner has it: `spk_<id>_<secret>`.
///
/// The secret is 32 random bytes, so that a plain digest keeps it: nobody tries 2²⁵⁶ of them, however fast. What makes
/// passwords safe, salt and slowness, would protect nothing here and cost each request.
public struct ApiKeyText: Sendable, Equatable {
  public let id: String
  private let secret: String

  private static let prefix = "spk_"
  private static let maxBytes = 200
  /// Those of 32 bytes in base64.
  private static let minSecretBytes = 43

  init(id: String, secret: [UInt8]) {
    precondition(!id.contains("_"), "the key's id \(id) would not end where its secret begins")
    self.id = id
    self.secret = Base64URL.text(of: secret)
  }

  /// - Returns: nil if the text can be no key; whose it is, it does not tell.
  public init?(_ text: String) {
    guard text.hasPrefix(Self.prefix), text.isName(maxBytes: Self.maxBytes) else { return nil }
    let rest = text.dropFirst(Self.prefix.count)
    guard let end = rest.firstIndex(of: "_"), end > rest.startIndex else { return nil }
    id = String(rest[..<end])
    secret = String(rest[rest.index(after: end)...])
    guard secret.utf8.count >= Self.minSecretBytes, Base64URL.bytes(of: secret) != nil else { return nil }
  }

  public var text: String { "\(Self.prefix)\(id)_\(secret)" }

  var digest: [UInt8] { Array(SHA256.hash(data: Array(secret.utf8))) }

  /// Compares in constant time, so that the time tells nothing about the digest.
  func matches(_ digest: [UInt8]) -> Bool { SHA256.hash(data: Array(secret.utf8)) == digest }
}

/// A key as it is kept: with the digest of its secret.
public struct StoredApiKey: Sendable, Equatable {
  public let key: ApiKey
  private let digest: [UInt8]

  init(key: ApiKey, digest: [UInt8]) {
    self.key = key
    self.digest = digest
  }

  /// Whether the secret is this key's.
  public func matches(_ text: ApiKeyText) -> Bool { text.id == key.id && text.matches(digest) }
}

extension Directory {
  /// Makes a key. Its text is told here and never again.
  ///
  /// - Throws: `tenant_not_found`.
  public func issueKey(
    _ tenant: String, label: String, expiresAt: Timestamp? = nil
  ) async throws -> (key: ApiKey, text: ApiKeyText) {
    let key = try ApiKey.make(id: keyID(), tenant: tenant, label: label, expiresAt: expiresAt, at: now())
    let text = ApiKeyText(id: key.id, secret: makeSecret())
    try await store.writeRecords { records in
      _ = try records.requireTenant(tenant)
      try records.run(
        """
        INSERT INTO api_keys (id, tenant, label, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
        """,
        .text(key.id), .text(tenant), .text(key.label), .text(Base64URL.text(of: text.digest)),
        .integer(key.createdAt.millis), RecordValue(key.expiresAt?.millis))
    }
    return (key, text)
  }

  /// Without what separates it from the secret.
  private func keyID() -> String { makeID().filter { $0 != "_" } }

  /// The newest first, those that are good no more among them.
  public func keys(of tenant: String, size: Int = 20, after: PageToken? = nil) async throws -> Page<ApiKey> {
    let size = try Page<ApiKey>.checked(size)
    return try await store.readRecords { records in
      _ = try records.requireTenant(tenant)
      let rows = try records.run(
        DirectoryQueries.keysOfTenant, DirectoryQueries.page(of: size, after, tenant))
      return Page(try rows.map { try ApiKey($0, tenant: tenant) }, size: size) {
        PageToken(time: $0.createdAt.millis, id: $0.id)
      }
    }
  }

  /// Takes a key away; a second time changes nothing.
  ///
  /// - Throws: `key_not_found`.
  public func revokeKey(_ tenant: String, _ id: String) async throws -> ApiKey {
    let now = now()
    return try await store.writeRecords { records in
      guard var key = try records.key(id)?.key, key.tenant == tenant else {
        throw RecordRejection(.keyNotFound, "there is no such key")
      }
      guard key.revokedAt == nil else { return key }
      key.revokedAt = now
      try records.run("UPDATE api_keys SET revoked_at = $1 WHERE id = $2", .integer(now.millis), .text(id))
      return key
    }
  }

  /// - Returns: nil if there is none of that id.
  public func storedKey(_ id: String) async throws -> StoredApiKey? {
    try await store.readRecords { try $0.key(id) }
  }

  /// Writes down that a key was used.
  public func noteUse(of id: String) async throws {
    let now = now()
    _ = try await store.writeRecords { records in
      try records.run("UPDATE api_keys SET last_used_at = $1 WHERE id = $2", .integer(now.millis), .text(id))
    }
  }
}

extension RecordTransaction {
  fileprivate func key(_ id: String) throws -> StoredApiKey? {
    let rows = try run(
      """
      SELECT id, label, created_at, expires_at, revoked_at, last_used_at, tenant, hash FROM api_keys WHERE id = $1
      """, .text(id))
    return try rows.first.map { row in
      guard let digest = Base64URL.bytes(of: try row.text(7)), digest.count == SHA256.byteCount else {
        throw StoreError.corrupt("the hash of a key is none")
      }
      return StoredApiKey(key: try ApiKey(row, tenant: try row.text(6)), digest: digest)
    }
  }
}

extension ApiKey {
  fileprivate init(_ row: RecordRow, tenant: String) throws {
    self.init(
      id: try row.text(0), tenant: tenant, label: try row.text(1), createdAt: Timestamp(millis: try row.integer(2)),
      expiresAt: row[3].time, revokedAt: row[4].time, lastUsedAt: row[5].time)
  }
}

extension RecordValue {
  /// Nil: there is none.
  fileprivate var time: Timestamp? { if case .integer(let millis) = self { Timestamp(millis: millis) } else { nil } }
}
