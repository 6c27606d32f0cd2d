import Ordering
import RoomCore
import Testing

@Suite("Customers, circles and orders, as rules")
struct RecordTests {
  private let asha = phone("9876543210")
  private let ravi = phone("9876543211")
  private let meera = phone("9876543212")
  private let start = Timestamp(millis: 1_000_000)

  private static func phone(_ text: String) -> PhoneNumber {
    guard let phone = try? PhoneNumber(text) else { preconditionFailure("\(text) is no phone number") }
    return phone
  }

  private func refusal(_ body: () throws -> Void) -> RecordRejection.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? RecordRejection)?.code
    }
  }

  // MARK: Customers

  private var customer: Customer {
    Customer(tenant: "t", phone: asha, name: "Asha", isVerified: false, createdAt: start)
  }

  @Test("what a customer leaves out stays as it is")
  func omitted() throws {
    var customer = customer
    let street = Address(street: "MG Road")
    #expect(
      try customer.apply(CustomerChange(email: "a@b.c", deliveryAddress: street), at: start.advanced(by: .seconds(1))))
    #expect(customer.name == "Asha" && customer.email == "a@b.c" && customer.deliveryAddress == street)
    #expect(customer.version == 2 && customer.updatedAt > start && customer.isVerified)
    #expect(try customer.apply(CustomerChange(name: "Asha R"), at: start))
    #expect(customer.email == "a@b.c" && customer.deliveryAddress == street && customer.version == 3)
    #expect(customer.updatedAt == start.advanced(by: .seconds(1)), "a clock that was set back does not make it younger")
    #expect(try !customer.apply(CustomerChange(name: "Asha R"), at: start), "nothing new")
    #expect(customer.version == 3)
  }

  @Test("one home, one workplace, any other places, and one default")
  func addresses() throws {
    var customer = customer
    let places = (1...4).map { Address(street: "\($0)") }
    try customer.save(SavedAddress(label: .work, address: places[0]))
    #expect(customer.deliveryAddress == places[0], "the first one is the default")
    try customer.save(SavedAddress(label: .home, address: places[1], isDefault: true))
    try customer.save(SavedAddress(label: .home, address: places[2]))
    #expect(customer.deliveryAddress == places[2], "who moves has a new default")
    try customer.save(SavedAddress(label: .other, address: places[3]))
    try customer.save(SavedAddress(label: .other, address: places[1]))
    try customer.save(SavedAddress(label: .other, address: places[1]))
    #expect(customer.addresses.map(\.label) == [.work, .home, .other, .other])
    #expect(customer.addresses.count { $0.isDefault } == 1)
    for number in 0..<16 { try customer.save(SavedAddress(label: .other, address: Address(city: "\(number)"))) }
    #expect(
      refusal { try customer.save(SavedAddress(label: .other, address: Address(city: "one too many"))) }
        == .limitExceeded)
  }

  @Test(
    "what a customer may not say",
    arguments: [
      CustomerChange(name: ""), CustomerChange(name: " "), CustomerChange(name: String(repeating: "x", count: 121)),
      CustomerChange(name: "a\u{7}b"), CustomerChange(email: "nobody"), CustomerChange(email: "a@b@c"),
      CustomerChange(email: "a b@c"), CustomerChange(email: "@c"), CustomerChange(email: "a@b@\u{301}c"),
      CustomerChange(deliveryAddress: Address()),
      CustomerChange(deliveryAddress: Address(city: "\u{0}")),
    ])
  func badCustomer(change: CustomerChange) {
    var customer = customer
    let before = customer
    #expect(refusal { _ = try customer.apply(change, at: start) } == .invalidField)
    #expect(customer == before)
  }

  // MARK: Circles

  private func circle() throws -> Circle {
    try Circle.make(id: "c", tenant: "t", name: "Home", kind: .family, owner: asha, at: start)
  }

  @Test("members invite, accept and leave; the owner removes, and stays")
  func circles() throws {
    var circle = try circle()
    #expect(try circle.invite(ravi, by: asha, at: start))
    #expect(try !circle.invite(ravi, by: asha, at: start), "twice is once")
    #expect(circle[ravi]?.status == .invited && circle.version == 2)
    #expect(try circle.accept(ravi, at: start))
    #expect(try circle.invite(meera, by: ravi, at: start))
    #expect(refusal { _ = try circle.remove(asha, by: asha, at: start) } == .ownerStays)
    #expect(refusal { _ = try circle.remove(meera, by: ravi, at: start) } == .notOwner)
    #expect(try circle.remove(meera, by: meera, at: start))
    #expect(refusal { _ = try circle.accept(meera, at: start) } == .notMember)
    #expect(refusal { _ = try circle.invite(asha, by: meera, at: start) } == .notMember)
    #expect(circle.members.map(\.phone) == [asha, ravi])
  }

  @Test("the owner hands a circle over, and may leave then")
  func transfer() throws {
    var circle = try circle()
    _ = try circle.invite(ravi, by: asha, at: start)
    #expect(refusal { _ = try circle.transfer(to: ravi, by: ravi, at: start) } == .notOwner)
    #expect(refusal { _ = try circle.transfer(to: meera, by: asha, at: start) } == .notMember)
    #expect(try circle.transfer(to: ravi, by: asha, at: start))
    #expect(circle.owner == ravi && circle.members.count { $0.role == .owner } == 1)
    #expect(try circle.remove(asha, by: asha, at: start))
    #expect(circle.createdBy == .customer(asha))
  }

  @Test("a circle has bounds, and a name")
  func bounds() throws {
    #expect(
      refusal { _ = try Circle.make(id: "c", tenant: "t", name: "", kind: .friends, owner: asha, at: start) }
        == .invalidField)
    var circle = try circle()
    for number in 1..<Circle.maxMembers {
      _ = try circle.invite(Self.phone("\(1_000_000_000 + number)"), by: asha, at: start)
    }
    #expect(refusal { _ = try circle.invite(ravi, by: asha, at: start) } == .limitExceeded)
  }

  // MARK: Orders

  private func order() throws -> PlacedOrder {
    try PlacedOrder.place(
      id: "o", tenant: "t", phone: asha, session: nil, kind: .delivery, currency: .inr,
      items: [
        PlacedOrder.Item(dishName: "Dal", quantity: 2, price: Money(minorUnits: 29950)),
        PlacedOrder.Item(dishName: "Roti", quantity: 3, price: Money(minorUnits: 1)),
      ], at: start)
  }

  @Test("each status has those that may follow", arguments: PlacedOrder.Status.allCases, PlacedOrder.Status.allCases)
  func transitions(from: PlacedOrder.Status, to: PlacedOrder.Status) throws {
    let way: [PlacedOrder.Status: [PlacedOrder.Status]] = [
      .pending: [], .confirmed: [.confirmed], .preparing: [.confirmed, .preparing],
      .ready: [.confirmed, .preparing, .ready], .delivered: [.confirmed, .preparing, .ready, .delivered],
      .cancelled: [.cancelled],
    ]
    var order = try order()
    for status in try #require(way[from]) { #expect(try order.become(status, at: start)) }
    let allowed: Set<[PlacedOrder.Status]> = [
      [.pending, .confirmed], [.confirmed, .preparing], [.preparing, .ready], [.ready, .delivered],
      [.pending, .cancelled], [.confirmed, .cancelled], [.preparing, .cancelled],
    ]
    let before = order
    if from == to {
      #expect(try !order.become(to, at: start))
    } else if allowed.contains([from, to]) {
      #expect(try order.become(to, at: start))
      #expect(order.timeline.last?.status == to && order.version == before.version + 1)
    } else {
      #expect(refusal { _ = try order.become(to, at: start) } == .invalidTransition)
      #expect(order == before)
    }
  }

  @Test("the total is that of the items")
  func total() throws {
    #expect(try order().total == Money(minorUnits: 59903))
  }

  @Test(
    "what an order may not have",
    arguments: [
      [], Array(repeating: PlacedOrder.Item(dishName: "Dal", quantity: 1, price: .zero), count: 501),
      [PlacedOrder.Item(dishName: "", quantity: 1, price: .zero)],
      [PlacedOrder.Item(dishName: "Dal", quantity: 0, price: .zero)],
      [PlacedOrder.Item(dishName: "Dal", quantity: 100, price: .zero)],
      [PlacedOrder.Item(dishName: "Dal", quantity: 1, price: Money(minorUnits: -1))],
      [PlacedOrder.Item(dishName: "Dal", quantity: 1, price: Money(minorUnits: 1_000_000_001))],
      [PlacedOrder.Item(dishName: "Dal", quantity: 1, price: .zero, customization: "\u{0}")],
    ])
  func badOrder(items: [PlacedOrder.Item]) {
    #expect(
      refusal {
        _ = try PlacedOrder.place(
          id: "o", tenant: "t", phone: asha, session: nil, kind: .takeaway, currency: .inr, items: items, at: start)
      } == .invalidField)
  }

  // MARK: Erasing

  private let pseudonym = Pseudonym("x")

  @Test("a circle of somebody who is erased is the longest member's, those first who have accepted")
  func inherited() throws {
    var circle = try Circle.make(id: "c", tenant: "t", name: "Ashas", kind: .family, owner: asha, at: start)
    _ = try circle.invite(ravi, by: asha, at: start)
    _ = try circle.invite(meera, by: asha, at: start)
    var unanswered = circle
    _ = try circle.accept(meera, at: start)
    let version = circle.version
    circle.erase(asha, as: pseudonym, at: start)
    #expect(circle.owner == meera && circle.members.map(\.phone) == [ravi, meera] && circle.version == version + 1)
    #expect(circle.createdBy == .erased(pseudonym) && circle.status == .active && circle.name == "Ashas")
    unanswered.erase(asha, as: pseudonym, at: start)
    #expect(unanswered.owner == ravi)
    unanswered.erase(meera, as: pseudonym, at: start)
    #expect(unanswered.owner == ravi && unanswered.status == .active)
    unanswered.erase(ravi, as: pseudonym, at: start)
    #expect(unanswered.owner == nil && unanswered.status == .closed && unanswered.name == Circle.closedName)
  }

  @Test("an order of somebody who is erased keeps its dishes, and its words only while it is cooked")
  func anonymous() throws {
    let words = "Asha, no nuts. Asharam, Natasha and asha are others; 9876543210 is hers (Asha)"
    let item = PlacedOrder.Item(
      dishName: "Asha's Dal", quantity: 2, price: Money(minorUnits: 100), customization: words, addedBy: "t_9876543210")
    var order = try PlacedOrder.place(
      id: "o", tenant: "t", phone: asha, session: "voice", kind: .delivery, currency: .inr, items: [item], at: start)
    let total = order.total
    order.erase(customer, as: pseudonym, at: start)
    #expect(order.orderer == .erased(pseudonym) && order.session == nil && order.total == total && order.version == 2)
    #expect(
      order.items[0].customization
        == "erased_x, no nuts. Asharam, Natasha and asha are others; erased_x is hers (erased_x)")
    #expect(order.items[0].addedBy == "t_erased_x" && order.items[0].dishName == "Asha's Dal")
    #expect(try order.become(.confirmed, at: start))
    #expect(order.items[0].customization != nil)
    #expect(try order.become(.cancelled, at: start))
    #expect(order.items[0].customization == nil && order.items[0].addedBy == nil && order.items[0].quantity == 2)
  }

  @Test("a key has a label and a time to come, and a tenant a name")
  func tenants() throws {
    var tenant = try Tenant.make(id: "t", name: "Inn", at: start)
    #expect(try !tenant.rename("Inn", at: start) && tenant.version == 1)
    #expect(try tenant.rename("The Inn", at: start) && tenant.version == 2)
    #expect(refusal { _ = try tenant.rename("", at: start) } == .invalidField)
    #expect(
      refusal { _ = try ApiKey.make(id: "k", tenant: "t", label: " ", expiresAt: nil, at: start) } == .invalidField)
    #expect(
      refusal { _ = try ApiKey.make(id: "k", tenant: "t", label: "l", expiresAt: start, at: start) } == .invalidField)
    #expect(Pseudonym(stored: pseudonym.text) == pseudonym && Pseudonym(stored: asha.text) == nil)
  }
}
