/// An address that is posted to, taken apart once: what is checked is what is connected to.
///
/// Stricter than RFC 3986, so that no two readers understand it differently: `http` or `https`, a host name in ASCII, an
/// IPv4 address or an IPv6 address in brackets; no user, no fragment.
public struct WebhookURL: Equatable, Sendable {
  public static let maxBytes = 2000

  public let text: String
  public let isSecure: Bool
  /// Without the brackets of an IPv6 address.
  public let host: String
  public let port: Int
  /// Path and query, as they stand in a request.
  public let target: String

  /// - Throws: `invalid_field`.
  public init(_ text: String) throws(RecordRejection) {
    guard (1...Self.maxBytes).contains(text.utf8.count), text.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else {
      throw Self.rejection("must have 1 to \(Self.maxBytes) characters of ASCII without spaces")
    }
    let isSecure = text.hasPrefix("https://")
    guard isSecure || text.hasPrefix("http://") else { throw Self.rejection("must begin with https://") }
    let rest = text.dropFirst(isSecure ? 8 : 7)
    guard !rest.contains("#"), !rest.contains("\\") else { throw Self.rejection("must not have # or \\") }
    let authority = rest.prefix { $0 != "/" && $0 != "?" }
    guard !authority.contains("@") else { throw Self.rejection("must not have a user or a password") }
    let tail = rest.dropFirst(authority.count)
    self.text = text
    self.isSecure = isSecure
    (host, port) = try Self.split(authority, isSecure ? 443 : 80)
    target = tail.hasPrefix("/") ? String(tail) : "/\(tail)"
  }

  /// As a request names it.
  public var hostField: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
  }

  private static func split(_ authority: Substring, _ usual: Int) throws(RecordRejection) -> (String, Int) {
    let host: Substring
    let rest: Substring
    if authority.hasPrefix("[") {
      host = authority.dropFirst().prefix { $0 != "]" }
      rest = authority.dropFirst(host.count + 2)
      guard authority.dropFirst(host.count + 1).first == "]", host.contains(":"),
        host.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." })
      else { throw rejection("must have an IPv6 address in its brackets") }
    } else {
      host = authority.prefix { $0 != ":" }
      rest = authority.dropFirst(host.count)
      guard (1...253).contains(host.count), !host.hasPrefix("."),
        host.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "-" || $0 == "." || $0 == "_" })
      else { throw rejection("must have the name of a host") }
    }
    if rest.isEmpty { return (String(host), usual) }
    let digits = rest.dropFirst()
    guard rest.first == ":", digits.count <= 5, digits.allSatisfy(\.isNumber), let port = Int(digits),
      (1...65535).contains(port)
    else { throw rejection("must have a port from 1 to 65535, or none") }
    return (String(host), port)
  }

  private static func rejection(_ rule: String) -> RecordRejection { RecordRejection(.invalidField, "url \(rule)") }
}
