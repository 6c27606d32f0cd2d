import RoomCore
import TestSupport
import Testing

@Suite("Things by room and slot")
struct RoomTableTests {
  @Test("holds what a plain dictionary holds, and finds it by slot")
  func model() {
    var generator = SplitMix64(seed: 7)
    var (table, model) = (RoomTable<Int>(), [RoomID: Int]())
    let rooms = (0..<300).compactMap { RoomID("room-\($0)") }
    for step in 0..<5000 {
      let room = rooms[Int.random(in: rooms.indices, using: &generator)]
      let value = Bool.random(using: &generator) ? step : nil
      table[room] = value
      model[room] = value
      #expect(table.count == model.count)
    }
    for room in rooms { #expect(table[room] == model[room]) }
    #expect(table.values.sorted() == model.values.sorted())
    for slot in Slot.all {
      #expect(table[slot].sorted() == model.filter { Slot(of: $0.key) == slot }.values.sorted())
    }
    let some = Slot.all.prefix(512)
    #expect(
      table.values(in: some).sorted() == model.filter { Slot(of: $0.key).number < 512 }.values.sorted())
  }
}
