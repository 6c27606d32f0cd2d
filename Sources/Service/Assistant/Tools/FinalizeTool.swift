import JSONText
import Ordering
import RoomCore

/// An order is finalized in two steps, because what was misheard cannot be unsaid: the first answers with a summary for
/// reading aloud and a token, the second, with the token, finalizes that very state of the order and no other.
///
/// The order may change between the look at it and the end: the room itself finalizes only what the customer has heard, or
/// they hear the new summary.
extension Tool {
  static let finalizeCollaborativeOrder = Tool(
    "finalize_collaborative_order", title: "Finalize the collaborative order",
    "Finish the collaborative order; only its owner may. Call it first without a token, read the summary aloud, and ask "
      + "whether it is right. Only if the customer says yes, call it again with the confirmationToken.",
    parameters: [
      Parameter(
        "confirmationToken", .text(most: 500),
        "The token of the summary that the customer has agreed to; leave it out to get a summary"),
      Parameter(
        "orders", .word(Placement.allCases.map(\.rawValue)),
        "group, if left out: one order for all; individual: one for each participant over their share"),
      ToolCall.orderID, ToolCall.customerPhone,
    ],
    answers: [
      Parameter("confirmationToken", .text(most: 500)), Parameter("summary", .text(most: 10_000), "To be read aloud"),
      Parameter("shares", .list(of: .object([]))), Parameter("order", .object([])),
    ], effect: .changes
  ) { call in
    let (phone, order) = (try call.customer(), try call.order())
    let view = try await call.desk.view(call.tenant, order: order, by: phone)
    guard let token = call.text("confirmationToken") else {
      return ToolOutcome(try call.summary(of: view, for: phone, because: .asked))
    }
    switch call.services.confirmations.read(token, for: call.subject(order, phone), now: call.services.now()) {
    case .forged:
      throw ToolFailure(
        "invalid_confirmation",
        "This confirmationToken is not of this conversation and order. Call again without one to get a summary.")
    case .expired: return ToolOutcome(try call.summary(of: view, for: phone, because: .expired))
    case .valid(let sequence):
      // Made again after its answer was lost.
      if view.order.status == .finalized { return call.finalized(view) }
      guard view.sequence == sequence else {
        return ToolOutcome(try call.summary(of: view, for: phone, because: .changed))
      }
      return try await call.finalize(view, by: phone)
    }
  }
}

extension ToolCall {
  /// Why a summary is read.
  fileprivate enum Occasion {
    case asked, changed, expired
  }

  fileprivate func subject(_ order: String, _ phone: PhoneNumber) -> ConfirmationTokens.Subject {
    ConfirmationTokens.Subject(tenant: tenant, session: session, customer: phone.text, order: order)
  }

  /// - Parameter seen: what the customer has agreed to.
  fileprivate func finalize(_ seen: OrderView, by phone: PhoneNumber) async throws -> ToolOutcome {
    let placement = text("orders").flatMap { Placement(rawValue: $0) } ?? .group
    do {
      return finalized(try await perform(.finalize(placement, seen: seen.sequence), in: seen.id, by: phone))
    } catch let notice as RefusalNotice where notice.code == OrderRejection.Kind.orderChanged.rawValue {
      let now = try await desk.view(tenant, order: seen.id, by: phone)
      return ToolOutcome(try summary(of: now, for: phone, because: .changed))
    }
  }

  fileprivate func finalized(_ view: OrderView) -> ToolOutcome {
    let order = view.order
    let shares = order.shares ?? []
    return ToolOutcome(
      .done("finalized", "The order is finalized. \(order.spoken(shares))") { writer in
        writer.shares(shares, order.currency)
        writer.order(view)
      }, .orderStatus(order.status.rawValue, of: view.id))
  }

  /// - Throws: what would keep the order from being finalized.
  fileprivate func summary(
    of view: OrderView, for phone: PhoneNumber, because occasion: Occasion
  ) throws -> ToolResult {
    let order = view.order
    switch order.status {
    case .active, .locked: break
    case .finalized: throw ToolFailure("order_finalized", "The order is finalized already.")
    case .cancelled: throw ToolFailure("order_cancelled", "The order was cancelled.")
    case .expired: throw ToolFailure("order_expired", "The order has expired. Offer to start a new one.")
    }
    if let participant = state.order?.participant, state.order?.id == view.id, participant != order.owner {
      let owner = order.participants.first { $0.id == order.owner }?.name ?? "its owner"
      throw ToolFailure("not_owner", "Only \(owner) may finalize the order.")
    }
    guard !order.items.isEmpty else {
      throw ToolFailure("empty_order", "The order is empty. Add something before it is finalized.")
    }
    let shares = try OrderLogic.previewShares(of: order)
    let summary = "\(order.spoken) \(order.spoken(shares))"
    let (status, message) =
      switch occasion {
      case .asked: ("confirmation_required", "\(summary) Shall I finalize the order?")
      case .changed: ("changed", "The order has changed meanwhile. \(summary) Shall I finalize it like this?")
      case .expired: ("confirmation_expired", "That took a while. \(summary) Shall I finalize the order?")
      }
    let token = services.confirmations.make(
      for: subject(view.id, phone), at: view.sequence, now: services.now())
    return ToolResult(isSuccess: occasion == .asked, status: status, message: message) { writer in
      writer.field("confirmationToken", token)
      writer.field("summary", summary)
      writer.shares(shares, order.currency)
      writer.order(view)
    }
  }
}
