import Ordering
import RoomCore
import Store
import StoreTesting
import Testing

@testable import Directory

@Suite("Records, in each store", .timeLimit(.minutes(2)))
struct DirectoryTests {
  private let asha = DirectoryHarness.phone(1)
  private let ravi = DirectoryHarness.phone(2)
  private let dal = [PlacedOrder.Item(dishName: "Dal", dishType: .veg, quantity: 2, price: Money(minorUnits: 29950))]

  @Test("a customer is made, changed, and the same everywhere", arguments: Engine.allCases)
  func customers(engine: Engine) async throws {
    let harness = try await DirectoryHarness(engine)
    let directory = harness.directory
    #expect(try await DirectoryHarness.refusal { _ = try await directory.customer("t", asha) } == .customerNotFound)
    #expect(
      try await DirectoryHarness.refusal { _ = try await directory.upsertCustomer("t", asha, CustomerChange()) }
        == .invalidField)
    let address = Address(street: "12 \"MG\" Road", city: "Pune", pincode: "411001")
    let made = try await directory.upsertCustomer(
      "t", asha, CustomerChange(name: "Asha 🍛", email: "asha@example.com", deliveryAddress: address))
    #expect(made.isNew && made.customer.version == 1 && made.customer.id == "t_\(asha.text)")
    let changed = try await directory.upsertCustomer("t", asha, CustomerChange(name: "Asha"), seen: 1)
    #expect(!changed.isNew && changed.customer.version == 2 && changed.customer.deliveryAddress == address)
    #expect(try await directory.customer("t", asha) == changed.customer)
    #expect(
      try await DirectoryHarness.refusal {
        _ = try await directory.upsertCustomer("t", asha, CustomerChange(name: "Nobody"), seen: 1)
      } == .versionMismatch)
    #expect(try await directory.customer("t", asha).name == "Asha")
    await harness.store.close()
  }

  @Test("a tenant does not see another's", arguments: Engine.allCases)
  func tenants(engine: Engine) async throws {
    let harness = try await DirectoryHarness(engine)
    let directory = harness.directory
    _ = try await directory.upsertCustomer("t", asha, CustomerChange(name: "Asha"))
    let circle = try await directory.createCircle("t", name: "Home", kind: .family, owner: asha)
    let order = try await directory.createOrder("t", asha, OrderDraft(kind: .delivery, items: dal), currency: .inr)
    let refusals: [RecordRejection.Code?] = try await [
      DirectoryHarness.refusal { _ = try await directory.customer("u", asha) },
      DirectoryHarness.refusal { _ = try await directory.circle("u", circle.id) },
      DirectoryHarness.refusal { _ = try await directory.order("u", order.id) },
      DirectoryHarness.refusal { _ = try await directory.updateOrderStatus("u", order.id, to: .confirmed) },
      DirectoryHarness.refusal { _ = try await directory.inviteToCircle("u", circle.id, ravi, name: nil, by: asha) },
      DirectoryHarness.refusal { _ = try await directory.orders(of: asha, "u") },
    ]
    #expect(
      refusals == [
        .customerNotFound, .circleNotFound, .orderNotFound, .orderNotFound, .circleNotFound, .customerNotFound,
      ])
    #expect(try await directory.orders(in: .pending, "u").entries.isEmpty)
    await harness.store.close()
  }

  @Test("who is invited becomes a customer, unverified until they speak for themselves", arguments: Engine.allCases)
  func circles(engine: Engine) async throws {
    let harness = try await DirectoryHarness(engine)
    let directory = harness.directory
    #expect(
      try await DirectoryHarness.refusal {
        _ = try await directory.createCircle("t", name: "Home", kind: .family, owner: asha)
      } == .customerNotFound)
    _ = try await directory.upsertCustomer("t", asha, CustomerChange(name: "Asha"))
    let circle = try await directory.createCircle("t", name: "Home", kind: .family, owner: asha)
    let invited = try await directory.inviteToCircle("t", circle.id, ravi, name: "Ravi", by: asha)
    #expect(try await directory.circle("t", circle.id) == invited)
    #expect(try await !directory.customer("t", ravi).isVerified)
    _ = try await directory.upsertCustomer("t", ravi, CustomerChange(email: "r@example.com"))
    #expect(try await directory.customer("t", ravi).isVerified)
    let accepted = try await directory.acceptInvitation("t", circle.id, ravi)
    let handedOver = try await directory.transferCircle("t", circle.id, to: ravi, by: asha)
    #expect(accepted[ravi]?.status == .accepted && handedOver.owner == ravi)
    let second = try await directory.createCircle("t", name: "Friends", kind: .friends, owner: ravi)
    let first = try await directory.circles(of: ravi, "t", size: 1)
    #expect(first.entries.map(\.id) == [second.id])
    let rest = try await directory.circles(of: ravi, "t", size: 1, after: first.next)
    #expect(rest.entries == [handedOver] && rest.next == nil)
    let left = try await directory.removeFromCircle("t", circle.id, asha, by: asha)
    #expect(left.members.map(\.phone) == [ravi])
    #expect(try await directory.circle("t", circle.id) == left)
    #expect(try await directory.circles(of: asha, "t").entries.isEmpty)
    await harness.store.close()
  }

  @Test("orders come page by page, the newest first, whatever else is ordered meanwhile", arguments: Engine.allCases)
  func orders(engine: Engine) async throws {
    let harness = try await DirectoryHarness(engine)
    let directory = harness.directory
    for phone in [asha, ravi] { _ = try await directory.upsertCustomer("t", phone, CustomerChange(name: "A")) }
    var made: [PlacedOrder] = []
    for number in 0..<7 {
      let draft = OrderDraft(session: "s\(number)", kind: .dineIn, items: dal)
      made.append(try await directory.createOrder("t", asha, draft, currency: .inr))
      _ = try await directory.createOrder("t", ravi, draft, currency: .inr)
    }
    #expect(try await directory.order("t", made[3].id) == made[3])
    var seen: [PlacedOrder] = []
    var token: PageToken?
    repeat {
      let page = try await directory.orders(of: asha, "t", size: 3, after: token)
      seen += page.entries
      token = try page.next.map { try PageToken(text: $0.text) }
      _ = try await directory.createOrder("t", asha, OrderDraft(kind: .delivery, items: dal), currency: .inr)
    } while token != nil
    #expect(seen == made.reversed())
    let confirmed = try await directory.updateOrderStatus("t", made[0].id, to: .confirmed, seen: 1)
    #expect(confirmed.timeline.map(\.status) == [.pending, .confirmed])
    #expect(try await directory.orders(in: .confirmed, "t").entries == [confirmed])
    #expect(
      try await DirectoryHarness.refusal { _ = try await directory.updateOrderStatus("t", made[0].id, to: .delivered) }
        == .invalidTransition)
    #expect(
      try await DirectoryHarness.refusal { _ = try await directory.orders(of: asha, "t", size: 201) } == .invalidField)
    await harness.store.close()
  }

  @Test("a menu is put in the place of the last one", arguments: Engine.allCases)
  func menus(engine: Engine) async throws {
    let harness = try await DirectoryHarness(engine)
    let directory = harness.directory
    #expect(try await DirectoryHarness.refusal { _ = try await directory.menu("t") } == .menuNotFound)
    let dishes = [
      Menu.Dish(
        id: "dal", name: "Dal \"makhani\"", type: .veg, price: Money(minorUnits: 29950),
        options: [Menu.Option(name: "Ghee", price: Money(minorUnits: 2000))]),
      Menu.Dish(id: "fish", name: "Fish", type: .nonVeg, price: .zero, isAvailable: false),
    ]
    let first = try await directory.putMenu("t", dishes, currency: .inr)
    #expect(try await directory.menu("t") == first)
    let second = try await directory.putMenu("t", [dishes[1]], currency: .inr, seen: 1)
    #expect(second.version == 2 && second.updatedAt > first.updatedAt)
    #expect(try await directory.menu("t") == second)
    #expect(
      try await DirectoryHarness.refusal { _ = try await directory.putMenu("t", dishes, currency: .inr, seen: 1) }
        == .versionMismatch)
    #expect(
      try await DirectoryHarness.refusal {
        _ = try await directory.putMenu("t", [dishes[0], dishes[0]], currency: .inr)
      } == .invalidField)
    #expect(try await DirectoryHarness.refusal { _ = try await directory.menu("u") } == .menuNotFound)
    await harness.store.close()
  }

  @Test("what was ordered before is ordered again, at what it costs now", arguments: Engine.allCases)
  func reorder(engine: Engine) async throws {
    let harness = try await DirectoryHarness(engine)
    let directory = harness.directory
    _ = try await directory.upsertCustomer("t", asha, CustomerChange(name: "Asha"))
    let items = [
      PlacedOrder.Item(dishName: "Dal", quantity: 2, price: Money(minorUnits: 100), customization: "Ghee, no salt")
    ]
    let first = try await directory.createOrder(
      "t", asha, OrderDraft(session: "call", kind: .delivery, items: items), currency: .inr)
    let same = try await directory.reorder("t", first.id)
    #expect(same.items == items && same.repeats == first.id && same.session == nil && same.id != first.id)
    var dal = Menu.Dish(
      id: "1", name: "dal", type: .veg, price: Money(minorUnits: 120),
      options: [Menu.Option(name: "ghee", price: Money(minorUnits: 15))])
    _ = try await directory.putMenu("t", [dal], currency: .inr)
    for _ in 0..<2 {
      let again = try await directory.reorder("t", first.id, id: "once")
      #expect(again.id == "once" && again.total == Money(minorUnits: 270) && again.items[0].dishType == .veg)
    }
    #expect(
      try await DirectoryHarness.refusal { _ = try await directory.reorder("t", same.id, id: "once") }
        == .idempotencyConflict)
    dal.isAvailable = false
    _ = try await directory.putMenu("t", [dal], currency: .inr)
    #expect(
      try await DirectoryHarness.refusal { _ = try await directory.reorder("t", first.id) } == .dishUnavailable)
    #expect(try await DirectoryHarness.refusal { _ = try await directory.reorder("u", first.id) } == .orderNotFound)
    await harness.store.close()
  }

  @Test("what a page token may not be", arguments: ["", ".", "1", "x.y", "1.", "99999999999999999999.a"])
  func badToken(text: String) {
    #expect(throws: RecordRejection.self) { try PageToken(text: text) }
  }

  @Test("each list goes along an index, and reads no more than its page", arguments: Engine.allCases)
  func plans(engine: Engine) async throws {
    let harness = try await DirectoryHarness(engine)
    let phone = asha.text
    try await harness.store.writeRecords { records in
      for number in 0..<10_000 {
        try records.run(
          """
          INSERT INTO orders (
            id, tenant, phone, order_type, currency, items, total, status, status_updated_at, timeline, created_at,
            updated_at, version)
          VALUES ($1, 't', $2, 'delivery', 'INR/2', '[]', 0, 'pending', $3, '[]', $3, $3, 1)
          """, [.text("id-\(number)"), .text(phone), RecordValue(number)])
        try records.run(
          """
          INSERT INTO circle_members (circle, phone, tenant, role, status, joined_at)
          VALUES ($1, $2, 't', 'member', 'accepted', $3)
          """, [.text("c-\(number)"), .text(phone), RecordValue(number)])
      }
      for number in 0..<2000 {
        try records.run(
          "INSERT INTO tenants (id, name, created_at, updated_at, version) VALUES ($1, $1, $2, $2, 1)",
          [.text("t-\(number)"), RecordValue(number)])
        try records.run(
          "INSERT INTO api_keys (id, tenant, label, hash, created_at) VALUES ($1, 't', $1, $1, $2)",
          [.text("k-\(number)"), RecordValue(number)])
        try records.run(
          """
          INSERT INTO collaborative_orders (
            id, tenant, circle, session_id, initiated_by, order_type, for_members, is_open, status, created_at,
            updated_at, version)
          VALUES ($1, 't', 'c', $1, 'p', 'delivery', 1, 1, 'finalized', $2, $2, 1)
          """, [.text("o-\(number)"), RecordValue(number)])
      }
      if engine == .postgres {
        for table in ["orders", "circle_members", "tenants", "api_keys", "collaborative_orders"] {
          try records.run("ANALYZE \(table)")
        }
      }
    }
    let indexes = [
      "orders_by_customer", "orders_by_status", "circle_members_by_customer", "tenants_by_creation",
      "api_keys_by_tenant", "collaborative_orders_by_circle",
    ]
    let keys = [["t", phone], ["t", "pending"], ["t", phone], [], ["t"], ["t", "c", "finalized"]]
    #expect(DirectoryQueries.lists.count == indexes.count)
    for (query, (index, keys)) in zip(DirectoryQueries.lists, zip(indexes, keys)) {
      var sql = query
      for (place, value) in (keys.map { "'\($0)'" } + ["1500", "'id-1500'", "21"]).enumerated() {
        sql = sql.replacing("$\(place + 1)", with: value)
      }
      let explained = (engine == .sqlite ? "EXPLAIN QUERY PLAN " : "EXPLAIN ") + sql
      let plan = try await harness.store.readRecords { records in
        try records.run(explained, []).map { $0.values.compactMap(\.text).joined() }.joined(separator: "\n")
      }
      #expect(plan.contains(index), "\(plan)")
      #expect(!plan.lowercased().contains("temp b-tree") && !plan.contains("Sort"), "\(plan)")
      #expect(!plan.contains("Seq Scan") && !plan.contains("Bitmap"), "\(plan)")
    }
    let first = try await harness.directory.orders(in: .pending, "t", size: 5)
    #expect(first.entries.map(\.id) == (9995..<10_000).reversed().map { "id-\($0)" })
    await harness.store.close()
  }
}
