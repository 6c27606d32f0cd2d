public import Ordering
import Store

extension Directory {
  /// A circle's members with their names, in the order in which they came.
  ///
  /// - Throws: `circle_not_found`.
  public func namedMembers(
    of circle: String, _ tenant: String
  ) async throws -> (circle: Circle, names: [PhoneNumber: String]) {
    try await store.readRecords { records in
      let found = try records.requireCircle(tenant, circle)
      let rows = try records.run(
        """
        SELECT m.phone, c.name FROM circle_members m JOIN customers c ON c.tenant = m.tenant AND c.phone = m.phone
        WHERE m.circle = $1
        """, [.text(circle)])
      var names: [PhoneNumber: String] = [:]
      for row in rows { names[try row.phone(0)] = try row.text(1) }
      return (found, names)
    }
  }
}
