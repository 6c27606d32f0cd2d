public import RoomCore

extension OrderLogic {
  public static func evolve(_ state: inout OrderRoom, applying record: Recorded<OrderEvent>) {
    if case .created(let creation) = record.event {
      if state.order == nil { state.order = CollaborativeOrder(creation, at: record.at) }
      return
    }
    state.order?.apply(record.event, by: record.participant, at: record.at)
  }
}

extension CollaborativeOrder {
  init(_ creation: OrderEvent.Creation, at now: Timestamp) {
    self.init(
      tenant: creation.tenant, circle: creation.circle, currency: creation.currency, initiatedBy: creation.owner,
      isForMembers: creation.isForMembers, isUnreported: creation.isUnreported, owner: creation.owner, participants: [],
      items: [], charges: Charges(),
      split: .equal, status: .active,
      deadline: creation.deadline, limits: creation.limits, idleLimitMillis: creation.idleLimitMillis,
      editing: creation.editing, createdAt: now, updatedAt: now, finalizedAt: nil, placement: .group, shares: nil,
      undoable: [:])
  }

  /// Applies what happened. Was decided long ago, perhaps by another version: what no longer fits is passed over.
  fileprivate mutating func apply(_ event: OrderEvent, by actor: ParticipantID?, at now: Timestamp) {
    updatedAt = now
    switch event {
    case .created, .unchanged: break
    case .participantJoined(let newcomer):
      guard participant(newcomer.id) == nil else { return }
      participants.append(newcomer)
    case .participantLeft(let id, _, _): removeParticipant(id, by: actor)
    case .ownershipTransferred(let heir):
      // The part of an owner who left last of all was kept for this moment.
      if participant(owner) == nil { split.movePart(of: owner, to: heir) }
      owner = heir
    case .itemAdded(let item, let index): insert(item, at: index, by: actor)
    case .itemRemoved(let id): removeItem(id, by: actor)
    case .quantityUpdated(let id, let quantity): changeItem(id, by: actor) { $0.quantity = quantity }
    case .itemUpdated(let item): changeItem(item.id, by: actor) { $0 = item }
    case .undone(let id): undoable[id] = nil
    case .splitUpdated(let split): self.split = split
    case .readyChanged(let id, let isReady):
      guard let index = participants.firstIndex(where: { $0.id == id }) else { return }
      participants[index].isReady = isReady
    case .deadlineSet(let deadline): self.deadline = deadline
    case .limitsSet(let limits, let editing):
      self.limits = limits
      self.editing = editing
    case .chargesSet(let charges): self.charges = charges
    case .locked: status = .locked
    case .unlocked: status = .active
    case .cancelled: end(as: .cancelled)
    case .expired: end(as: .expired)
    case .finalized(let shares, let placement):
      end(as: .finalized)
      self.placement = placement
      self.shares = shares
      finalizedAt = now
    }
  }

  private mutating func end(as status: OrderStatus) {
    self.status = status
    undoable = [:]
  }

  /// The leaver's part of a split by parts goes to the owner, as their items do. When the owner is the last to leave,
  /// it stays where it is until somebody takes the order over.
  private mutating func removeParticipant(_ id: ParticipantID, by actor: ParticipantID?) {
    participants.removeAll { $0.id == id }
    split.movePart(of: id, to: owner)
    undoable[id] = nil
    // What the owner removed along with a participant is not to come back item by item.
    if let actor { undoable[actor] = nil }
  }

  private mutating func insert(_ item: OrderItem, at index: Int, by actor: ParticipantID?) {
    guard self.item(item.id) == nil else { return }
    items.insert(item, at: min(max(index, 0), items.count))
    remember(.added(itemID: item.id), by: actor)
  }

  private mutating func removeItem(_ id: String, by actor: ParticipantID?) {
    guard let index = items.firstIndex(where: { $0.id == id }) else { return }
    let item = items.remove(at: index)
    remember(.removed(item, index: index), by: actor)
  }

  private mutating func changeItem(_ id: String, by actor: ParticipantID?, _ change: (inout OrderItem) -> Void) {
    guard let index = items.firstIndex(where: { $0.id == id }) else { return }
    let before = items[index]
    change(&items[index])
    remember(.changed(before: before, after: items[index]), by: actor)
  }

  /// Remembers the actor's last change, and forgets that of another to the same item: it no longer stands. There is at
  /// most one, as each forgets the one before it.
  private mutating func remember(_ change: ReversibleChange, by actor: ParticipantID?) {
    if let other = undoable.first(where: { $0.value.itemID == change.itemID })?.key, other != actor {
      undoable[other] = nil
    }
    if let actor { undoable[actor] = change }
  }
}

extension ReversibleChange {
  fileprivate var itemID: String {
    switch self {
    case .added(let itemID): itemID
    case .removed(let item, _): item.id
    case .changed(let before, _): before.id
    }
  }
}
