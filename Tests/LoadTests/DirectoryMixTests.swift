import Testing

@testable import Load

@Suite("The mix of requests to records")
struct DirectoryMixTests {
  @Test("each operation comes in proportion to its weight, and none that has no weight")
  func proportions() {
    var turns = WeightedTurns(DirectoryOperation.allCases.map { ($0, DirectoryOperation.usualMix[$0.rawValue] ?? 0) })
    for _ in 0..<3 {
      var counts: [String: Int] = [:]
      for _ in 0..<100 { counts[turns.next().rawValue, default: 0] += 1 }
      #expect(counts == DirectoryOperation.usualMix)
    }
    var few = WeightedTurns([("a", 3), ("b", 0), ("c", 1)])
    #expect((0..<8).map { _ in few.next() } == ["a", "a", "c", "a", "a", "a", "c", "a"])
  }

  @Test("nothing comes twice before all have come")
  func scattering() {
    var turns = ScatteredTurns()
    for _ in 0..<2 { #expect(Set((0..<1000).map { _ in turns.next(of: 1000) }).count == 1000) }
  }

  // MARK: What an answer must say

  private static let order = answer(
    201, #"{"id":"o-1","customerId":"t_9000000000","items":[],"status":"pending","timeline":[{"status":"no"}]}"#)
  private static let circle = answer(
    201, #"{"id":"c-1","members":[{"phone":"9000000000"}]}"#)

  private static func answer(_ status: Int, _ body: String) -> HTTP2Response {
    HTTP2Response(status: status, body: Array(body.utf8))
  }

  /// A book that knows one order of customer 0, and circle 0.
  private func book(_ mix: [String: Int] = DirectoryOperation.usualMix) throws -> DirectoryBook {
    var scenario = DirectoryScenario(tenant: "t")
    scenario.customers = 2
    scenario.circles = 1
    scenario.membersPerCircle = 1
    scenario.mix = mix
    try #require(scenario.complaint == nil)
    var book = DirectoryBook(scenario)
    #expect(book.heard(Self.circle, of: .makeCircle(number: 0)) == nil)
    #expect(book.heard(Self.order, of: .placeOrder(customer: 0)) == nil)
    return book
  }

  private static let known = KnownOrder(id: "o-1", customer: 0, status: .pending)
  private static let orders = #"{"orders":[{"id":"o-1","customerId":"t_9000000000","status":"ready"}]}"#

  @Test(
    "an answer that is right is taken, and one about something else, of another status or cut short is not",
    arguments: [
      (.getCustomer(1), 200, #"{"id":"x","phone":"9000000001"}"#, ["9000000001": "9000000000", "phone": "fax"]),
      (
        .rename(customer: 1, name: "Asha"), 200,
        #"{"isNew":false,"customer":{"phone":"9000000001","name":"Asha","addresses":[{"name":"no"}]}}"#,
        ["9000000001": "9000000000", "Asha": "Ravi"]
      ),
      (.orderHistory(customer: 0, atLeast: 1), 200, orders, ["9000000000": "9000000001", "orders": "order"]),
      (.orderHistory(customer: 1, atLeast: 0), 200, #"{"orders":[]}"#, ["orders": "circles"]),
      (.getCircle(0), 200, #"{"id":"c-1","members":[]}"#, ["c-1": "c-2"]),
      (
        .customerCircles(customer: 0), 200, #"{"circles":[{"id":"c-1","members":[{"phone":"9000000000"}]}]}"#,
        ["9000000000": "9000000001", "circles": "orders"]
      ),
      (
        .placeOrder(customer: 0), 201, #"{"id":"o-2","customerId":"t_9000000000","status":"pending"}"#,
        ["t_": "u_", "pending": "confirmed", "id": "number"]
      ),
      (
        .advance(known, to: .confirmed), 200,
        #"{"id":"o-1","customerId":"t_9000000000","status":"confirmed","timeline":[{"status":"pending"}]}"#,
        ["o-1": "o-2", "confirmed": "pending"]
      ),
      (.ordersByStatus(.ready), 200, orders, ["ready": "delivered", "orders": "order"]),
      (
        .invite(customer: 1, circle: 0), 200,
        #"{"id":"c-1","members":[{"phone":"9000000000"},{"phone":"9000000001"}]}"#,
        ["c-1": "c-2", "9000000001": "9000000002"]
      ),
      (
        .remove(customer: 1, circle: 0), 200, #"{"id":"c-1","members":[{"phone":"9000000000"}]}"#,
        ["c-1": "c-2", "9000000000": "9000000001"]
      ),
    ] as [(DirectoryAction, Int, String, [String: String])])
  func answers(action: DirectoryAction, status: Int, text: String, faults: [String: String]) throws {
    let book = try book()
    func complaint(_ status: Int, _ text: String) -> String? {
      var book = book
      return book.heard(Self.answer(status, text), of: action)
    }
    #expect(complaint(status, text) == nil)
    for wrong in [status == 200 ? 201 : 200, 404, 503] {
      #expect(complaint(wrong, text)?.hasPrefix("\(wrong) ") == true)
    }
    for (right, wrong) in faults {
      #expect(complaint(status, text.replacing(right, with: wrong)) != nil, "\(wrong) in the place of \(right)")
    }
    for count in 0..<text.utf8.count - 1 where !text.hasPrefix(#"{"id":"c-1""#) || count < 10 {
      _ = complaint(status, String(text.prefix(count)))
    }
    #expect(complaint(status, "") != nil && complaint(status, "[]") != nil)
  }

  @Test("a history with fewer orders than were answered for is wrong")
  func lostOrder() throws {
    var book = try book(["orderHistory": 1])
    #expect(book.next() == .orderHistory(customer: 0, atLeast: 1))
    #expect(book.heard(Self.answer(200, #"{"orders":[]}"#), of: .orderHistory(customer: 0, atLeast: 1)) != nil)
  }

  @Test("an order goes from status to status, one change at a time, and where none is left another is placed")
  func statuses() throws {
    var book = try book(["changeStatus": 1])
    var order = Self.known
    while let next = order.status.next {
      #expect(book.next() == .advance(order, to: next))
      // While that is on its way it is not asked for again.
      #expect(book.next() == .placeOrder(customer: 0) || book.next() == .placeOrder(customer: 0))
      let text = #"{"id":"o-1","customerId":"t_9000000000","status":"\#(next.rawValue)"}"#
      #expect(book.heard(Self.answer(200, text), of: .advance(order, to: next)) == nil)
      order.status = next
    }
    guard case .placeOrder = book.next() else {
      Issue.record("an order that is delivered goes on")
      return
    }
  }

  @Test("somebody is invited, and only then removed, one change of a circle at a time")
  func guests() throws {
    var book = try book(["changeMembers": 1])
    let guest = #"{"id":"c-1","members":[{"phone":"9000000000"},{"phone":"9000000001"}]}"#
    for _ in 0..<2 {
      #expect(book.next() == .invite(customer: 1, circle: 0))
      #expect(book.next() == .getCircle(0))
      #expect(book.heard(Self.answer(200, guest), of: .invite(customer: 1, circle: 0)) == nil)
      #expect(book.next() == .remove(customer: 1, circle: 0))
      #expect(book.heard(Self.answer(200, Self.circleText), of: .remove(customer: 1, circle: 0)) == nil)
    }
  }

  private static let circleText = #"{"id":"c-1","members":[{"phone":"9000000000"}]}"#

  @Test("requests that change something have a body and say what it is, and all have the key if there is one")
  func requests() throws {
    let book = try book()
    let change = book.request(.advance(Self.known, to: .confirmed), key: "k")
    #expect(change.method == "PUT" && change.path == "/v1/tenants/t/orders/o-1/status")
    #expect(change.body == Array(#"{"status":"confirmed"}"#.utf8))
    #expect(change.headers.map(\.name) == ["content-type", "authorization"])
    #expect(change.headers.map(\.value) == ["application/json", "Bearer k"])
    let question = book.request(.getCustomer(1), key: nil)
    #expect(question.path == "/v1/tenants/t/customers/9000000001" && question.headers.isEmpty && question.body.isEmpty)
  }
}
