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

  package func confirm(_ slot: Slot, at epoch: Epoch) async -> Bool? {
    do throws(StoreError) {
      return try await store.slots().first { $0.slot == slot }?.epoch == epoch
    } catch {
      // Rooms say nothing then; why the store is silent is logged where its slots are read.
      return nil
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
