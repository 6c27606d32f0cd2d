import CoreMetrics
import Directory
import Foundation
import Gateway
import Link
import Load
import Logging
import NIOCore
import NIOPosix
import Ordering
import RoomCore
import Rooms
import Service
import Store
import StoreTesting
import Testing
import Wire

/// What a server under test is made with.
struct TestSettings {
  var gateway = GatewaySettings()
  var rooms = RoomSettings()
  var tenant = TenantContext()
  var time: any TimeSource = TimeOfDay()
  /// Nodes that share the store and one gateway; the first begins as the owner of all slots.
  var nodes = 1

  init() {
    gateway.port = 0
    // The tests' clients share one address.
    gateway.connectionsPerAddress = nil
    gateway.requestsPerSecond = nil
    rooms.addressRoomsPerHour = nil
  }
}

/// The whole server in this process: gateway, rooms and a store on disk, behind a port of its own.
final class TestServer: Sendable {
  static let history = "test-history"

  let port: Int
  let gateway: Gateway
  let registry: RoomRegistry<OrderVoice>
  /// The rooms of each node, `registry` first.
  let registries: [RoomRegistry<OrderVoice>]
  let owners: TestOwners
  let numbers = SessionNumbers()
  let store: FaultyStore
  let directory: Directory
  private let serving: Task<Void, any Error>
  private let records: Task<Void, Never>

  private static let loops = MultiThreadedEventLoopGroup(numberOfThreads: 2)
  /// All servers of the process count in one registry, as the metrics system knows only one.
  static let metrics: PrometheusRegistry = {
    let registry = PrometheusRegistry()
    MetricsSystem.bootstrap(registry)
    return registry
  }()

  init(path: String, settings: TestSettings) async throws {
    let metrics = Self.metrics
    var configuration = SQLiteConfiguration(path: path, history: Self.history)
    configuration.records = DirectorySchema.migrations
    let sqlite = try await SQLiteStore.open(configuration)
    let store = FaultyStore(sqlite)
    let time = settings.time
    let directory = Directory(store: sqlite, now: { time.now() }, makeID: { UUID().uuidString })
    let webhooks = Webhooks(
      store: sqlite, allowsPrivateAddresses: false, now: { time.now() }, makeID: { UUID().uuidString },
      makeSecret: { (0..<32).map { _ in UInt8.random(in: .min ... .max) } })
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let tenant = settings.tenant
    let projector = Projector(directory: directory, logger: logger)
    let book = TenantBook(directory: directory, base: tenant, logger: logger)
    registries = (0..<settings.nodes).map { _ in
      RoomRegistry(
        store: store, voice: OrderVoice(history: Self.history), settings: settings.rooms, time: settings.time,
        lanes: Self.loops.makeIterator().map { EventLoopLane($0) }, ownership: SlotOwnership(), logger: logger,
        reported: { projector.reported($0) }, contexts: book.contexts)
    }
    registry = registries[0]
    owners = TestOwners(registries, in: store)
    try await owners.claim(for: 0)
    let moving = ClusterLink(finder: owners, scheduler: EventLoopLane(Self.loops.next()))
    owners.onNews { moving.ownersChanged() }
    let link: any RoomLink<OrderCommand> =
      settings.nodes == 1
      ? LocalLink(to: registry)
      : moving
    let orders = CollaborativeOrders(
      directory: directory, link: link, projector: projector, makeName: { UUID().uuidString })
    let assistant = try Assistant(
      directory: directory, desk: CircleOrderDesk(orders) { $0.order.room.name }, context: tenant,
      secret: "a secret of at least 32 bytes, as it must be", now: { time.now() }, makeID: { UUID().uuidString },
      logger: logger)
    let gateway = try await Gateway(
      settings: settings.gateway, link: link, group: Self.loops, numbers: numbers,
      operationPrefix: "\(UInt64.random(in: .min ... .max))", time: settings.time, metrics: metrics, logger: logger,
      isReady: {
        do throws(StoreError) {
          try await store.checkHealth()
          return true
        } catch {
          return false
        }
      },
      records: RecordDesk(
        directory: directory, orders: orders, webhooks: webhooks, assistant: assistant, tenant: tenant,
        makeName: { UUID().uuidString }))
    records = Task { await projector.run(clock: ContinuousClock()) }
    let listening = Promised<Int>()
    serving = Task { try await gateway.run { listening.fulfil($0) } }
    port = await listening.value
    self.gateway = gateway
    self.store = store
    self.directory = directory
  }

  func stop() async {
    store.behaviour = .pass
    gateway.beginDraining()
    for registry in registries { await registry.stop() }
    await gateway.closeSessions(within: .seconds(1))
    serving.cancel()
    _ = try? await serving.value
    records.cancel()
    await records.value
    await store.close()
  }

  /// All events of a room, in order.
  func journal(of name: String) async throws -> [Recorded<OrderEvent>] {
    try await Self.journal(of: name, in: store)
  }

  static func journal(of name: String, in store: any RoomStore) async throws -> [Recorded<OrderEvent>] {
    let room = try #require(RoomID(name))
    let rows = try #require(try await store.journal(of: room, after: .zero, through: SequenceNumber(.max)))
    return try rows.flatMap { row -> [Recorded<OrderEvent>] in try JournalText.read(row.text, from: row.first) }
  }

  /// A counter or gauge as `/metrics` has it; 0 if it is not there yet.
  static func metric(_ name: String) -> Double {
    for line in metrics.render().split(separator: "\n") where line.hasPrefix(name + " ") {
      return line.split(separator: " ").last.flatMap { Double($0) } ?? .nan
    }
    return 0
  }
}

struct TimeOfDay: TimeSource {
  func now() -> Timestamp { Timestamp(millis: Int64(Date().timeIntervalSince1970 * 1000)) }
}

/// A directory that goes when its last user does.
final class TemporaryDirectory: Sendable {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("gateway-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }
}

/// Runs a server of its own for a test.
func withServer(
  _ configure: (inout TestSettings) -> Void = { _ in }, _ body: (TestServer) async throws -> Void
) async throws {
  await Turnstile.servers.enter()
  var settings = TestSettings()
  configure(&settings)
  let result: Result<Void, any Error>
  do {
    let directory = try TemporaryDirectory()
    let server = try await TestServer(path: directory.file("rooms.sqlite"), settings: settings)
    do {
      try await body(server)
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await server.stop()
  } catch {
    result = .failure(error)
  }
  await Turnstile.servers.leave()
  try result.get()
}
