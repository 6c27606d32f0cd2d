public import Ordering
public import RoomCore
import Store

/// A conversation of a voice agent with a customer, as far as it is kept.
public struct AssistantSession: Equatable, Sendable {
  public let id: String
  public let tenant: String
  /// Whom it is with, once that is known.
  public let phone: PhoneNumber?
  /// What the assistant knows of the order, as JSON.
  public let orderState: String
  public let createdAt: Timestamp
  public let updatedAt: Timestamp
  /// Counts the changes, from 1.
  public let version: Int64
}

/// A call that a session has answered.
public struct AnsweredCall: Equatable, Sendable {
  /// The agent's name for the call.
  public let id: String
  /// Tells a repetition from another call under the same name.
  public let fingerprint: String
  public let result: String

  public init(id: String, fingerprint: String, result: String) {
    self.id = id
    self.fingerprint = fingerprint
    self.result = result
  }
}

extension Directory {
  /// How many answered calls a session remembers.
  public static var rememberedCalls: Int { 100 }

  /// A new one, under an id that cannot be guessed.
  public func beginSession(
    _ tenant: String, phone: PhoneNumber?, orderState: String
  ) async throws -> AssistantSession {
    let now = now()
    let session = AssistantSession(
      id: makeID(), tenant: tenant, phone: phone, orderState: orderState, createdAt: now, updatedAt: now, version: 1)
    return try await store.writeRecords { records in
      try records.run(
        """
        INSERT INTO assistant_sessions (id, tenant, phone, order_state, created_at, updated_at, version)
        VALUES ($1, $2, $3, $4, $5, $5, 1)
        """,
        [
          .text(session.id), .text(tenant), RecordValue(phone?.text), .text(orderState), .integer(now.millis),
        ])
      return session
    }
  }

  /// - Throws: `session_not_found`.
  public func session(_ tenant: String, _ id: String) async throws -> AssistantSession {
    try await store.readRecords { try $0.requireSession(tenant, id) }
  }

  /// A session, and what it has answered to a call; nil if it does not remember the call.
  ///
  /// - Throws: `session_not_found`.
  public func session(
    _ tenant: String, _ id: String, answering call: String?
  ) async throws -> (session: AssistantSession, answered: AnsweredCall?) {
    try await store.readRecords { records in
      (try records.requireSession(tenant, id), try call.flatMap { try records.answeredCall($0, in: id) })
    }
  }

  /// Keeps what a call was answered, together with what it changed. If the call has been answered before, that answer
  /// stays, and nothing changes.
  ///
  /// - Parameters:
  ///   - call: nil for a call without a name.
  ///   - change: what is to be kept of the order from now on, and whom the session is with. May run more than once.
  /// - Returns: the answer that is kept.
  /// - Throws: `session_not_found`.
  public func answer(
    _ call: AnsweredCall?, in id: String, _ tenant: String,
    changing change: @escaping @Sendable (String, PhoneNumber?) throws -> (orderState: String, phone: PhoneNumber?)
  ) async throws -> AnsweredCall? {
    let now = now()
    return try await store.writeRecords { records in
      let session = try records.requireSession(tenant, id)
      if let call, let known = try records.answeredCall(call.id, in: id) { return known }
      let (orderState, phone) = try change(session.orderState, session.phone)
      let version = session.version + 1
      try records.run(
        "UPDATE assistant_sessions SET phone = $1, order_state = $2, updated_at = $3, version = $4 WHERE id = $5",
        [
          RecordValue(phone?.text), .text(orderState), .integer(max(session.updatedAt, now).millis), .integer(version),
          .text(id),
        ])
      guard let call else { return nil }
      try records.run(
        "INSERT INTO assistant_calls (session, call, number, fingerprint, result) VALUES ($1, $2, $3, $4, $5)",
        [.text(id), .text(call.id), .integer(version), .text(call.fingerprint), .text(call.result)])
      try records.run(
        SessionQueries.forgotten, [.text(id), .integer(version - Int64(Directory.rememberedCalls))])
      return call
    }
  }

  /// - Throws: `session_not_found`.
  public func endSession(_ tenant: String, _ id: String) async throws {
    try await store.writeRecords { records in
      _ = try records.requireSession(tenant, id)
      try records.deleteSession(id)
    }
  }

  /// Deletes sessions of all tenants that nobody has used for long, the oldest first.
  ///
  /// - Parameters:
  ///   - age: since a session was used last. Thirty days keep what a customer may still come back to.
  ///   - count: at most so many, so that others can write in between.
  /// - Returns: how many there were; fewer than `count` if none is left.
  public func deleteSessions(unusedFor age: Duration = .seconds(30 * 24 * 3600), atMost count: Int = 200) async throws
    -> Int
  {
    let limit = now().advanced(by: .zero - age)
    return try await store.writeRecords { records in
      let old = try records.run(SessionQueries.unused, [.integer(limit.millis), RecordValue(count)])
      for row in old { try records.deleteSession(try row.text(0)) }
      return old.count
    }
  }
}

/// What goes through more than one session, along an index.
enum SessionQueries {
  static let unused = "SELECT id FROM assistant_sessions WHERE updated_at < $1 ORDER BY updated_at, id LIMIT $2"
  static let forgotten = "DELETE FROM assistant_calls WHERE session = $1 AND number <= $2"
}

extension RecordTransaction {
  fileprivate func requireSession(_ tenant: String, _ id: String) throws -> AssistantSession {
    let rows = try run(
      """
      SELECT phone, order_state, created_at, updated_at, version FROM assistant_sessions WHERE id = $1 AND tenant = $2
      """, [.text(id), .text(tenant)])
    guard let row = rows.first else {
      throw RecordRejection(.sessionNotFound, "there is no such session, or it was not used for long")
    }
    return AssistantSession(
      id: id, tenant: tenant, phone: row[0].text == nil ? nil : try row.phone(0), orderState: try row.text(1),
      createdAt: Timestamp(millis: try row.integer(2)), updatedAt: Timestamp(millis: try row.integer(3)),
      version: try row.integer(4))
  }

  fileprivate func answeredCall(_ call: String, in session: String) throws -> AnsweredCall? {
    try run(
      "SELECT fingerprint, result FROM assistant_calls WHERE session = $1 AND call = $2",
      [.text(session), .text(call)]
    ).first.map { row in AnsweredCall(id: call, fingerprint: try row.text(0), result: try row.text(1)) }
  }

  fileprivate func deleteSession(_ id: String) throws {
    try run("DELETE FROM assistant_calls WHERE session = $1", [.text(id)])
    try run("DELETE FROM assistant_sessions WHERE id = $1", [.text(id)])
  }
}
