/// A statement, prepared on a connection when it is first used there.
struct PostgresStatement: Sendable {
  let name: String
  let sql: String

  init(_ name: String, _ sql: String) {
    self.name = name
    self.sql = sql
  }
}

/// The values of a statement's parameters, in PostgreSQL's binary format, one behind the other in one buffer.
///
/// https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-FORMAT-CODES: numbers are big-endian; an
/// array is its dimensions, whether it has NULLs, the type of its elements, and each element behind its length
/// (`array_recv` in the server's source).
struct PostgresParameters {
  private enum TypeID {
    static let int8: Int32 = 20
    static let int4: Int32 = 23
    static let text: Int32 = 25
  }

  private(set) var bytes: [UInt8] = []
  /// Where each value lies; nil is NULL.
  private(set) var places: [Range<Int>?] = []

  init(reserving capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  mutating func add(_ value: Int64?) {
    guard let value else { return places.append(nil) }
    add { $0.put(value) }
  }

  mutating func add(_ value: Int32) { add { $0.put(value) } }
  mutating func add(_ text: String?) {
    guard let text else { return places.append(nil) }
    add { $0.bytes += text.utf8 }
  }
  mutating func add(_ text: [UInt8]) { add { $0.bytes += text } }

  mutating func add(_ values: some Collection<Int64>) {
    addArray(of: TypeID.int8, values) { parameters, value in
      parameters.put(8 as Int32)
      parameters.put(value)
    }
  }

  mutating func add(_ values: some Collection<Int32>) {
    addArray(of: TypeID.int4, values) { parameters, value in
      parameters.put(4 as Int32)
      parameters.put(value)
    }
  }

  mutating func add(_ texts: some Collection<[UInt8]>) {
    addArray(of: TypeID.text, texts) { parameters, text in
      parameters.put(Int32(text.count))
      parameters.bytes += text
    }
  }

  mutating func add(_ texts: some Collection<String>) {
    addArray(of: TypeID.text, texts) { parameters, text in
      parameters.put(Int32(text.utf8.count))
      parameters.bytes += text.utf8
    }
  }

  private mutating func addArray<Values: Collection>(
    of type: Int32, _ values: Values, put: (inout PostgresParameters, Values.Element) -> Void
  ) {
    add { parameters in
      parameters.put((values.isEmpty ? 0 : 1) as Int32)
      parameters.put(0 as Int32)
      parameters.put(type)
      guard !values.isEmpty else { return }
      parameters.put(Int32(values.count))
      parameters.put(1 as Int32)
      for value in values { put(&parameters, value) }
    }
  }

  private mutating func add(_ put: (inout PostgresParameters) -> Void) {
    let start = bytes.count
    put(&self)
    places.append(start..<bytes.count)
  }

  private mutating func put(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
  }
}
