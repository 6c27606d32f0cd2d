public import Ordering
import RoomCore
import Store

extension Directory {
  /// - Parameter id: of the circle, if the same request may come again: then it is not made twice. Nil: a new one.
  /// - Throws: `customer_not_found` if the owner is none, `idempotency_conflict`.
  public func createCircle(
    _ tenant: String, name: String, kind: Circle.Kind, owner: PhoneNumber, id: String? = nil
  ) async throws -> Circle {
    let circle = try Circle.make(id: id ?? makeID(), tenant: tenant, name: name, kind: kind, owner: owner, at: now())
    return try await store.writeRecords { records in
      if id != nil, let known = try records.circle(tenant, circle.id) {
        guard (known.name, known.kind, known.createdBy) == (name, kind, .customer(owner)) else {
          throw RecordRejection(otherRequest: "a circle")
        }
        return known
      }
      _ = try records.requireCustomer(tenant, owner)
      try records.insert(circle)
      return circle
    }
  }

  /// Who is no customer yet becomes one, unverified, under the name that the inviter gives.
  public func inviteToCircle(
    _ tenant: String, _ circle: String, _ phone: PhoneNumber, name: String?, by inviter: PhoneNumber
  ) async throws -> Circle {
    let change = CustomerChange(name: name)
    try change.check()
    let now = now()
    return try await changeCircle(tenant, circle) { circle, records in
      guard try circle.invite(phone, by: inviter, at: now) else { return false }
      if try records.customer(tenant, phone) == nil {
        try records.insert(
          Customer(tenant: tenant, phone: phone, name: name ?? "Guest", isVerified: false, createdAt: now))
      }
      return true
    }
  }

  public func acceptInvitation(_ tenant: String, _ circle: String, _ phone: PhoneNumber) async throws -> Circle {
    let now = now()
    return try await changeCircle(tenant, circle) { circle, _ in try circle.accept(phone, at: now) }
  }

  public func removeFromCircle(
    _ tenant: String, _ circle: String, _ phone: PhoneNumber, by remover: PhoneNumber
  ) async throws -> Circle {
    let now = now()
    return try await changeCircle(tenant, circle) { circle, _ in try circle.remove(phone, by: remover, at: now) }
  }

  public func transferCircle(
    _ tenant: String, _ circle: String, to phone: PhoneNumber, by giver: PhoneNumber
  ) async throws -> Circle {
    let now = now()
    return try await changeCircle(tenant, circle) { circle, _ in try circle.transfer(to: phone, by: giver, at: now) }
  }

  /// - Throws: `circle_not_found`.
  public func circle(_ tenant: String, _ id: String) async throws -> Circle {
    try await store.readRecords { try $0.requireCircle(tenant, id) }
  }

  /// The circles that a customer is in, those that they joined last first.
  public func circles(
    of phone: PhoneNumber, _ tenant: String, size: Int = 50, after: PageToken? = nil
  ) async throws -> Page<Circle> {
    let size = try Page<Circle>.checked(size)
    return try await store.readRecords { records in
      _ = try records.requireCustomer(tenant, phone)
      let rows = try records.run(
        DirectoryQueries.circlesOfCustomer, DirectoryQueries.page(of: size, after, tenant, phone.text))
      let found = try rows.map { row in
        let id = try row.text(0)
        return (circle: try records.requireCircle(tenant, id), token: PageToken(time: try row.integer(1), id: id))
      }
      let page = Page(found, size: size) { $0.token }
      return Page(entries: page.entries.map(\.circle), next: page.next)
    }
  }

  private func changeCircle(
    _ tenant: String, _ id: String,
    _ change: @escaping @Sendable (inout Circle, any RecordTransaction) throws -> Bool
  ) async throws -> Circle {
    try await store.writeRecords { records in
      let before = try records.requireCircle(tenant, id)
      var circle = before
      if try change(&circle, records) { try records.update(circle, from: before) }
      return circle
    }
  }
}

