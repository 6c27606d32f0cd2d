/// Something for each of many rooms, of which those of one slot are found without a look at the others: slots come and
/// go by themselves, a thousand of them in a second.
public struct RoomTable<Value> {
  private var slots: [[RoomID: Value]] = Array(repeating: [:], count: Slot.count)
  public private(set) var count = 0

  public init() {}

  public subscript(room: RoomID) -> Value? {
    get { slots[Slot(of: room).number][room] }
    set {
      let number = Slot(of: room).number
      count -= slots[number].count
      slots[number][room] = newValue
      count += slots[number].count
    }
  }

  /// All of one slot.
  public subscript(slot: Slot) -> some Collection<Value> { slots[slot.number].values }

  public var values: some Collection<Value> { slots.lazy.flatMap(\.values) }

  /// All of these slots.
  public func values(in slots: some Sequence<Slot>) -> [Value] { slots.flatMap { self[$0] } }
}

extension RoomTable: Sendable where Value: Sendable {}
