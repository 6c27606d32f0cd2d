import Crypto
import Directory
import Foundation
import HTTPTypes
import Hummingbird
import JSONText
import Ordering
import RoomCore
import Store
import Wire

/// What all routes to records have in common: who may ask, how a request is read, and how it is answered.
///
/// In open mode anybody may ask; else it takes the admin token.
protocol RecordRoutes: Sendable {
  var settings: GatewaySettings { get }
}

/// The largest body of a request about records.
private let maxBodyBytes = 1 << 20

extension RecordRoutes {
  func answer(
    _ request: Request, _ context: BasicRequestContext, _ body: (RecordCall) async throws -> Response
  ) async throws -> Response {
    try authorize(request)
    do {
      return try await body(try RecordCall(request, context, maxBodyBytes: maxBodyBytes))
    } catch let rejection as RecordRejection {
      throw Problem(rejection)
    } catch let error as WireError {
      throw Problem(
        status: error.code == .invalidJSON ? 400 : 422,
        code: error.code == .invalidJSON ? "invalid_json" : "invalid_field",
        title: "The request's body is not what it must be", detail: error.message)
    } catch StoreError.unavailable(let reason) {
      throw Problem(status: 503, code: "store_unavailable", title: "The records cannot be reached now", detail: reason)
    }
  }

  private func authorize(_ request: Request) throws(Problem) {
    if settings.tokens == nil { return }
    try request.require(settings.adminToken)
  }

  /// What has no version.
  static func document(status: HTTPResponse.Status = .ok, _ write: (inout JSONWriter) -> Void) -> Response {
    var writer = JSONWriter()
    write(&writer)
    return Response(json: writer.bytes, status: status)
  }

  static func entity(
    _ version: Int64, status: HTTPResponse.Status = .ok, _ write: (inout JSONWriter) -> Void
  ) -> Response {
    var response = document(status: status, write)
    response.headers[.eTag] = "\"\(version)\""
    return response
  }

  static func list<Entry>(
    _ name: StaticString, _ page: Page<Entry>, _ write: (inout JSONWriter, Entry) -> Void
  ) -> Response {
    document { writer in
      writer.beginObject()
      writer.key(name)
      writer.beginArray()
      for entry in page.entries { write(&writer, entry) }
      writer.endArray()
      writer.field("nextPageToken", page.next?.text)
      writer.endObject()
    }
  }
}

/// A request about records, and what it says.
struct RecordCall {
  let tenant: String
  private let request: Request
  private let context: BasicRequestContext
  private let maxBodyBytes: Int

  fileprivate init(_ request: Request, _ context: BasicRequestContext, maxBodyBytes: Int) throws(Problem) {
    self.request = request
    self.context = context
    self.maxBodyBytes = maxBodyBytes
    tenant = context.parameters.get("tenant") ?? ""
    guard tenant.wholeMatch(of: /[A-Za-z0-9_.~-]{1,64}/) != nil else {
      throw Problem(
        status: 404, code: "not_found", title: "There is no such tenant",
        detail: "a tenant has 1 to 64 of A-Z a-z 0-9 _ . ~ -")
    }
  }

  /// Empty, which nothing is called, if it is no name.
  func parameter(_ name: String) -> String {
    guard let text = context.parameters.get(name), text.isName(maxBytes: 200) else { return "" }
    return text
  }

  /// The id of what this request makes, if it has a name by which it may be repeated.
  func repeatable(_ kind: String) throws(RecordRejection) -> String? {
    guard let name = Self.idempotencyKey.flatMap({ request.headers[$0] }) else { return nil }
    guard name.isName(maxBytes: 200) else {
      throw RecordRejection(.invalidField, "Idempotency-Key must have 1 to 200 bytes without control characters")
    }
    let digest = SHA256.hash(data: Array("\(tenant)\n\(kind)\n\(name)".utf8))
    return digest.prefix(16).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  private static let idempotencyKey = HTTPField.Name("Idempotency-Key")

  func query(_ name: Substring) -> String? { request.uri.queryParameters[name].map(String.init) }

  func pageSize() throws(RecordRejection) -> Int {
    guard let text = query("page_size") else { return 20 }
    guard let size = Int(text) else { throw RecordRejection(.invalidField, "page_size must be a number") }
    return size
  }

  func pageToken() throws(RecordRejection) -> PageToken? {
    guard let text = query("page_token") else { return nil }
    return try PageToken(text: text)
  }

  /// The version that the caller wants to change, if they say.
  func seen() throws(RecordRejection) -> Int64? {
    guard let tag = request.headers[.ifMatch], tag != "*" else { return nil }
    guard tag.hasPrefix("\""), tag.hasSuffix("\""), let version = Int64(tag.dropFirst().dropLast()) else {
      throw RecordRejection(.versionMismatch, "If-Match must be an ETag that was given for this record")
    }
    return version
  }

  func body() async throws -> [UInt8] { try await request.wholeBody(upTo: maxBodyBytes) }
}

extension Problem {
  init(_ rejection: RecordRejection) {
    let status: UInt =
      switch rejection.code {
      case .invalidField, .idempotencyConflict: 422
      case .invalidPageToken: 400
      case .customerNotFound, .circleNotFound, .orderNotFound, .menuNotFound, .webhookNotFound,
        .deliveryNotFound:
        404
      case .notMember, .notOwner: 403
      case .ownerStays, .limitExceeded, .invalidTransition, .webhookDisabled: 409
      case .versionMismatch: 412
      }
    self.init(
      status: status, code: rejection.code.rawValue, title: "The request was refused, and nothing has changed",
      detail: rejection.message)
  }
}