extension RecordTransaction {
  func requireCircle(_ tenant: String, _ id: String) throws -> Circle {
    guard let circle = try circle(tenant, id) else { throw RecordRejection(.circleNotFound, "there is no such circle") }
    return circle
  }

  fileprivate func circle(_ tenant: String, _ id: String) throws -> Circle? {
    let rows = try run(
      """
      SELECT name, type, created_by, status, created_at, updated_at, version FROM circles
      WHERE id = $1 AND tenant = $2
      """, [.text(id), .text(tenant)])
    guard let row = rows.first else { return nil }
    return Circle(
      id: id, tenant: tenant, name: try row.text(0), kind: try row.value(1), createdBy: try row.person(2),
      status: try row.value(3), members: try members(of: id), activeOrders: try activeOrders(of: id, tenant),
      createdAt: Timestamp(millis: try row.integer(4)),
      updatedAt: Timestamp(millis: try row.integer(5)), version: try row.integer(6))
  }

  private func members(of circle: String) throws -> [Circle.Member] {
    try run(
      "SELECT phone, role, status, joined_at FROM circle_members WHERE circle = $1 ORDER BY joined_at, phone",
      [.text(circle)]
    ).map { row in
      Circle.Member(
        phone: try row.phone(0), role: try row.value(1), status: try row.value(2),
        joinedAt: Timestamp(millis: try row.integer(3)))
    }
  }

  fileprivate func insert(_ circle: Circle) throws {
    try run(
      """
      INSERT INTO circles (id, tenant, name, type, created_by, status, created_at, updated_at, version)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
      """,
      [
        .text(circle.id), .text(circle.tenant), .text(circle.name), .text(circle.kind.rawValue),
        .text(circle.createdBy.text), .text(circle.status.rawValue), .integer(circle.createdAt.millis),
        .integer(circle.updatedAt.millis), .integer(circle.version),
      ])
    for member in circle.members { try put(member, in: circle) }
  }

  func update(_ circle: Circle, from before: Circle) throws {
    try run(
      "UPDATE circles SET name = $1, created_by = $2, status = $3, updated_at = $4, version = $5 WHERE id = $6",
      [
        .text(circle.name), .text(circle.createdBy.text), .text(circle.status.rawValue),
        .integer(circle.updatedAt.millis), .integer(circle.version), .text(circle.id),
      ])
    for member in circle.members where before[member.phone] != member { try put(member, in: circle) }
    for member in before.members where circle[member.phone] == nil {
      try run(
        "DELETE FROM circle_members WHERE circle = $1 AND phone = $2", [.text(circle.id), .text(member.phone.text)])
    }
  }

  private func put(_ member: Circle.Member, in circle: Circle) throws {
    try run(
      """
      INSERT INTO circle_members (circle, phone, tenant, role, status, joined_at) VALUES ($1, $2, $3, $4, $5, $6)
      ON CONFLICT (circle, phone) DO UPDATE SET role = excluded.role, status = excluded.status
      """,
      [
        .text(circle.id), .text(member.phone.text), .text(circle.tenant), .text(member.role.rawValue),
        .text(member.status.rawValue), .integer(member.joinedAt.millis),
      ])
  }
}

extension RecordRow {
  /// One of the words that a type has.
  func value<Value: RawRepresentable<String>>(_ column: Int) throws -> Value {
    let text = try text(column)
    guard let value = Value(rawValue: text) else { throw StoreError.corrupt("\(text) is no \(Value.self)") }
    return value
  }

  func person(_ column: Int) throws -> Person {
    if try text(column).isEmpty { return .unknown }
    if let pseudonym = Pseudonym(stored: try text(column)) { return .erased(pseudonym) }
    return .customer(try phone(column))
  }

  /// It was checked when it was written, by the rule that the tenant had then.
  func phone(_ column: Int) throws -> PhoneNumber {
    let text = try text(column)
    do {
      return try PhoneNumber(text, rule: text.hasPrefix("+") ? .e164 : .tenDigits)
    } catch {
      throw StoreError.corrupt("a stored phone number is none: it \(error.message)")
    }
  }
}
