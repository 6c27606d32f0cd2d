package import NIOCore

/// What the server answered to the request for an upgrade.
package struct UpgradeResponse: Sendable, Equatable {
  package var status: Int
  package var headers: [(name: String, value: String)]
  /// Empty if the upgrade was granted.
  package var body: String

  package init(status: Int, headers: [(name: String, value: String)], body: String) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  package func header(_ name: String) -> String? {
    headers.first { $0.name == name.lowercased() }?.value
  }

  package static func == (left: Self, right: Self) -> Bool {
    left.status == right.status && left.body == right.body
      && left.headers.elementsEqual(right.headers) { $0 == $1 }
  }
}

/// The opening handshake, seen from the client: RFC 6455, section 4.1.
///
/// It always sends the key that the RFC gives as its sample, so that the right answer is known without SHA-1. A random
/// key would guard against caches between client and server, which a server under test does not have.
package struct UpgradeExchange: Sendable {
  package enum Failure: Error, Equatable, Sendable {
    case malformedResponse(String)
    case wrongAcceptKey(String?)
    case responseTooLarge
  }

  package enum Step: Sendable, Equatable {
    case needsMore
    case accepted(UpgradeResponse)
    case refused(UpgradeResponse)
  }

  private static let key = "dGhlIHNhbXBsZSBub25jZQ=="
  private static let acceptKey = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
  private static let maxResponseBytes = 64 * 1024

  private var refusal: (response: UpgradeResponse, bodyBytes: Int?)?

  package init() {}

  package static func request(host: String, port: Int, path: String, headers: [(String, String)] = []) -> ByteBuffer {
    var lines = [
      "GET \(path) HTTP/1.1", "Host: \(host):\(port)", "Connection: Upgrade", "Upgrade: websocket",
      "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: \(key)",
    ]
    lines += headers.map { "\($0.0): \($0.1)" }
    return ByteBuffer(string: lines.joined(separator: "\r\n") + "\r\n\r\n")
  }

  /// Takes what has arrived. After `.accepted` the buffer holds what the server sent behind its answer.
  package mutating func receive(_ buffer: inout ByteBuffer, atEnd: Bool = false) throws(Failure) -> Step {
    guard buffer.readableBytes <= Self.maxResponseBytes else { throw .responseTooLarge }
    if refusal == nil {
      guard let response = try Self.readHead(&buffer) else { return .needsMore }
      if response.status == 101 {
        let accept = response.header("sec-websocket-accept")
        guard accept == Self.acceptKey else { throw .wrongAcceptKey(accept) }
        return .accepted(response)
      }
      refusal = (response, response.header("content-length").flatMap { Int($0) })
    }
    guard let (head, bodyBytes) = refusal else { return .needsMore }
    guard atEnd || buffer.readableBytes >= bodyBytes ?? .max else { return .needsMore }
    var response = head
    response.body = buffer.readString(length: min(bodyBytes ?? .max, buffer.readableBytes)) ?? ""
    return .refused(response)
  }

  private static func readHead(_ buffer: inout ByteBuffer) throws(Failure) -> UpgradeResponse? {
    let end: [UInt8] = [13, 10, 13, 10]
    let view = buffer.readableBytesView
    guard let headBytes = view.indices.first(where: { view[$0...].starts(with: end) }).map({ $0 - view.startIndex })
    else { return nil }
    let head = buffer.readString(length: headBytes) ?? ""
    buffer.moveReaderIndex(forwardBy: end.count)
    let lines = head.split(separator: "\r\n", omittingEmptySubsequences: false)
    let statusLine = lines[0].split(separator: " ", maxSplits: 2)
    guard statusLine.count >= 2, statusLine[0].hasPrefix("HTTP/1."), let status = Int(statusLine[1]) else {
      throw .malformedResponse(String(lines[0].prefix(200)))
    }
    var response = UpgradeResponse(status: status, headers: [], body: "")
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { throw .malformedResponse(String(line.prefix(200))) }
      let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
      response.headers.append((line[..<colon].lowercased(), String(value)))
    }
    return response
  }
}
