package import Directory
package import Ordering
package import RoomCore
package import Service

/// An order desk of the tests: the rules of orders, in memory, without rooms, nodes and a journal.
package actor MemoryOrderDesk: OrderDesk {
  private let directory: Directory
  private let context: TenantContext
  private let now: @Sendable () -> Timestamp
  private var rooms: [String: RoomMachine<OrderLogic>] = [:]
  /// By circle.
  private var running: [String: String] = [:]
  private var participants: [PhoneNumber: ParticipantID] = [:]
  /// Thrown by everything until it is nil again.
  package var refusal: RefusalNotice?
  /// Runs once, before the next command is decided: what somebody else does at that moment.
  private var intrusion: (@Sendable (MemoryOrderDesk) async throws -> Void)?
  /// Operations that were asked for, retries included.
  package private(set) var performed = 0

  package init(directory: Directory, context: TenantContext, now: @escaping @Sendable () -> Timestamp) {
    self.directory = directory
    self.context = context
    self.now = now
  }

  package func refuse(with refusal: RefusalNotice?) { self.refusal = refusal }

  package func beforeNextCommand(_ intrusion: @escaping @Sendable (MemoryOrderDesk) async throws -> Void) {
    self.intrusion = intrusion
  }

  package func start(_ tenant: String, circle: String, by phone: PhoneNumber) async throws -> OrderPass {
    if let refusal { throw refusal }
    try await requireMember(tenant, circle, phone)
    let id = running[circle] ?? "order-\(rooms.count + 1)"
    if rooms[id] == nil {
      guard let room = RoomID(id) else { preconditionFailure("\(id) is a room's name") }
      rooms[id] = RoomMachine(room: room)
      running[circle] = id
    }
    return try await enter(id, tenant, circle, phone)
  }

  package func join(_ tenant: String, order: String, by phone: PhoneNumber) async throws -> OrderPass {
    if let refusal { throw refusal }
    guard let circle = rooms[order]?.state.order?.circle else {
      throw RecordRejection(.orderNotFound, "there is no such order")
    }
    return try await enter(order, tenant, circle, phone)
  }

  package func perform(
    _ command: OrderCommand, _ tenant: String, order: String, by phone: PhoneNumber, operation: String
  ) async throws -> OrderView {
    if let refusal { throw refusal }
    if let intrusion {
      self.intrusion = nil
      try await intrusion(self)
    }
    performed += 1
    try submit(command, order, participant(phone), operation)
    return try view(order)
  }

  package func view(_ tenant: String, order: String, by phone: PhoneNumber) async throws -> OrderView {
    if let refusal { throw refusal }
    return try view(order)
  }

  package func activeOrders(_ tenant: String, circle: String, by phone: PhoneNumber) async throws -> [String] {
    if let refusal { throw refusal }
    try await requireMember(tenant, circle, phone)
    return running[circle].map { [$0] } ?? []
  }

  private func requireMember(_ tenant: String, _ circle: String, _ phone: PhoneNumber) async throws {
    try await directory.circle(tenant, circle).requireMember(phone)
  }

  private func participant(_ phone: PhoneNumber) -> ParticipantID {
    let known = participants[phone] ?? ParticipantID("guest-\(participants.count + 1)")
    participants[phone] = known
    return known
  }

  private func enter(
    _ order: String, _ tenant: String, _ circle: String, _ phone: PhoneNumber
  ) async throws -> OrderPass {
    try await requireMember(tenant, circle, phone)
    let name = try await directory.customer(tenant, phone).name
    let participant = participant(phone)
    try submit(
      .join(OrderCommand.Join(name: name, tenant: tenant, circle: circle, phone: phone.text)), order, participant,
      "join-\(participant)")
    let status = rooms[order]?.state.order?.status.rawValue ?? ""
    return OrderPass(
      id: order, circle: circle, status: status, participant: participant,
      roomURL: "ws://localhost/parties/collaborative_order/\(order)")
  }

  private func submit(
    _ command: OrderCommand, _ order: String, _ participant: ParticipantID, _ name: String
  ) throws {
    guard var room = rooms[order] else { throw RecordRejection(.orderNotFound, "there is no such order") }
    let operation = Operation(
      id: OperationID(participant: participant, value: name), after: .zero, command: command)
    switch room.decide(operation, context: context, now: now()) {
    case .accepted(let records): for record in records { room.apply(record) }
    case .settled: break
    case .rejected(let refusal): throw RefusalNotice(code: refusal.code, message: refusal.message)
    }
    rooms[order] = room
  }

  private func view(_ order: String) throws -> OrderView {
    guard let room = rooms[order], let state = room.state.order else {
      throw RecordRejection(.orderNotFound, "there is no such order")
    }
    return OrderView(id: order, sequence: room.head, order: state)
  }
}
