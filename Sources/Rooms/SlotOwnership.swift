public import RoomCore
import Synchronization

/// The slots that this node owns, each with the epoch of its claim.
///
/// A hint for this process; the store refuses whatever it is wrong about.
public final class SlotOwnership: Sendable {
  private let epochs: Mutex<[Slot: Epoch]>

  public init(_ epochs: [Slot: Epoch] = [:]) { self.epochs = Mutex(epochs) }

  public func epoch(of slot: Slot) -> Epoch? { epochs.withLock { $0[slot] } }

  public var owned: [Slot: Epoch] { epochs.withLock { $0 } }

  public func gain(_ claimed: [Slot: Epoch]) {
    epochs.withLock { $0.merge(claimed) { max($0, $1) } }
  }

  /// Gives up a slot that the store says is another's, unless it was claimed anew meanwhile.
  public func lose(_ slot: Slot, at epoch: Epoch) {
    epochs.withLock { epochs in
      if let own = epochs[slot], own <= epoch { epochs[slot] = nil }
    }
  }
}
