import Directory
import JSONText
import Ordering
import RoomCore
import Store
import Synchronization
import Testing

@testable import Service

@Suite("A call runs once, and its session is kept", .timeLimit(.minutes(3)))
struct CallOnceTests {
  private static let asha = #"{"name":"Asha","phone":"9876543210"}"#

  /// A tool that counts how often it runs, and lets others run in between.
  private final class Counter: Sendable {
    private let runs = Mutex(0)
    var count: Int { runs.withLock { $0 } }

    var registry: ToolRegistry {
      ToolRegistry(
        tools: [
          Tool(
            "count", title: "Count", "Counts.", parameters: [Parameter("fails", .flag)], answers: [], effect: .changes
          ) { call in
            let run = self.runs.withLock {
              $0 += 1
              return $0
            }
            for _ in 0..<20 { await Task.yield() }
            if call.arguments["fails"] == .bool(true), run == 1 { throw ToolFailure.storeUnavailable }
            return ToolOutcome(.done("counted", "Run \(run).") { $0.field("run", run) })
          }
        ], instructions: "")
    }
  }

  @Test(
    "a repeated call gets the first answer, also when its repetitions come at once",
    arguments: AssistantHarness.Engine.allCases)
  func repeated(engine: AssistantHarness.Engine) async throws {
    let harness = try await AssistantHarness(engine)
    let counter = Counter()
    let assistant = try harness.another(counter.registry)
    let session = try await assistant.begin(AssistantHarness.tenant).record.id
    let request = Assistant.Request(id: "a", tool: "count", arguments: .object([:]))
    let first = try await assistant.run(request, AssistantHarness.tenant, session: session)
    #expect(try await assistant.run(request, AssistantHarness.tenant, session: session) == first)
    #expect(counter.count == 1)

    let together = Assistant.Request(id: "b", tool: "count", arguments: .object([:]))
    let results = try await withThrowingTaskGroup(of: ToolResult.self) { group in
      for _ in 0..<32 {
        group.addTask { try await assistant.run(together, AssistantHarness.tenant, session: session) }
      }
      return try await group.reduce(into: [ToolResult]()) { $0.append($1) }
    }
    #expect(results.count == 32 && results.allSatisfy { $0 == results[0] } && results[0] != first)
    #expect(counter.count == 2)
    // Another session's call of the same name is another call, and so is one without a name.
    let other = try await assistant.begin(AssistantHarness.tenant).record.id
    _ = try await assistant.run(request, AssistantHarness.tenant, session: other)
    let nameless = Assistant.Request(id: nil, tool: "count", arguments: .object([:]))
    for _ in 0..<2 { _ = try await assistant.run(nameless, AssistantHarness.tenant, session: session) }
    #expect(counter.count == 5)
    await harness.close()
  }

