/// Whom a record names: a customer by their phone number, or, once they were erased, somebody of whom nothing is known.
public enum Person: Hashable, Sendable {
  case customer(PhoneNumber)
  case erased(Pseudonym)
  /// Somebody who came without being known.
  case unknown

  public var text: String {
    switch self {
    case .customer(let phone): phone.text
    case .erased(let pseudonym): pseudonym.text
    case .unknown: ""
    }
  }
}

/// A name in the place of a phone number. It is drawn and not computed: of a number with ten digits any hash could be
/// undone by trying all.
public struct Pseudonym: Hashable, Sendable {
  public let text: String

  private static let prefix = "erased_"

  /// - Parameter id: nobody else's.
  public init(_ id: String) { text = Self.prefix + id }

  /// - Returns: nil if it is another name.
  public init?(stored text: String) {
    guard text.hasPrefix(Self.prefix) else { return nil }
    self.text = text
  }
}
