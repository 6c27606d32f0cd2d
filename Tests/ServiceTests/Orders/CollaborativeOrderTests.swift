import Directory
import JSONText
import Ordering
import RoomCore
import Rooms
import Service
import Store
import StoreTesting
import TestSupport
import Testing
import Wire

@Suite("Collaborative orders between rooms and records", .timeLimit(.minutes(3)))
struct CollaborativeOrderTests {
  private static func phone(_ last: Int) throws -> PhoneNumber { try PhoneNumber("987654321\(last)") }

  /// A circle of three, of which the first is the owner.
  private static func circle(_ directory: Directory) async throws -> Circle {
    for (last, name) in ["Asha", "Ravi", "Mina"].enumerated() {
      _ = try await directory.upsertCustomer("t", try phone(last), CustomerChange(name: name))
    }
    let circle = try await directory.createCircle("t", name: "Home", kind: .family, owner: try phone(0))
    for last in 1...2 {
      _ = try await directory.inviteToCircle("t", circle.id, try phone(last), name: nil, by: try phone(0))
    }
    return try await directory.circle("t", circle.id)
  }

  private static func dish(_ name: String, _ price: Int64, id: String? = nil, count: Int64 = 1) -> OrderCommand {
    .addItem(
      OrderCommand.NewItem(
        id: id, dishName: name, dishType: .veg, quantity: DecimalNumber(significand: count),
        price: DecimalNumber(significand: price)))
  }

  private func code(_ body: () async throws -> Void) async throws -> String? {
    do {
      try await body()
      return nil
    } catch let rejection as RecordRejection {
      return rejection.code.rawValue
    } catch let notice as RefusalNotice {
      return notice.code
    }
  }

