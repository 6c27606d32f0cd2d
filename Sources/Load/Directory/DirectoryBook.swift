/// What a driver knows of a tenant's records: enough to ask for what is there, and to tell whether an answer is right.
///
/// Requests are on their way side by side. Whatever may only change from what it is now, an order or the guests of a
/// circle, is out of the book while a change of it is on its way, so that it is always known what must come of it.
struct DirectoryBook {
  /// The first page of a list, if nothing is said of its size.
  static let pageSize = 20

  private let scenario: DirectoryScenario
  private var turns: WeightedTurns<DirectoryOperation>
  private var customerTurns: [DirectoryOperation: ScatteredTurns] = [:]
  private var circleTurns: [DirectoryOperation: ScatteredTurns] = [:]
  private var orderTurns = ScatteredTurns()
  private var calmTurns = ScatteredTurns()
  private var statusTurns = ScatteredTurns()
  private var renamed = 0

  private var circleIDs: [String]
  /// Circles whose guest comes or goes next, with whether there is one.
  private var calmCircles: [(circle: Int, hasGuest: Bool)] = []
  /// How many orders of each customer were answered for.
  private var placed: [Int]
  /// Those that may go on.
  private var openOrders: [KnownOrder] = []

  init(_ scenario: DirectoryScenario) {
    self.scenario = scenario
    turns = scenario.turns
    circleIDs = Array(repeating: "", count: scenario.circles)
    placed = Array(repeating: 0, count: scenario.customers)
  }

  // MARK: Before the run

  /// What makes the records. Each part needs the one before.
  var parts: [(count: Int, action: (Int) -> DirectoryAction)] {
    let (customers, circles) = (scenario.customers, scenario.circles)
    return [
      (customers, { .register(customer: $0) }),
      (circles, { .makeCircle(number: $0) }),
      // One for each circle before the next for any, so that no circle is changed twice at once.
      (
        circles * (scenario.membersPerCircle - 1),
        { [self] in .invite(customer: member(1 + $0 / circles, of: $0 % circles), circle: $0 % circles) }
      ),
      (customers * scenario.ordersPerCustomer, { .placeOrder(customer: $0 % customers) }),
    ]
  }

  /// - Parameter place: from 0, the owner's; beyond the members, the guest's.
  private func member(_ place: Int, of circle: Int) -> Int {
    (circle * scenario.membersPerCircle + place) % scenario.customers
  }

  // MARK: The mix

  /// What is asked for next. Where there is nothing to change, because it is all on its way, something near is asked for.
  mutating func next() -> DirectoryAction {
    let operation = turns.next()
    switch operation {
    case .getCustomer: return .getCustomer(customer(for: operation))
    case .orderHistory:
      let customer = customer(for: operation)
      return .orderHistory(customer: customer, atLeast: min(placed[customer], Self.pageSize))
    case .getCircle: return .getCircle(circle(for: operation))
    case .customerCircles:
      let circle = circle(for: operation)
      return .customerCircles(customer: member(circle % scenario.membersPerCircle, of: circle))
    case .upsertCustomer:
      renamed += 1
      let customer = customer(for: operation)
      return .rename(customer: customer, name: "\(Self.name(of: customer)), for the \(renamed). time")
    case .createOrder: return .placeOrder(customer: customer(for: operation))
    case .changeStatus:
      guard let order = orderTurns.take(from: &openOrders), let status = order.status.next else {
        return .placeOrder(customer: customer(for: .createOrder))
      }
      return .advance(order, to: status)
    case .ordersByStatus:
      return .ordersByStatus(OrderStatus.allCases[statusTurns.next(of: OrderStatus.allCases.count)])
    case .changeMembers:
      guard let (circle, hasGuest) = calmTurns.take(from: &calmCircles) else {
        return .getCircle(circle(for: .getCircle))
      }
      let guest = member(scenario.membersPerCircle, of: circle)
      return hasGuest ? .remove(customer: guest, circle: circle) : .invite(customer: guest, circle: circle)
    }
  }

  private mutating func customer(for operation: DirectoryOperation) -> Int {
    customerTurns[operation, default: ScatteredTurns()].next(of: scenario.customers)
  }

  private mutating func circle(for operation: DirectoryOperation) -> Int {
    circleTurns[operation, default: ScatteredTurns()].next(of: scenario.circles)
  }

  // MARK: Requests

  /// - Parameter key: an API key or the admin token; nil where everybody may ask.
  func request(_ action: DirectoryAction, key: String?) -> HTTP2Request {
    var request = request(action)
    request.path = "/v1/tenants/\(scenario.tenant)" + request.path
    if let key { request.headers.append((name: "authorization", value: "Bearer \(key)")) }
    return request
  }

