import JSONText
public import RoomCore

/// What is fed is a code that can be read back without ambiguity: a word for the case, then its fields in a fixed
/// order; strings with their lengths, optionals with a marker, dictionaries with their counts. So different commands
/// feed different bytes. It is part of what is stored: a released word or order never changes.
extension OrderCommand: RoomCommand {
  public func fingerprint(into hasher: inout StableHasher) {
    switch self {
    case .join(let join):
      hasher.combine("join")
      hasher.combine(join.name)
      hasher.combine(join.tenant)
      hasher.combine(join.circle)
      hasher.combine(join.phone)
      if join.warrant != .none { hasher.combine(join.warrant.rawValue) }
    case .leave(let removeItems):
      hasher.combine("leave")
      hasher.combine(removeItems)
    case .addItem(let item):
      hasher.combine("add_item")
      hasher.combine(item.id)
      hasher.combine(item.dishName)
      hasher.combine(item.dishType.rawValue)
      hasher.combine(item.quantity)
      hasher.combine(item.price)
      hasher.combine(item.customization)
    case .removeItem(let id):
      hasher.combine("remove_item")
      hasher.combine(id)
    case .updateQuantity(let id, let quantity):
      hasher.combine("update_quantity")
      hasher.combine(id)
      hasher.combine(quantity)
    case .updateItem(let id, let change):
      hasher.combine("update_item")
      hasher.combine(id)
      hasher.combine(change.dishName)
      hasher.combine(change.dishType?.rawValue)
      hasher.combine(optional: change.quantity) { $0.combine($1) }
      hasher.combine(optional: change.price) { $0.combine($1) }
      hasher.combine(change.customization)
    case .updateSplit(let split):
      hasher.combine("update_split")
      hasher.combine(split)
    case .finalize(let placement, let seen):
      hasher.combine("finalize")
      if placement != .group { hasher.combine(placement.rawValue) }
      if let seen { hasher.combine(seen.number) }
    case .lock: hasher.combine("lock")
    case .unlock: hasher.combine("unlock")
    case .cancel: hasher.combine("cancel")
    case .ready(let isReady):
      hasher.combine("ready")
      hasher.combine(isReady)
    case .removeParticipant(let id, let removeItems):
      hasher.combine("remove_participant")
      hasher.combine(id.value)
      hasher.combine(removeItems)
    case .transferOwnership(let heir):
      hasher.combine("transfer_ownership")
      hasher.combine(heir.value)
    case .setDeadline(let deadline):
      hasher.combine("set_deadline")
      hasher.combine(optional: deadline) { $0.combine($1.millis) }
    case .setLimits(let limits):
      hasher.combine("set_limits")
      hasher.combine(optional: limits.maxItems) { $0.combine(Int64($1)) }
      hasher.combine(optional: limits.maxParticipants) { $0.combine(Int64($1)) }
      hasher.combine(optional: limits.maxTotal) { $0.combine($1) }
      hasher.combine(limits.editing?.rawValue)
    case .setCharges(let charges):
      hasher.combine("set_charges")
      for charge in [charges.tax, charges.delivery, charges.tip, charges.discount] {
        hasher.combine(optional: charge) { hasher, charge in
          hasher.combine(charge.amount)
          hasher.combine(charge.allocation?.rawValue)
        }
      }
    case .undo: hasher.combine("undo")
    }
  }
}

extension StableHasher {
  fileprivate mutating func combine(_ flag: Bool) { combine(Int64(flag ? 1 : 0)) }

  fileprivate mutating func combine(_ number: DecimalNumber) {
    combine(number.significand)
    combine(Int64(number.exponent))
  }

  fileprivate mutating func combine<Value>(
    optional value: Value?, _ feed: (inout StableHasher, Value) -> Void
  ) {
    combine(value != nil)
    if let value { feed(&self, value) }
  }

  fileprivate mutating func combine(_ text: String?) { combine(optional: text) { $0.combine($1 as String) } }

  fileprivate mutating func combine(_ split: OrderCommand.SplitRequest) {
    switch split {
    case .equal: combine("equal")
    case .itemized: combine("itemized")
    case .custom(let parts):
      combine("custom")
      combine(parts)
    case .percentage(let parts):
      combine("percentage")
      combine(parts)
    case .shares(let parts):
      combine("shares")
      combine(parts)
    }
  }

  /// Sorted by bytes: the order of strings depends on the version of Unicode, and that of dictionaries on chance.
  fileprivate mutating func combine(_ parts: [ParticipantID: DecimalNumber]) {
    combine(Int64(parts.count))
    let sorted = parts.sorted { $0.key.value.utf8.lexicographicallyPrecedes($1.key.value.utf8) }
    for (participant, number) in sorted {
      combine(participant.value)
      combine(number)
    }
  }
}
