import RoomCore

// MARK: - Joining

extension OrderLogic {
  /// Decides a join.
  ///
  /// - The first to join creates the order, and must say for which tenant and circle.
  /// - A participant who joins again changes nothing, whatever state the order is in, and may do so with the id alone.
  ///   While they can still leave, the join is remembered, so that a late retry does not bring them back.
  /// - Who comes after the end takes no part. The room answers every join that changes nothing with the whole state.
  /// - A tenant or circle that is given must be the order's, from whoever it comes: the state is no other's business.
  /// - An order that the records know takes in those for whom they vouch, and was begun by them.
  /// - A locked order takes no strangers in, unless nobody is left who could unlock it.
  /// - Who joins an order that everybody has left becomes its owner.
  static func decide(
    _ join: OrderCommand.Join, by id: ParticipantID, order: CollaborativeOrder?, context: TenantContext,
    at moment: Moment
  ) throws(OrderRejection) -> [OrderEvent] {
    guard let order else {
      guard join.warrant != .membership else {
        throw OrderRejection(.orderNotFound, "the order has not been started")
      }
      let creation = try create(join, by: id, context: context, at: moment)
      return [.created(creation), .participantJoined(try newcomer(join, id, context: context, at: moment))]
    }
    if let tenant = join.tenant, tenant != order.tenant {
      throw OrderRejection(.wrongTenant, "data.tenantId is not the tenant of this order")
    }
    if let circle = join.circle, circle != order.circle {
      throw OrderRejection(.invalidJoin, "data.circleId is not the circle of this order")
    }
    if order.status.isTerminal { return [] }
    if order.participant(id) != nil { return order.expiry(at: moment.now) == nil ? [.unchanged] : [] }

    try order.requireRunning(at: moment.now)
    guard !order.isForMembers || join.warrant == .membership || join.warrant == .initiative else {
      throw OrderRejection(.notMember, "the order is for members of its circle, who are let in by the tenant's server")
    }
    guard order.status == .active || order.participants.isEmpty else {
      throw OrderRejection(.orderLocked, "the order is locked and takes no new participants")
    }
    guard order.participants.count < order.limits.maxParticipants else {
      throw OrderRejection(.limitExceeded, "the order has its \(order.limits.maxParticipants) participants already")
    }
    let joined = OrderEvent.participantJoined(try newcomer(join, id, context: context, at: moment))
    let isAbandoned = order.participants.isEmpty && order.owner != id
    return isAbandoned ? [joined, .ownershipTransferred(to: id)] : [joined]
  }

  private static func create(
    _ join: OrderCommand.Join, by id: ParticipantID, context: TenantContext, at moment: Moment
  ) throws(OrderRejection) -> OrderEvent.Creation {
    guard let tenant = join.tenant else {
      throw OrderRejection(.invalidJoin, "data.tenantId is required to start an order")
    }
    guard let circle = join.circle else {
      throw OrderRejection(.invalidJoin, "data.circleId is required to start an order")
    }
    try TextRule.name.require(tenant, "data.tenantId", else: .invalidJoin)
    try TextRule.name.require(circle, "data.circleId", else: .invalidJoin)
    guard context.limits.maxParticipants > 0 else {
      throw OrderRejection(.limitExceeded, "the tenant allows no participants")
    }
    return OrderEvent.Creation(
      tenant: tenant, circle: circle, currency: context.currency, owner: id, isForMembers: join.warrant == .initiative,
      isUnreported: join.warrant == .room,
      limits: context.limits, editing: context.editing,
      deadline: context.deadlineAfterStart.map { moment.now.advanced(by: $0) },
      idleLimitMillis: context.idleLimit.clampedMillis)
  }

  private static func newcomer(
    _ join: OrderCommand.Join, _ id: ParticipantID, context: TenantContext, at moment: Moment
  ) throws(OrderRejection) -> Participant {
    guard id.isWellFormed else { throw OrderRejection(.invalidJoin, "participantId must have \(ParticipantID.form)") }
    try TextRule.name.require(join.name, "participantName", else: .invalidJoin)
    var ending: String?
    if let phone = join.phone {
      do throws(PhoneNumberFault) {
        ending = try PhoneNumber(phone, rule: context.phoneRule).ending
      } catch {
        throw OrderRejection(.invalidJoin, "data.phone \(error.message)")
      }
    }
    return Participant(id: id, name: join.name, phoneEnding: ending, joinedAt: moment.now)
  }
}

// MARK: - Leaving, and being ready

extension Decision {
  func leave(removingItems: Bool) throws(OrderRejection) -> [OrderEvent] {
    var events = try removal(ofItemsBy: actor.id, if: removingItems)
    // The heir comes first, so that at no point the owner is somebody who is not there.
    if actor.id == order.owner, let heir = order.participants.first(where: { $0.id != actor.id }) {
      events.append(.ownershipTransferred(to: heir.id))
    }
    events.append(.participantLeft(actor.id, name: actor.name, reason: .left))
    return events
  }

  func removeParticipant(_ id: ParticipantID, removingItems: Bool) throws(OrderRejection) -> [OrderEvent] {
    try requireOwner(to: "remove participants")
    guard id != actor.id else {
      throw OrderRejection(.participantNotFound, "data.participantId must be somebody else's; use leave for oneself")
    }
    let leaver = try participant(id)
    return try removal(ofItemsBy: id, if: removingItems)
      + [.participantLeft(id, name: leaver.name, reason: .removed)]
  }

  func transferOwnership(to heir: ParticipantID) throws(OrderRejection) -> [OrderEvent] {
    try requireOwner(to: "hand the order over")
    _ = try participant(heir)
    return heir == order.owner ? [.unchanged] : [.ownershipTransferred(to: heir)]
  }

  func setReady(_ isReady: Bool) throws(OrderRejection) -> [OrderEvent] {
    isReady == actor.isReady ? [.unchanged] : [.readyChanged(actor.id, isReady: isReady)]
  }

  private func participant(_ id: ParticipantID) throws(OrderRejection) -> Participant {
    guard let participant = order.participant(id) else {
      throw OrderRejection(.participantNotFound, "data.participantId is no participant of this order")
    }
    return participant
  }

  private func removal(
    ofItemsBy id: ParticipantID, if isWanted: Bool
  ) throws(OrderRejection) -> [OrderEvent] {
    let items = isWanted ? order.items.filter { $0.addedBy == id } : []
    if !items.isEmpty { try requireUnlocked() }
    return items.map { .itemRemoved(id: $0.id) }
  }
}
