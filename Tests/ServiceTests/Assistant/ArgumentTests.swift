import Directory
import JSONText
import Ordering
import RoomCore
import ServiceTesting
import Store
import TestSupport
import Testing

@testable import Service

@Suite("Whatever an agent sends, a tool answers", .timeLimit(.minutes(5)))
struct ArgumentTests {
  struct Row: Sendable, CustomTestStringConvertible {
    let tool: String
    let arguments: String
    let code: String
    let word: String

    init(_ tool: String, _ arguments: String, _ code: String, _ word: String = "") {
      (self.tool, self.arguments, self.code, self.word) = (tool, arguments, code, word)
    }

    var testDescription: String { "\(tool) \(arguments.prefix(60))" }
  }

  private static let long = "\"\(String(repeating: "x", count: 2000))\""

  static let rows = [
    Row("capture_customer_info", "{}", "missing_argument", "name"),
    Row("capture_customer_info", #"{"name":"A"}"#, "missing_argument", "phone"),
    Row("capture_customer_info", #"{"name":"  ","phone":"9876543210"}"#, "missing_argument", "name"),
    Row("capture_customer_info", #"{"name":7,"phone":"9876543210"}"#, "invalid_argument", "name"),
    Row("capture_customer_info", #"{"name":"A","phone":9876543210}"#, "invalid_phone", "string of exactly 10 digits"),
    Row("capture_customer_info", #"{"name":"A","phone":["9876543210"]}"#, "invalid_phone"),
    Row("capture_customer_info", #"{"name":"A","phone":"987654321"}"#, "invalid_phone", "exactly 10 digits"),
    Row("capture_customer_info", #"{"name":"A","phone":"nine million"}"#, "invalid_phone", "each digit"),
    Row("capture_customer_info", "{\"name\":\(long),\"phone\":\"9876543210\"}", "invalid_argument", "200"),
    Row("capture_customer_info", #"{"name":"A\u0000","phone":"9876543210"}"#, "invalid_argument", "control"),
    Row("capture_customer_info", #"{"name":"A","phone":"9876543210","email":"x"}"#, "invalid_field", "mail"),
    Row(
      "capture_customer_info", #"{"name":"A","phone":"9876543210","deliveryAddress":"Pune"}"#, "invalid_argument",
      "deliveryAddress"),
    Row(
      "capture_customer_info", #"{"name":"A","phone":"9876543210","deliveryAddress":{"city":1}}"#, "invalid_argument",
      "deliveryAddress.city"),
    Row("capture_customer_info", "[]", "invalid_argument", "object"),
    Row("get_menu", "7", "invalid_argument", "object"),
    Row("create_circle", #"{"name":"H"}"#, "missing_argument", "type"),
    Row("create_circle", #"{"name":"H","type":"clan"}"#, "invalid_argument", "family or friends"),
    Row("create_circle", #"{"name":"H\n","type":"family"}"#, "invalid_field", "control"),
    Row("invite_to_circle", "{}", "missing_argument", "phone"),
    Row("invite_to_circle", #"{"phone":"9876543211","circleId":"nowhere"}"#, "circle_not_found", "Home"),
    Row("invite_to_circle", "{\"phone\":\"9876543211\",\"name\":\(long)}", "invalid_argument"),
    Row("start_collaborative_order", #"{"circleId":1}"#, "invalid_argument", "circleId"),
    Row("join_collaborative_order", #"{"orderId":"nothing"}"#, "order_not_found"),
    Row("join_collaborative_order", #"{"orderId":"a\nb"}"#, "order_not_found"),
    Row("add_item", "{}", "missing_argument", "dishName"),
    Row("add_item", #"{"dishName":"Dal","quantity":"2"}"#, "invalid_argument", "without quotes"),
    Row("add_item", #"{"dishName":"Dal","quantity":0}"#, "invalid_argument", "from"),
    Row("add_item", #"{"dishName":"Dal","quantity":1.5}"#, "invalid_argument", "from"),
    Row("add_item", #"{"dishName":"Dal","quantity":-1}"#, "invalid_argument", "from"),
    Row("add_item", #"{"dishName":"Dal","quantity":-0}"#, "invalid_argument", "from 1 to 99"),
    Row("add_item", #"{"dishName":"Dal","quantity":1e300}"#, "invalid_argument", "from"),
    Row("add_item", #"{"dishName":"Dal","quantity":99999999999999999999999}"#, "invalid_argument", "from 1 to 99"),
    Row("add_item", #"{"dishName":"Dal Makhni"}"#, "dish_not_found", "Dal Makhani or Dal"),
    Row("add_item", #"{"dishName":"Pizza"}"#, "dish_not_found", "get_menu"),
    Row("add_item", #"{"dishName":"FISH CURRY"}"#, "dish_unavailable", "Fish Curry"),
    Row("add_item", #"{"dishName":"Dal Makhani","options":["Cream"]}"#, "option_not_found", "Ghee"),
    Row("add_item", #"{"dishName":"Naan","options":["Ghee"]}"#, "option_not_found", "no options"),
    Row("add_item", "{\"dishName\":\"Dal\",\"customization\":\(long)}", "invalid_argument", "500"),
    Row("add_item", #"{"dishName":"Dal","orderId":"other"}"#, "order_not_found"),
    Row("remove_item", #"{"itemId":"Pizza"}"#, "item_not_found"),
    Row("remove_item", "{}", "missing_argument", "itemId"),
    Row("update_quantity", #"{"itemId":"Dal"}"#, "missing_argument", "quantity"),
    Row("update_quantity", #"{"itemId":"Dal","quantity":100}"#, "invalid_argument", "from"),
    Row("update_split", "{}", "missing_argument", "splitType"),
    Row("update_split", #"{"splitType":"fair"}"#, "invalid_argument", "equal"),
    Row("update_split", #"{"splitType":"shares"}"#, "invalid_split"),
    Row(
      "update_split", #"{"splitType":"shares","parts":[{"participant":"Nobody","value":1}]}"#, "choose_participant",
      "Asha"),
    Row(
      "update_split", #"{"splitType":"shares","parts":[{"participant":"Asha"}]}"#, "missing_argument", "parts[0].value"),
    Row(
      "update_split",
      #"{"splitType":"shares","parts":[{"participant":"Asha","value":1},{"participant":"asha","value":1}]}"#,
      "invalid_split", "one part"),
    Row(
      "preview_split", #"{"splitType":"custom","parts":[{"participant":"Asha","value":1}]}"#, "invalid_split", "add up"),
    Row("finalize_collaborative_order", #"{"confirmationToken":1}"#, "invalid_argument"),
    Row("finalize_collaborative_order", #"{"confirmationToken":"x"}"#, "invalid_confirmation"),
    Row("get_order_history", #"{"limit":0}"#, "invalid_argument", "1 to 20"),
    Row("get_order_history", #"{"limit":1.5}"#, "invalid_argument"), Row("reorder", "{}", "order_not_found"),
    Row("reorder", #"{"orderId":"nothing"}"#, "order_not_found"),
    Row("reorder", #"{"orderType":"drone"}"#, "invalid_argument", "dine-in"),
    Row("get_menu", #"{"dishType":"fish"}"#, "invalid_argument", "veg"), Row("do_magic", "{}", "unknown_tool"),
  ]

  @Test("what is missing, wrong or too large is said, and nothing changes")
  func refused() async throws {
    let harness = try await AssistantHarness(.sqlite)
    let session = try await harness.scene()
    let before = try await harness.call("get_order", in: session)
    let state = try await harness.assistant.session(AssistantHarness.tenant, session).state
    for row in Self.rows {
      let result = try await harness.call(row.tool, row.arguments, in: session)
      #expect(!result.isDone && result.status == row.code, "\(row.testDescription): \(result)")
      #expect(result.message.contains(row.word), "\(row.testDescription): \(result.message)")
      #expect(result["retryable"] == .bool(false))
    }
    #expect(try await harness.call("get_order", in: session) == before)
    #expect(try await harness.assistant.session(AssistantHarness.tenant, session).state == state)
    await harness.close()
  }

  @Test("without a menu the price is the caller's")
  func withoutMenu() async throws {
    let harness = try await AssistantHarness(.sqlite)
    let session = try await harness.scene()
    try await harness.store.writeRecords { records in
      _ = try records.run("DELETE FROM menus WHERE tenant = $1", .text(AssistantHarness.tenant))
    }
    func add(_ fields: String) async throws -> JSONTree {
      try await harness.call("add_item", "{\"dishName\":\"Thali\"\(fields)}", in: session)
    }
    #expect(try await add("").message.contains("price"))
    #expect(try await add(#","price":250"#).message.contains("veg"))
    #expect(try await add(#","price":0.001,"dishType":"veg""#).status == "invalid_price")
    #expect(try await add(#","price":-1,"dishType":"veg""#).status == "invalid_price")
    let added = try await add(#","price":250.5,"dishType":"veg""#)
    #expect(added.isDone && added.message == "Added 1 Thali at 250.50 INR each. The total is 693.50 INR.")
    #expect(try await harness.call("get_menu", in: session).status == "menu_not_found")
    await harness.close()
  }

  @Test("options cost what the menu says, and an order is placed again at today's prices")
  func prices() async throws {
    let harness = try await AssistantHarness(.sqlite)
    let session = try await harness.scene()
    let added = try await harness.call(
      "add_item", #"{"dishName":"Dal Makhani","options":["GHEE"],"customization":"less spicy"}"#, in: session)
    #expect(added["item"]?["price"] == .number(DecimalNumber(significand: 3195, exponent: -1)))
    #expect(added["item"]?["customization"]?.text == "Ghee, less spicy")
    let asha = try PhoneNumber("9876543210")
    let items = [
      PlacedOrder.Item(
        dishName: "dal makhani", quantity: 2, price: Money(minorUnits: 100), customization: "Ghee, less spicy",
        addedBy: "guest-1")
    ]
    _ = try await harness.directory.createOrder(
      AssistantHarness.tenant, asha, OrderDraft(kind: .delivery, items: items), currency: .inr)
    let again = try await harness.call("reorder", #"{"orderType":"takeaway"}"#, id: "r", in: session)
    #expect(
      again.isDone && again["order"]?["total"] == .number(639) && again["order"]?["orderType"]?.text == "takeaway")
    #expect(try await harness.call("reorder", #"{"orderType":"takeaway"}"#, id: "r", in: session) == again)
    let history = try await harness.call("get_order_history", in: session)
    #expect(history["orders"]?.elements?.count == 2)
    #expect(history.message == "Your last order was 2 Dal Makhani for 639.00 INR, pending.")
    let ravi = try await harness.assistant.begin(AssistantHarness.tenant, phone: "9876543211").record.id
    try await harness.call("capture_customer_info", #"{"name":"Ravi","phone":"9876543211"}"#, in: ravi)
    let id = try #require(again["order"]?["id"]?.text)
    #expect(try await harness.call("reorder", "{\"orderId\":\"\(id)\"}", in: ravi).status == "order_not_found")
    await harness.close()
  }

  @Test("a refusal of the room keeps its code, and whether to try again")
  func desk() async throws {
    let harness = try await AssistantHarness(.sqlite)
    let session = try await harness.scene()
    await harness.desk.refuse(with: .overloaded)
    let busy = try await harness.call("add_item", #"{"dishName":"Dal"}"#, id: "a", in: session)
    #expect(busy.status == "overloaded" && busy["retryable"] == .bool(true))
    await harness.desk.refuse(with: RefusalNotice(code: "wrong_tenant", message: "another tenant's"))
    let wrong = try await harness.call("get_order", in: session)
    #expect(wrong.status == "wrong_tenant" && wrong["retryable"] == .bool(false))
    #expect(wrong.message == "Another tenant's.")
    await harness.desk.refuse(with: nil)
    #expect(try await harness.call("add_item", #"{"dishName":"Dal"}"#, id: "a", in: session).isDone)
    await harness.close()
  }

  @Test("a store that is gone is a result as well", arguments: AssistantHarness.Engine.allCases)
  func withoutStore(engine: AssistantHarness.Engine) async throws {
    let harness = try await AssistantHarness(engine)
    let session = try await harness.scene()
    await harness.close()
    for tool in ToolRegistry.standard().tools {
      let result = try await harness.call(tool.name, #"{"name":"A","phone":"9876543210"}"#, id: tool.name, in: session)
      #expect(
        !result.isDone && result.status == "store_unavailable" && result["retryable"] == .bool(true), "\(tool.name)")
    }
  }

  @Test("dishes that may be meant come by what they have in common")
  func nearest() {
    let names = ["Dal", "Dal Makhani", "Chicken Biryani", "Veg Biryani", "Naan", "Butter Naan", "Paneer Tikka"]
    let dishes = names.map { Menu.Dish(id: $0, name: $0, type: .veg, price: .zero) }
    let menu = MenuChoice(
      menu: Menu(
        tenant: "t", currency: .inr, dishes: dishes, updatedAt: Timestamp(millis: 0), version: 1))
    let rows: [(String, [String])] = [
      ("chicken briyani", ["Chicken Biryani"]), ("biryani", ["Veg Biryani", "Chicken Biryani"]),
      ("nan", ["Dal", "Naan"]),
      ("butter nan", ["Butter Naan"]), ("panir tika", ["Paneer Tikka"]), ("dal makni", ["Dal", "Dal Makhani"]),
      ("pizza", []), ("", []),
    ]
    for (wanted, expected) in rows {
      let found = menu.nearest(to: wanted)
      #expect(Set(found).isSuperset(of: expected) && (expected.isEmpty ? found.isEmpty : true), "\(wanted): \(found)")
    }
    #expect(MenuChoice.distance(Array("kitten".unicodeScalars), Array("sitting".unicodeScalars)) == 3)
    #expect(MenuChoice.distance([], Array("abc".unicodeScalars)) == 3)
  }

  // MARK: - Chance

  /// Mostly what could be meant, with something wrong in it.
  private static func value(
    _ kind: Parameter.Kind?, _ random: inout SplitMix64, depth: Int = 0
  ) -> JSONTree {
    if let kind, Int.random(in: 0..<4, using: &random) > 0 {
      switch kind {
      case .text:
        return .string(["Home", "Dal", "naan", "item_1", "order-1", "Asha", "x"].randomElement(using: &random) ?? "")
      case .phone:
        return .string(
          ["9876543210", "nine double eight", "98765 43211", "+91 9876543212"].randomElement(using: &random) ?? "")
      case .number, .integer:
        return .number(
          DecimalNumber(
            significand: .random(in: -2...120, using: &random), exponent: .random(in: -2...1, using: &random)))
      case .flag: return .bool(.random(using: &random))
      case .word(let words): return .string(words.randomElement(using: &random) ?? "")
      case .object(let fields): return object(fields, &random, depth: depth + 1)
      case .list(let kind, _):
        return .array((0..<Int.random(in: 0..<4, using: &random)).map { _ in value(kind, &random, depth: depth + 1) })
      }
    }
    switch Int.random(in: 0..<(depth < 4 ? 12 : 9), using: &random) {
    case 0: return .null
    case 1: return .bool(.random(using: &random))
    case 2: return .number(.beyondRange)
    case 3:
      return .number(
        DecimalNumber(
          significand: .random(in: .min ... .max, using: &random), exponent: .random(in: -400...400, using: &random)))
    case 4: return .string("")
    case 5: return .string(String(repeating: "nine ", count: .random(in: 0..<2000, using: &random)))
    case 6:
      let scalars = (0..<Int.random(in: 0..<20, using: &random)).compactMap { _ in
        Unicode.Scalar(UInt32.random(in: 0...0x10FFFF, using: &random))
      }
      return .string(String(String.UnicodeScalarView(scalars)))
    case 7: return .string("'; DROP TABLE customers; --")
    case 8: return .number(DecimalNumber(significand: .random(in: -10...10, using: &random)))
    case 9:
      return .array((0..<Int.random(in: 0..<300, using: &random)).map { _ in value(nil, &random, depth: depth + 2) })
    case 10: return object([], &random, depth: depth + 1)
    default: return .object(["participant": .string("Asha"), "value": .number(1)])
    }
  }

  private static func object(_ fields: [Parameter], _ random: inout SplitMix64, depth: Int = 0) -> JSONTree {
    var object: [String: JSONTree] = [:]
    for field in fields where field.isRequired ? Int.random(in: 0..<10, using: &random) > 0 : .random(using: &random) {
      object[field.name] = value(field.kind, &random, depth: depth)
    }
    if Int.random(in: 0..<5, using: &random) == 0 { object["stray"] = value(nil, &random, depth: depth) }
    return .object(object)
  }

  @Test("messages damaged by chance are answered or refused")
  func damaged() async throws {
    let harness = try await AssistantHarness(.sqlite)
    let session = try await harness.scene()
    var random = SplitMix64(seed: 7)
    let call = #""name":"add_item","arguments":{"dishName":"Dal","quantity":2,"customization":"\u00e9"}"#
    let requests = [
      MCPPlatform.request(.sessions, id: 1, "tools/call", call, session: session),
      MCPPlatform.request(.stateless, id: 1, "tools/call", call, name: "add_item", session: session),
      MCPPlatform.request(.sessions, id: 1, "initialize", #""protocolVersion":"2025-11-25""#),
      MCPPlatform.request(.stateless, id: 1, "server/discover", ""),
      MCPPlatform.request(.sessions, id: 1, "tools/list", #""cursor":"10""#, session: session),
    ]
    let openAI =
      #"{"type":"response.done","response":{"output":[{"type":"function_call","call_id":"b","name":"get_order","arguments":"{}"}]}}"#
    let messages = [
      #"{"toolCall":{"functionCalls":[{"id":"a","name":"get_order","args":{"orderId":"x"}}]}}"#, openAI,
    ]
    var statuses: [Int: Int] = [:]
    for number in 0..<2000 {
      var request = requests[number % requests.count]
      Self.damage(&request.body, &random)
      let answer = await harness.mcp.answer(request, AssistantHarness.tenant)
      statuses[answer.status, default: 0] += 1
      #expect([200, 202, 400, 404].contains(answer.status), "\(String(decoding: request.body, as: UTF8.self))")
      if let body = answer.body {
        let tree = try JSONTree(parsing: body)
        #expect((tree["result"] == nil) != (tree["error"] == nil) && tree["jsonrpc"] == .string("2.0"))
      }
      var text = Array(messages[number % 2].utf8)
      Self.damage(&text, &random)
      guard let tree = try? JSONTree(parsing: text), let message = try? ToolMessage(tree) else { continue }
      _ = try JSONTree(parsing: try await harness.assistant.answer(message, AssistantHarness.tenant, session: session))
    }
    #expect(statuses.count >= 3, "\(statuses)")
    await harness.close()
  }

  private static func damage(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      let place = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<4, using: &random) {
      case 0: bytes[place] = .random(in: 0...255, using: &random)
      case 1: bytes[place] = Array("{}[],:\"\\0".utf8)[Int.random(in: 0..<9, using: &random)]
      case 2: bytes.remove(at: place)
      default: bytes.insert(bytes[Int.random(in: 0..<bytes.count, using: &random)], at: place)
      }
    }
  }

  @Test("arguments made by chance: each tool answers what every result has, and the order stays one", arguments: 0..<8)
  func chance(seed: UInt64) async throws {
    let harness = try await AssistantHarness(seed % 4 == 3 ? .postgres : .sqlite)
    var session = try await harness.scene()
    var random = SplitMix64(seed: seed)
    var (done, codes) = (0, Set<String>())
    for number in 0..<400 {
      guard let tool = ToolRegistry.standard().tools.randomElement(using: &random) else { break }
      let isObject = Int.random(in: 0..<20, using: &random) > 0
      let arguments = isObject ? Self.object(tool.parameters, &random) : Self.value(nil, &random)
      let named = Bool.random(using: &random)
      let request = Assistant.Request(id: named ? "chance-\(number)" : nil, tool: tool.name, arguments: arguments)
      let inSession = Int.random(in: 0..<5, using: &random) > 0
      let result = try await harness.assistant.run(
        request, AssistantHarness.tenant, session: inSession ? session : nil)
      let tree = try JSONTree(parsing: result.json)
      #expect(tree.isDone == result.isSuccess && !tree.message.isEmpty && !tree.status.isEmpty, "seed \(seed): \(tree)")
      #expect(tree["retryable"] == .bool(false), "seed \(seed): \(request) \(tree)")
      #expect(tree.status != "internal_error" && tree.status != "store_unavailable", "seed \(seed): \(request) \(tree)")
      if named, inSession {
        let again = try await harness.assistant.run(request, AssistantHarness.tenant, session: session)
        #expect(again == result, "seed \(seed): \(request)")
      }
      if result.isSuccess { done += 1 } else { codes.insert(tree.status) }
      if number % 100 == 99 {
        session = try await harness.assistant.begin(AssistantHarness.tenant, phone: "9876543210").record.id
      }
    }
    #expect(done > 20 && codes.count > 10, "seed \(seed): \(done) \(codes)")
    await harness.close()
  }
}
