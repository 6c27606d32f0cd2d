public import Ordering
public import RoomCore
import Store

/// All that the records have on a customer.
public struct CustomerExport: Sendable {
  public let customer: Customer
  /// Those that they joined last first.
  public let circles: [Circle]
  /// The newest first.
  public let orders: [PlacedOrder]
  public let exportedAt: Timestamp
}

/// What becomes of the tables in which a phone number stands, when its customer is erased. Whoever adds such a table adds
/// it here; a test looks for the number in all tables that there are.
private enum Erasure {
  /// The customer has a pseudonym there afterwards. `$1` is the tenant, `$2` the number, `$3` the pseudonym.
  static let renaming = [
    """
    UPDATE circles SET created_by = $3, version = version + 1
    WHERE tenant = $1 AND status IN ('active', 'closed') AND created_by = $2
    """
  ]

  /// Nothing is left of them there.
  static let deleting = [
    "DELETE FROM circle_members WHERE tenant = $1 AND phone = $2",
    "DELETE FROM customers WHERE tenant = $1 AND phone = $2",
  ]

  /// Conversations with them, and what was answered about them in others. Parameters as below.
  static let said = [
    """
    DELETE FROM assistant_calls WHERE session IN (SELECT id FROM assistant_sessions WHERE tenant = $1)
      AND (result LIKE $2 OR session IN (
        SELECT id FROM assistant_sessions WHERE tenant = $1 AND (phone = $3 OR order_state LIKE $2)))
    """,
    "DELETE FROM assistant_sessions WHERE tenant = $1 AND (phone = $3 OR order_state LIKE $2)",
  ]

  /// What waits to be sent to the tenant's servers, or was: with a pseudonym in the number's place. `$1` is the tenant, `$2`
  /// the number, `$3` the pseudonym, `$4` a pattern for the number.
  static let sent = """
    UPDATE webhook_deliveries SET data = replace(data, $2, $3), attempts = replace(attempts, $2, $3)
    WHERE endpoint IN (SELECT id FROM webhook_endpoints WHERE tenant = $1) AND (data LIKE $4 OR attempts LIKE $4)
    """

  /// How far the clocks of nodes may be apart.
  static let skew = Duration.seconds(300)
}

extension Directory {
  /// All of one moment.
  ///
  /// - Throws: `customer_not_found`.
  public func exportCustomer(_ tenant: String, _ phone: PhoneNumber) async throws -> CustomerExport {
    let now = now()
    return try await store.readRecords { records in
      let customer = try records.requireCustomer(tenant, phone)
      let circles = try records.allCircles(of: phone, tenant)
      return CustomerExport(
        customer: customer, circles: circles, orders: try records.allOrders(of: phone, tenant), exportedAt: now)
    }
  }

  /// Takes a customer out of all records: the customer goes, the circles go on without them, and their orders are
  /// nobody's of whom anything is known.
  ///
  /// - Throws: `customer_not_found`.
  public func eraseCustomer(_ tenant: String, _ phone: PhoneNumber) async throws {
    let (now, pseudonym) = (now(), Pseudonym(makeID()))
    // All orders are looked at, which takes its time, before others are kept from writing; then only the new ones.
    let earlier = try await store.readRecords { records in
      _ = try records.requireCustomer(tenant, phone)
      return try records.orders(saying: phone, tenant, since: Timestamp(millis: 0)).map(\.id)
    }
    let since = now.advanced(by: .zero - Erasure.skew)
    try await store.writeRecords { records in
      let customer = try records.requireCustomer(tenant, phone)
      for before in try records.allCircles(of: phone, tenant) {
        var circle = before
        circle.erase(phone, as: pseudonym, at: now)
        try records.update(circle, from: before)
      }
      for var order in try records.allOrders(of: phone, tenant) {
        order.erase(customer, as: pseudonym, at: now)
        try records.replace(order)
      }
      let others = try records.orders(saying: phone, tenant, since: since).map(\.id)
      for id in Set(earlier + others) {
        guard var order = try records.order(tenant, id) else { continue }
        order.erase(participant: phone, as: pseudonym, at: now)
        try records.replace(order)
      }
      try records.eraseGuest(phone, tenant)
      for sql in Erasure.renaming { try records.run(sql, .text(tenant), .text(phone.text), .text(pseudonym.text)) }
      try records.run(
        Erasure.sent, .text(tenant), .text(phone.text), .text(pseudonym.text), .text("%\(phone.text)%"))
      for sql in Erasure.said {
        try records.run(sql, .text(tenant), .text("%\(phone.text)%"), .text(phone.text))
      }
      for sql in Erasure.deleting { try records.run(sql, .text(tenant), .text(phone.text)) }
    }
  }
}

extension RecordTransaction {
  fileprivate func allCircles(of phone: PhoneNumber, _ tenant: String) throws -> [Circle] {
    try all { token in
      let rows = try run(
        DirectoryQueries.circlesOfCustomer, DirectoryQueries.page(of: Self.pageSize, token, tenant, phone.text))
      let found = try rows.map { row in PageToken(time: try row.integer(1), id: try row.text(0)) }
      let page = Page(found, size: Self.pageSize) { $0 }
      return Page(entries: try page.entries.map { try requireCircle(tenant, $0.id) }, next: page.next)
    }
  }

  fileprivate func allOrders(of phone: PhoneNumber, _ tenant: String) throws -> [PlacedOrder] {
    try all { token in
      try orders(DirectoryQueries.ordersOfCustomer, tenant, phone.text, Self.pageSize, token)
    }
  }

  /// Orders of anybody in whose words the number stands.
  fileprivate func orders(
    saying phone: PhoneNumber, _ tenant: String, since: Timestamp
  ) throws -> [PlacedOrder] {
    try run(DirectoryQueries.ordersSaying, .text(tenant), .integer(since.millis), .text("%\(phone.text)%"))
      .map { try PlacedOrder($0, tenant: tenant) }
  }

  private static var pageSize: Int { 200 }

  private func all<Entry>(_ page: (PageToken?) throws -> Page<Entry>) throws -> [Entry] {
    var entries: [Entry] = []
    var token: PageToken?
    repeat {
      let next = try page(token)
      entries += next.entries
      token = next.next
    } while token != nil
    return entries
  }
}
