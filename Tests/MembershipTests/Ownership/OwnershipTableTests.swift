import Membership
import RoomCore
import Testing

@Suite("The table of owners")
struct OwnershipTableTests {
  private func record(_ epoch: Int64, _ owner: String?, slot: Int = 7) -> SlotRecord {
    SlotRecord(slot: Slot(slot), epoch: Epoch(epoch), owner: owner.map { NodeID($0) })
  }

  @Test(
    "by gossip the higher epoch counts, and within one epoch giving up",
    arguments: [
      (1, "a", 2, "b", true), (2, "a", 1, "b", false), (2, "a", 2, "b", false), (2, "a", 2, nil, true),
      (2, nil, 2, "a", false), (2, nil, 3, "a", true), (2, "a", 2, "a", false),
    ] as [(Int64, String?, Int64, String?, Bool)])
  func gossip(epoch: Int64, owner: String?, newEpoch: Int64, newOwner: String?, isNews: Bool) {
    var table = OwnershipTable()
    _ = table.merge(record(epoch, owner), now: Scene.at(1))
    #expect(table.merge(record(newEpoch, newOwner), now: Scene.at(2)) == isNews)
    #expect(table[Slot(7)] == (isNews ? record(newEpoch, newOwner) : record(epoch, owner)))
  }

  @Test("the store is the truth about all that was heard before it was read, and only about that")
  func truth() {
    var table = OwnershipTable()
    _ = table.merge(record(5, "a"), now: Scene.at(100))
    // A reading that began before may not know the claim yet.
    #expect(table.merge(storeRows: [record(4, "b")], startedAt: Scene.at(90)) == [])
    #expect(table.owner(of: Slot(7)) == NodeID("a"))
    // One that began after knows better, even with a lower epoch.
    #expect(table.merge(storeRows: [record(4, "b")], startedAt: Scene.at(110)) == [Slot(7)])
    #expect(table[Slot(7)] == record(4, "b"))
    #expect(table.merge(storeRows: [record(4, "b")], startedAt: Scene.at(120)) == [])
    #expect(table.merge(storeRows: [record(6, "c")], startedAt: Scene.at(50)) == [Slot(7)])
  }

  @Test("questions")
  func questions() {
    var table = OwnershipTable()
    for (slot, owner) in [(9, "a"), (3, "a"), (4, "b")] {
      _ = table.merge(record(1, owner, slot: slot), now: Scene.at(0))
    }
    #expect(table.slots(of: NodeID("a")) == [Slot(3), Slot(9)])
    #expect(table.slots(of: NodeID("c")) == [])
    #expect(table.records.map(\.slot) == [Slot(3), Slot(4), Slot(9)])
    #expect(table.owner(of: Slot(0)) == nil)
  }
}
