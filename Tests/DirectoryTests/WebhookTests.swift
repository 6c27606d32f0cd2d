import Directory
import Ordering
import RoomCore
import Store
import StoreTesting
import Synchronization
import Testing

@testable import Directory

@Suite("Webhooks as records, in each store", .timeLimit(.minutes(2)))
struct WebhookTests {
  /// Webhooks in a harness's store, at a time that a test sets.
  private struct Scene {
    let harness: DirectoryHarness
    let webhooks: Webhooks
    let time: Time

    final class Time: Sendable {
      let millis = Mutex<Int64>(1_000_000)
      var now: Timestamp { Timestamp(millis: millis.withLock { $0 }) }
    }

    init(_ engine: Engine, allowsPrivate: Bool = false) async throws {
      harness = try await DirectoryHarness(engine)
      let time = Time()
      let number = Mutex(0)
      webhooks = Webhooks(
        store: harness.store, allowsPrivateAddresses: allowsPrivate,
        now: {
          time.millis.withLock { $0 += 1 }
          return time.now
        },
        makeID: {
          number.withLock {
            $0 += 1
            return "id-\($0)"
          }
        }, makeSecret: { Array(0..<32) })
      self.time = time
    }

    func endpoint(_ tenant: String = "t", _ events: [WebhookEventType] = []) async throws -> WebhookEndpoint {
      try await webhooks.create(
        tenant, WebhookDraft(url: try WebhookURL("https://example.com/hook"), events: events))
    }

    func enqueue(_ key: String, _ type: WebhookEventType = .orderCreated, tenant: String = "t") async throws {
      let event = WebhookEvent(type, tenant: tenant, key: key, at: time.now, data: Array("{}".utf8))
      try await harness.store.writeRecords { try $0.enqueueWebhook(event) }
    }

    func refusal(_ body: () async throws -> Void) async throws -> RecordRejection.Code? {
      try await DirectoryHarness.refusal(body)
    }
  }

