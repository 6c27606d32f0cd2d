package import RoomCore
import Synchronization

/// The slots that this node owns, each with the epoch of its claim.
///
/// A hint for this process; the store refuses whatever it is wrong about.
package final class SlotOwnership: Sendable {
  private let epochs: Mutex<[Slot: Epoch]>

  package init(_ epochs: [Slot: Epoch] = [:]) { self.epochs = Mutex(epochs) }

  package func epoch(of slot: Slot) -> Epoch? { epochs.withLock { $0[slot] } }

  package var owned: [Slot: Epoch] { epochs.withLock { $0 } }

  package func gain(_ claimed: [Slot: Epoch]) {
    epochs.withLock { $0.merge(claimed) { max($0, $1) } }
  }

  /// Gives up a slot that the store says is another's, unless it was claimed anew meanwhile.
  package func lose(_ slot: Slot, at epoch: Epoch) {
    epochs.withLock { epochs in
      if epochs[slot] == epoch { epochs[slot] = nil }
    }
  }
}
