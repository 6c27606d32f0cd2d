internal import Synchronization

/// Records beside the rooms: tables of whoever opens the store, in transactions.
///
/// Statements are written once for both engines, so they keep to what both understand: the types `int8` and `text`,
/// parameters `$1`, `$2`, …, `ON CONFLICT`, `RETURNING`, and comparisons of rows. A `$` is that of a parameter and nothing
/// else. Text is ordered as the database orders it.
public protocol RecordStore: Sendable {
  /// Runs `body` on what was there when it began.
  ///
  /// - Throws: `StoreError`, or what `body` throws.
  func readRecords<Value: Sendable>(
    _ body: @escaping @Sendable (any RecordTransaction) throws -> Value
  ) async throws -> Value

  /// Runs `body` as if nobody else wrote at the same time. What it writes is on disk when this returns; if it throws,
  /// nothing is written. It may run more than once, each time on what is there then, so it must do nothing else.
  ///
  /// - Throws: `StoreError`, or what `body` throws. After `.unavailable` it is not known whether it was written.
  func writeRecords<Value: Sendable>(
    _ body: @escaping @Sendable (any RecordTransaction) throws -> Value
  ) async throws -> Value
}

/// A transaction, good only within the body that was given it.
public protocol RecordTransaction {
  /// - Returns: the rows that the statement answers with.
  @discardableResult
  func run(_ sql: String, _ parameters: [RecordValue]) throws -> [RecordRow]
}

extension RecordTransaction {
  @discardableResult
  public func run(_ sql: String, _ parameters: RecordValue...) throws -> [RecordRow] { try run(sql, parameters) }
}

/// What stands in a column.
public enum RecordValue: Sendable, Hashable {
  case null
  case integer(Int64)
  case text(String)
}

extension RecordValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByNilLiteral {
  public init(stringLiteral value: String) { self = .text(value) }
  public init(integerLiteral value: Int64) { self = .integer(value) }
  public init(nilLiteral: ()) { self = .null }
  public init(_ value: String?) { self = value.map { .text($0) } ?? .null }
  public init(_ value: Int64?) { self = value.map { .integer($0) } ?? .null }
  public init(_ value: Int) { self = .integer(Int64(value)) }
}

/// The columns of a row, by their places in the statement.
public struct RecordRow: Sendable, Hashable {
  public let values: [RecordValue]

  public init(_ values: [RecordValue]) { self.values = values }

  public subscript(_ column: Int) -> RecordValue { values[column] }

  /// - Throws: `.corrupt` if there is none.
  public func text(_ column: Int) throws(StoreError) -> String {
    guard case .text(let text) = values[column] else {
      throw .corrupt("column \(column) is no text: \(values[column])")
    }
    return text
  }

  /// - Throws: `.corrupt` if there is none.
  public func integer(_ column: Int) throws(StoreError) -> Int64 {
    guard case .integer(let number) = values[column] else {
      throw .corrupt("column \(column) is no number: \(values[column])")
    }
    return number
  }
}

/// A step of the records' schema, for both engines; in the order of their numbers, from 1. A step that was released is
/// never edited: the next one is added.
public struct RecordMigration: Sendable {
  public let number: Int
  public let sql: String

  public init(number: Int, sql: String) {
    self.number = number
    self.sql = sql
  }
}

/// Keeps what a body of the caller's threw, as the way to it carries errors of the store only. It counts only if it is what
/// the call ended with: the transaction that it was thrown in may have come to nothing.
final class RecordBody<Value: Sendable>: Sendable {
  private let body: @Sendable (any RecordTransaction) throws -> Value
  private let thrown = Mutex<(any Error)?>(nil)

  init(_ body: @escaping @Sendable (any RecordTransaction) throws -> Value) { self.body = body }

  /// - Parameter isStores: whether an error is the engine's, which must hear of it.
  func run(_ transaction: any RecordTransaction, isStores: (any Error) -> Bool) throws -> Value {
    thrown.withLock { $0 = nil }
    do {
      return try body(transaction)
    } catch {
      if error is StoreError || isStores(error) { throw error }
      thrown.withLock { $0 = error }
      throw Self.placeholder
    }
  }

  private static var placeholder: StoreError { .refused("the caller's own reason") }

  /// What is to be thrown where the store threw `error`.
  func error(instead error: StoreError) -> any Error {
    error == Self.placeholder ? thrown.withLock { $0 } ?? error : error
  }
}
