public import RoomCore

/// The rules of a collaborative order.
///
/// A command is first placed: who sent it, is there an order, is it still running? Only then is it a `Decision`, which
/// holds the rules of that command. Nothing here changes anything: a decision is a list of events, and `evolve` is all
/// that touches the state.
///
/// - A running order is `active` or `locked`. In a locked one the cart is frozen: its items and its split stay as they
///   are and strangers cannot join; participants may leave, say that they are ready, and the owner may do the rest.
/// - An order whose deadline or idle limit has passed takes nothing more, even before its timer says so.
/// - Every accepted command counts as activity, also one that changed nothing.
public enum OrderLogic: RoomLogic {
  public static func initialState(of room: RoomID) -> OrderRoom { OrderRoom(room: room) }

  public static func decide(
    _ command: OrderCommand, by participant: ParticipantID, state: OrderRoom, context: TenantContext,
    at moment: Moment
  ) throws(OrderRejection) -> [OrderEvent] {
    func running() throws(OrderRejection) -> Decision {
      guard let order = state.order, let actor = order.participant(participant) else {
        throw OrderRejection(.notJoined, "participantId must join the order first")
      }
      try order.requireRunning(at: moment.now)
      return Decision(actor: actor, order: order, context: context, moment: moment)
    }

    switch command {
    case .join(let join):
      return try decide(join, by: participant, order: state.order, context: context, at: moment)
    case .leave(let removeItems): return try running().leave(removingItems: removeItems)
    case .addItem(let item): return try running().add(item)
    case .removeItem(let id): return try running().removeItem(id)
    case .updateQuantity(let id, let quantity): return try running().updateQuantity(of: id, to: quantity)
    case .updateItem(let id, let change): return try running().updateItem(id, change)
    case .undo: return try running().undo()
    case .updateSplit(let request): return try running().updateSplit(request)
    case .ready(let isReady): return try running().setReady(isReady)
    case .finalize(let placement, let seen):
      // The owner's second click is answered, and nobody is told twice.
      if let order = state.order, order.status == .finalized, order.owner == participant { return [] }
      return try running().finalize(as: placement, seen: seen)
    case .lock: return try running().lock()
    case .unlock: return try running().unlock()
    case .cancel: return try running().cancel()
    case .removeParticipant(let id, let removeItems):
      return try running().removeParticipant(id, removingItems: removeItems)
    case .transferOwnership(let heir): return try running().transferOwnership(to: heir)
    case .setDeadline(let deadline): return try running().setDeadline(deadline)
    case .setLimits(let request): return try running().setLimits(request)
    case .setCharges(let request): return try running().setCharges(request)
    }
  }

  public static func changesNothing(_ event: OrderEvent) -> Bool { event == .unchanged }

  public static func includes(_ participant: ParticipantID, in state: OrderRoom) -> Bool {
    state.order?.participants.contains { $0.id == participant } ?? false
  }

  public static func participants(in state: OrderRoom) -> [ParticipantID] { state.order?.participants.map(\.id) ?? [] }

  public static func tenant(of state: OrderRoom) -> String? { state.order?.tenant }

  public static func hasEnded(_ state: OrderRoom) -> Bool { state.order?.status.isTerminal ?? false }

  /// All ends are; of orders that the records know, changes of who takes part and what may be changed as well. The cart
  /// is the room's own business.
  public static func isReported(_ event: OrderEvent, in state: OrderRoom) -> Bool {
    switch event {
    case .finalized, .cancelled, .expired: true
    case .participantLeft, .ownershipTransferred, .locked, .unlocked: state.order?.isForMembers ?? false
    default: false
    }
  }

  // MARK: - The timer

  public static func timerDue(_ state: OrderRoom) -> Timestamp? {
    guard let order = state.order, !order.status.isTerminal else { return nil }
    return order.expiresAt
  }

  public static func timerEvents(_ state: OrderRoom, at moment: Moment) -> [OrderEvent] {
    guard let order = state.order, !order.status.isTerminal, let expiry = order.expiry(at: moment.now) else {
      return []
    }
    return [.expired(expiry)]
  }
}

/// A command of a participant of a running order, with all that its rules look at.
struct Decision {
  let actor: Participant
  let order: CollaborativeOrder
  let context: TenantContext
  let moment: Moment

  func requireOwner(to deed: String) throws(OrderRejection) {
    guard actor.id == order.owner else { throw OrderRejection(.notOwner, "only the owner may \(deed)") }
  }

  func requireUnlocked() throws(OrderRejection) {
    guard order.status == .active else {
      throw OrderRejection(.orderLocked, "the order is locked; its owner can unlock it")
    }
  }
}

extension CollaborativeOrder {
  func participant(_ id: ParticipantID) -> Participant? { participants.first { $0.id == id } }

  func requireRunning(at now: Timestamp) throws(OrderRejection) {
    switch status {
    case .active, .locked:
      guard let expiry = expiry(at: now) else { return }
      throw OrderRejection(
        .orderExpired, expiry == .deadline ? "the order's deadline has passed" : "the order has lain idle too long")
    case .finalized: throw OrderRejection(.orderFinalized, "the order is finalized")
    case .cancelled: throw OrderRejection(.orderCancelled, "the order is cancelled")
    case .expired: throw OrderRejection(.orderExpired, "the order has expired")
    }
  }

  /// Why the order has expired by `now`: by what came first.
  func expiry(at now: Timestamp) -> OrderEvent.Expiry? {
    guard now >= expiresAt else { return nil }
    return expiresAt == deadline ? .deadline : .idle
  }

  var expiresAt: Timestamp {
    let idle = updatedAt.advanced(by: .milliseconds(idleLimitMillis))
    return deadline.map { min($0, idle) } ?? idle
  }
}
