import RoomCore

extension OrderCommand {
  /// A command's own fields, without its texts.
  private static let plainBytes = 256

  public var sizeBytes: Int {
    let texts =
      switch self {
      case .join(let join):
        join.name.utf8.count + (join.tenant?.utf8.count ?? 0) + (join.circle?.utf8.count ?? 0)
          + (join.phone?.utf8.count ?? 0)
      case .addItem(let item):
        (item.id?.utf8.count ?? 0) + item.dishName.utf8.count + (item.customization?.utf8.count ?? 0)
      case .removeItem(let id), .updateQuantity(let id, _): id.utf8.count
      case .updateItem(let id, let change):
        id.utf8.count + (change.dishName?.utf8.count ?? 0) + (change.customization?.utf8.count ?? 0)
      case .updateSplit(.custom(let parts)), .updateSplit(.percentage(let parts)), .updateSplit(.shares(let parts)):
        parts.keys.reduce(0) { $0 + $1.value.utf8.count + 64 }
      case .leave, .updateSplit, .finalize, .lock, .unlock, .cancel, .ready, .removeParticipant, .transferOwnership,
        .setDeadline, .setLimits, .setCharges, .undo:
        0
      }
    return Self.plainBytes + texts
  }
}
