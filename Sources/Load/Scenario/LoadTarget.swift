/// Where the server is, and which processes it consists of.
package struct LoadTarget: Codable, Sendable, Equatable {
  package var host: String
  package var port: Int
  /// Whether to speak TLS.
  package var isSecure = false
  /// A PEM file with the authorities that are trusted; nil for the system's.
  package var authorityPath: String?
  /// A room's name is appended to it.
  package var path = "/parties/collaborative_order/"
  /// The server's processes, if they run on this machine: their processor time and memory are measured.
  package var processIDs: [Int32] = []
  /// From how many addresses of this machine to connect: 127.0.0.1 and those after it. An address has about 28 000
  /// ports to connect from. With 1 the system chooses.
  package var sourceAddresses = 1
  /// Makes tokens for a server that asks for them. It knows a secret, and is not written into reports.
  package var tokens: RoomTokenMaker?
  /// An API key, or the admin token, for a server that asks for one before it shows records. It is not written into
  /// reports.
  package var recordsKey: String?

  private enum CodingKeys: CodingKey {
    case host, port, isSecure, authorityPath, path, processIDs, sourceAddresses
  }

  package init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// Reads `ws://HOST[:PORT][/PATH]`, or `wss:`, `http:`, `https:`; nil if `url` is none.
  package init?(url: String) {
    let schemes = [("ws://", 80, false), ("wss://", 443, true), ("http://", 80, false), ("https://", 443, true)]
    guard let (scheme, usual, isSecure) = schemes.first(where: { url.hasPrefix($0.0) }) else { return nil }
    let parts = url.dropFirst(scheme.count).split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let authority = parts[0].split(separator: ":", omittingEmptySubsequences: false)
    guard authority.count <= 2, !authority[0].isEmpty else { return nil }
    host = String(authority[0])
    guard let port = authority.count == 2 ? UInt16(authority[1]) : UInt16(usual), port > 0 else { return nil }
    self.port = Int(port)
    self.isSecure = isSecure
    if parts.count == 2, !parts[1].isEmpty { path = "/" + parts[1] + (parts[1].hasSuffix("/") ? "" : "/") }
  }
}
