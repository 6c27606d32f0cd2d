import JSONText

/// What matters of an HTTP request to the endpoint.
package struct MCPRequest: Sendable {
  package enum Verb: Sendable {
    case post, get, delete
  }

  package var verb: Verb
  package var body: [UInt8]
  /// `MCP-Protocol-Version`
  package var version: String?
  /// `Mcp-Session-Id`, of revisions with sessions of their own.
  package var session: String?
  /// `Mcp-Method`
  package var method: String?
  /// `Mcp-Name`
  package var name: String?
  /// `Stonepot-Session`: the conversation that the request belongs to.
  package var conversation: String?

  package init(_ verb: Verb, body: [UInt8] = []) {
    self.verb = verb
    self.body = body
  }
}

/// The HTTP response to it.
package struct MCPAnswer: Sendable, Equatable {
  package let status: Int
  /// JSON; nil: nothing.
  package let body: [UInt8]?
  /// `Mcp-Session-Id`
  package var session: String?
  /// `Allow`
  package var allows: String?

  init(status: Int, body: [UInt8]? = nil, allows: String? = nil) {
    self.status = status
    self.body = body
    self.allows = allows
  }

  static let accepted = MCPAnswer(status: 202)
}

/// JSON-RPC's error codes, and those of the protocol.
enum MCPErrorCode: Int, Sendable {
  case parseError = -32700
  case invalidRequest = -32600
  case methodNotFound = -32601
  case invalidParams = -32602
  case internalError = -32603
  /// A header says something else than the body.
  case headerMismatch = -32020
  case unsupportedVersion = -32022
}

/// The name of a request, by which it is answered.
enum MCPRequestID: Sendable, Equatable {
  case text(String)
  case number(Int64)

  /// Nil for what is neither a string nor an integer.
  init?(_ value: JSONTree) {
    switch value {
    case .string(let text): self = .text(text)
    case .number(let number):
      guard let integer = number.integer else { return nil }
      self = .number(integer)
    case .null, .bool, .array, .object: return nil
    }
  }

  var name: String {
    switch self {
    case .text(let text): "\"\(text)"
    case .number(let number): "\(number)"
    }
  }
}

/// One message of JSON-RPC 2.0.
struct MCPMessage: Sendable {
  enum Kind: Sendable {
    case request(MCPRequestID, method: String)
    case notification
    case response
  }

  struct Fault: Error {
    let code: MCPErrorCode
    let message: String
    var id: MCPRequestID?
  }

  let kind: Kind
  let params: JSONTree

  init(_ body: [UInt8]) throws(Fault) {
    let tree: JSONTree
    do throws(JSONError) {
      tree = try JSONTree(parsing: body)
    } catch {
      throw Fault(code: .parseError, message: "the body is no valid JSON: \(error.reason) at byte \(error.offset)")
    }
    guard case .object(let fields) = tree else {
      throw Fault(code: .invalidRequest, message: "the body must be one message, an object")
    }
    var id: MCPRequestID?
    if let given = fields["id"] {
      id = MCPRequestID(given)
      guard id != nil else { throw Fault(code: .invalidRequest, message: "id must be a string or an integer") }
    }
    guard fields["jsonrpc"] == .string("2.0") else {
      throw Fault(code: .invalidRequest, message: #"jsonrpc must be "2.0""#, id: id)
    }
    params = tree["params"] ?? .object([:])
    guard let method = fields["method"] else {
      guard fields["result"] != nil || fields["error"] != nil else {
        throw Fault(code: .invalidRequest, message: "method is missing", id: id)
      }
      kind = .response
      return
    }
    guard case .string(let method) = method else {
      throw Fault(code: .invalidRequest, message: "method must be a string", id: id)
    }
    guard params.isObject else { throw Fault(code: .invalidParams, message: "params must be an object", id: id) }
    kind = id.map { .request($0, method: method) } ?? .notification
  }
}
