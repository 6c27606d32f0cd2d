import JSONText
import RoomCore

extension Decision {
  /// The shares freeze with the order.
  func finalize(as placement: Placement, seen: SequenceNumber?) throws(OrderRejection) -> [OrderEvent] {
    try requireOwner(to: "finalize the order")
    guard seen.map({ $0.next == moment.sequence }) ?? true else {
      throw OrderRejection(.orderChanged, "something has happened in the order since it was seen")
    }
    guard !order.items.isEmpty else { throw OrderRejection(.emptyOrder, "an order without items cannot be finalized") }
    return [.finalized(try OrderLogic.previewShares(of: order), placement)]
  }

  func lock() throws(OrderRejection) -> [OrderEvent] {
    try requireOwner(to: "lock the order")
    return order.status == .locked ? [.unchanged] : [.locked]
  }

  func unlock() throws(OrderRejection) -> [OrderEvent] {
    try requireOwner(to: "unlock the order")
    return order.status == .active ? [.unchanged] : [.unlocked]
  }

  func cancel() throws(OrderRejection) -> [OrderEvent] {
    try requireOwner(to: "cancel the order")
    return [.cancelled]
  }

  /// How far ahead a deadline may lie.
  private static let deadlineHorizon = Duration.seconds(30 * 24 * 3600)

  /// The owner may bring the tenant's deadline forward, but not put it off; to take one's own away brings it back.
  func setDeadline(_ wanted: Timestamp?) throws(OrderRejection) -> [OrderEvent] {
    try requireOwner(to: "set the deadline")
    let tenants = context.deadlineAfterStart.map { order.createdAt.advanced(by: $0) }
    let deadline = wanted ?? tenants
    if deadline == order.deadline { return [.unchanged] }
    if let deadline {
      guard deadline > moment.now else {
        throw OrderRejection(.invalidDeadline, "data.deadline must lie in the future")
      }
      if let tenants, deadline > tenants {
        throw OrderRejection(.invalidDeadline, "data.deadline may not lie after the tenant's own, \(tenants.millis)")
      }
      guard deadline <= moment.now.advanced(by: Self.deadlineHorizon) || wanted == nil else {
        throw OrderRejection(.invalidDeadline, "data.deadline may lie at most 30 days ahead")
      }
    }
    return [.deadlineSet(deadline)]
  }

  /// A limit may neither exceed the tenant's nor lie below what is there already.
  func setLimits(_ request: OrderCommand.LimitsRequest) throws(OrderRejection) -> [OrderEvent] {
    try requireOwner(to: "set limits")
    var limits = order.limits
    if let count = request.maxItems {
      try requireLimit(count, "data.maxItems", present: order.items.count, tenants: context.limits.maxItems)
      limits.maxItems = count
    }
    if let count = request.maxParticipants {
      try requireLimit(
        count, "data.maxParticipants", present: order.participants.count, tenants: context.limits.maxParticipants)
      limits.maxParticipants = count
    }
    if let number = request.maxTotal { limits.maxTotal = try maxTotal(number) }
    let editing = request.editing ?? order.editing
    return limits == order.limits && editing == order.editing ? [.unchanged] : [.limitsSet(limits, editing)]
  }

  private func requireLimit(
    _ count: Int, _ field: String, present: Int, tenants: Int
  ) throws(OrderRejection) {
    guard count >= max(present, 1), count <= tenants else {
      throw OrderRejection(
        .invalidLimit, "\(field) must be at least \(max(present, 1)), and at most the tenant's \(tenants)")
    }
  }

  /// 0 takes the owner's limit away, and the tenant's holds again.
  private func maxTotal(_ number: DecimalNumber) throws(OrderRejection) -> Money? {
    let tenants = context.limits.maxTotal
    let limit = min(tenants ?? Bill.ceiling, Bill.ceiling)
    let amount = try order.currency.amount(number, "data.maxTotal", atMost: limit, else: .invalidLimit)
    guard amount > .zero else { return tenants }
    guard amount >= order.total else {
      throw OrderRejection(
        .invalidLimit, "data.maxTotal may not lie below the present total, \(order.currency.text(of: order.total))")
    }
    return amount
  }

  /// Allowed while the order is locked: that is when the owner learns what the restaurant adds.
  func setCharges(_ request: OrderCommand.ChargesRequest) throws(OrderRejection) -> [OrderEvent] {
    try requireOwner(to: "set charges")
    let charges = Charges(
      tax: try charge(request.tax, "data.tax", before: order.charges.tax),
      delivery: try charge(request.delivery, "data.delivery", before: order.charges.delivery),
      tip: try charge(request.tip, "data.tip", before: order.charges.tip),
      discount: try charge(request.discount, "data.discount", before: order.charges.discount))
    guard charges != order.charges else { return [.unchanged] }
    try requireTotal(items: order.itemsTotal, charges: charges)
    return [.chargesSet(charges)]
  }

  private func charge(
    _ request: OrderCommand.ChargesRequest.Charge?, _ field: String, before: Charge
  ) throws(OrderRejection) -> Charge {
    guard let request else { return before }
    return Charge(
      amount: try order.currency.amount(request.amount, field, else: .invalidCharge),
      allocation: request.allocation ?? before.allocation)
  }
}
