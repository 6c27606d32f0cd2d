import JSONText

/// How a request is to be answered: under its id, and as its revision of the protocol has it.
struct MCPReply: Sendable {
  enum Era: Sendable {
    /// With sessions of the protocol's own, begun by `initialize`.
    case sessions
    /// Each request stands by itself.
    case stateless
  }

  /// Nil: it could not be read.
  let id: MCPRequestID?
  let era: Era
  let server: MCPServerInfo

  func result(_ fields: (inout JSONWriter) -> Void) -> MCPAnswer {
    var writer = open()
    writer.key("result")
    writer.beginObject()
    if era == .stateless { writer.field("resultType", word: "complete") }
    fields(&writer)
    if era == .stateless {
      writer.key("_meta")
      writer.beginObject()
      writer.key("io.modelcontextprotocol/serverInfo")
      writer.implementation(server)
      writer.endObject()
    }
    writer.endObject()
    writer.endObject()
    return MCPAnswer(status: 200, body: writer.bytes)
  }

  /// A result that is the same for everybody, for as long as this version of the program runs.
  func cacheable(_ fields: (inout JSONWriter) -> Void) -> MCPAnswer {
    result { writer in
      fields(&writer)
      guard era == .stateless else { return }
      writer.field("ttlMs", Self.cacheMillis)
      writer.field("cacheScope", word: "public")
    }
  }

  /// How long clients may go on with an old list of tools after an upgrade.
  private static let cacheMillis: Int64 = 5 * 60 * 1000

  func error(
    _ code: MCPErrorCode, _ message: String, status: Int, data: (inout JSONWriter) -> Void = { _ in }
  ) -> MCPAnswer {
    var writer = open()
    writer.key("error")
    writer.beginObject()
    writer.field("code", code.rawValue)
    writer.field("message", message)
    data(&writer)
    writer.endObject()
    writer.endObject()
    return MCPAnswer(status: status, body: writer.bytes)
  }

  /// What is wrong with a request that was understood as such.
  func error(_ code: MCPErrorCode, _ message: String) -> MCPAnswer {
    error(code, message, status: era == .stateless && code == .methodNotFound ? 404 : 200)
  }

  private func open() -> JSONWriter {
    var writer = JSONWriter()
    writer.beginObject()
    writer.field("jsonrpc", word: "2.0")
    switch id {
    case .text(let text)?: writer.field("id", text)
    case .number(let number)?: writer.field("id", number)
    case nil: break
    }
    return writer
  }
}

/// What the server says of itself.
package struct MCPServerInfo: Sendable {
  let version: String

  package init(version: String) { self.version = version }
}

extension JSONWriter {
  mutating func implementation(_ server: MCPServerInfo) {
    beginObject()
    field("name", word: "stonepot")
    field("title", word: "Stonepot")
    field("version", server.version)
    endObject()
  }
}
