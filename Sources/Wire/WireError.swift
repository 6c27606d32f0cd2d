package import JSONText
package import RoomCore

/// Why a client's message was not understood. It reached no room and changed nothing.
package struct WireError: Error, Equatable {
  package enum Code: String, Sendable {
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

  package let code: Code
  /// A sentence for people, which names the field and the rule.
  package let message: String
  /// The name of the operation, if it could be read.
  package let opId: String?

  package init(_ code: Code, _ message: String, opId: String? = nil) {
    self.code = code
    self.message = message
    self.opId = opId
  }

  package init(_ error: JSONError) {
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
  package init(_ error: WireError) {
    self.init(code: error.code.rawValue, message: error.message, operation: error.opId)
  }
}
