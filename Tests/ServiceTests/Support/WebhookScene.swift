import Directory
import Foundation
import Logging
import NIOCore
import NIOPosix
import Ordering
import RoomCore
import Service
import Store
import StoreTesting
import Synchronization
import TestSupport
import Testing

/// A time of day that stands still unless a test moves it.
final class VirtualClock: Sendable {
  private let time = Mutex(Timestamp(millis: 1_700_000_000_123))

  var now: Timestamp { time.withLock { $0 } }

  func advance(by duration: Duration) { time.withLock { $0 = $0.advanced(by: duration) } }
}

/// A store of its own with webhooks in it, a clock that a test moves, and workers.
final class WebhookScene: Sendable {
  let store: any RoomStore & RecordStore
  let clock = VirtualClock()
  let webhooks: Webhooks
  let directory: Directory
  private let place: RecordPlace
  private let numbers = Atomic<Int>(0)

  init(_ engine: Engine) async throws {
    place = try await RecordPlace(engine, records: DirectorySchema.migrations)
    store = try await place.open()
    let clock = clock
    let ids = Mutex(0)
    let secrets = Mutex<UInt8>(0)
    let makeID: @Sendable () -> String = {
      ids.withLock {
        $0 += 1
        return "id-\($0)"
      }
    }
    webhooks = Webhooks(
      store: store, allowsPrivateAddresses: true, now: { clock.now }, makeID: makeID,
      makeSecret: {
        secrets.withLock {
          $0 += 1
          return Array(repeating: $0, count: 32)
        }
      })
    directory = Directory(store: store, now: { clock.now }, makeID: makeID)
  }

  /// An endpoint of tenant `t`.
  func endpoint(_ url: String, _ events: [WebhookEventType] = []) async throws -> WebhookEndpoint {
    try await webhooks.create("t", WebhookDraft(url: try WebhookURL(url), events: events))
  }

  /// Notes events of tenant `t`, and gives their ids. Their times are a millisecond apart, the last one now.
  @discardableResult
  func happen(_ count: Int = 1, _ type: WebhookEventType = .collaborativeOrderFinalized) async throws -> [String] {
    let events = (0..<count).map { index in
      let number = numbers.add(1, ordering: .relaxed).newValue
      return WebhookEvent(
        type, tenant: "t", key: "room/\(number)", at: clock.now.advanced(by: .milliseconds(index + 1 - count)),
        data: Array("{\"number\":\(number),\"name\":\"दाल\"}".utf8))
    }
    try await store.writeRecords { records in for event in events { try records.enqueueWebhook(event) } }
    return events.map(\.id)
  }

  func delivery(_ endpoint: WebhookEndpoint, _ event: String) async throws -> WebhookDelivery {
    try await webhooks.delivery("t", endpoint.id, event)
  }

  /// Waits until a delivery has so many attempts written down, and none under way.
  @discardableResult
  func attempts(
    _ count: Int, of event: String, at endpoint: WebhookEndpoint
  ) async throws -> WebhookDelivery {
    var found: WebhookDelivery?
    try await eventually("attempt \(count) of \(event)") {
      let delivery = try await self.delivery(endpoint, event)
      found = delivery
      return delivery.attempts.count == count
        && (delivery.nextAttemptAt != nil || delivery.status != .waiting)
    }
    return try #require(found)
  }

  func count(_ status: WebhookDelivery.Status, at endpoint: WebhookEndpoint) async throws -> Int {
    try await webhooks.deliveries("t", endpoint.id, in: status, size: 200).entries.count
  }

  // MARK: Workers

  static let loops = MultiThreadedEventLoopGroup(numberOfThreads: 2)

  /// For tests, which have no time: as in production, but that it looks often.
  static var settings: WebhookSettings {
    var settings = WebhookSettings()
    settings.allowsPrivateAddresses = true
    settings.pollInterval = .milliseconds(5)
    return settings
  }

  func worker(_ client: WebhookClient, _ settings: WebhookSettings) -> WebhookWorker {
    let clock = clock
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return WebhookWorker(
      webhooks: webhooks, client: client, settings: settings, now: { clock.now }, chance: { 0.5 }, logger: logger)
  }

  /// Runs a worker while the body does.
  func withWorker(
    _ change: (inout WebhookSettings) -> Void = { _ in }, lookUp: WebhookClient.LookUp? = nil,
    _ body: () async throws -> Void
  ) async throws {
    var settings = Self.settings
    change(&settings)
    let client =
      if let lookUp {
        try WebhookClient(settings: settings, group: Self.loops, lookUp: lookUp)
      } else {
        try WebhookClient(settings: settings, group: Self.loops)
      }
    defer { client.stop() }
    let worker = worker(client, settings)
    async let running: Void = worker.run()
    let result: Result<Void, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    worker.stop()
    await running
    try result.get()
  }
}

/// Runs a test with a store of its own.
func withScene(_ engine: Engine, _ body: (WebhookScene) async throws -> Void) async throws {
  let scene = try await WebhookScene(engine)
  let result: Result<Void, any Error>
  do { result = .success(try await body(scene)) } catch { result = .failure(error) }
  await scene.store.close()
  try result.get()
}
