public import Ordering
public import RoomCore
import Store

/// What a member may do in a collaborative order, as the records see it.
public struct OrderAdmission: Sendable {
  public let order: SharedOrder
  /// Who has started the order; in the room from its beginning.
  public let initiator: SharedOrder.Guest
  /// Who asks.
  public let guest: SharedOrder.Guest
  /// Whether the room is known to have begun.
  public let isOpen: Bool
  /// Whether the order was started at this moment.
  public var isNew = false
}

extension Directory {
  /// Starts a circle's order, or gives the one that runs; whoever asks is let in.
  ///
  /// The order is there before its room is: see `unopenedOrders`.
  ///
  /// - Throws: `circle_not_found`, `circle_closed`, `not_member`, `customer_not_found`.
  public func startOrder(
    _ tenant: String, circle: String, by phone: PhoneNumber, kind: PlacedOrder.Kind
  ) async throws -> OrderAdmission {
    let (now, id, participant) = (now(), makeID(), makeID())
    guard let room = RoomID(id) else { preconditionFailure("'\(id)' is no name of a room") }
    return try await store.writeRecords { records in
      let circle = try records.requireCircle(tenant, circle)
      try circle.requireMember(phone)
      guard circle.status == .active else { throw RecordRejection(.circleClosed, "the circle is closed") }
      if let running = try records.runningOrder(of: circle.id, tenant) {
        return try records.admit(phone, to: running, as: ParticipantID(participant), at: now)
      }
      let order = SharedOrder(
        id: id, tenant: tenant, circle: circle.id, room: room, initiatedBy: ParticipantID(participant), kind: kind,
        createdAt: now, updatedAt: now)
      try records.insert(order, isForMembers: true, isOpen: false)
      try records.enqueueWebhook(WebhookEvent(.collaborativeOrderStarted, of: order))
      var admission = try records.admit(phone, to: order, as: order.initiatedBy, at: now)
      admission.isNew = true
      return admission
    }
  }

  /// Lets a member of the circle into an order.
  ///
  /// - Throws: `order_not_found`, `not_member`, `customer_not_found`.
  public func joinOrder(_ tenant: String, _ id: String, _ phone: PhoneNumber) async throws -> OrderAdmission {
    let (now, participant) = (now(), makeID())
    return try await store.writeRecords { records in
      let order = try records.requireSharedOrder(tenant, id, for: phone)
      return try records.admit(phone, to: order, as: ParticipantID(participant), at: now)
    }
  }

  /// What somebody may do who was let in before.
  ///
  /// - Throws: `order_not_found`, `not_member`, `not_joined`.
  public func admission(_ tenant: String, _ id: String, _ phone: PhoneNumber) async throws -> OrderAdmission {
    try await store.readRecords { records in
      let order = try records.requireSharedOrder(tenant, id, for: phone)
      guard let guest = try records.guest(phone, of: order) else {
        throw RecordRejection(.notJoined, "only who has joined the order may do this")
      }
      return try records.admission(guest, order)
    }
  }

  /// - Throws: `order_not_found`.
  public func sharedOrder(_ tenant: String, _ id: String) async throws -> SharedOrder {
    try await store.readRecords { try $0.requireSharedOrder(tenant, id) }
  }

  /// A circle's orders in a status, the newest first.
  public func sharedOrders(
    of circle: String, in status: OrderStatus, _ tenant: String, size: Int = 20, after: PageToken? = nil
  ) async throws -> Page<SharedOrder> {
    let size = try Page<SharedOrder>.checked(size)
    return try await store.readRecords { records in
      _ = try records.requireCircle(tenant, circle)
      let parameters = DirectoryQueries.page(of: size, after, tenant, circle, status.rawValue)
      let rows = try records.run(DirectoryQueries.sharedOrdersOfCircle, parameters)
      return Page(try rows.map { try SharedOrder($0, tenant: tenant) }, size: size) {
        PageToken(time: $0.createdAt.millis, id: $0.id)
      }
    }
  }

  /// What was placed with the kitchen for a collaborative order.
  public func orders(placedBy id: String, _ tenant: String) async throws -> [PlacedOrder] {
    try await store.readRecords { records in
      _ = try records.requireSharedOrder(tenant, id)
      return try records.run(DirectoryQueries.ordersPlacedBy, [.text(id)]).map {
        try PlacedOrder($0, tenant: tenant)
      }
    }
  }

  /// How many orders were placed by collaborative ones, of all tenants. Reads an index as a whole.
  public func placedCount() async throws -> Int {
    try await store.readRecords { records in
      let rows = try records.run("SELECT count(*) FROM orders WHERE collaborative_order IS NOT NULL", [])
      return try rows.first.map { Int(try $0.integer(0)) } ?? 0
    }
  }

