public import Ordering
public import RoomCore
public import Store

/// Where all tenants want to be told of events, and what is to be delivered there.
///
/// Events are noted in the transactions that cause them (`enqueueWebhook`), and sent by whoever claims them (`claim`,
/// `settle`).
public struct Webhooks: Sendable {
  let store: any RecordStore
  /// The time of day.
  let now: @Sendable () -> Timestamp
  /// A string that is nobody else's, and cannot be guessed.
  let makeID: @Sendable () -> String
  /// 24 to 64 bytes that nobody can guess.
  private let makeSecret: @Sendable () -> [UInt8]
  /// Whether receivers may be in the operator's own network; without TLS, then.
  private let allowsPrivateAddresses: Bool

  public init(
    store: any RecordStore, allowsPrivateAddresses: Bool, now: @escaping @Sendable () -> Timestamp,
    makeID: @escaping @Sendable () -> String, makeSecret: @escaping @Sendable () -> [UInt8]
  ) {
    self.store = store
    self.allowsPrivateAddresses = allowsPrivateAddresses
    self.now = now
    self.makeID = makeID
    self.makeSecret = makeSecret
  }

  /// - Parameter id: of the endpoint, if the same request may come again: then it is not made twice. Nil: a new one.
  /// - Throws: `invalid_field`, `limit_exceeded`, `idempotency_conflict`.
  public func create(_ tenant: String, _ draft: WebhookDraft, id: String? = nil) async throws -> WebhookEndpoint {
    try require(draft.url)
    let endpoint = WebhookEndpoint(
      id: id ?? makeID(), tenant: tenant, url: draft.url, events: draft.events.map(\.rawValue),
      secret: draft.secret ?? WebhookSecret(random: makeSecret()), createdAt: now())
    return try await store.writeRecords { records in
      let all = try records.webhooks(of: tenant)
      if id != nil, let known = all.first(where: { $0.id == endpoint.id }) {
        guard known.url == draft.url, known.events == endpoint.events, draft.secret ?? known.secret == known.secret
        else {
          throw RecordRejection(otherRequest: "a webhook")
        }
        return known
      }
      guard all.count < WebhookEndpoint.maxPerTenant else {
        throw RecordRejection(.limitExceeded, "a tenant has at most \(WebhookEndpoint.maxPerTenant) webhooks")
      }
      try records.insert(endpoint)
      return endpoint
    }
  }

  /// The endpoints of a tenant, the newest first.
  public func endpoints(
    _ tenant: String, size: Int = 20, after: PageToken? = nil
  ) async throws -> Page<WebhookEndpoint> {
    let size = try Page<WebhookEndpoint>.checked(size)
    return try await store.readRecords { records in
      let rows = try records.run(
        WebhookQueries.endpointsOfTenant,
        [.text(tenant), .integer(after?.time ?? .max), .text(after?.id ?? ""), RecordValue(size + 1)])
      return Page(try rows.map { try WebhookEndpoint($0) }, size: size) {
        PageToken(time: $0.createdAt.millis, id: $0.id)
      }
    }
  }

  /// - Throws: `webhook_not_found`.
  public func endpoint(_ tenant: String, _ id: String) async throws -> WebhookEndpoint {
    try await store.readRecords { try $0.requireWebhook(tenant, id) }
  }

  /// Nothing that waits for an endpoint outlives its being disabled.
  ///
  /// - Throws: `webhook_not_found`, `invalid_field`, `version_mismatch`.
  public func change(
    _ tenant: String, _ id: String, _ change: WebhookChange, seen: Int64? = nil
  ) async throws -> WebhookEndpoint {
    if let url = change.url { try require(url) }
    let now = now()
    let endpoint = try await store.writeRecords { records in
      var endpoint = try records.requireWebhook(tenant, id)
      try check(endpoint.version, against: seen)
      if endpoint.apply(change, at: now) { try records.update(endpoint) }
      return endpoint
    }
    if !endpoint.isEnabled { try await cancelWaiting(for: id) }
    return endpoint
  }

  /// Makes a new secret. The one before goes on signing beside it for a day.
  ///
  /// - Throws: `webhook_not_found`, `version_mismatch`.
  public func rotate(_ tenant: String, _ id: String, seen: Int64? = nil) async throws -> WebhookEndpoint {
    let (now, secret) = (now(), WebhookSecret(random: makeSecret()))
    return try await store.writeRecords { records in
      var endpoint = try records.requireWebhook(tenant, id)
      try check(endpoint.version, against: seen)
      endpoint.rotate(to: secret, at: now)
      try records.update(endpoint)
      return endpoint
    }
  }

  /// Deletes an endpoint, and all that was to be or has been delivered to it.
  ///
  /// - Throws: `webhook_not_found`, `version_mismatch`.
  public func delete(_ tenant: String, _ id: String, seen: Int64? = nil) async throws {
    try await store.writeRecords { records in
      try check(try records.requireWebhook(tenant, id).version, against: seen)
      try records.run("DELETE FROM webhook_endpoints WHERE id = $1", [.text(id)])
    }
    try await inParts { records in
      try records.run(
        """
        DELETE FROM webhook_deliveries WHERE endpoint = $1 AND event IN (
          SELECT event FROM webhook_deliveries WHERE endpoint = $1 ORDER BY at, event LIMIT \(Self.partSize))
        RETURNING event
        """, [.text(id)]
      ).count
    }
  }

