import Membership
import RoomCore

/// The store as ownership sees it: rows with compare-and-set, and heartbeats.
struct ModelStore {
  private(set) var rows = Slot.all.map { SlotRecord(slot: $0, epoch: .zero, owner: nil) }
  /// When the present row was written.
  private(set) var writtenAt = Array(repeating: MonotonicTime.zero, count: Slot.count)
  /// Who owned a slot at an epoch, for ever.
  private(set) var history: [[Epoch: NodeID]] = Array(repeating: [:], count: Slot.count)
  private(set) var claimsWon = 0
  private(set) var claimsRefused = 0
  private var heartbeats: [(node: NodeID, name: String, at: MonotonicTime)] = []

  mutating func claim(_ intents: [SlotClaim], for node: NodeID, now: MonotonicTime) -> [Slot: Epoch] {
    var won: [Slot: Epoch] = [:]
    for intent in intents {
      let row = rows[intent.slot.number]
      guard row.epoch == intent.expected else {
        claimsRefused += 1
        continue
      }
      write(SlotRecord(slot: row.slot, epoch: row.epoch.next, owner: node), now: now)
      history[row.slot.number][row.epoch.next] = node
      won[row.slot] = row.epoch.next
      claimsWon += 1
    }
    return won
  }

  mutating func release(_ records: [SlotRecord], now: MonotonicTime) {
    for record in records where rows[record.slot.number].epoch == record.epoch {
      write(SlotRecord(slot: record.slot, epoch: record.epoch, owner: nil), now: now)
    }
  }

  mutating func beat(_ node: NodeID, name: String, now: MonotonicTime) {
    heartbeats.removeAll { $0.node == node }
    heartbeats.append((node, name, now))
  }

  func read(startedAt: MonotonicTime, now: MonotonicTime) -> StoreReading {
    StoreReading(
      startedAt: startedAt, slots: rows,
      heartbeats: heartbeats.map { StoreReading.Heartbeat(node: $0.node, name: $0.name, age: now - $0.at) })
  }

  func slots(of node: NodeID) -> [Slot] { rows.filter { $0.owner == node }.map(\.slot) }

  private mutating func write(_ row: SlotRecord, now: MonotonicTime) {
    rows[row.slot.number] = row
    writtenAt[row.slot.number] = now
  }
}
