internal import CPostgres
internal import RoomCore

/// The rows that a statement gave, in binary format. Freed with the last reference to it.
final class PostgresResult {
  private let pointer: OpaquePointer
  let count: Int32

  init(_ pointer: OpaquePointer) {
    self.pointer = pointer
    count = PQntuples(pointer)
  }

  deinit { PQclear(pointer) }

  var rows: Range<Int32> { 0..<count }

  var columns: Int32 { PQnfields(pointer) }

  /// - Throws: if the column is neither a number nor text.
  func value(_ row: Int32, _ column: Int32) throws(StoreError) -> RecordValue {
    if isNull(row, column) { return .null }
    switch PQftype(pointer, column) {
    case 20, 21, 23: return .integer(int64(row, column))
    case 25, 1043, 19: return .text(string(row, column))
    case let type: throw .refused("a column of type \(type) is no record's")
    }
  }

  func isNull(_ row: Int32, _ column: Int32) -> Bool { PQgetisnull(pointer, row, column) != 0 }

  /// A number of whatever width it came in.
  func int64(_ row: Int32, _ column: Int32) -> Int64 {
    var value: UInt64 = 0
    let bytes = bytes(row, column)
    for byte in bytes { value = value << 8 | UInt64(byte) }
    let unused = UInt64(64 - 8 * min(8, bytes.count))
    return bytes.isEmpty ? 0 : Int64(bitPattern: value << unused) >> Int64(unused)
  }

  func optional(_ row: Int32, _ column: Int32) -> Int64? { isNull(row, column) ? nil : int64(row, column) }
  func int(_ row: Int32, _ column: Int32) -> Int { Int(int64(row, column)) }
  func bool(_ row: Int32, _ column: Int32) -> Bool { int64(row, column) != 0 }
  func text(_ row: Int32, _ column: Int32) -> [UInt8] { Array(bytes(row, column)) }
  func string(_ row: Int32, _ column: Int32) -> String { String(decoding: bytes(row, column), as: UTF8.self) }

  /// Valid as long as the result.
  private func bytes(_ row: Int32, _ column: Int32) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: PQgetvalue(pointer, row, column), count: Int(PQgetlength(pointer, row, column)))
  }
}
