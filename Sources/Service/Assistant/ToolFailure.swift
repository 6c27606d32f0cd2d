import Ordering
import RoomCore
import Store

/// Why a tool did nothing, and what the agent should do about it.
struct ToolFailure: Error, Equatable, Sendable {
  let code: String
  /// A sentence.
  let advice: String
  /// Whether the same call may succeed later.
  let isRetryable: Bool

  init(_ code: String, _ advice: String, isRetryable: Bool = false) {
    self.code = code
    self.advice = advice
    self.isRetryable = isRetryable
  }

  /// - Returns: nil for an error that nobody has foreseen.
  init?(_ error: any Error) {
    switch error {
    case let failure as ToolFailure: self = failure
    case let rejection as RecordRejection: self.init(rejection.code.rawValue, sentence(rejection.message))
    case let rejection as OrderRejection: self.init(rejection.code, sentence(rejection.message))
    case let notice as RefusalNotice:
      self.init(notice.code, sentence(notice.message), isRetryable: notice.isRetryable)
    case let fault as SpokenPhoneFault: self.init("invalid_phone", fault.advice)
    case StoreError.unavailable, StoreError.closed: self = .storeUnavailable
    default: return nil
    }
  }

  static let storeUnavailable = ToolFailure(
    "store_unavailable", "The records cannot be reached now. Make the same call again in a moment.", isRetryable: true)
  static let overloaded = ToolFailure(
    "overloaded", "Too many calls of this conversation are waiting. Make the same call again in a moment.",
    isRetryable: true)
  static let unforeseen = ToolFailure("internal_error", "Something went wrong here. Apologize, and go on without this.")
}

/// A text of the rules, which begins with a small letter and ends without a full stop, as it is said. An agent gives no
/// `data`, where clients of rooms have their fields.
func sentence(_ text: String) -> String {
  let text = text.replacing("data.", with: "")
  guard let first = text.first else { return text }
  return first.uppercased() + text.dropFirst() + (text.last == "." ? "" : ".")
}

/// `A, B and C`
func enumeration(_ words: [String], _ conjunction: String = "and") -> String {
  guard let last = words.last, words.count > 1 else { return words.first ?? "" }
  return words.dropLast().joined(separator: ", ") + " \(conjunction) " + last
}