  /// The room of an order has begun.
  public func opened(_ order: SharedOrder) async throws {
    try await store.writeRecords { records in
      try records.run("UPDATE collaborative_orders SET is_open = 1 WHERE id = $1", [.text(order.id)])
      return
    }
  }

  /// Orders that were started before `time`, whose rooms have not begun: whoever started them did not come to it.
  public func unopenedOrders(before time: Timestamp, limit: Int = 100) async throws -> [OrderAdmission] {
    try await store.readRecords { records in
      let rows = try records.run(
        """
        SELECT tenant, id FROM collaborative_orders WHERE is_open = 0 AND created_at < $1
        ORDER BY created_at LIMIT $2
        """, [.integer(time.millis), RecordValue(limit)])
      return try rows.map { row in
        let order = try records.requireSharedOrder(try row.text(0), try row.text(1))
        return try records.admission(try records.initiator(of: order), order)
      }
    }
  }

  /// Where somebody takes part in an order that runs.
  ///
  /// - Parameter circle: whose orders; nil for all.
  public func runningSeats(
    of phone: PhoneNumber, in circle: String?, _ tenant: String
  ) async throws -> [(order: SharedOrder, guest: SharedOrder.Guest)] {
    try await store.readRecords { records in
      let rows = try records.run(DirectoryQueries.runningOrdersOfGuest, .text(tenant), .text(phone.text))
      let orders = try rows.map { try SharedOrder($0, tenant: tenant) }
      return try orders.filter { circle == nil || $0.circle == circle }.compactMap { order in
        try records.guest(phone, of: order).map { (order, $0) }
      }
    }
  }
}

extension DirectoryQueries {
  fileprivate static let sharedOrderColumns = """
    id, circle, session_id, initiated_by, order_type, status, state, created_at, updated_at, version
    """

  static let sharedOrdersOfCircle = """
    SELECT \(sharedOrderColumns) FROM collaborative_orders
    WHERE tenant = $1 AND circle = $2 AND status = $3 AND (created_at, id) < ($4, $5)
    ORDER BY created_at DESC, id DESC LIMIT $6
    """

  /// At most one of each of their circles.
  fileprivate static let runningOrdersOfGuest = """
    SELECT \(sharedOrderColumns) FROM collaborative_orders
    WHERE tenant = $1 AND for_members = 1 AND status IN ('active', 'locked')
      AND id IN (SELECT collaborative_order FROM order_participants WHERE tenant = $1 AND phone = $2)
    """

  /// At most as many as an order has participants.
  static let ordersPlacedBy = "SELECT \(orderColumns) FROM orders WHERE collaborative_order = $1 ORDER BY id"
}

extension RecordTransaction {
  func sharedOrder(_ tenant: String, _ id: String) throws -> SharedOrder? {
    try run(
      "SELECT \(DirectoryQueries.sharedOrderColumns) FROM collaborative_orders WHERE id = $1 AND tenant = $2",
      [.text(id), .text(tenant)]
    ).first.map { try SharedOrder($0, tenant: tenant) }
  }

  fileprivate func requireSharedOrder(_ tenant: String, _ id: String) throws -> SharedOrder {
    guard let order = try sharedOrder(tenant, id) else {
      throw RecordRejection(.orderNotFound, "there is no such collaborative order")
    }
    return order
  }

  /// The order, for somebody who is in its circle.
  fileprivate func requireSharedOrder(_ tenant: String, _ id: String, for phone: PhoneNumber) throws -> SharedOrder {
    let order = try requireSharedOrder(tenant, id)
    try requireCircle(tenant, order.circle).requireMember(phone)
    return order
  }

  fileprivate func runningOrder(of circle: String, _ tenant: String) throws -> SharedOrder? {
    try run(
      """
      SELECT \(DirectoryQueries.sharedOrderColumns) FROM collaborative_orders
      WHERE circle = $1 AND for_members = 1 AND status IN ('active', 'locked') AND tenant = $2
      """, [.text(circle), .text(tenant)]
    ).first.map { try SharedOrder($0, tenant: tenant) }
  }

  func activeOrders(of circle: String, _ tenant: String) throws -> [String] {
    try runningOrder(of: circle, tenant).map { [$0.id] } ?? []
  }

  func insert(_ order: SharedOrder, isForMembers: Bool, isOpen: Bool) throws {
    try run(
      """
      INSERT INTO collaborative_orders (
        id, tenant, circle, session_id, initiated_by, order_type, for_members, is_open, status, created_at, updated_at,
        version)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
      """,
      [
        .text(order.id), .text(order.tenant), .text(order.circle), .text(order.room.name),
        .text(order.initiatedBy.value), .text(order.kind.rawValue), .integer(isForMembers ? 1 : 0),
        .integer(isOpen ? 1 : 0), .text(order.status.rawValue), .integer(order.createdAt.millis),
        .integer(order.updatedAt.millis), .integer(order.version),
      ])
  }