  /// How many rows one transaction changes at once: a long one would keep the rooms of the same store waiting.
  static let partSize = 200

  /// Runs a change again and again, a transaction each time, until a part is not full.
  ///
  /// Who is interrupted leaves rows behind; the worker meets them when they are due, or when they are too old.
  func inParts(_ change: @escaping @Sendable (any RecordTransaction) throws -> Int) async throws {
    while try await store.writeRecords(change) == Self.partSize {}
  }

  private func require(_ url: WebhookURL) throws(RecordRejection) {
    guard url.isSecure || allowsPrivateAddresses else {
      throw RecordRejection(.invalidField, "url must begin with https://")
    }
  }
}

enum WebhookQueries {
  static let endpointColumns =
    "id, tenant, url, events, secret, old_secrets, disabled_reason, created_at, updated_at, version"

  static let endpointsOfTenant = """
    SELECT \(endpointColumns) FROM webhook_endpoints WHERE tenant = $1 AND (created_at, id) < ($2, $3)
    ORDER BY created_at DESC, id DESC LIMIT $4
    """

  private static let deliveryColumns = """
    endpoint, event, type, at, data, status, due_at, owner, attempt_count, attempts
    """

  static let delivery = """
    SELECT \(deliveryColumns) FROM webhook_deliveries WHERE endpoint = $1 AND event = $2
    """

  static let deliveries = """
    SELECT \(deliveryColumns) FROM webhook_deliveries WHERE endpoint = $1 AND (at, event) < ($2, $3)
    ORDER BY at DESC, event DESC LIMIT $4
    """

  static let deliveriesInStatus = """
    SELECT \(deliveryColumns) FROM webhook_deliveries WHERE endpoint = $1 AND status = $5 AND (at, event) < ($2, $3)
    ORDER BY at DESC, event DESC LIMIT $4
    """

  /// What is due, the longest due first, but for some endpoints that have enough under way. The rows of those are passed
  /// over in the index.
  static let due = """
    SELECT endpoint, event FROM webhook_deliveries
    WHERE due_at <= $1 AND endpoint NOT IN ($3, $4, $5, $6, $7, $8, $9, $10)
    ORDER BY due_at, endpoint, event LIMIT $2
    """
  static let maxPassedOver = 8

  static let ended = """
    SELECT endpoint, event FROM webhook_deliveries WHERE ended_at < $1 ORDER BY ended_at LIMIT $2
    """
}

extension RecordTransaction {
  func requireWebhook(_ tenant: String, _ id: String) throws -> WebhookEndpoint {
    guard let endpoint = try webhook(id), endpoint.tenant == tenant else {
      throw RecordRejection(.webhookNotFound, "there is no such webhook")
    }
    return endpoint
  }

  func webhook(_ id: String) throws -> WebhookEndpoint? {
    try run("SELECT \(WebhookQueries.endpointColumns) FROM webhook_endpoints WHERE id = $1", [.text(id)]).first.map {
      try WebhookEndpoint($0)
    }
  }

  /// All of them: there are few.
  func webhooks(of tenant: String) throws -> [WebhookEndpoint] {
    let all: [RecordValue] = [.text(tenant), .integer(.max), "", RecordValue(WebhookEndpoint.maxPerTenant)]
    return try run(WebhookQueries.endpointsOfTenant, all).map { try WebhookEndpoint($0) }
  }

  fileprivate func insert(_ endpoint: WebhookEndpoint) throws {
    try run(
      """
      INSERT INTO webhook_endpoints (
        url, events, secret, old_secrets, disabled_reason, updated_at, version, id, tenant, created_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
      """, endpoint.columns + [.text(endpoint.tenant), .integer(endpoint.createdAt.millis)])
  }

  func update(_ endpoint: WebhookEndpoint) throws {
    try run(
      """
      UPDATE webhook_endpoints SET url = $1, events = $2, secret = $3, old_secrets = $4, disabled_reason = $5,
        updated_at = $6, version = $7
      WHERE id = $8
      """, endpoint.columns)
  }
}

extension WebhookEndpoint {
  fileprivate var columns: [RecordValue] {
    [
      .text(url.text), .text(StoredParts.text(events)), .text(secret.text), .text(StoredParts.text(oldSecrets)),
      RecordValue(disabledReason), .integer(updatedAt.millis), .integer(version), .text(id),
    ]
  }

  fileprivate init(_ row: RecordRow) throws {
    let id = try row.text(0)
    do {
      self.init(
        id: id, tenant: try row.text(1), url: try WebhookURL(try row.text(2)),
        events: try StoredParts.words(try row.text(3)), secret: try WebhookSecret(try row.text(4)),
        oldSecrets: try StoredParts.oldSecrets(try row.text(5)), disabledReason: row[6].text,
        createdAt: Timestamp(millis: try row.integer(7)), updatedAt: Timestamp(millis: try row.integer(8)),
        version: try row.integer(9))
    } catch let rejection as RecordRejection {
      throw StoreError.corrupt("the stored webhook \(id) is none: \(rejection.message)")
    }
  }
}
