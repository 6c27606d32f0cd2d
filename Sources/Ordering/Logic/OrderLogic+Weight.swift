import RoomCore

extension OrderLogic {
  /// By count alone, for it is asked after each turn: an item with its names and a short note, a participant.
  public static func weightBytes(of state: OrderRoom) -> Int {
    guard let order = state.order else { return 0 }
    return 1024 + order.items.count * 512 + order.participants.count * 384
  }
}
