import Ordering
import RoomCore
import Store
import StoreTesting
import Testing

@testable import Directory

@Suite("What is known of a customer, and how it goes", .timeLimit(.minutes(2)))
struct ErasureTests {
  private let asha = DirectoryHarness.phone(1)
  private let ravi = DirectoryHarness.phone(2)
  private let meera = DirectoryHarness.phone(3)

  private struct Scene {
    let harness: DirectoryHarness
    let handedOn, closing, joined, left: Circle
    let cooking, eaten, ravis: PlacedOrder
    let ashasOrders: Int
  }

  /// Asha has left her traces wherever there is a place for some.
  private func scene(_ engine: Engine) async throws -> Scene {
    let harness = try await DirectoryHarness(engine)
    let directory = harness.directory
    let address = Address(street: "12 MG Road", city: "Pune")
    _ = try await directory.upsertCustomer(
      "t", asha, CustomerChange(name: "Asha Rao", email: "asha@example.com", deliveryAddress: address))
    for phone in [ravi, meera] { _ = try await directory.upsertCustomer("t", phone, CustomerChange(name: "Other")) }
    var circles: [Circle] = []
    for owner in [asha, asha, ravi, asha] {
      circles.append(
        try await directory.createCircle("t", name: "Circle \(circles.count)", kind: .family, owner: owner))
    }
    // Ravi came first, and has not said yes.
    for phone in [ravi, meera] {
      _ = try await directory.inviteToCircle("t", circles[0].id, phone, name: nil, by: asha)
    }
    _ = try await directory.acceptInvitation("t", circles[0].id, meera)
    _ = try await directory.inviteToCircle("t", circles[2].id, asha, name: nil, by: ravi)
    _ = try await directory.inviteToCircle("t", circles[3].id, ravi, name: nil, by: asha)
    _ = try await directory.transferCircle("t", circles[3].id, to: ravi, by: asha)
    _ = try await directory.removeFromCircle("t", circles[3].id, asha, by: asha)

    let words = "for Asha Rao (\(asha.text)), no nuts; Ashaa likes it"
    let dal = PlacedOrder.Item(
      dishName: "Dal", quantity: 2, price: Money(minorUnits: 29950), customization: words, addedBy: "t_\(asha.text)")
    func order(_ phone: PhoneNumber, _ items: [PlacedOrder.Item]) async throws -> PlacedOrder {
      try await directory.createOrder(
        "t", phone, OrderDraft(session: "voice-\(asha.text)", kind: .delivery, items: items), currency: .inr)
    }
    let cooking = try await order(asha, [dal])
    let eaten = try await order(asha, [dal])
    for status in [PlacedOrder.Status.confirmed, .preparing, .ready, .delivered] {
      _ = try await directory.updateOrderStatus("t", eaten.id, to: status)
    }
    for _ in 0..<203 { _ = try await order(asha, [dal]) }
    var foreign = dal
    foreign.customization = "spicy"
    let ravis = try await order(ravi, [foreign])
    return Scene(
      harness: harness, handedOn: circles[0], closing: circles[1], joined: circles[2], left: circles[3],
      cooking: cooking, eaten: eaten, ravis: ravis, ashasOrders: 205)
  }

