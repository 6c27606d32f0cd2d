import JSONText
import Ordering
import RoomCore
import Wire

extension Tool {
  private static let splitTypes = ["equal", "itemized", "custom", "percentage", "shares"]

  private static let parts = Parameter(
    "parts",
    .list(
      of: .object([
        Parameter("participant", .text(), "The participant's id or name", isRequired: true),
        Parameter("value", .number, "An amount, a percentage or a weight", isRequired: true),
      ])),
    "For custom: amounts that add up to the total; for percentage: percents that add up to 100; for shares: whole "
      + "weights")

  private static let splitAnswers = [
    Parameter("shares", .list(of: .object([])), "What each participant pays"), Parameter("splitType", .text()),
    Parameter("total", .number),
  ]

  static let updateSplit = Tool(
    "update_split", title: "Change the split", "Change how the bill of the collaborative order is divided.",
    parameters: [
      Parameter("splitType", .word(splitTypes), "How the bill is divided", isRequired: true), parts, ToolCall.orderID,
      ToolCall.customerPhone,
    ], answers: splitAnswers, effect: .changes
  ) { call in
    let (phone, order) = (try call.customer(), try call.order())
    let before = try await call.desk.view(call.tenant, order: order, by: phone)
    let request = call.required(try call.split(in: before.order), "splitType")
    let view = try await call.perform(.updateSplit(request), in: order, by: phone)
    return ToolOutcome(try call.shares(of: view.order, "updated"))
  }

  static let previewSplit = Tool(
    "preview_split", title: "Preview the split",
    "Tell what everybody would pay, for a way of dividing the bill or for the one that is set. Changes nothing.",
    parameters: [
      Parameter("splitType", .word(splitTypes), "How the bill would be divided; left out: as it is set"), parts,
      ToolCall.orderID, ToolCall.customerPhone,
    ], answers: splitAnswers, effect: .reads
  ) { call in
    let view = try await call.desk.view(call.tenant, order: try call.order(), by: try call.customer())
    var order = view.order
    if let request = try call.split(in: order) {
      order.split = try OrderLogic.split(request, of: order)
      order.shares = nil
    }
    return ToolOutcome(try call.shares(of: order, "preview"))
  }
}

extension ToolCall {
  /// The split that the arguments ask for; nil if they name none.
  fileprivate func split(in order: CollaborativeOrder) throws(ToolFailure) -> OrderCommand.SplitRequest? {
    var parts: [ParticipantID: DecimalNumber] = [:]
    for part in arguments["parts"]?.elements ?? [] {
      let participant = try participant(required(part["participant"]?.text, "participant"), in: order)
      guard case .number(let value)? = part["value"], parts.updateValue(value, forKey: participant) == nil else {
        throw ToolFailure("invalid_split", "Each participant may have one part only.")
      }
    }
    switch text("splitType") {
    case "equal": return .equal
    case "itemized": return .itemized
    case "custom": return .custom(parts)
    case "percentage": return .percentage(parts)
    case "shares": return .shares(parts)
    default: return nil
    }
  }

  private func participant(_ given: String, in order: CollaborativeOrder) throws(ToolFailure) -> ParticipantID {
    if let participant = order.participants.first(where: { $0.id.value == given }) { return participant.id }
    let named = order.participants.filter { folded($0.name) == folded(given) }
    guard let only = named.first, named.count == 1 else {
      let choices = order.participants.prefix(10).map { "\($0.name) (id \($0.id.value))" }
      throw ToolFailure(
        "choose_participant",
        "\(named.isEmpty ? "Nobody" : "More than one") in the order is called so. Give the id of one: "
          + "\(enumeration(choices, "or")).")
    }
    return only.id
  }

  fileprivate func shares(of order: CollaborativeOrder, _ status: String) throws -> ToolResult {
    let shares = try OrderLogic.previewShares(of: order)
    return .done(status, "The total is \(order.currency.text(of: order.total)). \(order.spoken(shares))") { writer in
      writer.shares(shares, order.currency)
      writer.field("splitType", word: order.split.word)
      writer.money("total", order.total, order.currency)
    }
  }
}

extension CollaborativeOrder {
  /// `Asha pays 299.50 INR and Ravi pays 299.50 INR.`
  func spoken(_ shares: [Share]) -> String {
    let parts = shares.prefix(20).map { "\($0.name) pays \(currency.text(of: $0.amount))" }
    return enumeration(parts + (shares.count > 20 ? ["the others pay the rest"] : [])) + "."
  }
}
