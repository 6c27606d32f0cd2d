import Foundation
import GRDBSQLite
import RoomCore
import Store
import StoreTesting
import Synchronization
import Testing

/// Reads while the connections come and go.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct SQLiteReadTests {
  enum End: CaseIterable { case reconnecting, closing, closingAVisitor }

  let file: TemporaryFile
  let gate = Gate()
  let fault = CommitFault()
  let a = room("a")

  init() throws { file = try TemporaryFile() }

  func open(
    _ mode: SQLiteConfiguration.Mode = .exclusive, _ change: (inout SQLiteConfiguration) -> Void = { _ in }
  ) async throws -> SQLiteStore {
    var configuration = SQLiteConfiguration(path: file.path, history: "first", mode: mode)
    configuration.beforeRead = gate.pass
    configuration.commitFault = fault.run
    change(&configuration)
    return try await SQLiteStore.open(configuration)
  }

  /// Descriptors that this process has on the file, its log and its index.
  func openDescriptors() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { number in
      var buffer = [CChar](repeating: 0, count: 4096)
      let count = readlink("/proc/self/fd/\(number)", &buffer, buffer.count)
      guard count > 0 else { return nil }
      let target = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
      return target.hasPrefix(file.path) ? target : nil
    }
  }

  @Test(arguments: End.allCases)
  func readsThatWereTakenAreAnsweredBeforeTheirConnectionGoes(end: End) async throws {
    let store = try await open()
    var writer = Writer(store)
    try await writer.claim(a)
    #expect(await writer.commit(a, 1) == .committed)
    let reader = end == .closingAVisitor ? try await open(.readOnly) : store
    let (next, other) = (writer.makeCommit(a, 2), writer.makeCommit(room("b"), 1))
    gate.shut()
    let heads = try await withThrowingTaskGroup(of: SequenceNumber?.self) { group in
      for _ in 0..<100 { group.addTask { [a] in try await reader.load(a)?.head } }
      // The others wait for a connection.
      await until { gate.waiting == 4 && reader.statistics.readDepth == 100 }
      async let ending: Void = {
        switch end {
        case .reconnecting:
          fault.set(.fail(CommitFault.fsync))
          guard case .unknown = await store.commit(next) else {
            Issue.record("the outcome is known")
            return
          }
        case .closing, .closingAVisitor:
          await reader.close()
        }
      }()
      switch end {
      case .reconnecting: await until { fault.count > 0 }
      case .closing: await until { await store.commit(other) == .failed(.closed) }
      case .closingAVisitor: break
      }
      for _ in 0..<1000 { await Task.yield() }
      gate.open()
      await ending
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(heads == Array(repeating: SequenceNumber(1), count: 100))
    #expect(store.statistics.readDepth == 0)
    fault.set(.none)
    if end == .reconnecting {
      #expect(store.statistics.reconnects == 1)
      #expect(try await store.load(a)?.head == SequenceNumber(1))
    } else {
      await #expect(throws: StoreError.closed) { try await reader.load(a) }
    }
    await store.close()
    #expect(try openDescriptors() == [])
  }

  @Test func readsGoOnWhileTheConnectionIsMadeAnewAgainAndAgain() async throws {
    let store = try await open()
    var writer = Writer(store)
    try await writer.claim(a)
    #expect(await writer.commit(a, 1) == .committed)
    let (told, refused) = try await withThrowingTaskGroup(of: (Int, Int).self) { group in
      for number in 0..<8 {
        group.addTask { [a] in
          var (told, refused) = (0, 0)
          while true {
            do throws(StoreError) {
              if number % 2 == 0 {
                #expect(try await store.load(a)?.head == SequenceNumber(1))
              } else {
                #expect(try await store.journal(of: a, after: .zero, through: SequenceNumber(9))?.count == 1)
              }
              told += 1
            } catch {
              if error == .closed { return (told, refused) }
              #expect(!error.concernsContent, "\(error)")
              refused += 1
            }
          }
        }
      }
      for number in 1...25 {
        fault.set(.fail(CommitFault.fsync))
        guard case .unknown = await writer.commit(a, 2) else {
          Issue.record("the outcome is known")
          break
        }
        fault.set(.none)
        #expect(store.statistics.reconnects >= number)
        #expect(try await store.load(a)?.head == SequenceNumber(1))
      }
      await store.close()
      return try await group.reduce(into: (0, 0)) { $0 = ($0.0 + $1.0, $0.1 + $1.1) }
    }
    #expect(told > 100, "\(refused) were refused")
    #expect(try openDescriptors() == [])
  }

  private struct Told {
    let isJournal: Bool
    let isRefused: Bool
  }

  @Test func readsThatWaitHaveABoundAndJournalsALowerOne() async throws {
    let store = try await open {
      $0.readQueue = 7
      $0.journalReadQueue = 5
    }
    var writer = Writer(store)
    try await writer.claim(a)
    #expect(await writer.commit(a, 1) == .committed)
    gate.shut()
    let told = await withTaskGroup(of: Told.self) { group in
      for index in 0..<20 {
        group.addTask { [a] in
          let isJournal = index < 10
          do throws(StoreError) {
            if isJournal {
              let rows = try await store.journal(of: a, after: .zero, through: SequenceNumber(1))
              #expect(rows?.count == 1)
            } else {
              let content = try await store.load(a)
              #expect(content?.head == SequenceNumber(1))
            }
            return Told(isJournal: isJournal, isRefused: false)
          } catch {
            #expect(!error.concernsContent)
            return Told(isJournal: isJournal, isRefused: true)
          }
        }
        if index == 9 { await until { store.statistics.readDepth == 5 } }
      }
      // Five journals and eight loads are told at once, while nothing is read.
      var told: [Told] = []
      while told.count < 13, let next = await group.next() { told.append(next) }
      #expect(told.allSatisfy { $0.isRefused })
      #expect(store.statistics.readDepth == 7)
      gate.open()
      return await group.reduce(into: told) { $0.append($1) }
    }
    #expect(told.count { $0.isJournal && $0.isRefused } == 5)
    #expect(told.count { !$0.isJournal && $0.isRefused } == 8)
    #expect(try await store.load(a)?.head == SequenceNumber(1))
    await store.close()
  }
}
