import Directory
import Ordering
import RoomCore
import ServiceTesting
import Testing

@testable import Service

@Suite("Nothing is finalized that the customer has not agreed to", .timeLimit(.minutes(2)))
struct FinalizeTests {
  private static let tool = "finalize_collaborative_order"

  private static func with(_ token: String) -> String { "{\"confirmationToken\":\"\(token)\"}" }

  private static func token(_ harness: AssistantHarness, _ session: String) async throws -> String {
    let asked = try await harness.call(tool, in: session)
    #expect(asked.isDone && asked.status == "confirmation_required")
    #expect(asked["summary"]?.text?.contains("2 Dal by Asha and 1 Naan by Asha") == true)
    #expect(asked.message.contains("The total is 443.00 INR. Asha pays 443.00 INR."))
    return try #require(asked["confirmationToken"]?.text)
  }

  private static func status(_ harness: AssistantHarness, _ session: String) async throws -> String {
    try await harness.call("get_order", in: session).status
  }

  @Test(
    "a change between summary and yes brings a new summary, and nothing is finalized",
    arguments: AssistantHarness.Engine.allCases)
  func changed(engine: AssistantHarness.Engine) async throws {
    let harness = try await AssistantHarness(engine)
    let session = try await harness.scene()
    let token = try await Self.token(harness, session)
    try await harness.call("add_item", #"{"dishName":"Chicken Biryani"}"#, in: session)
    let changed = try await harness.call(Self.tool, Self.with(token), in: session)
    #expect(!changed.isDone && changed.status == "changed" && changed.message.contains("772.00 INR"))
    #expect(try await Self.status(harness, session) == "active")
    let second = try #require(changed["confirmationToken"]?.text)
    #expect(second != token)
    // The old one is not good again.
    #expect(try await harness.call(Self.tool, Self.with(token), in: session).status == "changed")
    let done = try await harness.call(Self.tool, Self.with(second), id: "yes", in: session)
    #expect(done.isDone && done.status == "finalized")
    #expect(try await Self.status(harness, session) == "finalized")
    #expect(try await harness.assistant.session(AssistantHarness.tenant, session).state.order?.status == "finalized")
    #expect(try await harness.call(Self.tool, Self.with(second), id: "yes", in: session) == done)
    // The answer was lost: the call is made again under another name.
    #expect(try await harness.call(Self.tool, Self.with(second), id: "yes again", in: session).status == "finalized")
    #expect(try await harness.call(Self.tool, in: session).status == "order_finalized")
    await harness.close()
  }

  @Test("a change at the very moment of the yes is noticed, and the cart is not left locked")
  func race() async throws {
    let harness = try await AssistantHarness(.sqlite)
    let session = try await harness.scene()
    let ravi = try PhoneNumber("9876543211")
    try await harness.call("invite_to_circle", #"{"phone":"9876543211","name":"Ravi"}"#, in: session)
    let order = try #require(
      try await harness.assistant.session(AssistantHarness.tenant, session).state.order?.id)
    let asked = try await harness.call(Self.tool, in: session)
    await harness.desk.beforeNextCommand { desk in
      _ = try await desk.join(AssistantHarness.tenant, order: order, by: ravi)
    }
    let changed = try await harness.call(
      Self.tool, Self.with(try #require(asked["confirmationToken"]?.text)), in: session)
    #expect(!changed.isDone && changed.status == "changed" && changed.message.contains("Ravi pays"))
    #expect(try await Self.status(harness, session) == "active")
    let token = try #require(changed["confirmationToken"]?.text)
    #expect(try await harness.call(Self.tool, Self.with(token), in: session).status == "finalized")
    await harness.close()
  }

  @Test("an order that its owner has locked is finalized, or stays locked")
  func locked() async throws {
    let harness = try await AssistantHarness(.sqlite)
    let session = try await harness.scene()
    let asha = try PhoneNumber("9876543210")
    let order = try #require(
      try await harness.assistant.session(AssistantHarness.tenant, session).state.order?.id)
    func lock(_ desk: MemoryOrderDesk, _ name: String) async throws {
      _ = try await desk.perform(.lock, AssistantHarness.tenant, order: order, by: asha, operation: name)
    }
    try await lock(harness.desk, "web-1")
    let token = try #require(try await harness.call(Self.tool, in: session)["confirmationToken"]?.text)
    await harness.desk.beforeNextCommand { desk in
      _ = try await desk.perform(.ready(true), AssistantHarness.tenant, order: order, by: asha, operation: "web-2")
    }
    let changed = try await harness.call(Self.tool, Self.with(token), in: session)
    #expect(changed.status == "changed")
    #expect(try await Self.status(harness, session) == "locked")
    let second = try #require(changed["confirmationToken"]?.text)
    #expect(try await harness.call(Self.tool, Self.with(second), in: session).status == "finalized")
    await harness.close()
  }

  @Test("a token is good for some minutes")
  func expired() async throws {
    let harness = try await AssistantHarness(.sqlite)
    let session = try await harness.scene()
    let token = try await Self.token(harness, session)
    harness.pass(.seconds(6 * 60))
    let late = try await harness.call(Self.tool, Self.with(token), in: session)
    #expect(!late.isDone && late.status == "confirmation_expired")
    #expect(try await Self.status(harness, session) == "active")
    let second = try #require(late["confirmationToken"]?.text)
    #expect(try await harness.call(Self.tool, Self.with(second), in: session).status == "finalized")
    await harness.close()
  }

  @Test("a token that was made up, or is another conversation's, is none")
  func forged() async throws {
    let harness = try await AssistantHarness(.sqlite)
    let session = try await harness.scene()
    let token = try await Self.token(harness, session)
    let parts = token.split(separator: ".").map(String.init)
    let signature = parts[2]
    let flipped = String(signature.dropLast()) + (signature.last == "0" ? "1" : "0")
    let forgeries = [
      "x", "..", "1.2.3", "\(parts[0]).\(parts[1])", "\(parts[0]).\(parts[1]).\(flipped)",
      "\(parts[0]).\(parts[1]).", "\((Int(parts[0]) ?? 0) + 1).\(parts[1]).\(signature)",
      "\(parts[0]).\((Int(parts[1]) ?? 0) + 60_000).\(signature)", "\(token).\(signature)", " \(token)",
      "\(parts[0]).\(parts[1]).\(signature.uppercased())",
    ]
    for forgery in forgeries {
      let refused = try await harness.call(Self.tool, Self.with(forgery), in: session)
      #expect(!refused.isDone && refused.status == "invalid_confirmation", "\(forgery)")
    }
    let other = try await harness.assistant.begin(AssistantHarness.tenant, phone: "9876543210").record.id
    let order = try #require(
      try await harness.assistant.session(AssistantHarness.tenant, session).state.order?.id)
    let stolen = "{\"confirmationToken\":\"\(token)\",\"orderId\":\"\(order)\"}"
    #expect(try await harness.call(Self.tool, stolen, in: other).status == "invalid_confirmation")
    #expect(
      try await harness.call(Self.tool, stolen.replacing("{", with: #"{"customerPhone":"9876543210","#), in: nil).status
        == "invalid_confirmation")
    #expect(try await Self.status(harness, session) == "active")
    #expect(try await harness.call(Self.tool, Self.with(token), in: session).status == "finalized")
    await harness.close()
  }

  @Test("who may not finalize, and what cannot be finalized, is told at the first step")
  func refused() async throws {
    let harness = try await AssistantHarness(.sqlite)
    let session = try await harness.scene()
    try await harness.call("invite_to_circle", #"{"phone":"9876543211","name":"Ravi"}"#, in: session)
    let guest = try await harness.assistant.begin(AssistantHarness.tenant, phone: "9876543211").record.id
    #expect(try await harness.call("join_collaborative_order", in: guest).isDone)
    let refused = try await harness.call(Self.tool, in: guest)
    #expect(refused.status == "not_owner" && refused.message.contains("Asha"))
    for item in ["Dal", "Naan"] { try await harness.call("remove_item", "{\"itemId\":\"\(item)\"}", in: session) }
    #expect(try await harness.call(Self.tool, in: session).status == "empty_order")
    await harness.close()
  }
}
