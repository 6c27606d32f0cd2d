import Directory
import Foundation
import JSONText
import Logging
import Ordering
import RoomCore
import ServiceTesting
import Store
import StoreTesting
import Synchronization
import Testing

@testable import Service

/// An assistant with a store of its own, an order desk in memory, and a clock that goes on by a millisecond at each
/// look.
final class AssistantHarness: Sendable {
  /// The stores that sessions are kept in.
  enum Engine: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case sqlite, postgres

    var testDescription: String { rawValue }
  }

  static let secret = "a secret of at least 32 bytes, as it must be"
  static let tenant = "t"

  let engine: Engine
  let directory: Directory
  let desk: MemoryOrderDesk
  let assistant: Assistant
  let mcp: MCPEndpoint
  let store: any RoomStore & RecordStore
  private let clock: Clock
  private let place: any Sendable
  private let context: TenantContext

  /// Time and names, which go on where a store is opened again.
  private final class Clock: Sendable {
    private let time = Mutex<Int64>(1_730_000_000_000)
    private let names = Mutex(0)

    func now() -> Timestamp {
      Timestamp(
        millis: time.withLock {
          $0 += 1
          return $0
        })
    }

    func pass(_ duration: Duration) { time.withLock { $0 += duration.clampedMillis } }

    func makeID() -> String {
      names.withLock {
        $0 += 1
        return "id-\($0)"
      }
    }
  }

  convenience init(_ engine: Engine, context: TenantContext = TenantContext()) async throws {
    let place: any Sendable
    switch engine {
    case .sqlite: place = try TemporaryFile()
    case .postgres:
      let server = try await PostgresServer.shared()
      place = PostgresPlace(server: server, url: try server.makeDatabase())
    }
    try await self.init(engine, place, Clock(), nil, context)
  }

  private struct PostgresPlace: Sendable {
    let server: PostgresServer
    let url: String
  }

  private init(
    _ engine: Engine, _ place: any Sendable, _ clock: Clock, _ desk: MemoryOrderDesk?, _ context: TenantContext
  ) async throws {
    self.engine = engine
    self.place = place
    self.clock = clock
    self.context = context
    if let place = place as? PostgresPlace {
      var configuration = PostgresConfiguration(url: place.url, history: "history")
      configuration.records = DirectorySchema.migrations
      store = try await PostgresStore.open(configuration)
    } else {
      let file = try #require(place as? TemporaryFile)
      var configuration = SQLiteConfiguration(path: file.path, history: "history")
      configuration.records = DirectorySchema.migrations
      store = try await SQLiteStore.open(configuration)
    }
    directory = Directory(store: store, now: { clock.now() }, makeID: { clock.makeID() })
    self.desk = desk ?? MemoryOrderDesk(directory: directory, context: context, now: { clock.now() })
    assistant = try Self.assistant(directory, self.desk, context, clock)
    mcp = MCPEndpoint(assistant, server: MCPServerInfo(version: "1"))
  }

  private static func assistant(
    _ directory: Directory, _ desk: MemoryOrderDesk, _ context: TenantContext, _ clock: Clock,
    registry: ToolRegistry? = nil
  ) throws -> Assistant {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return try Assistant(
      directory: directory, desk: desk, context: context, secret: secret, registry: registry, now: { clock.now() },
      makeID: { clock.makeID() }, logger: logger)
  }

  /// Another process's assistant on the same store.
  ///
  /// - Parameter records: the way to the store, if it is another.
  func another(_ registry: ToolRegistry? = nil, records: (any RecordStore)? = nil) throws -> Assistant {
    let clock = clock
    let directory = Directory(store: records ?? store, now: { clock.now() }, makeID: { clock.makeID() })
    return try Self.assistant(directory, desk, context, clock, registry: registry)
  }

  /// Closes the store and opens it again, as a restart does. The orders of the desk stay.
  func reopened() async throws -> AssistantHarness {
    await store.close()
    return try await AssistantHarness(engine, place, clock, nil, context)
  }

  func pass(_ duration: Duration) { clock.pass(duration) }

  func close() async { await store.close() }

  // MARK: Calling

  /// - Returns: what the tool answered.
  @discardableResult
  func call(
    _ tool: String, _ arguments: String = "{}", id: String? = nil, in session: String?
  ) async throws -> JSONTree {
    let request = Assistant.Request(
      id: id, tool: tool, arguments: try JSONTree(parsing: Array(arguments.utf8)))
    return try JSONTree(parsing: try await assistant.run(request, Self.tenant, session: session).json)
  }

  static func phone(_ number: Int) -> PhoneNumber {
    guard let phone = try? PhoneNumber("\(9_000_000_000 + number)") else { preconditionFailure("\(number)") }
    return phone
  }

  /// A session with Asha, who owns the circle Home, whose order has two dishes in it. The call ids begin with `scene`.
  func scene() async throws -> String {
    try await putMenu()
    let session = try await assistant.begin(Self.tenant).record.id
    let calls = [
      ("capture_customer_info", #"{"name":"Asha","phone":"9876543210"}"#),
      ("create_circle", #"{"name":"Home","type":"family"}"#), ("start_collaborative_order", "{}"),
      ("add_item", #"{"dishName":"Dal","quantity":2}"#), ("add_item", #"{"dishName":"naan"}"#),
    ]
    for (number, (tool, arguments)) in calls.enumerated() {
      let result = try await call(tool, arguments, id: "scene-\(number)", in: session)
      try #require(result.isDone, "\(tool): \(result)")
    }
    return session
  }

  func putMenu() async throws {
    let dishes = [
      Menu.Dish(
        id: "d1", name: "Dal Makhani", type: .veg, price: Money(minorUnits: 29950),
        options: [Menu.Option(name: "Ghee", price: Money(minorUnits: 2000))]),
      Menu.Dish(id: "d2", name: "Dal", type: .veg, price: Money(minorUnits: 19900)),
      Menu.Dish(id: "d3", name: "Naan", type: .veg, price: Money(minorUnits: 4500)),
      Menu.Dish(id: "d4", name: "Chicken Biryani", type: .nonVeg, price: Money(minorUnits: 32900)),
      Menu.Dish(id: "d5", name: "Fish Curry", type: .nonVeg, price: Money(minorUnits: 40000), isAvailable: false),
    ]
    _ = try await directory.putMenu(Self.tenant, dishes, currency: .inr)
  }
}

extension JSONTree {
  var isDone: Bool { self["success"] == .bool(true) }
  var status: String { self["status"]?.text ?? "" }
  var message: String { self["message"]?.text ?? "" }

  var number: Int64? { if case .number(let number) = self { number.integer } else { nil } }
}

/// What was said and answered, held against a file in `Golden/`. After a change that is meant, run the tests with
/// STONEPOT_REWRITE_GOLDEN=1 and read the difference.
struct Transcript {
  private var text = ""

  mutating func add(_ title: String, _ lines: String...) {
    text += "# \(title)\n" + lines.joined(separator: "\n") + "\n\n"
  }

  func compare(with file: String) throws {
    let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/\(file).txt")
    if ProcessInfo.processInfo.environment["STONEPOT_REWRITE_GOLDEN"] == "1" {
      try Data(text.utf8).write(to: url)
    }
    let golden = try String(contentsOf: url, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
    let found = text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(found.count == golden.count, "Golden/\(file).txt")
    for (found, golden) in zip(found, golden) { #expect(found == golden, "Golden/\(file).txt") }
  }
}
