import JSONText
public import Ordering
import RoomCore
import Store
import Wire

/// What a new order is made of.
public struct OrderDraft: Sendable {
  public var session: String?
  public var kind: PlacedOrder.Kind
  public var items: [PlacedOrder.Item]

  public init(session: String? = nil, kind: PlacedOrder.Kind, items: [PlacedOrder.Item]) {
    self.session = session
    self.kind = kind
    self.items = items
  }
}

extension Directory {
  /// - Parameter id: of the order, if the same request may come again: then it is not placed twice. Nil: a new one.
  /// - Throws: `customer_not_found`, `idempotency_conflict`.
  public func createOrder(
    _ tenant: String, _ phone: PhoneNumber, _ draft: OrderDraft, currency: Currency, id: String? = nil
  ) async throws -> PlacedOrder {
    let order = try PlacedOrder.place(
      id: id ?? makeID(), tenant: tenant, phone: phone, session: draft.session, kind: draft.kind, currency: currency,
      items: draft.items, at: now())
    return try await store.writeRecords { records in
      if id != nil, let known = try records.order(tenant, order.id) {
        guard known.isSame(as: order) else { throw RecordRejection(otherRequest: "an order") }
        return known
      }
      _ = try records.requireCustomer(tenant, phone)
      try records.insert(order)
      try records.enqueueWebhook(WebhookEvent(.orderCreated, of: order))
      return order
    }
  }

  /// Places once more what was ordered before, for the same customer, at what the menu says now.
  ///
  /// - Parameters:
  ///   - kind: nil: as before.
  ///   - session: where it is ordered now.
  ///   - id: as of `createOrder`.
  /// - Throws: `order_not_found`, `customer_not_found`, `dish_unavailable`, `idempotency_conflict`.
  public func reorder(
    _ tenant: String, _ earlier: String, kind: PlacedOrder.Kind? = nil, session: String? = nil, id: String? = nil
  ) async throws -> PlacedOrder {
    let (number, now) = (id ?? makeID(), now())
    return try await store.writeRecords { records in
      let before = try records.requireOrder(tenant, earlier)
      if id != nil, let known = try records.order(tenant, number) {
        guard known.repeats == earlier else { throw RecordRejection(otherRequest: "an order") }
        return known
      }
      guard case .customer(let phone) = before.orderer else {
        throw RecordRejection(.customerNotFound, "whoever placed the order is not known")
      }
      _ = try records.requireCustomer(tenant, phone)
      let menu = try records.menu(tenant)
      let items = try before.items.map { item in
        var item = item
        // It is one person's order now.
        item.addedBy = nil
        guard let menu, menu.currency == before.currency else { return item }
        return try menu.renewed(item)
      }
      let order = try PlacedOrder.place(
        id: number, tenant: tenant, phone: phone, session: session, repeating: earlier, kind: kind ?? before.kind,
        currency: before.currency, items: items, at: now)
      try records.insert(order)
      try records.enqueueWebhook(WebhookEvent(.orderCreated, of: order))
      return order
    }
  }

  /// - Throws: `order_not_found`, `invalid_transition`, `version_mismatch`.
  public func updateOrderStatus(
    _ tenant: String, _ id: String, to status: PlacedOrder.Status, seen: Int64? = nil
  ) async throws -> PlacedOrder {
    let now = now()
    return try await store.writeRecords { records in
      var order = try records.requireOrder(tenant, id)
      try check(order.version, against: seen)
      if try order.become(status, at: now) {
        try records.update(order)
        try records.enqueueWebhook(WebhookEvent(.orderStatusUpdated, of: order))
      }
      return order
    }
  }

  public func order(_ tenant: String, _ id: String) async throws -> PlacedOrder {
    try await store.readRecords { try $0.requireOrder(tenant, id) }
  }

  /// What a customer has ordered, the newest first.
  public func orders(
    of phone: PhoneNumber, _ tenant: String, size: Int = 20, after: PageToken? = nil
  ) async throws -> Page<PlacedOrder> {
    let size = try Page<PlacedOrder>.checked(size)
    return try await store.readRecords { records in
      _ = try records.requireCustomer(tenant, phone)
      return try records.orders(DirectoryQueries.ordersOfCustomer, tenant, phone.text, size, after)
    }
  }

  /// The orders of a tenant that are in a status, the newest first.
  public func orders(
    in status: PlacedOrder.Status, _ tenant: String, size: Int = 20, after: PageToken? = nil
  ) async throws -> Page<PlacedOrder> {
    let size = try Page<PlacedOrder>.checked(size)
    return try await store.readRecords { records in
      try records.orders(DirectoryQueries.ordersInStatus, tenant, status.rawValue, size, after)
    }
  }
}

/// The lists, each of which goes along an index and reads no further than its page.
enum DirectoryQueries {
  static let orderColumns = """
    id, phone, session_id, order_type, currency, items, total, status, timeline, created_at, updated_at, version,
    collaborative_order, repeats
    """

  static let orderByID = "SELECT \(orderColumns) FROM orders WHERE id = $1 AND tenant = $2"

  static let ordersOfCustomer = """
    SELECT \(orderColumns) FROM orders WHERE tenant = $1 AND phone = $2 AND (created_at, id) < ($3, $4)
    ORDER BY created_at DESC, id DESC LIMIT $5
    """

  static let ordersInStatus = """
    SELECT \(orderColumns) FROM orders WHERE tenant = $1 AND status = $2 AND (created_at, id) < ($3, $4)
    ORDER BY created_at DESC, id DESC LIMIT $5
    """

