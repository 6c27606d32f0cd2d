public import Ordering
public import RoomCore
import Store

/// A delivery that one worker has taken, until its lease ends.
public struct WebhookClaim: Sendable {
  public let endpoint: WebhookEndpoint
  public let event: String
  public let type: String
  public let at: Timestamp
  /// JSON text.
  public let data: String
  /// Which attempt this is, from 1; begins anew when somebody asks for it to be sent again.
  public let number: Int
  let owner: String
}

/// What becomes of a delivery after an attempt.
public enum WebhookVerdict: Equatable, Sendable {
  case delivered
  case retry(at: Timestamp)
  case failed
  /// The receiver wants nothing more, ever.
  case gone
}

extension Webhooks {
  /// Takes deliveries that are due, the longest due first. What is not settled before the lease ends is due again, for
  /// whoever comes first.
  ///
  /// - Parameters:
  ///   - limit: how many at most.
  ///   - perEndpoint: how many of one endpoint may be under way here.
  ///   - busy: how many are, by endpoint.
  public func claim(
    _ limit: Int, perEndpoint: Int, busy: [String: Int], lease: Duration
  ) async throws -> [WebhookClaim] {
    let (now, owner) = (now(), makeID())
    let isAnyDue = try await store.readRecords { records in
      try !records.due(at: now, passingOver: busy.filter { $0.value >= perEndpoint }.keys, 1).isEmpty
    }
    guard isAnyDue else { return [] }
    return try await store.writeRecords { records in
      var claiming = WebhookClaiming(
        records: records, now: now, until: now.advanced(by: lease), owner: owner, perEndpoint: perEndpoint, busy: busy)
      return try claiming.claim(limit)
    }
  }

  /// Writes down what came of an attempt.
  ///
  /// - Returns: false if the lease has ended and somebody else has the delivery. Then it is theirs to say.
  public func settle(_ claim: WebhookClaim, _ attempt: WebhookAttempt, as verdict: WebhookVerdict) async throws -> Bool
  {
    let now = now()
    return try await store.writeRecords { records in
      guard
        let row = try records.run(
          "SELECT attempts FROM webhook_deliveries WHERE endpoint = $1 AND event = $2 AND owner = $3",
          [.text(claim.endpoint.id), .text(claim.event), .text(claim.owner)]
        ).first
      else { return false }
      let attempts = (try StoredParts.attempts(try row.text(0)) + [attempt]).suffix(WebhookAttempt.maxKept)
      var endpoint = try records.webhook(claim.endpoint.id)
      let status: WebhookDelivery.Status
      var due: Timestamp?
      switch verdict {
      case .delivered: status = .delivered
      case .failed: status = .failed
      case .gone:
        status = .failed
        if endpoint?.disable(because: "the receiver has answered 410 Gone", at: now) == true, let endpoint {
          try records.update(endpoint)
        }
      case .retry(let time):
        // Disabled while it was sent, or deleted: the worker will meet the row, and clear it away.
        let isWanted = endpoint?.isEnabled ?? true
        status = isWanted ? .waiting : .cancelled
        due = isWanted ? time : nil
      }
      try records.run(
        """
        UPDATE webhook_deliveries SET status = $3, due_at = $4, owner = NULL, attempts = $5, ended_at = $6
        WHERE endpoint = $1 AND event = $2
        """,
        [
          .text(claim.endpoint.id), .text(claim.event), .text(status.rawValue), RecordValue(due?.millis),
          .text(StoredParts.text(Array(attempts))), due == nil ? .integer(now.millis) : .null,
        ])
      return true
    }
  }

  /// Ends what waits for an endpoint that is disabled. What is under way ends by itself.
  public func cancelWaiting(for endpoint: String) async throws {
    let now = now()
    try await inParts { records in
      guard try records.webhook(endpoint)?.isEnabled == false else { return 0 }
      return try records.run(
        """
        UPDATE webhook_deliveries SET status = 'cancelled', due_at = NULL, ended_at = $2
        WHERE endpoint = $1 AND event IN (
          SELECT event FROM webhook_deliveries WHERE endpoint = $1 AND status = 'waiting' AND owner IS NULL
          ORDER BY at, event LIMIT \(Self.partSize))
        RETURNING event
        """, [.text(endpoint), .integer(now.millis)]
      ).count
    }
  }