  @Test("members fill a cart, the owner finalizes, and the records have it", arguments: Engine.allCases)
  func flow(engine: Engine) async throws {
    let node = try await TestNode(try await RecordPlace(engine, records: DirectorySchema.migrations))
    let (orders, directory) = (node.orders, node.directory)
    let circle = try await Self.circle(directory)
    let asha = try await orders.start("t", circle: circle.id, by: try Self.phone(0), kind: .delivery)
    #expect(asha.isNew && asha.view.state.owner == asha.guest.participant)
    let id = asha.order.id
    #expect(try await directory.circle("t", circle.id).activeOrders == [id])
    // Starting twice gives the one that runs, whoever starts it, and lets them in.
    let ravi = try await orders.start("t", circle: circle.id, by: try Self.phone(1))
    #expect(!ravi.isNew && ravi.order.id == id && ravi.view.state.participants.map(\.name) == ["Asha", "Ravi"])
    let again = try await orders.join("t", id, by: try Self.phone(1))
    #expect(again.guest == ravi.guest && again.view.state.participants.count == 2)
    // The participants' ids say nothing about who they are.
    #expect(!"\(again.view.state)".contains("98765432"))

    for _ in 0..<2 {
      let view = try await orders.perform(
        Self.dish("Dal", 120, count: 2), "t", id, by: try Self.phone(1), operation: "one")
      #expect(view.state.items.map(\.total.minorUnits) == [24_000])
    }
    _ = try await orders.perform(Self.dish("Roti", 30), "t", id, by: try Self.phone(0), operation: "one")
    #expect(
      try await code { _ = try await orders.perform(.finalize(), "t", id, by: try Self.phone(1), operation: "f") }
        == "not_owner")
    let final = try await orders.perform(
      .finalize(.individual), "t", id, by: try Self.phone(0), operation: "f")
    #expect(final.order.status == .finalized && final.state.total.minorUnits == 27_000)
    let placed = try await directory.orders(placedBy: id, "t")
    #expect(placed.map(\.orderer) == [.customer(try Self.phone(0)), .customer(try Self.phone(1))])
    #expect(placed.map(\.total.minorUnits) == [13_500, 13_500] && placed.allSatisfy { $0.kind == .delivery })
    #expect(placed.map { $0.items.map(\.dishName) } == [["Roti"], ["Dal"]])
    #expect(try await directory.orders(of: try Self.phone(1), "t").entries == [placed[1]])
    #expect(try await directory.circle("t", circle.id).activeOrders == [])
    #expect(try await directory.sharedOrders(of: circle.id, in: .finalized, "t").entries.map(\.id) == [id])
    // The next one is another.
    let next = try await orders.start("t", circle: circle.id, by: try Self.phone(2))
    #expect(next.isNew && next.order.id != id)
    await node.stop()
  }

  @Test("only members take part, and who leaves the circle leaves its order")
  func membership() async throws {
    let node = try await TestNode(try await RecordPlace(.sqlite, records: DirectorySchema.migrations))
    let (orders, directory) = (node.orders, node.directory)
    let circle = try await Self.circle(directory)
    let stranger = try PhoneNumber("1111111111")
    _ = try await directory.upsertCustomer("t", stranger, CustomerChange(name: "Stranger"))
    #expect(
      try await code { _ = try await orders.start("t", circle: circle.id, by: stranger) } == "not_member")
    let seat = try await orders.start("t", circle: circle.id, by: try Self.phone(0))
    #expect(try await code { _ = try await orders.join("t", seat.order.id, by: stranger) } == "not_member")
    #expect(
      try await code { _ = try await orders.join("u", seat.order.id, by: try Self.phone(1)) } == "order_not_found")
    #expect(
      try await code {
        _ = try await orders.perform(Self.dish("Dal", 1), "t", seat.order.id, by: try Self.phone(1), operation: "x")
      } == "not_joined")
    // A client who was not let in is refused by the room itself, and learns nothing.
    let client = Operation(
      id: OperationID(participant: ParticipantID("t_9876543211"), value: "join"), after: SequenceNumber(.max),
      command: OrderCommand.join(OrderCommand.Join(name: "Ravi", tenant: "t", circle: circle.id)))
    guard case .refused(let notice) = await node.registry.ask(RoomQuestion(client), of: seat.order.room) else {
      Issue.record("the room has let a stranger in")
      return
    }
    #expect(notice.code == "not_member")

    for round in 0..<2 {
      _ = try await orders.join("t", seat.order.id, by: try Self.phone(1))
      _ = try await directory.removeFromCircle("t", circle.id, try Self.phone(1), by: try Self.phone(0))
      try await orders.dismiss("t", try Self.phone(1), from: circle.id)
      let view = try await orders.view("t", seat.order.id)
      #expect(view.state.participants.map(\.name) == ["Asha"], "round \(round)")
      _ = try await directory.inviteToCircle("t", circle.id, try Self.phone(1), name: nil, by: try Self.phone(0))
    }
    await node.stop()
  }

  @Test("what a process left undone the next one does, once", arguments: Engine.allCases)
  func resumes(engine: Engine) async throws {
    let place = try await RecordPlace(engine, records: DirectorySchema.migrations)
    let first = try await TestNode(place, projects: false)
    let circle = try await Self.circle(first.directory)
    let seat = try await first.orders.start("t", circle: circle.id, by: try Self.phone(0))
    let id = OperationID(participant: seat.guest.participant, value: "a")
    for (name, command) in [("a", Self.dish("Dal", 10)), ("f", OrderCommand.finalize())] {
      let operation = Operation(
        id: OperationID(participant: id.participant, value: name), after: SequenceNumber(.max), command: command)
      _ = await first.registry.ask(RoomQuestion(operation), of: seat.order.room)
    }
    // It was finalized, and nobody has drawn anything from it.
    #expect(try await first.directory.sharedOrder("t", seat.order.id).status == .active)
    await first.stop()

    let nodes = [try await TestNode(place), try await TestNode(place)]
    try await eventually("the order to be placed") {
      try await !nodes[0].directory.orders(placedBy: seat.order.id, "t").isEmpty
    }
    for node in nodes { try await node.projector.project(seat.order.room) }
    #expect(try await nodes[0].directory.orders(placedBy: seat.order.id, "t").count == 1)
    #expect(try await nodes[1].directory.sharedOrder("t", seat.order.id).status == .finalized)
    for node in nodes { await node.stop() }
  }

  @Test("an order that was started, and whose room did not begin, begins when somebody comes")
  func unopened() async throws {
    let node = try await TestNode(try await RecordPlace(.sqlite, records: DirectorySchema.migrations))
    let circle = try await Self.circle(node.directory)
    let left = try await node.directory.startOrder("t", circle: circle.id, by: try Self.phone(0), kind: .dineIn)
    #expect(try await node.directory.unopenedOrders(before: Timestamp(millis: .max)).map(\.order.id) == [left.order.id])
    let seat = try await node.orders.join("t", left.order.id, by: try Self.phone(1))
    #expect(seat.view.state.participants.map(\.name) == ["Asha", "Ravi"])
    #expect(seat.view.state.owner == left.guest.participant)
    #expect(try await node.directory.unopenedOrders(before: Timestamp(millis: .max)).isEmpty)
    await node.stop()
  }

  @Test("an order that began without the records is placed all the same")
  func claimed() async throws {
    let node = try await TestNode(try await RecordPlace(.sqlite, records: DirectorySchema.migrations))
    _ = try await node.directory.upsertCustomer("t", try Self.phone(0), CustomerChange(name: "Asha"))
    let room = try #require(RoomID("table-7"))
    let people = ["t_9876543210", "t_9876543211"].map { ParticipantID($0) }
    for (index, participant) in people.enumerated() {
      for (name, command) in [
        ("j", OrderCommand.join(.init(name: "P\(index)", tenant: "t", circle: "c"))), ("a", Self.dish("Dal", 10)),
      ] {
        let operation = Operation(
          id: OperationID(participant: participant, value: name), after: SequenceNumber(.max), command: command)
        _ = await node.registry.ask(RoomQuestion(operation), of: room)
      }
    }
    let end = Operation(
      id: OperationID(participant: people[0], value: "f"), after: SequenceNumber(.max),
      command: OrderCommand.finalize(.individual))
    _ = await node.registry.ask(RoomQuestion(end), of: room)
    try await eventually("the orders to be placed") {
      try await node.directory.orders(in: .pending, "t").entries.count == 2
    }
    // Only one of them is a customer.
    let placed = try await node.directory.orders(in: .pending, "t").entries
    #expect(Set(placed.map(\.orderer)) == [.customer(try Self.phone(0)), .unknown])
    await node.stop()
  }

  @Test("where there is a menu, its names and prices bind, and a change of it soon does")
  func menus() async throws {
    let node = try await TestNode(try await RecordPlace(.sqlite, records: DirectorySchema.migrations))
    let (orders, directory) = (node.orders, node.directory)
    let circle = try await Self.circle(directory)
    var dal = Menu.Dish(
      id: "1", name: "Dal", type: .veg, price: Money(minorUnits: 12_000),
      options: [Menu.Option(name: "Ghee", price: Money(minorUnits: 1000))])
    _ = try await directory.putMenu("t", [dal], currency: .inr)
    let id = try await orders.start("t", circle: circle.id, by: try Self.phone(0)).order.id
    func add(_ item: OrderCommand.NewItem) async throws -> String? {
      try await code {
        _ = try await orders.perform(.addItem(item), "t", id, by: try Self.phone(0), operation: "\(item)")
      }
    }
    #expect(try await add(OrderCommand.NewItem(dishName: "dal", dishType: nil, quantity: 1, price: nil)) == nil)
    #expect(
      try await add(
        OrderCommand.NewItem(dishName: "Dal", dishType: nil, quantity: 1, price: nil, customization: "ghee, no salt"))
        == nil)
    #expect(
      try await orders.view("t", id).state.items.map { [$0.dishName, "\($0.price.minorUnits)"] }
        == [["Dal", "12000"], ["Dal", "13000"]])
    #expect(
      try await add(OrderCommand.NewItem(dishName: "Dal", dishType: .veg, quantity: 1, price: 100)) == "invalid_price")
    #expect(
      try await add(OrderCommand.NewItem(dishName: "Naan", dishType: .veg, quantity: 1, price: 100)) == "invalid_item")

    dal.isAvailable = false
    _ = try await directory.putMenu("t", [dal], currency: .inr)
    await node.book.look()
    #expect(
      try await add(OrderCommand.NewItem(dishName: "DAL", dishType: nil, quantity: 1, price: nil)) == "dish_unavailable"
    )
    // Another tenant has none.
    #expect(node.book.context(of: "t")?.menu != nil)
    await node.stop()
  }
}
