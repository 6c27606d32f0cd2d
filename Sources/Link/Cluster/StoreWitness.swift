package import Membership
package import RoomCore
internal import Rooms
package import Store
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Remembers when the store last said that this node's slots are its own.
package final class StoreWitness: OwnershipWitness {
  private let store: any RoomStore
  private let freshness: Duration
  private let clock: @Sendable () -> MonotonicTime
  private let freshUntil = Atomic<Int64>(.min)
  private let confirmations = Mutex(Confirmations())

  /// Rooms that want to know, and who looks for them.
  private struct Confirmations {
    var waiting: [UnsafeContinuation<[SlotRecord]?, Never>] = []
    var isReading = false
  }

  package init(
    store: any RoomStore, freshness: Duration = Deadlines().freshness, clock: @escaping @Sendable () -> MonotonicTime
  ) {
    self.store = store
    self.freshness = freshness
    self.clock = clock
  }

  /// - Parameter time: before the store was asked.
  func sawStore(at time: MonotonicTime) {
    freshUntil.store((time + freshness).nanoseconds, ordering: .relaxed)
  }

  package var isFresh: Bool { clock().nanoseconds <= freshUntil.load(ordering: .relaxed) }

  /// All rooms that ask at a time share one reading. Who asks while one is under way waits for the next, as that one may
  /// have begun before.
  package func confirm(_ slot: Slot, at epoch: Epoch) async -> Bool? {
    let slots = await withUnsafeContinuation { continuation in
      let isFirst = confirmations.withLock { confirmations in
        confirmations.waiting.append(continuation)
        defer { confirmations.isReading = true }
        return !confirmations.isReading
      }
      if isFirst { Task { await self.readForAllWhoWait() } }
    }
    return slots.map { slots in slots.contains { $0.slot == slot && $0.epoch == epoch } }
  }

  private func readForAllWhoWait() async {
    while let waiting = nextWaiting() {
      var slots: [SlotRecord]?
      do throws(StoreError) {
        slots = try await store.slots()
      } catch {
        // Rooms say nothing then; why the store is silent is logged where its slots are read.
      }
      for continuation in waiting { continuation.resume(returning: slots) }
    }
  }

  private func nextWaiting() -> [UnsafeContinuation<[SlotRecord]?, Never>]? {
    confirmations.withLock { confirmations in
      guard !confirmations.waiting.isEmpty else {
        confirmations.isReading = false
        return nil
      }
      defer { confirmations.waiting = [] }
      return confirmations.waiting
    }
  }
}

enum ProcessNumber {
  static var own: Int32 { getpid() }
}

extension NodeID {
  /// A life of the node that is called so.
  ///
  /// - Parameter life: drawn at random.
  package init(_ name: String, life: String) { self.init("\(name)~\(life)") }

  /// The name that all lives of the node have.
  package var stableName: String { String(name.prefix { $0 != "~" }) }
}
