import Ordering
import RoomCore
import Store

/// Where a phone number stands in records that are not the customer's own. Found by looking through all that a tenant has:
/// for what is done once.
struct Traces: Sendable {
  /// Placed orders of anybody.
  var orders: [String] = []
  /// Collaborative orders that began without the records.
  var sharedOrders: [String] = []
  /// By endpoint and event.
  var deliveries: [(endpoint: String, event: String)] = []
  /// Conversations with the customer.
  var sessions: [String] = []
  /// What was answered in others, by session and call.
  var calls: [(session: String, call: String)] = []
}

extension RecordTransaction {
  /// - Parameter since: what has not changed since is passed over.
  func traces(of phone: PhoneNumber, _ tenant: String, since: Timestamp) throws -> Traces {
    let (owner, time, pattern) = (RecordValue.text(tenant), RecordValue.integer(since.millis), "%\(phone.text)%")
    var traces = Traces()
    traces.orders = try run(DirectoryQueries.ordersSaying, owner, time, .text(pattern)).map { try $0.text(0) }
    traces.sharedOrders = try run(
      """
      SELECT id FROM collaborative_orders WHERE tenant = $1 AND updated_at >= $2 AND for_members = 0
        AND (initiated_by LIKE $3 OR state LIKE $3)
      """, owner, time, .text(pattern)
    ).map { try $0.text(0) }
    traces.deliveries = try run(
      """
      SELECT d.endpoint, d.event FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint
      WHERE e.tenant = $1 AND d.at >= $2 AND (d.data LIKE $3 OR d.attempts LIKE $3)
      """, owner, time, .text(pattern)
    ).map { (try $0.text(0), try $0.text(1)) }
    traces.sessions = try run(
      """
      SELECT id FROM assistant_sessions WHERE tenant = $1 AND updated_at >= $2 AND (phone = $3 OR order_state LIKE $4)
      """, owner, time, .text(phone.text), .text(pattern)
    ).map { try $0.text(0) }
    traces.calls = try run(
      """
      SELECT c.session, c.call FROM assistant_calls c JOIN assistant_sessions s ON s.id = c.session
      WHERE s.tenant = $1 AND s.updated_at >= $2 AND c.result LIKE $3
      """, owner, time, .text(pattern)
    ).map { (try $0.text(0), try $0.text(1)) }
    return traces
  }

  /// Takes the number out of them, and conversations away.
  func erase(
    _ traces: Traces, _ phone: PhoneNumber, _ tenant: String, as pseudonym: Pseudonym, at now: Timestamp
  ) throws {
    for id in traces.orders {
      guard var order = try order(tenant, id) else { continue }
      order.erase(participant: phone, as: pseudonym, at: now)
      try replace(order)
    }
    for id in traces.sharedOrders { try erase(phone, as: pseudonym, fromOrder: id, tenant) }
    for delivery in traces.deliveries {
      try run(
        """
        UPDATE webhook_deliveries SET data = replace(data, $3, $4), attempts = replace(attempts, $3, $4)
        WHERE endpoint = $1 AND event = $2
        """, [.text(delivery.endpoint), .text(delivery.event), .text(phone.text), .text(pseudonym.text)])
    }
    for call in traces.calls {
      try run("DELETE FROM assistant_calls WHERE session = $1 AND call = $2", .text(call.session), .text(call.call))
    }
    for session in traces.sessions { try deleteSession(session) }
  }
}