  /// Orders of anybody that a text stands in. A look at all orders since a time; for what is done once.
  static let ordersSaying = """
    SELECT \(orderColumns) FROM orders
    WHERE tenant = $1 AND status IN (\(PlacedOrder.Status.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")))
      AND created_at >= $2 AND (items LIKE $3 OR session_id LIKE $3)
    """

  static let circlesOfCustomer = """
    SELECT circle, joined_at FROM circle_members
    WHERE tenant = $1 AND phone = $2 AND (joined_at, circle) < ($3, $4)
    ORDER BY joined_at DESC, circle DESC LIMIT $5
    """

  static let tenants = """
    SELECT id, name, created_at, updated_at, version FROM tenants WHERE (created_at, id) < ($1, $2)
    ORDER BY created_at DESC, id DESC LIMIT $3
    """

  static let keysOfTenant = """
    SELECT id, label, created_at, expires_at, revoked_at, last_used_at FROM api_keys
    WHERE tenant = $1 AND (created_at, id) < ($2, $3)
    ORDER BY created_at DESC, id DESC LIMIT $4
    """

  /// The parameters of a list: one entry more than the page has tells whether there are more.
  static func page(of size: Int, _ after: PageToken?, _ keys: String...) -> [RecordValue] {
    keys.map { .text($0) } + [.integer(after?.time ?? .max), .text(after?.id ?? ""), RecordValue(size + 1)]
  }

  static let lists = [
    ordersOfCustomer, ordersInStatus, circlesOfCustomer, tenants, keysOfTenant, sharedOrdersOfCircle,
  ]
}

extension RecordTransaction {
  func order(_ tenant: String, _ id: String) throws -> PlacedOrder? {
    try run(DirectoryQueries.orderByID, [.text(id), .text(tenant)]).first.map { try PlacedOrder($0, tenant: tenant) }
  }

  fileprivate func requireOrder(_ tenant: String, _ id: String) throws -> PlacedOrder {
    guard let order = try order(tenant, id) else {
      throw RecordRejection(.orderNotFound, "there is no such order")
    }
    return order
  }

  func orders(
    _ query: String, _ tenant: String, _ key: String, _ size: Int, _ after: PageToken?
  ) throws -> Page<PlacedOrder> {
    let rows = try run(query, DirectoryQueries.page(of: size, after, tenant, key))
    return Page(try rows.map { try PlacedOrder($0, tenant: tenant) }, size: size) {
      PageToken(time: $0.createdAt.millis, id: $0.id)
    }
  }

  /// Does nothing if it is there.
  func insert(_ order: PlacedOrder) throws {
    try run(
      """
      INSERT INTO orders (
        id, tenant, phone, session_id, order_type, currency, items, total, status, status_updated_at, timeline,
        created_at, updated_at, version, collaborative_order, repeats)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
      ON CONFLICT (id) DO NOTHING
      """,
      [
        .text(order.id), .text(order.tenant), .text(order.orderer.text), RecordValue(order.session),
        .text(order.kind.rawValue), .text(StoredParts.text(order.currency)), .text(StoredParts.text(order.items)),
        .integer(order.total.minorUnits), .text(order.status.rawValue), .integer(order.updatedAt.millis),
        .text(StoredParts.text(order.timeline)), .integer(order.createdAt.millis), .integer(order.updatedAt.millis),
        .integer(order.version), RecordValue(order.collaborativeOrder), RecordValue(order.repeats),
      ])
  }

  fileprivate func update(_ order: PlacedOrder) throws {
    if case .erased = order.orderer { return try replace(order) }
    try run(
      """
      UPDATE orders SET status = $1, status_updated_at = $2, timeline = $3, updated_at = $2, version = $4 WHERE id = $5
      """,
      [
        .text(order.status.rawValue), .integer(order.updatedAt.millis), .text(StoredParts.text(order.timeline)),
        .integer(order.version), .text(order.id),
      ])
  }

  /// For an order of which more than the status may be another.
  func replace(_ order: PlacedOrder) throws {
    try run(
      """
      UPDATE orders SET phone = $1, session_id = $2, items = $3, status = $4, status_updated_at = $5, timeline = $6,
        updated_at = $7, version = $8
      WHERE id = $9
      """,
      [
        .text(order.orderer.text), RecordValue(order.session), .text(StoredParts.text(order.items)),
        .text(order.status.rawValue), .integer((order.timeline.last?.at ?? order.createdAt).millis),
        .text(StoredParts.text(order.timeline)), .integer(order.updatedAt.millis), .integer(order.version),
        .text(order.id),
      ])
  }
}

extension WebhookEvent {
  /// What has become of an order. Its version tells the event from all others of the order.
  init(_ type: WebhookEventType, of order: PlacedOrder) {
    var writer = JSONWriter()
    writer.order(order)
    self.init(
      type, tenant: order.tenant, key: "\(order.id)/\(order.version)", at: order.updatedAt, data: writer.bytes)
  }
}

extension PlacedOrder {
  /// Whether both were made of the same request.
  fileprivate func isSame(as other: PlacedOrder) -> Bool {
    (orderer, session, kind, currency) == (other.orderer, other.session, other.kind, other.currency)
      && items == other.items
  }

  init(_ row: RecordRow, tenant: String) throws {
    self.init(
      id: try row.text(0), tenant: tenant, orderer: try row.person(1), session: row[2].text,
      collaborativeOrder: row[12].text, repeats: row[13].text, kind: try row.value(3),
      currency: try StoredParts.currency(try row.text(4)), items: try StoredParts.items(try row.text(5)),
      total: Money(minorUnits: try row.integer(6)), status: try row.value(7),
      timeline: try StoredParts.timeline(try row.text(8)), createdAt: Timestamp(millis: try row.integer(9)),
      updatedAt: Timestamp(millis: try row.integer(10)), version: try row.integer(11))
  }
}
