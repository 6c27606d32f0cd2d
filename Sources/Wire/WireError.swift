public import JSONText
public import RoomCore

/// Why a client's message was not understood. It reached no room and changed nothing.
public struct WireError: Error, Equatable {
  public enum Code: String, Sendable {
    case invalidJSON = "invalid_json"
    case invalidMessage = "invalid_message"
    case unknownType = "unknown_type"
    case invalidJoin = "invalid_join"
    case invalidItem = "invalid_item"
    case invalidQuantity = "invalid_quantity"
    case invalidPrice = "invalid_price"
    case invalidSplit = "invalid_split"
    case invalidCharge = "invalid_charge"
    case invalidLimit = "invalid_limit"
    case invalidDeadline = "invalid_deadline"
  }

  public let code: Code
  /// A sentence for people, which names the field and the rule.
  public let message: String
  /// The name of the operation, if it could be read.
  public let opId: String?

  public init(_ code: Code, _ message: String, opId: String? = nil) {
    self.code = code
    self.message = message
    self.opId = opId
  }

  public init(_ error: JSONError) {
    self.init(.invalidJSON, "the message is no valid JSON: \(error.reason) at byte \(error.offset)")
  }

  /// Kept out of line, so that the way without errors stays short.
  @inline(never)
  init(_ code: Code, about field: StaticString, _ complaint: String) { self.init(code, "\(field) \(complaint)") }

  func naming(_ opId: String?) -> WireError { WireError(code, message, opId: opId) }

  /// The error about a field, said of the object `name` that holds the field: `amount …` becomes `tax.amount …`.
  func inside(_ name: StaticString) -> WireError {
    code == .invalidJSON ? self : WireError(code, "\(name).\(message)")
  }
}

extension RefusalNotice {
  public init(_ error: WireError) {
    self.init(code: error.code.rawValue, message: error.message, operation: error.opId)
  }
}