  private func request(_ action: DirectoryAction) -> HTTP2Request {
    switch action {
    case .register(let customer): return change("POST", "/customers", body(of: customer, name: Self.name(of: customer)))
    case .rename(let customer, let name): return change("POST", "/customers", body(of: customer, name: name))
    case .makeCircle(let number):
      let owner = Self.phone(of: member(0, of: number))
      return change("POST", "/circles", #"{"name":"Circle \#(number)","type":"family","owner":"\#(owner)"}"#)
    case .getCustomer(let customer): return HTTP2Request("GET", "/customers/\(Self.phone(of: customer))")
    case .orderHistory(let customer, _): return HTTP2Request("GET", "/customers/\(Self.phone(of: customer))/orders")
    case .getCircle(let circle): return HTTP2Request("GET", "/circles/\(circleIDs[circle])")
    case .customerCircles(let customer): return HTTP2Request("GET", "/customers/\(Self.phone(of: customer))/circles")
    case .placeOrder(let customer):
      let items = (0..<scenario.itemsPerOrder).map { number in
        #"{"dishName":"Dish \#(number)","dishType":"veg","quantity":\#(1 + number % 9),"price":149.5,"#
          + #""customization":"less oil, no onions"}"#
      }
      return change(
        "POST", "/orders",
        #"{"phone":"\#(Self.phone(of: customer))","orderType":"delivery","items":[\#(items.joined(separator: ","))]}"#)
    case .advance(let order, let status):
      return change("PUT", "/orders/\(order.id)/status", #"{"status":"\#(status.rawValue)"}"#)
    case .ordersByStatus(let status): return HTTP2Request("GET", "/orders?status=\(status.rawValue)")
    case .invite(let customer, let circle):
      let owner = Self.phone(of: member(0, of: circle))
      return change(
        "POST", "/circles/\(circleIDs[circle])/members", #"{"phone":"\#(Self.phone(of: customer))","by":"\#(owner)"}"#)
    case .remove(let customer, let circle):
      let owner = Self.phone(of: member(0, of: circle))
      return HTTP2Request("DELETE", "/circles/\(circleIDs[circle])/members/\(Self.phone(of: customer))?by=\(owner)")
    }
  }

  private func change(_ method: String, _ path: String, _ body: String) -> HTTP2Request {
    HTTP2Request(method, path, headers: [(name: "content-type", value: "application/json")], body: Array(body.utf8))
  }

  private func body(of customer: Int, name: String) -> String {
    #"{"phone":"\#(Self.phone(of: customer))","name":"\#(name)","email":"customer-\#(customer)@example.com","#
      + #""deliveryAddress":{"street":"\#(1 + customer) Lake Road","city":"Pune","pincode":"411001"}}"#
  }

  private static func name(of customer: Int) -> String { "Customer \(customer)" }
  private static func phone(of customer: Int) -> String { "\(9_000_000_000 + customer)" }

  // MARK: Answers

  /// Takes in what an answer says.
  ///
  /// - Returns: what is wrong with it; nil if nothing is.
  mutating func heard(_ response: HTTP2Response, of action: DirectoryAction) -> String? {
    guard action.statuses.contains(response.status) else { return response.inShort }
    let isAsAsked = response.body.withUnsafeBytes { isRight($0, for: action) }
    return isAsAsked ? nil : "not what was asked for: \(response.inShort)"
  }

  private mutating func isRight(_ body: UnsafeRawBufferPointer, for action: DirectoryAction) -> Bool {
    switch action {
    case .register(let customer):
      return body.says(Self.phone(of: customer), at: "customer", "phone")
    case .rename(let customer, let name):
      return body.says(Self.phone(of: customer), at: "customer", "phone") && body.says(name, at: "customer", "name")
    case .getCustomer(let customer): return body.says(Self.phone(of: customer), at: "phone")
    case .makeCircle(let number):
      guard let id = body.text(at: "id") else { return false }
      circleIDs[number] = id
      calmCircles.append((number, false))
      return has(body, member(0, of: number))
    case .getCircle(let circle): return body.says(circleIDs[circle], at: "id")
    case .invite(let customer, let circle), .remove(let customer, let circle):
      let isIn = if case .invite = action { true } else { false }
      guard body.says(circleIDs[circle], at: "id"), has(body, customer) == isIn else { return false }
      if customer == member(scenario.membersPerCircle, of: circle) { calmCircles.append((circle, isIn)) }
      return true
    case .customerCircles(let customer):
      return body.all(at: "circles") { has($0, customer) }.map { $0 > 0 } ?? false
    case .placeOrder(let customer):
      guard let id = body.text(at: "id"), isOrder(body, of: customer), body.says("pending", at: "status") else {
        return false
      }
      placed[customer] += 1
      openOrders.append(KnownOrder(id: id, customer: customer, status: .pending))
      return true
    case .advance(var order, let status):
      guard body.says(order.id, at: "id"), isOrder(body, of: order.customer), body.says(status.rawValue, at: "status")
      else { return false }
      order.status = status
      if status.next != nil { openOrders.append(order) }
      return true
    case .orderHistory(let customer, let atLeast):
      return body.all(at: "orders") { isOrder($0, of: customer) }.map { $0 >= atLeast } ?? false
    case .ordersByStatus(let status):
      return body.all(at: "orders") { $0.says(status.rawValue, at: "status") } != nil
    }
  }

  private func isOrder(_ text: UnsafeRawBufferPointer, of customer: Int) -> Bool {
    text.says("\(scenario.tenant)_\(Self.phone(of: customer))", at: "customerId")
  }

  private func has(_ circle: UnsafeRawBufferPointer, _ customer: Int) -> Bool {
    let members = JSONMembers.value(at: "members", in: circle).flatMap(JSONMembers.elements)
    return members?.contains { $0.says(Self.phone(of: customer), at: "phone") } ?? false
  }
}

extension UnsafeRawBufferPointer {
  fileprivate func text(at path: StaticString...) -> String? {
    JSONMembers.value(at: path, in: self).map { String(decoding: $0, as: UTF8.self) }
  }

  fileprivate func says(_ text: String, at path: StaticString...) -> Bool {
    JSONMembers.value(at: path, in: self).map { $0.elementsEqual(text.utf8) } ?? false
  }

  /// - Returns: how many the list has, if `isRight` says so of each; nil if not, or if there is no such list.
  fileprivate func all(at list: StaticString, _ isRight: (UnsafeRawBufferPointer) -> Bool) -> Int? {
    guard let elements = JSONMembers.value(at: list, in: self).flatMap(JSONMembers.elements),
      elements.allSatisfy(isRight)
    else { return nil }
    return elements.count
  }
}