  /// Takes a customer out of all orders that they took part in. Those are few, beside what a customer orders alone.
  func eraseGuest(_ phone: PhoneNumber, _ tenant: String) throws {
    let rows = try run(
      "SELECT collaborative_order, participant FROM order_participants WHERE tenant = $1 AND phone = $2",
      [.text(tenant), .text(phone.text)])
    for row in rows {
      guard let order = try sharedOrder(tenant, try row.text(0)), var state = order.state else { continue }
      let participant = ParticipantID(try row.text(1))
      state.redact { $0 == participant }
      try update(order, state)
    }
    try run("DELETE FROM order_participants WHERE tenant = $1 AND phone = $2", [.text(tenant), .text(phone.text)])
  }

  func update(_ order: SharedOrder, _ state: CollaborativeOrder) throws {
    try run(
      """
      UPDATE collaborative_orders SET status = $1, state = $2, total = $3, split_type = $4, finalized_at = $5,
        updated_at = $6, version = $7
      WHERE id = $8
      """,
      [
        .text(order.status.rawValue), .text(StoredParts.text(state)), .integer(state.total.minorUnits),
        .text("\(state.split.word)"), RecordValue(state.finalizedAt?.millis), .integer(order.updatedAt.millis),
        .integer(order.version), .text(order.id),
      ])
  }

  // MARK: Guests

  func guest(_ phone: PhoneNumber, of order: SharedOrder) throws -> SharedOrder.Guest? {
    try guests("phone = $2", phone.text, order).first
  }

  func guest(_ participant: ParticipantID, of order: SharedOrder) throws -> SharedOrder.Guest? {
    try guests("participant = $2", participant.value, order).first
  }

  /// All whom the records have let in.
  func guests(of order: SharedOrder) throws -> [SharedOrder.Guest] { try guests("phone >= $2", "", order) }

  private func guests(_ condition: String, _ value: String, _ order: SharedOrder) throws -> [SharedOrder.Guest] {
    try run(
      """
      SELECT phone, participant, name, joined_at FROM order_participants
      WHERE collaborative_order = $1 AND \(condition)
      """, [.text(order.id), .text(value)]
    ).map { row in
      SharedOrder.Guest(
        phone: try row.phone(0), participant: ParticipantID(try row.text(1)), name: try row.text(2),
        joinedAt: Timestamp(millis: try row.integer(3)))
    }
  }

  fileprivate func admit(
    _ phone: PhoneNumber, to order: SharedOrder, as participant: ParticipantID, at now: Timestamp
  ) throws -> OrderAdmission {
    if let guest = try guest(phone, of: order) { return try admission(guest, order) }
    let customer = try requireCustomer(order.tenant, phone)
    let guest = SharedOrder.Guest(phone: phone, participant: participant, name: customer.name, joinedAt: now)
    try run(
      """
      INSERT INTO order_participants (collaborative_order, phone, tenant, participant, name, joined_at)
      VALUES ($1, $2, $3, $4, $5, $6)
      """,
      [
        .text(order.id), .text(phone.text), .text(order.tenant), .text(participant.value), .text(guest.name),
        .integer(now.millis),
      ])
    return try admission(guest, order)
  }

  fileprivate func initiator(of order: SharedOrder) throws -> SharedOrder.Guest {
    guard let initiator = try guest(order.initiatedBy, of: order) else {
      throw RecordRejection(.orderNotFound, "who started this order is no longer known")
    }
    return initiator
  }

  fileprivate func admission(_ guest: SharedOrder.Guest, _ order: SharedOrder) throws -> OrderAdmission {
    let row = try run("SELECT is_open FROM collaborative_orders WHERE id = $1", [.text(order.id)]).first
    let isOpen = try row?.integer(0) == 1
    return OrderAdmission(
      order: order, initiator: isOpen ? guest : try initiator(of: order), guest: guest, isOpen: isOpen)
  }
}

extension SharedOrder {
  fileprivate init(_ row: RecordRow, tenant: String) throws {
    let name = try row.text(2)
    guard let room = RoomID(name) else { throw StoreError.corrupt("'\(name)' is no room's name") }
    self.init(
      id: try row.text(0), tenant: tenant, circle: try row.text(1), room: room,
      initiatedBy: ParticipantID(try row.text(3)), kind: try row.value(4), status: try row.value(5),
      state: try row[6].text.map { try StoredParts.order($0) }, createdAt: Timestamp(millis: try row.integer(7)),
      updatedAt: Timestamp(millis: try row.integer(8)), version: try row.integer(9))
  }
}
