/// Something for each of many rooms, of which those of one slot are found without a look at the others: slots come and
/// go by themselves, a thousand of them in a second.
public struct RoomTable<Value> {
  @usableFromInline var slots: [[RoomID: Value]]
  @usableFromInline var total = 0

  @inlinable public init() { slots = Array(repeating: [:], count: Slot.count) }

  @inlinable public var count: Int { total }

  @inlinable public subscript(room: RoomID) -> Value? {
    get { slots[Slot(of: room).number][room] }
    set {
      let number = Slot(of: room).number
      total -= slots[number].count
      slots[number][room] = newValue
      total += slots[number].count
    }
  }

  /// All of one slot.
  @inlinable public subscript(slot: Slot) -> some Collection<Value> { slots[slot.number].values }

  @inlinable public var values: some Collection<Value> { slots.lazy.flatMap(\.values) }

  /// All of these slots.
  @inlinable public func values(in slots: some Sequence<Slot>) -> [Value] { slots.flatMap { self[$0] } }
}

extension RoomTable: Sendable where Value: Sendable {}
