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

/// Rooms that the records have not heard of yet, or will not.
@Suite("Orders that rooms and records do not agree on yet", .timeLimit(.minutes(3)))
struct UnprojectedOrderTests {
  private let asha: PhoneNumber
  private let ravi: PhoneNumber

  init() throws {
    asha = try PhoneNumber("9876543210")
    ravi = try PhoneNumber("9876543211")
  }

  /// A circle of two, of which Asha is the owner.
  private func circle(_ directory: Directory) async throws -> Circle {
    for (phone, name) in [(asha, "Asha"), (ravi, "Ravi")] {
      _ = try await directory.upsertCustomer("t", phone, CustomerChange(name: name))
    }
    let circle = try await directory.createCircle("t", name: "Home", kind: .family, owner: asha)
    return try await directory.inviteToCircle("t", circle.id, ravi, name: nil, by: asha)
  }

  private static let dal = OrderCommand.addItem(
    OrderCommand.NewItem(dishName: "Dal", dishType: .veg, quantity: 1, price: 10))

  /// Has a participant do things in their room, as their own client would.
  private func act(
    _ participant: ParticipantID, _ commands: [OrderCommand], in room: RoomID, of node: TestNode
  ) async throws {
    for (number, command) in commands.enumerated() {
      let operation = Operation(
        id: OperationID(participant: participant, value: "\(number)"), after: SequenceNumber(.max), command: command)
      guard case .stands = await node.registry.ask(RoomQuestion(operation), of: room) else {
        Issue.record("the room has refused operation \(number)")
        return
      }
    }
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

  @Test("an order that has ended unheard is joined by nobody, and the next one is begun", arguments: Engine.allCases)
  func endedUnheard(engine: Engine) async throws {
    let node = try await TestNode(
      try await RecordPlace(engine, records: DirectorySchema.migrations), projects: false)
    let circle = try await circle(node.directory)
    let seat = try await node.orders.start("t", circle: circle.id, by: asha)
    // More than is dealt with at once comes before the end.
    let turns = (0..<60).flatMap { _ in [OrderCommand.lock, .unlock] }
    try await act(seat.guest.participant, [Self.dal] + turns + [.finalize()], in: seat.order.room, of: node)
    #expect(try await node.directory.sharedOrder("t", seat.order.id).status == .active)

    #expect(try await code { _ = try await node.orders.join("t", seat.order.id, by: ravi) } == "order_finalized")
    let next = try await node.orders.start("t", circle: circle.id, by: ravi)
    #expect(next.isNew && next.order.id != seat.order.id)
    #expect(next.view.state.participants.map(\.name) == ["Ravi"])
    #expect(try await node.directory.sharedOrder("t", seat.order.id).status == .finalized)
    #expect(try await node.directory.orders(placedBy: seat.order.id, "t").count == 1)
    await node.stop()
  }

  @Test("an order whose initiator is erased before its room began makes room for another", arguments: Engine.allCases)
  func initiatorErased(engine: Engine) async throws {
    let node = try await TestNode(try await RecordPlace(engine, records: DirectorySchema.migrations))
    let circle = try await circle(node.directory)
    let left = try await node.directory.startOrder("t", circle: circle.id, by: ravi, kind: .dineIn)
    try await node.directory.eraseCustomer("t", ravi)
    #expect(try await node.directory.unopenedOrders(before: Timestamp(millis: .max)).isEmpty)
    #expect(try await code { _ = try await node.orders.join("t", left.order.id, by: asha) } == "order_ended")
    let seat = try await node.orders.start("t", circle: circle.id, by: asha)
    #expect(seat.isNew && seat.order.id != left.order.id)
    #expect(seat.view.state.participants.map(\.name) == ["Asha"])
    await node.stop()
  }

  @Test("who left the circle and not its order leaves it when they say so again")
  func leavesAgain() async throws {
    let node = try await TestNode(try await RecordPlace(.sqlite, records: DirectorySchema.migrations))
    let circle = try await circle(node.directory)
    let seat = try await node.orders.start("t", circle: circle.id, by: asha)
    _ = try await node.orders.join("t", seat.order.id, by: ravi)
    // Whoever was at it came no further.
    _ = try await node.directory.removeFromCircle("t", circle.id, ravi, by: ravi)
    #expect(try await node.orders.view("t", seat.order.id).state.participants.count == 2)
    #expect(
      try await code { _ = try await node.orders.removeFromCircle("t", circle.id, ravi, by: ravi) } == "not_member")
    #expect(try await node.orders.view("t", seat.order.id).state.participants.map(\.name) == ["Asha"])
    await node.stop()
  }

  @Test("what begins with a key to a room and no tenant is nothing that a tenant's records hear of")
  func unreported() async throws {
    let node = try await TestNode(
      try await RecordPlace(.sqlite, records: DirectorySchema.migrations), projects: false)
    for (warrant, name) in [(OrderCommand.Warrant.room, "keyed"), (.none, "open")] {
      let join = OrderCommand.Join(name: "Asha", tenant: "t", circle: "c", warrant: warrant)
      try await act(
        ParticipantID("p"), [.join(join), Self.dal, .finalize()], in: try #require(RoomID(name)), of: node)
    }
    #expect(try await node.directory.reportingRooms(after: 0, limit: 10).map(\.room.name) == ["open"])
    await node.stop()
  }

  @Test("an order that began without the records calls nobody by name who is erased", arguments: Engine.allCases)
  func guestErased(engine: Engine) async throws {
    let node = try await TestNode(try await RecordPlace(engine, records: DirectorySchema.migrations))
    _ = try await node.directory.upsertCustomer("t", asha, CustomerChange(name: "Asha Rao"))
    let room = try #require(RoomID("table-7"))
    let join = OrderCommand.join(.init(name: "Asha Rao", tenant: "t", circle: "c"))
    try await act(ParticipantID("t_9876543210"), [join, Self.dal, .finalize()], in: room, of: node)
    try await eventually("the order to be placed") {
      try await !node.directory.orders(in: .pending, "t").entries.isEmpty
    }
    let id = try #require(try await node.directory.orders(in: .pending, "t").entries.first?.collaborativeOrder)
    #expect("\(try await node.directory.sharedOrder("t", id))".contains("Asha Rao"))
    try await node.directory.eraseCustomer("t", asha)
    let order = "\(try await node.directory.sharedOrder("t", id))"
    #expect(!order.contains("Asha Rao") && !order.contains("9876543210"))
    let placed = "\(try await node.directory.orders(placedBy: id, "t"))"
    #expect(!placed.contains("Asha Rao") && !placed.contains("9876543210"))
    await node.stop()
  }
}
