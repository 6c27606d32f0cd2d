import Foundation
import Load
import Testing

/// The document of the HTTP interface, and what it says about requests and their answers.
struct ServedDocument {
  struct Operation {
    let id: String
    let method: String
    let path: String
    let content: JSON
  }

  let whole: JSON
  let operations: [Operation]
  private let schema: JSONSchema

  private static let methods: Set<String> = ["get", "put", "post", "delete", "patch", "head", "options", "trace"]

  init(_ text: String) throws {
    whole = try JSON(parsing: text)
    schema = JSONSchema(document: whole)
    let paths = whole["paths"]
    operations = paths.keys.sorted().flatMap { path in
      paths[path].keys.intersection(Self.methods).sorted().map { method in
        let content = paths[path][method]
        return Operation(
          id: content["operationId"].string ?? "", method: method.uppercased(), path: path, content: content)
      }
    }
  }

  /// - Returns: what is not as the document says; nothing: all is.
  func faults(of response: UpgradeResponse, to operation: Operation) throws -> [String] {
    let described = schema.resolve(operation.content["responses"]["\(response.status)"])
    guard described != .missing else { return ["there is no status \(response.status)"] }
    var faults: [String] = []
    for name in described["headers"].keys.sorted() {
      let header = schema.resolve(described["headers"][name])
      if let value = response.header(name) {
        faults += schema.faults(of: .string(value), by: header["schema"], at: name)
      } else if header["required"] == true {
        faults.append("\(name) is missing")
      }
    }
    guard described["content"] != .missing else { return faults + (response.body.isEmpty ? [] : ["there is a body"]) }
    let type = response.header("content-type")?.split(separator: ";").first.map(String.init) ?? "no type"
    let media = described["content"][type]
    guard media != .missing else { return faults + ["\(type) is none of its types"] }
    let body = type.hasSuffix("json") ? try JSON(parsing: response.body) : .string(response.body)
    return faults + schema.faults(of: body, by: media["schema"])
  }

  /// Whether a body is one that the operation takes.
  func faults(ofRequest body: JSON, to operation: Operation) -> [String] {
    schema.faults(of: body, by: operation.content["requestBody"]["content"]["application/json"]["schema"])
  }
}

/// Calls a server by its document, and looks at each answer.
struct DocumentCaller {
  let document: ServedDocument
  private let connection: RawConnection
  private let token: String
  /// Which statuses were seen of each operation.
  private(set) var seen: [String: Set<Int>] = [:]

  init(_ port: Int, token: String) async throws {
    self.token = token
    connection = try await RawConnection.open(port)
    document = try ServedDocument(try await connection.get("/openapi.json").body)
  }

  /// - Parameters:
  ///   - names: what stands in the path; else the tenant is `t`, and everything else `x`.
  ///   - query: with its question mark.
  ///   - headers: nil: the operators' token.
  @discardableResult
  mutating func call(
    _ id: String, _ status: Int, _ names: [String: String] = [:], query: String = "", _ body: String = "",
    headers: [String]? = nil
  ) async throws -> JSON {
    let operation = try #require(document.operations.first { $0.id == id }, "\(id)")
    var path = operation.path
    for (name, value) in names.merging(["tenant": "t", "party": "main"], uniquingKeysWith: { given, _ in given }) {
      path.replace("{\(name)}", with: value)
    }
    path.replace(/\{[a-z]+\}/, with: "x")
    let response = try await connection.call(
      "\(operation.method) \(path)\(query)", body, headers: headers ?? ["Authorization: Bearer \(token)"])
    try note(response, to: operation, status)
    if (200..<300).contains(status), !body.isEmpty {
      let faults = document.faults(ofRequest: try JSON(parsing: body), to: operation)
      #expect(faults == [], "the request of \(id): \(body)")
    }
    return response.body.hasPrefix("{") ? try JSON(parsing: response.body) : .string(response.body)
  }

  @discardableResult
  mutating func call(_ id: String, _ status: Int, _ body: String, headers: [String]? = nil) async throws -> JSON {
    try await call(id, status, [:], body, headers: headers)
  }

  /// With a header that is too large, which ends the connection.
  mutating func callTooLarge(_ operation: ServedDocument.Operation, _ port: Int) async throws {
    let other = try await RawConnection.open(port)
    let path = operation.path.replacing("{tenant}", with: "t")
    let response = try await other.call(
      "\(operation.method) \(path)", headers: ["X: \(String(repeating: "x", count: 20_000))"])
    try note(response, to: operation, 431)
    await other.close()
  }

  private mutating func note(
    _ response: UpgradeResponse, to operation: ServedDocument.Operation, _ status: Int
  ) throws {
    #expect(response.status == status, "\(operation.id): \(response.body)")
    let faults = try document.faults(of: response, to: operation)
    #expect(faults == [], "\(operation.id) \(response.status): \(response.body)")
    seen[operation.id, default: []].insert(response.status)
  }
}