  /// Deletes deliveries that came to their end before `time`.
  public func deleteEnded(before time: Timestamp) async throws {
    try await inParts { records in
      let rows = try records.run(WebhookQueries.ended, [.integer(time.millis), RecordValue(Self.partSize)])
      for row in rows {
        try records.run(
          "DELETE FROM webhook_deliveries WHERE endpoint = $1 AND event = $2", [.text(row.text(0)), .text(row.text(1))])
      }
      return rows.count
    }
  }

  /// How much waits, counted up to 10 000, and since when the oldest of it is due.
  public func backlog() async throws -> (waiting: Int, oldestDue: Timestamp?) {
    try await store.readRecords { records in
      let count = try records.run(
        """
        SELECT count(*) FROM (
          SELECT 1 FROM webhook_deliveries WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 10000) AS waiting
        """, [])
      let oldest = try records.run(
        "SELECT due_at FROM webhook_deliveries WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1", [])
      return (
        Int(try count.first?.integer(0) ?? 0), try oldest.first.map { Timestamp(millis: try $0.integer(0)) }
      )
    }
  }
}

/// One round of taking, in one transaction.
private struct WebhookClaiming {
  let records: any RecordTransaction
  let now: Timestamp
  let until: Timestamp
  let owner: String
  let perEndpoint: Int
  var busy: [String: Int]
  private var endpoints: [String: WebhookEndpoint?] = [:]

  init(
    records: any RecordTransaction, now: Timestamp, until: Timestamp, owner: String, perEndpoint: Int,
    busy: [String: Int]
  ) {
    self.records = records
    self.now = now
    self.until = until
    self.owner = owner
    self.perEndpoint = perEndpoint
    self.busy = busy
  }

  /// Looks again as long as rows of endpoints that have enough stand in the way of others. Whatever else it sees is due no
  /// more afterwards.
  mutating func claim(_ limit: Int) throws -> [WebhookClaim] {
    var claims: [WebhookClaim] = []
    for _ in 0..<WebhookQueries.maxPassedOver {
      let wanted = limit - claims.count
      let full = busy.filter { $0.value >= perEndpoint }.keys
      let rows = try records.due(at: now, passingOver: full, wanted)
      for row in rows where busy[row.endpoint, default: 0] < perEndpoint {
        guard let claim = try take(row.endpoint, row.event) else { continue }
        claims.append(claim)
        busy[row.endpoint, default: 0] += 1
      }
      if rows.count < wanted || claims.count == limit { break }
    }
    return claims
  }

  private mutating func take(_ id: String, _ event: String) throws -> WebhookClaim? {
    let endpoint = try endpoints[id] ?? records.webhook(id)
    endpoints[id] = .some(endpoint)
    guard let endpoint else {
      try records.run("DELETE FROM webhook_deliveries WHERE endpoint = $1 AND event = $2", [.text(id), .text(event)])
      return nil
    }
    guard endpoint.isEnabled else {
      try records.run(
        """
        UPDATE webhook_deliveries SET status = 'cancelled', due_at = NULL, owner = NULL, ended_at = $3
        WHERE endpoint = $1 AND event = $2
        """, [.text(id), .text(event), .integer(now.millis)])
      return nil
    }
    let rows = try records.run(
      """
      UPDATE webhook_deliveries SET owner = $3, due_at = $4, tries = tries + 1, attempt_count = attempt_count + 1
      WHERE endpoint = $1 AND event = $2 RETURNING type, at, data, tries
      """, [.text(id), .text(event), .text(owner), .integer(until.millis)])
    return try rows.first.map { row in
      WebhookClaim(
        endpoint: endpoint, event: event, type: try row.text(0), at: Timestamp(millis: try row.integer(1)),
        data: try row.text(2), number: Int(try row.integer(3)), owner: owner)
    }
  }
}

extension RecordTransaction {
  fileprivate func due(
    at now: Timestamp, passingOver endpoints: some Collection<String>, _ limit: Int
  ) throws -> [(endpoint: String, event: String)] {
    // No endpoint has an empty name.
    let names = endpoints.sorted().prefix(WebhookQueries.maxPassedOver)
    let passedOver = names + Array(repeating: "", count: WebhookQueries.maxPassedOver - names.count)
    return try run(
      WebhookQueries.due, [.integer(now.millis), RecordValue(limit)] + passedOver.map { .text($0) }
    ).map { (try $0.text(0), try $0.text(1)) }
  }
}