  @Test("an export has all pages of all that is known, and of others nothing", arguments: Engine.allCases)
  func export(engine: Engine) async throws {
    let scene = try await scene(engine)
    let directory = scene.harness.directory
    let export = try await directory.exportCustomer("t", asha)
    #expect(export.customer.email == "asha@example.com" && export.customer.addresses.count == 1)
    #expect(export.circles.map(\.id) == [scene.joined.id, scene.closing.id, scene.handedOn.id])
    #expect(export.orders.count == scene.ashasOrders && Set(export.orders.map(\.id)).count == scene.ashasOrders)
    #expect(export.orders.allSatisfy { $0.orderer == .customer(asha) })
    #expect(
      try await DirectoryHarness.refusal {
        _ = try await directory.exportCustomer("t", DirectoryHarness.phone(9))
      } == .customerNotFound)
    #expect(
      try await DirectoryHarness.refusal { _ = try await directory.exportCustomer("u", asha) } == .customerNotFound)
    await scene.harness.store.close()
  }

  @Test("who is erased stands in no table, and the kitchen's books still add up", arguments: Engine.allCases)
  func erasure(engine: Engine) async throws {
    let scene = try await scene(engine)
    let directory = scene.harness.directory
    let traces = [asha.text, "Asha Rao", "asha@example.com", "12 MG Road"]
    let before = try await scene.harness.everything()
    // The search finds what there is.
    for table in ["customers", "circles", "circle_members", "orders"] {
      #expect(before.contains { $0.table == table && $0.row.contains(asha.text) }, "\(table)")
    }
    try await directory.eraseCustomer("t", asha)
    let after = try await scene.harness.everything()
    for trace in traces {
      #expect(before.contains { $0.row.contains(trace) })
      #expect(after.filter { $0.row.contains(trace) }.map(\.table) == [], "\(trace)")
    }
    #expect(after.filter { $0.table == "orders" }.count == before.filter { $0.table == "orders" }.count)

    let eaten = try await directory.order("t", scene.eaten.id)
    guard case .erased(let pseudonym) = eaten.orderer else {
      Issue.record("the order is still \(eaten.orderer)")
      return
    }
    #expect(eaten.total == scene.eaten.total && eaten.kind == .delivery && eaten.status == .delivered)
    #expect(eaten.items.map(\.dishName) == ["Dal"] && eaten.items[0].quantity == 2)
    #expect(eaten.items[0].customization == nil && eaten.items[0].addedBy == nil && eaten.session == nil)
    // Who cooks it still has to know.
    let cooking = try await directory.order("t", scene.cooking.id)
    #expect(cooking.orderer == .erased(pseudonym))
    #expect(
      cooking.items[0].customization == "for \(pseudonym.text) (\(pseudonym.text)), no nuts; Ashaa likes it")
    #expect(try await directory.updateOrderStatus("t", cooking.id, to: .cancelled).items[0].customization == nil)
    #expect(try await directory.order("t", cooking.id).items[0].customization == nil)
    let ravis = try await directory.order("t", scene.ravis.id)
    #expect(ravis.orderer == .customer(ravi) && ravis.items[0].customization == "spicy")
    #expect(ravis.items[0].addedBy == "t_\(pseudonym.text)")

    let handedOn = try await directory.circle("t", scene.handedOn.id)
    #expect(handedOn.owner == meera && handedOn.members.map(\.phone) == [ravi, meera] && handedOn.status == .active)
    let closed = try await directory.circle("t", scene.closing.id)
    #expect(closed.status == .closed && closed.members.isEmpty && closed.name == Circle.closedName)
    #expect(try await directory.circle("t", scene.joined.id).members.map(\.phone) == [ravi])
    let left = try await directory.circle("t", scene.left.id)
    #expect(left.createdBy == .erased(pseudonym) && left.owner == ravi)

    #expect(
      try await DirectoryHarness.refusal { try await directory.eraseCustomer("t", asha) } == .customerNotFound)
    // Whoever comes again with the number is somebody new.
    _ = try await directory.upsertCustomer("t", asha, CustomerChange(name: "Asha"))
    #expect(try await directory.orders(of: asha, "t").entries.isEmpty)
    await scene.harness.store.close()
  }

  @Test("an erasure that fails has changed nothing", arguments: Engine.allCases)
  func whole(engine: Engine) async throws {
    let scene = try await scene(engine)
    // Only the last step of all meets this.
    let obstacles =
      engine == .sqlite
      ? ["CREATE TRIGGER keep BEFORE DELETE ON customers BEGIN SELECT RAISE(ABORT, 'kept'); END"]
      : [
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''kept''; END'",
        "CREATE TRIGGER keep BEFORE DELETE ON customers FOR EACH ROW EXECUTE FUNCTION keep()",
      ]
    try await scene.harness.store.writeRecords { records in for sql in obstacles { try records.run(sql, []) } }
    let before = try await scene.harness.everything().map(\.row).sorted()
    await #expect(throws: (any Error).self) { try await scene.harness.directory.eraseCustomer("t", asha) }
    #expect(try await scene.harness.everything().map(\.row).sorted() == before)
    await scene.harness.store.close()
  }

  @Test("who orders while they are erased leaves nothing behind", arguments: Engine.allCases)
  func concurrent(engine: Engine) async throws {
    let harness = try await DirectoryHarness(engine)
    let directory = harness.directory
    let asha = asha
    _ = try await directory.upsertCustomer("t", asha, CustomerChange(name: "Asha"))
    let dal = PlacedOrder.Item(dishName: "Dal", quantity: 1, price: Money(minorUnits: 100), addedBy: "t_\(asha.text)")
    try await withThrowingTaskGroup(of: Void.self) { group in
      for client in 0..<6 {
        group.addTask {
          for number in 0..<30 {
            let refusal = try await DirectoryHarness.refusal {
              _ = try await directory.createOrder(
                "t", asha, OrderDraft(session: "\(client)-\(number)", kind: .takeaway, items: [dal]), currency: .inr)
              _ = try await directory.createCircle("t", name: "C", kind: .friends, owner: asha)
            }
            if let refusal { return #expect(refusal == .customerNotFound) }
          }
        }
      }
      group.addTask {
        // Whoever is told that nobody knows sends it again.
        var isErased = false
        while !isErased {
          do {
            try await directory.eraseCustomer("t", asha)
            isErased = true
          } catch is StoreError {}
        }
      }
      try await group.waitForAll()
    }
    #expect(try await harness.everything().filter { $0.row.contains(asha.text) }.map(\.table) == [])
    await harness.store.close()
  }
}