  @Test("an endpoint is made, changed, rotated and deleted, and is the same everywhere", arguments: Engine.allCases)
  func endpoints(engine: Engine) async throws {
    let scene = try await Scene(engine)
    let webhooks = scene.webhooks
    let made = try await scene.endpoint("t", [.orderCreated, .collaborativeOrderExpired])
    #expect(made.secret.text == "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" && made.version == 1)
    #expect(try await webhooks.endpoint("t", made.id) == made)
    #expect(made.wants(.orderCreated) && !made.wants(.orderStatusUpdated))
    let url = try WebhookURL("https://example.com/other")
    let changed = try await webhooks.change("t", made.id, WebhookChange(url: url, events: []), seen: 1)
    #expect(changed.url == url && changed.wants(.orderStatusUpdated) && changed.version == 2)
    #expect(
      try await scene.refusal { _ = try await webhooks.change("t", made.id, WebhookChange(), seen: 1) }
        == .versionMismatch)
    let disabled = try await webhooks.change("t", made.id, WebhookChange(isEnabled: false))
    #expect(!disabled.isEnabled && disabled.version == 3)
    #expect(try await webhooks.change("t", made.id, WebhookChange(isEnabled: false)) == disabled)
    #expect(try await webhooks.change("t", made.id, WebhookChange(isEnabled: true)).isEnabled)
    let rotated = try await webhooks.rotate("t", made.id)
    #expect(rotated.oldSecrets.map(\.secret) == [made.secret])
    #expect(try await webhooks.endpoint("t", made.id) == rotated)
    try await webhooks.delete("t", made.id, seen: rotated.version)
    #expect(try await scene.refusal { _ = try await webhooks.endpoint("t", made.id) } == .webhookNotFound)
    await scene.harness.store.close()
  }

  @Test("a named request makes one endpoint, and a tenant has at most twenty", arguments: Engine.allCases)
  func creation(engine: Engine) async throws {
    let scene = try await Scene(engine)
    let (webhooks, url) = (scene.webhooks, try WebhookURL("https://example.com/"))
    let secret = try WebhookSecret("whsec_" + String(repeating: "A", count: 32))
    let first = try await webhooks.create("t", WebhookDraft(url: url), id: "named")
    #expect(try await webhooks.create("t", WebhookDraft(url: url), id: "named") == first)
    for draft in [
      WebhookDraft(url: try WebhookURL("https://example.com/x")), WebhookDraft(url: url, events: [.orderCreated]),
      WebhookDraft(url: url, secret: secret),
    ] {
      #expect(
        try await scene.refusal { _ = try await webhooks.create("t", draft, id: "named") } == .idempotencyConflict)
    }
    for _ in 1..<20 { _ = try await webhooks.create("t", WebhookDraft(url: url, secret: secret)) }
    #expect(try await scene.refusal { _ = try await webhooks.create("t", WebhookDraft(url: url)) } == .limitExceeded)
    #expect(try await webhooks.create("u", WebhookDraft(url: url)).isEnabled)
    let page = try await webhooks.endpoints("t", size: 15)
    let rest = try await webhooks.endpoints("t", size: 15, after: page.next)
    #expect(page.entries.count == 15 && rest.entries.count == 5 && rest.entries.last == first && rest.next == nil)
    await scene.harness.store.close()
  }

  @Test("plain http is for who allows private addresses")
  func plain() async throws {
    let url = try WebhookURL("http://127.0.0.1:8080/hook")
    let careful = try await Scene(.sqlite)
    #expect(
      try await careful.refusal { _ = try await careful.webhooks.create("t", WebhookDraft(url: url)) } == .invalidField)
    let endpoint = try await careful.endpoint()
    #expect(
      try await careful.refusal { _ = try await careful.webhooks.change("t", endpoint.id, WebhookChange(url: url)) }
        == .invalidField)
    await careful.harness.store.close()
    let open = try await Scene(.sqlite, allowsPrivate: true)
    #expect(try await open.webhooks.create("t", WebhookDraft(url: url)).url == url)
    await open.harness.store.close()
  }

  @Test("a tenant does not see another's", arguments: Engine.allCases)
  func tenants(engine: Engine) async throws {
    let scene = try await Scene(engine)
    let webhooks = scene.webhooks
    let endpoint = try await scene.endpoint()
    try await scene.enqueue("1")
    try await scene.enqueue("2", tenant: "u")
    let delivery = try #require(try await webhooks.deliveries("t", endpoint.id).entries.first)
    let refusals: [RecordRejection.Code?] = try await [
      scene.refusal { _ = try await webhooks.endpoint("u", endpoint.id) },
      scene.refusal { _ = try await webhooks.change("u", endpoint.id, WebhookChange(isEnabled: false)) },
      scene.refusal { _ = try await webhooks.rotate("u", endpoint.id) },
      scene.refusal { try await webhooks.delete("u", endpoint.id) },
      scene.refusal { _ = try await webhooks.deliveries("u", endpoint.id) },
      scene.refusal { _ = try await webhooks.delivery("u", endpoint.id, delivery.event) },
      scene.refusal { _ = try await webhooks.redeliver("u", endpoint.id, delivery.event) },
    ]
    #expect(refusals == Array(repeating: .webhookNotFound, count: 7))
    #expect(try await webhooks.endpoints("u").entries.isEmpty)
    #expect(try await webhooks.deliveries("t", endpoint.id).entries == [delivery])
    #expect(
      try await scene.refusal { _ = try await webhooks.delivery("t", endpoint.id, "nothing") } == .deliveryNotFound)
    #expect(
      try await scene.refusal { _ = try await webhooks.redeliver("t", endpoint.id, "nothing") } == .deliveryNotFound)
    await scene.harness.store.close()
  }

  private struct Abandoned: Error {}

  @Test("an event is noted once, with what caused it or not at all", arguments: Engine.allCases)
  func outbox(engine: Engine) async throws {
    let scene = try await Scene(engine)
    let webhooks = scene.webhooks
    let all = try await scene.endpoint()
    let some = try await scene.endpoint("t", [.orderCreated])
    let disabled = try await scene.endpoint()
    _ = try await webhooks.change("t", disabled.id, WebhookChange(isEnabled: false))
    for _ in 0..<3 { try await scene.enqueue("room/1") }
    try await scene.enqueue("room/1", .orderStatusUpdated)
    let event = WebhookEvent(.orderCreated, tenant: "t", key: "lost", at: scene.time.now, data: Array("{}".utf8))
    await #expect(throws: Abandoned.self) {
      try await scene.harness.store.writeRecords { records in
        try records.enqueueWebhook(event)
        throw Abandoned()
      }
    }
    let (first, second) = try await (webhooks.deliveries("t", all.id), webhooks.deliveries("t", some.id))
    #expect(Set(first.entries.map(\.type)) == ["order.created", "order.status_updated"] && first.entries.count == 2)
    #expect(second.entries.map(\.type) == ["order.created"])
    #expect(first.entries.map(\.event).contains(second.entries[0].event))
    #expect(second.entries[0].event.wholeMatch(of: /evt_[0-9a-f]{32}/) != nil)
    #expect(try await webhooks.deliveries("t", disabled.id).entries.isEmpty)
    let backlog = try await webhooks.backlog()
    #expect(backlog.waiting == 3 && backlog.oldestDue == second.entries[0].at)
    await scene.harness.store.close()
  }

  @Test("deliveries come page by page, the newest first, by status or all", arguments: Engine.allCases)
  func log(engine: Engine) async throws {
    let scene = try await Scene(engine)
    let webhooks = scene.webhooks
    let endpoint = try await scene.endpoint()
    for number in 0..<7 {
      try await scene.enqueue("\(number)")
      // Some at one time.
      if number % 2 == 0 { scene.time.millis.withLock { $0 += 1 } }
    }
    for claim in try await webhooks.claim(3, perEndpoint: 3, busy: [:], lease: .seconds(1)) {
      #expect(try await webhooks.settle(claim, WebhookAttempt(at: scene.time.now, status: 200), as: .delivered))
    }
    for (status, count) in [(WebhookDelivery.Status?.none, 7), (.waiting, 4), (.delivered, 3), (.failed, 0)] {
      var (seen, token): ([WebhookDelivery], PageToken?) = ([], nil)
      repeat {
        let page = try await webhooks.deliveries("t", endpoint.id, in: status, size: 2, after: token)
        seen += page.entries
        token = try page.next.map { try PageToken(text: $0.text) }
      } while token != nil
      #expect(seen.count == count && Set(seen.map(\.event)).count == count)
      #expect(seen.allSatisfy { status == nil || $0.status == status })
      #expect(zip(seen, seen.dropFirst()).allSatisfy { $0.at >= $1.at })
    }
    await scene.harness.store.close()
  }

  @Test(
    "what is full does not stand in the way of others, however much of it is due before them",
    arguments: Engine.allCases)
  func fairness(engine: Engine) async throws {
    let scene = try await Scene(engine)
    let webhooks = scene.webhooks
    let (first, second) = try await (scene.endpoint(), scene.endpoint("t", [.orderStatusUpdated]))
    for number in 0..<100 { try await scene.enqueue("\(number)") }
    scene.time.millis.withLock { $0 += 1 }
    for number in 0..<6 { try await scene.enqueue("\(number)", .orderStatusUpdated) }
    func claimed(_ limit: Int, _ busy: [String: Int]) async throws -> [String] {
      try await webhooks.claim(limit, perEndpoint: 4, busy: busy, lease: .seconds(60)).map(\.endpoint.id)
    }
    // Both are under way to some extent, and neither gets more than it may have.
    #expect(try await claimed(16, [first.id: 3]) == [first.id] + Array(repeating: second.id, count: 4))
    #expect(try await claimed(16, [first.id: 4, second.id: 3]) == [second.id])
    #expect(try await claimed(16, [first.id: 4, second.id: 4]).isEmpty)
    #expect(try await claimed(1, [:]) == [first.id])
    await scene.harness.store.close()
  }

  @Test("what waits for an endpoint ends with it, be it disabled or deleted", arguments: Engine.allCases)
  func ends(engine: Engine) async throws {
    let scene = try await Scene(engine)
    let webhooks = scene.webhooks
    let (first, second) = try await (scene.endpoint(), scene.endpoint())
    let time = scene.time.now
    try await scene.harness.store.writeRecords { records in
      for number in 0..<450 {
        try records.enqueueWebhook(WebhookEvent(.orderCreated, tenant: "t", key: "\(number)", at: time, data: [0x31]))
      }
    }
    let underWay = try #require(
      try await webhooks.claim(1, perEndpoint: 1, busy: [second.id: 1], lease: .seconds(60)).first)
    #expect(underWay.endpoint.id == first.id)
    _ = try await webhooks.change("t", first.id, WebhookChange(isEnabled: false))
    #expect(try await webhooks.backlog().waiting == 451)
    #expect(try await webhooks.settle(underWay, WebhookAttempt(at: time), as: .retry(at: time)))
    #expect(try await webhooks.backlog().waiting == 450)
    #expect(try await webhooks.deliveries("t", first.id, in: .waiting).entries.isEmpty)
    let cancelled = try #require(try await webhooks.deliveries("t", first.id, in: .cancelled).entries.first)
    // Enabled again it may be sent after all.
    _ = try await webhooks.change("t", first.id, WebhookChange(isEnabled: true))
    #expect(try await webhooks.redeliver("t", first.id, cancelled.event).status == .waiting)
    for id in [first.id, second.id] { try await webhooks.delete("t", id) }
    #expect(try await webhooks.backlog().waiting == 0)
    let left = try await scene.harness.store.readRecords { try $0.run("SELECT event FROM webhook_deliveries").count }
    #expect(left == 0)
    await scene.harness.store.close()
  }

  @Test("who is interrupted leaves rows that the next worker clears away", arguments: Engine.allCases)
  func interrupted(engine: Engine) async throws {
    let scene = try await Scene(engine)
    let webhooks = scene.webhooks
    let (disabled, deleted) = try await (scene.endpoint(), scene.endpoint())
    for number in 0..<20 { try await scene.enqueue("\(number)") }
    try await scene.harness.store.writeRecords { records in
      try records.run("UPDATE webhook_endpoints SET disabled_reason = 'x' WHERE id = $1", [.text(disabled.id)])
      try records.run("DELETE FROM webhook_endpoints WHERE id = $1", [.text(deleted.id)])
    }
    #expect(try await webhooks.claim(16, perEndpoint: 4, busy: [:], lease: .seconds(60)).isEmpty)
    #expect(try await webhooks.backlog().waiting == 0)
    #expect(try await webhooks.deliveries("t", disabled.id, in: .cancelled, size: 50).entries.count == 20)
    let left = try await scene.harness.store.readRecords { try $0.run("SELECT event FROM webhook_deliveries").count }
    #expect(left == 20)
    await scene.harness.store.close()
  }

  @Test("each list goes along an index, and reads no more than its page", arguments: Engine.allCases)
  func plans(engine: Engine) async throws {
    let scene = try await Scene(engine)
    try await scene.harness.store.writeRecords { records in
      for number in 0..<10_000 {
        try records.run(
          """
          INSERT INTO webhook_deliveries (
            endpoint, event, type, at, data, status, due_at, tries, attempt_count, attempts, ended_at)
          VALUES ($1, $2, 'order.created', $3, '{}', $4, $5, 0, 0, '[]', $6)
          """,
          [
            .text("e-\(number % 10)"), .text("evt-\(number)"), RecordValue(number),
            number % 2 == 0 ? "waiting" : "delivered", number % 2 == 0 ? RecordValue(number) : .null,
            number % 2 == 0 ? .null : RecordValue(number),
          ])
      }
      if engine == .postgres { try records.run("ANALYZE webhook_deliveries", []) }
    }
    let none = Array(repeating: "'e-1'", count: 8)
    let plans: [(String, String, [String])] = [
      (WebhookQueries.deliveries, "webhook_deliveries_by_time", ["'e-3'", "5000", "'evt-5000'", "21"]),
      (
        WebhookQueries.deliveriesInStatus, "webhook_deliveries_by_status",
        ["'e-3'", "5000", "'evt-5000'", "21", "'delivered'"]
      ), (WebhookQueries.due, "webhook_deliveries_by_due", ["5000", "16"] + none),
      (WebhookQueries.ended, "webhook_deliveries_by_end", ["5000", "200"]),
      (WebhookQueries.delivery, "webhook_deliveries_pkey", ["'e-3'", "'evt-3'"]),
    ]
    for (query, index, values) in plans {
      var sql = query
      for (place, value) in values.enumerated().reversed() { sql = sql.replacing("$\(place + 1)", with: value) }
      let explained = (engine == .sqlite ? "EXPLAIN QUERY PLAN " : "EXPLAIN ") + sql
      let plan = try await scene.harness.store.readRecords { records in
        try records.run(explained, []).map { $0.values.compactMap(\.text).joined() }.joined(separator: "\n")
      }
      let isIndexed =
        plan.contains(index) || index.hasSuffix("pkey") && plan.contains("sqlite_autoindex_webhook_deliveries_1")
      #expect(isIndexed, "\(plan)")
      #expect(!plan.lowercased().contains("temp b-tree") && !plan.contains("Sort"), "\(plan)")
      #expect(!plan.contains("Seq Scan") && !plan.contains("Bitmap"), "\(plan)")
    }
    await scene.harness.store.close()
  }
}
