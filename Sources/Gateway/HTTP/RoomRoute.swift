import Foundation
import RoomCore

/// The paths that lead to a room. All of the product's parties are one and the same; `echo` is a conformance endpoint.
enum RoomRoute: Equatable {
  case room(RoomID)
  case echo

  /// What may stand behind `/parties/`; all lead to the same rooms.
  private static let parties: Set<String> = ["collaborative_order", "main"]

  /// - Parameter path: without the query; may have more segments behind the room, which clients may use as they like.
  init?(path: Substring, servesEcho: Bool) {
    let segments = path.pieces(between: "/")
    guard segments.count >= 3, segments[0].isEmpty else { return nil }
    let name: Substring
    switch (String(segments[1]), String(segments[2])) {
    case ("parties", "echo") where servesEcho && segments.count >= 4:
      self = .echo
      return
    case ("parties", let party) where Self.parties.contains(party) && segments.count >= 4: name = segments[3]
    case ("party", "main") where segments.count >= 4: name = segments[3]
    case ("party", _) where segments.count == 3: name = segments[2]
    default: return nil
    }
    guard let decoded = String(name).removingPercentEncoding, let room = RoomID(decoded) else { return nil }
    self = .room(room)
  }
}

/// What is behind the `?` of a request's target.
struct Query {
  private let values: [String: String]

  /// The first of several values of one name counts.
  init(_ text: Substring) {
    var values: [String: String] = [:]
    for pair in text.pieces(between: "&") where !pair.isEmpty {
      let parts = pair.pieces(between: "=", maxSplits: 1)
      guard let name = String(parts[0]).removingPercentEncoding else { continue }
      let value = parts.count > 1 ? parts[1].pieces(between: "+").joined(separator: " ").removingPercentEncoding : ""
      if let value, values[name] == nil { values[name] = value }
    }
    self.values = values
  }

  subscript(name: String) -> String? { values[name] }
}

extension Substring {
  /// Splits at bytes, as RFC 3986 does: a character that combines with a separator would hide it from Swift's own split.
  fileprivate func pieces(between separator: Unicode.Scalar, maxSplits: Int = .max) -> [Substring] {
    utf8.split(separator: UInt8(ascii: separator), maxSplits: maxSplits, omittingEmptySubsequences: false)
      .map(Substring.init)
  }
}

/// What is known of a client when its WebSocket opens.
struct RoomEntry: Sendable {
  let room: RoomID
  let dialect: Dialect
  let since: SequenceNumber?
  /// In which history of the store the client has seen that, if it says so.
  let history: String?
  let identity: TokenIdentity?
  /// Of a client that no token vouches for.
  let address: String?

  /// The same for a client that a token vouches for.
  func identified(as identity: TokenIdentity) -> RoomEntry {
    RoomEntry(room: room, dialect: dialect, since: since, history: history, identity: identity, address: nil)
  }
}
