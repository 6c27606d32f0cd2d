import Dispatch
import Foundation
import RoomCore
import Store

/// What a row of the journal costs, by how many share a transaction and its wait for the disk.
///
/// The time is that of the whole process: the writer's thread, and what it takes to hand rows to it and outcomes back.
final class StoreBenchmarks {
  private let directory: URL
  private let store: SQLiteStore
  private let group: Int
  private let rooms: [RoomID]
  private let epochs: [Slot: Epoch]
  private let lane = QueueLane()
  private var written: Int64 = 0
  private let text = Array(
    """
    [{"at":1730000000000,"participant":"load-0-001","operation":"2alavc87dlfo48gdrg6b8144f.12.345",\
    "fingerprint":"1f2e3d4c5b6a7988","event":{"type":"quantity_updated","id":"item_7","quantity":3}}]
    """.utf8)

  /// - Parameters:
  ///   - group: rows in each transaction.
  ///   - transactions: in each sample.
  init(group: Int, transactions: Int, named name: String) async throws {
    self.group = group
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("stonepot-micro-\(name)-\(group)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    var configuration = SQLiteConfiguration(path: directory.appendingPathComponent("rooms.sqlite").path, history: name)
    configuration.bounds.groupRows = group
    store = try await SQLiteStore.open(configuration)
    rooms = (0..<group * transactions).compactMap { RoomID("room-\($0)") }
    let claims = try await store.slots().map { SlotClaim(slot: $0.slot, expected: $0.epoch) }
    epochs = try await store.claim(claims, for: NodeID("micro"))
  }

  func benchmark() -> MicroBenchmark {
    MicroBenchmark(name: "commit, \(group) \(group == 1 ? "row" : "rows") a transaction", unit: "row") {
      let start = cpuNanoseconds(CLOCK_PROCESS_CPUTIME_ID)
      let outcomes = await self.commitToEachRoom()
      let end = cpuNanoseconds(CLOCK_PROCESS_CPUTIME_ID)
      for outcome in outcomes where outcome != .committed {
        throw MicroFailure(message: "a commit came to \(outcome)")
      }
      return MicroBenchmark.Sample(cpuNanoseconds: end - start, operations: self.rooms.count)
    }
  }

  /// All wait in the writer's queue, so that each transaction is as large as it may be.
  private func commitToEachRoom() async -> [CommitOutcome] {
    written += 1
    let (outcomes, continuation) = AsyncStream.makeStream(of: CommitOutcome.self)
    for room in rooms {
      let slot = Slot(of: room)
      let commit = RoomCommit(
        room: room, slot: slot, epoch: epochs[slot] ?? .zero, first: SequenceNumber(written), count: 1, text: text,
        at: Timestamp(millis: 1_730_000_000_000), timer: .keep, lane: lane)
      store.commit(commit) { continuation.yield($0) }
    }
    var all: [CommitOutcome] = []
    for await outcome in outcomes {
      all.append(outcome)
      if all.count == rooms.count { break }
    }
    return all
  }

  func close() async throws {
    await store.close()
    try FileManager.default.removeItem(at: directory)
  }
}

struct MicroFailure: Error, CustomStringConvertible {
  let message: String
  var description: String { message }
}

private final class QueueLane: CompletionLane {
  private let queue = DispatchQueue(label: "lane")

  func post(_ work: @escaping @Sendable () -> Void) { queue.async(execute: work) }
}
