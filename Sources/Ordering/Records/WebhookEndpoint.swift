public import RoomCore

/// What a tenant's servers can be told of.
public enum WebhookEventType: String, Sendable, CaseIterable {
  case orderCreated = "order.created"
  case orderStatusUpdated = "order.status_updated"
  case collaborativeOrderStarted = "collaborative_order.started"
  case collaborativeOrderFinalized = "collaborative_order.finalized"
  case collaborativeOrderCancelled = "collaborative_order.cancelled"
  case collaborativeOrderExpired = "collaborative_order.expired"
}

/// Where a tenant wants to be told of events.
public struct WebhookEndpoint: Equatable, Sendable {
  /// A secret that was replaced, and goes on signing beside the new one for a while.
  public struct OldSecret: Equatable, Sendable {
    public let secret: WebhookSecret
    public let until: Timestamp

    public init(secret: WebhookSecret, until: Timestamp) {
      self.secret = secret
      self.until = until
    }
  }

  public static let maxPerTenant = 20
  /// For how long a receiver may go on with a secret that was replaced.
  public static let secretOverlap = Duration.seconds(24 * 3600)
  /// Each is a signature more in every request.
  static let maxOldSecrets = 4

  public let id: String
  public let tenant: String
  public private(set) var url: WebhookURL
  /// Empty: all. By their names, as a later program may know more of them.
  public private(set) var events: [String]
  public private(set) var secret: WebhookSecret
  /// The newest first.
  public private(set) var oldSecrets: [OldSecret]
  /// Why nothing is sent to it; nil: it is enabled.
  public private(set) var disabledReason: String?
  public let createdAt: Timestamp
  public private(set) var updatedAt: Timestamp
  /// Counts the changes, from 1.
  public private(set) var version: Int64

  public init(
    id: String, tenant: String, url: WebhookURL, events: [String], secret: WebhookSecret, oldSecrets: [OldSecret] = [],
    disabledReason: String? = nil, createdAt: Timestamp, updatedAt: Timestamp? = nil, version: Int64 = 1
  ) {
    self.id = id
    self.tenant = tenant
    self.url = url
    self.events = events
    self.secret = secret
    self.oldSecrets = oldSecrets
    self.disabledReason = disabledReason
    self.createdAt = createdAt
    self.updatedAt = updatedAt ?? createdAt
    self.version = version
  }

  public var isEnabled: Bool { disabledReason == nil }

  public func wants(_ type: WebhookEventType) -> Bool { events.isEmpty || events.contains(type.rawValue) }

  /// With which a request is signed, the present one first.
  public func signingSecrets(at now: Timestamp) -> [WebhookSecret] {
    [secret] + oldSecrets.filter { now < $0.until }.map(\.secret)
  }

  // MARK: Changes; each tells whether anything is another than before

  public mutating func apply(_ change: WebhookChange, at now: Timestamp) -> Bool {
    let before = self
    url = change.url ?? url
    events = change.events?.map(\.rawValue) ?? events
    switch change.isEnabled {
    case true?: disabledReason = nil
    case false?: disabledReason = disabledReason ?? "it was disabled by hand"
    case nil: break
    }
    guard self != before else { return false }
    touch(at: now)
    return true
  }

  public mutating func disable(because reason: String, at now: Timestamp) -> Bool {
    guard isEnabled else { return false }
    disabledReason = reason
    touch(at: now)
    return true
  }

  /// Whoever asks again, as an answer was lost, does not take the receiver's secret away: it is still among the old ones.
  public mutating func rotate(to next: WebhookSecret, at now: Timestamp) {
    let old = OldSecret(secret: secret, until: now.advanced(by: Self.secretOverlap))
    oldSecrets = Array(([old] + oldSecrets.filter { now < $0.until }).prefix(Self.maxOldSecrets))
    secret = next
    touch(at: now)
  }

  private mutating func touch(at now: Timestamp) {
    updatedAt = max(updatedAt, now)
    version += 1
  }
}

/// What a new endpoint is made of.
public struct WebhookDraft: Equatable, Sendable {
  public var url: WebhookURL
  /// Empty: all.
  public var events: [WebhookEventType]
  /// Nil: one is made.
  public var secret: WebhookSecret?

  public init(url: WebhookURL, events: [WebhookEventType] = [], secret: WebhookSecret? = nil) {
    self.url = url
    self.events = events
    self.secret = secret
  }
}

/// What is to be another at an endpoint. Nil: it stays.
public struct WebhookChange: Equatable, Sendable {
  public var url: WebhookURL?
  public var events: [WebhookEventType]?
  public var isEnabled: Bool?

  public init(url: WebhookURL? = nil, events: [WebhookEventType]? = nil, isEnabled: Bool? = nil) {
    self.url = url
    self.events = events
    self.isEnabled = isEnabled
  }
}
