import Store
import Synchronization

/// A record store whose writes fail when they are told to.
final class FragileRecords: RecordStore {
  private let inner: any RecordStore
  private let left = Mutex<Int?>(nil)

  init(_ inner: any RecordStore) { self.inner = inner }

  /// Lets so many writes pass, and fails the one after them.
  func fail(after count: Int) { left.withLock { $0 = count } }

  func readRecords<Value: Sendable>(
    _ body: @escaping @Sendable (any RecordTransaction) throws -> Value
  ) async throws -> Value { try await inner.readRecords(body) }

  func writeRecords<Value: Sendable>(
    _ body: @escaping @Sendable (any RecordTransaction) throws -> Value
  ) async throws -> Value {
    let fails = left.withLock { left in
      guard let count = left else { return false }
      left = count == 0 ? nil : count - 1
      return count == 0
    }
    if fails { throw StoreError.unavailable("the test has it so") }
    return try await inner.writeRecords(body)
  }
}
