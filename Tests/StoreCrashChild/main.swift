// A process that commits without a pause until it is killed: `store-crash-child STORE SEED ROOMS [PART PARTS]`.
//
// STORE is a file of SQLite's, or a database of PostgreSQL's by its URL. With PART and PARTS it is one of several nodes
// on one store, and owns the slots whose number is PART modulo PARTS.
//
// Says `ready` when it has claimed the slots, and `ROOM POSITION` after each commit that it was told is on disk, each
// with a write of its own, so that what it had been told before it died is known.

import Dispatch
import Foundation
import RoomCore
import Store
import Synchronization
import TestSupport

final class Lane: CompletionLane {
  private let queue = DispatchQueue(label: "lane")

  func post(_ work: @escaping @Sendable () -> Void) { queue.async(execute: work) }
}

func say(_ line: String) {
  let bytes = Array((line + "\n").utf8)
  let count = bytes.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
  guard count == bytes.count else { exit(3) }
}

func fail(_ reason: String) -> Never {
  FileHandle.standardError.write(Data("store-crash-child: \(reason)\n".utf8))
  exit(2)
}

/// One room: commits, waits for the outcome, commits again. Runs on the lane.
final class Room: Sendable {
  private let store: any RoomStore
  private let lane: any CompletionLane
  private let id: RoomID
  private let epoch: Epoch
  private let state: Mutex<(next: Int64, generator: SplitMix64)>

  init(_ id: RoomID, in store: any RoomStore, on lane: any CompletionLane, epoch: Epoch, next: Int64, seed: UInt64) {
    self.id = id
    self.store = store
    self.lane = lane
    self.epoch = epoch
    state = Mutex((next, SplitMix64(seed: seed)))
  }

  func goOn() {
    let (first, count, dice) = state.withLock { state in
      let count = Int.random(in: 1...3, using: &state.generator)
      defer { state.next += Int64(count) }
      return (state.next, count, state.generator.below(40))
    }
    let last = first + Int64(count) - 1
    let text = "[" + (first...last).map(String.init).joined(separator: ",") + "]"
    let slot = Slot(of: id)
    let commit = RoomCommit(
      room: id, slot: slot, epoch: epoch, first: SequenceNumber(first), count: count, text: Array(text.utf8),
      at: Timestamp(millis: first), timer: dice < 5 ? .set(Timestamp(millis: last)) : dice == 5 ? .clear : .keep,
      lane: lane)
    store.commit(commit) { [self] outcome in
      guard outcome == .committed else { fail("\(id) at \(first): \(outcome)") }
      say("\(id) \(last)")
      if dice > 37 {
        Task { [store, id, epoch] in
          let snapshot = RoomSnapshot(room: id, sequence: SequenceNumber(last), text: Array("\(last)".utf8))
          _ = try await store.saveSnapshot(snapshot, slot: slot, epoch: epoch)
        }
      }
      goOn()
    }
  }
}

let arguments = CommandLine.arguments
guard [4, 6].contains(arguments.count), let seed = UInt64(arguments[2]), let count = Int(arguments[3]) else {
  fail("usage: store-crash-child STORE SEED ROOMS [PART PARTS]")
}
let (part, parts) = arguments.count == 6 ? (Int(arguments[4]) ?? 0, Int(arguments[5]) ?? 1) : (0, 1)

func open(_ place: String) async throws -> any RoomStore {
  if place.hasPrefix("postgres:") {
    return try await PostgresStore.open(PostgresConfiguration(url: place, history: "crash"))
  }
  return try await SQLiteStore.open(
    SQLiteConfiguration(path: place, history: "crash", mode: parts > 1 ? .shared : .exclusive))
}

do {
  let store = try await open(arguments[1])
  let slots = try await store.slots().filter { $0.slot.number % parts == part }
  let epochs = try await store.claim(
    slots.map { SlotClaim(slot: $0.slot, expected: $0.epoch) }, for: NodeID("\(getpid())"))
  say("ready")
  let lane = Lane()
  for number in 0..<count {
    guard let id = RoomID("room-\(number)") else { fail("no room \(number)") }
    guard let epoch = epochs[Slot(of: id)] else { continue }
    let head = try await store.load(id)?.head ?? .zero
    Room(id, in: store, on: lane, epoch: epoch, next: head.next.number, seed: seed &+ UInt64(number)).goOn()
  }
  await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
} catch {
  fail("\(error)")
}