  @Test(
    "two processes that get one call at once change nothing twice, and answer alike",
    arguments: AssistantHarness.Engine.allCases)
  func processes(engine: AssistantHarness.Engine) async throws {
    let harness = try await AssistantHarness(engine)
    let session = try await harness.scene()
    let assistants = [harness.assistant, try harness.another()]
    let calls = [
      ("create_circle", #"{"name":"Work","type":"friends"}"#), ("add_item", #"{"dishName":"Naan","quantity":5}"#),
      ("invite_to_circle", #"{"phone":"9876543211","name":"Ravi"}"#),
    ]
    for (number, (tool, arguments)) in calls.enumerated() {
      let request = Assistant.Request(
        id: "call-\(number)", tool: tool, arguments: try JSONTree(parsing: Array(arguments.utf8)))
      let results = try await withThrowingTaskGroup(of: ToolResult.self) { group in
        for assistant in assistants {
          group.addTask { try await assistant.run(request, AssistantHarness.tenant, session: session) }
        }
        return try await group.reduce(into: [ToolResult]()) { $0.append($1) }
      }
      #expect(results[0] == results[1] && results[0].isSuccess, "\(tool)")
    }
    #expect(try await harness.call("get_my_circles", in: session)["circles"]?.elements?.count == 2)
    #expect(try await harness.call("get_order", in: session)["order"]?["items"]?.elements?.count == 3)
    await harness.close()
  }

  @Test(
    "a call whose answer could not be kept is made again, and makes nothing twice",
    arguments: AssistantHarness.Engine.allCases)
  func lostAnswer(engine: AssistantHarness.Engine) async throws {
    let harness = try await AssistantHarness(engine)
    let session = try await harness.scene()
    let records = FragileRecords(harness.store)
    let assistant = try harness.another(records: records)
    let asha = try PhoneNumber("9876543210")
    _ = try await harness.directory.createOrder(
      AssistantHarness.tenant, asha,
      OrderDraft(kind: .delivery, items: [PlacedOrder.Item(dishName: "Dal", quantity: 1, price: .zero)]), currency: .inr
    )
    func call(_ tool: String, _ arguments: String, writes: Int, id: String) async throws -> JSONTree {
      let request = Assistant.Request(id: id, tool: tool, arguments: try JSONTree(parsing: Array(arguments.utf8)))
      records.fail(after: writes)
      let lost = try await assistant.run(request, AssistantHarness.tenant, session: session)
      #expect(!lost.isSuccess && lost.isRetryable, "\(tool)")
      let made = try await assistant.run(request, AssistantHarness.tenant, session: session)
      #expect(made.isSuccess, "\(tool)")
      #expect(try await assistant.run(request, AssistantHarness.tenant, session: session) == made)
      return try JSONTree(parsing: made.json)
    }

    let circle = try await call("create_circle", #"{"name":"Work","type":"friends"}"#, writes: 1, id: "a")
    _ = try await call("invite_to_circle", #"{"phone":"9876543211","name":"Ravi"}"#, writes: 1, id: "b")
    let circles = try await harness.directory.circles(of: asha, AssistantHarness.tenant).entries
    #expect(circles.count == 2 && circles.first { $0.id == circle["circleId"]?.text }?.members.count == 2)
    let added = try await call("add_item", #"{"dishName":"Naan","quantity":5}"#, writes: 0, id: "c")
    #expect(added["order"]?["items"]?.elements?.count == 3 && added["item"]?["quantity"]?.number == 5)
    _ = try await call("reorder", "{}", writes: 1, id: "d")
    #expect(try await harness.directory.orders(of: asha, AssistantHarness.tenant).entries.count == 2)
    let token = try #require(
      try await harness.call("finalize_collaborative_order", in: session)["confirmationToken"]?.text)
    let done = try await call(
      "finalize_collaborative_order", "{\"confirmationToken\":\"\(token)\"}", writes: 0, id: "e")
    #expect(done.status == "finalized")
    await harness.close()
  }

  @Test("a call that may succeed later is made anew", arguments: AssistantHarness.Engine.allCases)
  func retryable(engine: AssistantHarness.Engine) async throws {
    let harness = try await AssistantHarness(engine)
    let counter = Counter()
    let assistant = try harness.another(counter.registry)
    let session = try await assistant.begin(AssistantHarness.tenant).record.id
    let request = Assistant.Request(id: "a", tool: "count", arguments: .object(["fails": .bool(true)]))
    let first = try await assistant.run(request, AssistantHarness.tenant, session: session)
    #expect(!first.isSuccess && first.isRetryable)
    let second = try await assistant.run(request, AssistantHarness.tenant, session: session)
    #expect(second.isSuccess && counter.count == 2)
    #expect(try await assistant.run(request, AssistantHarness.tenant, session: session) == second)
    #expect(counter.count == 2)
    await harness.close()
  }

  @Test("a call's name is not another call's")
  func conflict() async throws {
    let harness = try await AssistantHarness(.sqlite)
    let session = try await harness.scene()
    let first = try await harness.call("get_menu", #"{"search":"dal"}"#, id: "a", in: session)
    #expect(try await harness.call("get_menu", #"{"search":"dal"}"#, id: "a", in: session) == first)
    #expect(try await harness.call("get_menu", #"{"search":"naan"}"#, id: "a", in: session).status == "call_conflict")
    #expect(try await harness.call("get_order", id: "a", in: session).status == "call_conflict")
    #expect(try await harness.call("get_order", id: "", in: session).status == "invalid_call_id")
    await harness.close()
  }

  @Test("a session and its answers outlive the process", arguments: AssistantHarness.Engine.allCases)
  func reopening(engine: AssistantHarness.Engine) async throws {
    let harness = try await AssistantHarness(engine)
    let session = try await harness.assistant.begin(AssistantHarness.tenant).record.id
    let captured = try await harness.call("capture_customer_info", Self.asha, id: "a", in: session)
    let circle = try await harness.call(
      "create_circle", #"{"name":"Home","type":"family"}"#, id: "b", in: session)
    let before = try await harness.assistant.session(AssistantHarness.tenant, session)
    let reopened = try await harness.reopened()
    let after = try await reopened.assistant.session(AssistantHarness.tenant, session)
    #expect(after.record == before.record && after.state == before.state)
    #expect(after.state.customer?.name == "Asha" && after.state.customer?.phone.text == "9876543210")
    #expect(after.state.circle?.id == circle["circleId"]?.text)
    // Not made again, but told again: its time and its being new are those of the first.
    #expect(try await reopened.call("capture_customer_info", Self.asha, id: "a", in: session) == captured)
    #expect(
      try await reopened.call("create_circle", #"{"name":"Home","type":"family"}"#, id: "b", in: session) == circle)
    #expect(try await reopened.call("get_my_circles", in: session)["circles"]?.elements?.count == 1)
    await reopened.close()
  }

  @Test(
    "what a call changes in the session is kept with its answer or not at all",
    arguments: AssistantHarness.Engine.allCases)
  func together(engine: AssistantHarness.Engine) async throws {
    let harness = try await AssistantHarness(engine)
    let session = try await harness.assistant.begin(AssistantHarness.tenant).record.id
    struct Accident: Error {}
    await #expect(throws: Accident.self) {
      _ = try await harness.directory.answer(
        AnsweredCall(id: "a", fingerprint: "f", result: "{}"), in: session, AssistantHarness.tenant
      ) { _, _ in throw Accident() }
    }
    let (record, known) = try await harness.directory.session(AssistantHarness.tenant, session, answering: "a")
    #expect(known == nil && record.version == 1)
    // The first answer stays, and a second changes nothing.
    for result in ["1", "2"] {
      let kept = try await harness.directory.answer(
        AnsweredCall(id: "a", fingerprint: "f", result: result), in: session, AssistantHarness.tenant
      ) { _, _ in ("{\"circle\":{\"id\":\"\(result)\"}}", nil) }
      #expect(kept?.result == "1")
    }
    #expect(try await harness.assistant.session(AssistantHarness.tenant, session).state.circle?.id == "1")
    await harness.close()
  }

  @Test("of its answers a session keeps the last hundred", arguments: AssistantHarness.Engine.allCases)
  func bounded(engine: AssistantHarness.Engine) async throws {
    let harness = try await AssistantHarness(engine)
    let counter = Counter()
    let assistant = try harness.another(counter.registry)
    let session = try await assistant.begin(AssistantHarness.tenant).record.id
    func run(_ number: Int) async throws {
      _ = try await assistant.run(
        Assistant.Request(id: "call-\(number)", tool: "count", arguments: .object([:])), AssistantHarness.tenant,
        session: session)
    }
    for number in 0..<105 { try await run(number) }
    let kept = try await harness.store.readRecords { records in
      try records.run("SELECT call FROM assistant_calls WHERE session = $1", .text(session)).count
    }
    #expect(kept == Directory.rememberedCalls)
    try await run(5)
    #expect(counter.count == 105)
    try await run(4)
    #expect(counter.count == 106)
    await harness.close()
  }

  @Test(
    "sessions that nobody has used for long are deleted, with their answers",
    arguments: AssistantHarness.Engine.allCases)
  func expiry(engine: AssistantHarness.Engine) async throws {
    let harness = try await AssistantHarness(engine)
    let old = try await harness.assistant.begin(AssistantHarness.tenant).record.id
    let used = try await harness.assistant.begin(AssistantHarness.tenant).record.id
    for session in [old, used] { try await harness.call("get_menu", id: "a", in: session) }
    harness.pass(.seconds(20 * 24 * 3600))
    try await harness.call("get_menu", id: "b", in: used)
    #expect(try await harness.directory.deleteSessions() == 0)
    harness.pass(.seconds(11 * 24 * 3600))
    #expect(try await harness.directory.deleteSessions() == 1)
    #expect(try await harness.directory.deleteSessions() == 0)
    await #expect(throws: RecordRejection.self) { try await harness.call("get_menu", in: old) }
    #expect(try await harness.call("get_menu", in: used).status == "menu_not_found")
    let left = try await harness.store.readRecords { try $0.run("SELECT DISTINCT session FROM assistant_calls").count }
    #expect(left == 1)
    await harness.close()
  }

  @Test("a tenant does not see another's sessions")
  func tenants() async throws {
    let harness = try await AssistantHarness(.sqlite)
    let session = try await harness.scene()
    await #expect(throws: RecordRejection.self) { _ = try await harness.assistant.session("u", session) }
    await #expect(throws: RecordRejection.self) { try await harness.assistant.end("u", session) }
    await #expect(throws: RecordRejection.self) {
      _ = try await harness.assistant.run(
        Assistant.Request(id: nil, tool: "get_order", arguments: .object([:])), "u", session: session)
    }
    #expect(try await harness.assistant.session(AssistantHarness.tenant, session).record.phone?.text == "9876543210")
    await harness.close()
  }

  @Test("no argument puts another customer in the place of the session's")
  func customers() async throws {
    let harness = try await AssistantHarness(.sqlite)
    let session = try await harness.scene()
    #expect(
      try await harness.call("get_my_circles", #"{"customerPhone":"9876543211"}"#, in: session).status
        == "wrong_customer")
    #expect(try await harness.call("get_my_circles", #"{"customerPhone":"98765 43210"}"#, in: session).isDone)
    // Whoever takes over the call takes over no circle and no order.
    #expect(
      try await harness.call("capture_customer_info", #"{"name":"Ravi","phone":"9876543211"}"#, in: session).isDone)
    #expect(try await harness.call("get_order", in: session).status == "no_order")
    #expect(try await harness.call("get_circle_members", in: session).status == "no_circle")
    let circle = try await harness.directory.circles(of: PhoneNumber("9876543210"), AssistantHarness.tenant).entries[0]
    #expect(
      try await harness.call("get_circle_members", "{\"circleId\":\"\(circle.id)\"}", in: session).status
        == "not_member")
    await harness.close()
  }

  @Test("only so many calls of a conversation wait, and each comes to run")
  func queue() async throws {
    let queue = CallQueue()
    #expect(await queue.enter("s"))
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0...CallQueue.mostWaiting {
        group.addTask {
          let runs = await queue.enter("s")
          if runs { await queue.leave("s") }
          return runs
        }
      }
      // One finds the line full. Only then may the others go on.
      #expect(await group.next() == false)
      #expect(await queue.enter("t"))
      await queue.leave("s")
      #expect(await group.reduce(0) { $0 + ($1 ? 1 : 0) } == CallQueue.mostWaiting)
    }
    #expect(await queue.enter("s"))
  }
}
