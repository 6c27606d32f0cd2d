import Directory
import JSONText
import Ordering
import RoomCore

/// What tools work with.
struct ToolServices: Sendable {
  let directory: Directory
  var desk: any OrderDesk
  let context: TenantContext
  let confirmations: ConfirmationTokens
  let now: @Sendable () -> Timestamp
}

/// One call of a tool, whose arguments fit the tool's parameters.
struct ToolCall: Sendable {
  let services: ToolServices
  let tenant: String
  /// Nil: a call outside of any conversation.
  let session: String?
  /// Nobody else's, and the same when the call is made again: what the call makes is named by it, so that it is made
  /// once.
  let name: String
  let state: OrderState
  let arguments: JSONTree

  var directory: Directory { services.directory }
  var desk: any OrderDesk { services.desk }

  /// The id of what this call makes.
  func id(of kind: String) -> String { shortDigest("\(kind)\n\(name)") }

  // MARK: Arguments

  func text(_ name: String) -> String? { arguments[name]?.text }

  func number(_ name: String) -> DecimalNumber? {
    if case .number(let number)? = arguments[name] { number } else { nil }
  }

  func phone(_ name: String) throws(SpokenPhoneFault) -> PhoneNumber? {
    guard let text = text(name) else { return nil }
    return try SpokenPhone.read(text, rule: services.context.phoneRule)
  }

  /// One that the tool's parameters require.
  func required<Value>(_ value: Value?, _ name: String) -> Value {
    guard let value else { preconditionFailure("\(name) was not checked: \(arguments)") }
    return value
  }

  // MARK: Who, and where

  static let customerPhone = Parameter(
    "customerPhone", .phone(),
    "Phone number of the customer who acts, as string of exactly 10 digits; leave it out once the customer's information "
      + "was captured")

  /// Who acts: the customer of the conversation. Nobody else can be put in their place by an argument.
  func customer() throws -> PhoneNumber {
    let given = try phone(Self.customerPhone.name)
    guard let known = state.customer?.phone else {
      guard let given else {
        throw ToolFailure(
          "customer_unknown",
          "The customer is not known yet. Ask for their name and phone number, and save them with capture_customer_info."
        )
      }
      return given
    }
    guard given == nil || given == known else {
      throw ToolFailure("wrong_customer", "This conversation is with another customer. Leave customerPhone out.")
    }
    return known
  }

  static let circleID = Parameter(
    "circleId", .text(), "The circle's id or its name; leave it out for the circle that was spoken of last")

  /// The circle that the call is about, of which the customer is a member.
  func circle(of phone: PhoneNumber) async throws -> Circle {
    if let given = text(Self.circleID.name) { return try await circle(called: given, of: phone) }
    if let id = state.circle?.id {
      let circle = try await directory.circle(tenant, id)
      try circle.requireMember(phone)
      return circle
    }
    let own = try await directory.circles(of: phone, tenant, size: 200).entries
    guard let only = own.first else {
      throw ToolFailure("no_circle", "The customer is in no circle yet. Offer to create one with create_circle.")
    }
    guard own.count == 1 else { throw Self.choose(among: own) }
    return only
  }

  private func circle(called name: String, of phone: PhoneNumber) async throws -> Circle {
    do {
      let circle = try await directory.circle(tenant, name)
      try circle.requireMember(phone)
      return circle
    } catch let rejection as RecordRejection where rejection.code == .circleNotFound {
      let own = try await directory.circles(of: phone, tenant, size: 200).entries
      let named = own.filter { folded($0.name) == folded(name) }
      guard let only = named.first else {
        let names = enumeration(own.map(\.name))
        throw ToolFailure(
          "circle_not_found",
          "The customer is in no circle of this name. "
            + (own.isEmpty ? "They are in none yet." : "Their circles are \(names)."))
      }
      guard named.count == 1 else { throw Self.choose(among: named) }
      return only
    }
  }

  private static func choose(among circles: [Circle]) -> ToolFailure {
    let choices = circles.prefix(10).map { "\($0.name) (\($0.kind.rawValue), id \($0.id))" }
    return ToolFailure("choose_circle", "Ask which circle is meant, and give its id: \(enumeration(choices, "or")).")
  }

  static let orderID = Parameter(
    "orderId", .text(), "The collaborative order's id; leave it out for the order of this conversation")

  /// The collaborative order that the call is about.
  func order() throws -> String {
    guard let id = text(Self.orderID.name) ?? state.order?.id else {
      throw ToolFailure(
        "no_order",
        "There is no collaborative order in this conversation. Start one with start_collaborative_order, or join one with "
          + "join_collaborative_order.")
    }
    guard id.isName(maxBytes: 200) else { throw ToolFailure("order_not_found", "There is no such order.") }
    return id
  }
}

/// As names are compared: capitals and spaces do not count.
func folded(_ name: String) -> String { name.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ") }
