public import RoomCore

extension SlotRecord {
  /// A higher epoch counts; within one epoch giving up comes after owning.
  public func overrides(_ other: SlotRecord) -> Bool {
    epoch > other.epoch || (epoch == other.epoch && owner == nil && other.owner != nil)
  }
}

/// What a process knows about the owners of all slots: gossip is a hint, the store is the truth.
///
/// A claim is gossiped only after it was committed. So a reading of the store that began after something was heard knows
/// at least as much: its rows replace whatever is older, even with a lower epoch (a store that was restored). A reading
/// that began before may lag behind gossip, and then the higher epoch counts.
public struct OwnershipTable: Sendable {
  private struct Entry {
    var epoch = Epoch.zero
    var owner: NodeID?
    var learnedAt = MonotonicTime(nanoseconds: .min)
  }

  private var entries = Array(repeating: Entry(), count: Slot.count)

  public init() {}

  public subscript(slot: Slot) -> SlotRecord {
    let entry = entries[slot.number]
    return SlotRecord(slot: slot, epoch: entry.epoch, owner: entry.owner)
  }

  public func owner(of slot: Slot) -> NodeID? { entries[slot.number].owner }
  public func epoch(of slot: Slot) -> Epoch { entries[slot.number].epoch }

  /// When the present statement about a slot was heard, claimed or read.
  public func learnedAt(_ slot: Slot) -> MonotonicTime { entries[slot.number].learnedAt }

  /// Whether an owner of every slot is known.
  public var isComplete: Bool { entries.allSatisfy { $0.owner != nil } }

  /// In order.
  public func slots(of node: NodeID) -> [Slot] {
    entries.indices.lazy.filter { entries[$0].owner == node }.map(Slot.init)
  }

  /// All that was ever claimed, in order of slots.
  public var records: [SlotRecord] {
    entries.indices.lazy.filter { entries[$0].epoch > .zero }.map { self[Slot($0)] }
  }

  /// Takes in what was heard from a peer or claimed here.
  ///
  /// - Returns: whether it was news.
  public mutating func merge(_ record: SlotRecord, now: MonotonicTime) -> Bool {
    guard record.overrides(self[record.slot]) else { return false }
    entries[record.slot.number] = Entry(epoch: record.epoch, owner: record.owner, learnedAt: now)
    return true
  }

  /// Takes in the store's rows.
  ///
  /// - Parameter startedAt: before the reading was sent to the store.
  /// - Returns: the slots about which something else was known, in the order of `rows`.
  public mutating func merge(storeRows rows: [SlotRecord], startedAt: MonotonicTime) -> [Slot] {
    var changed: [Slot] = []
    for row in rows {
      let present = self[row.slot]
      let isTruth = entries[row.slot.number].learnedAt < startedAt
      guard isTruth || row.overrides(present) else { continue }
      entries[row.slot.number] = Entry(epoch: row.epoch, owner: row.owner, learnedAt: startedAt)
      if present != row { changed.append(row.slot) }
    }
    return changed
  }
}
