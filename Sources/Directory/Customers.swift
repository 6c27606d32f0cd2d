public import Ordering
import RoomCore
import Store

extension Directory {
  /// Makes a customer, or changes what they say of themselves; what they leave out stays.
  ///
  /// - Parameter seen: the version that the caller has seen; nil if any will do.
  /// - Throws: `RecordRejection`, `StoreError`.
  public func upsertCustomer(
    _ tenant: String, _ phone: PhoneNumber, _ change: CustomerChange, seen: Int64? = nil
  ) async throws -> (customer: Customer, isNew: Bool) {
    try change.check()
    let now = now()
    return try await store.writeRecords { records in
      guard var customer = try records.customer(tenant, phone) else {
        guard let name = change.name else { throw RecordRejection(.invalidField, "name must be given") }
        try check(0, against: seen)
        var customer = Customer(tenant: tenant, phone: phone, name: name, isVerified: true, createdAt: now)
        _ = try customer.apply(change, at: now)
        customer.version = 1
        try records.insert(customer)
        return (customer, true)
      }
      try check(customer.version, against: seen)
      if try customer.apply(change, at: now) { try records.update(customer) }
      return (customer, false)
    }
  }

  /// - Throws: `customer_not_found`.
  public func customer(_ tenant: String, _ phone: PhoneNumber) async throws -> Customer {
    try await store.readRecords { try $0.requireCustomer(tenant, phone) }
  }
}

extension RecordTransaction {
  func customer(_ tenant: String, _ phone: PhoneNumber) throws -> Customer? {
    let rows = try run(
      """
      SELECT name, email, addresses, is_verified, created_at, updated_at, version FROM customers
      WHERE tenant = $1 AND phone = $2
      """, [.text(tenant), .text(phone.text)])
    guard let row = rows.first else { return nil }
    return Customer(
      tenant: tenant, phone: phone, name: try row.text(0), email: row[1].text,
      addresses: try StoredParts.addresses(try row.text(2)), isVerified: try row.integer(3) != 0,
      createdAt: Timestamp(millis: try row.integer(4)), updatedAt: Timestamp(millis: try row.integer(5)),
      version: try row.integer(6))
  }

  func requireCustomer(_ tenant: String, _ phone: PhoneNumber) throws -> Customer {
    guard let customer = try customer(tenant, phone) else {
      throw RecordRejection(.customerNotFound, "there is no customer with this number")
    }
    return customer
  }

  func insert(_ customer: Customer) throws {
    try run(
      """
      INSERT INTO customers (name, email, addresses, is_verified, updated_at, version, tenant, phone, created_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
      """, customer.columns + [.integer(customer.createdAt.millis)])
  }

  func update(_ customer: Customer) throws {
    try run(
      """
      UPDATE customers SET name = $1, email = $2, addresses = $3, is_verified = $4, updated_at = $5, version = $6
      WHERE tenant = $7 AND phone = $8
      """, customer.columns)
  }
}

extension Customer {
  fileprivate var columns: [RecordValue] {
    [
      .text(name), RecordValue(email), .text(StoredParts.text(addresses)), .integer(isVerified ? 1 : 0),
      .integer(updatedAt.millis), .integer(version), .text(tenant), .text(phone.text),
    ]
  }
}

extension RecordValue {
  /// Nil: there is none.
  var text: String? { if case .text(let text) = self { text } else { nil } }
}
