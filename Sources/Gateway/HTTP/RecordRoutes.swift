import Directory
import HTTPTypes
import Hummingbird
import JSONText
import NIOCore
import Ordering
import RoomCore
import Store
import Wire

/// How routes about records ask and answer.
protocol RecordRoutes: Sendable {}

extension RecordRoutes {
  /// Answers a request that the gate before the tenants' routes has let through.
  func answer(
    _ request: Request, _ context: GatewayContext, _ body: (RecordCall) async throws -> Response
  ) async throws -> Response {
    do {
      return try await body(try RecordCall(request, context))
    } catch let rejection as RecordRejection {
      throw Problem(rejection)
    } catch let error as WireError {
      throw Problem(
        status: error.code == .invalidJSON ? 400 : 422,
        code: error.code == .invalidJSON ? "invalid_json" : "invalid_field",
        title: "The request's body is not what it must be", detail: error.message)
    } catch let rejection as OrderRejection {
      throw Problem(RefusalNotice(code: rejection.code, message: rejection.message))
    } catch let notice as RefusalNotice {
      throw Problem(notice)
    } catch let error as StoreError {
      throw Problem(error)
    }
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
  let caller: Caller
  let request: Request
  private let context: GatewayContext

  private static let maxBodyBytes = 1 << 20

  init(_ request: Request, _ context: GatewayContext) throws(Problem) {
    guard let caller = context.caller else {
      assertionFailure("\(context.endpointPath ?? "") is not behind the tenants' gate")
      throw .forbidden
    }
    self.caller = caller
    self.request = request
    self.context = context
    // A list of all tenants is of none.
    tenant = context.parameters.get("tenant") ?? ""
    guard context.endpointPath == TenantGate.root || Self.isTenantName(tenant) else {
      throw Problem(
        status: 404, code: "not_found", title: "There is no such tenant",
        detail: "a tenant has 1 to 64 of A-Z a-z 0-9 _ . ~ -")
    }
  }

  /// Looked at byte by byte: a regular expression would be parsed with each request, for a twelfth of its time.
  private static func isTenantName(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: "_.~-".utf8.contains(byte)
        }
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
    guard name.utf8.allSatisfy({ $0 < 0x80 }), name.isName(maxBytes: 200) else {
      throw RecordRejection(
        .invalidField, "Idempotency-Key must have 1 to 200 characters of ASCII without control characters")
    }
    return shortDigest("\(tenant)\n\(kind)\n\(name)")
  }

  /// The name of what this request does in a room: the same for its repetitions, if it is to be repeated.
  func operation(otherwise name: String) throws(RecordRejection) -> String { try repeatable("operation") ?? name }

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

  func body() async throws -> [UInt8] { try await request.wholeBody(upTo: Self.maxBodyBytes) }
}

extension TenantContext {
  func phone(_ text: String, _ field: String) throws(RecordRejection) -> PhoneNumber {
    do throws(PhoneNumberFault) {
      return try PhoneNumber(text, rule: phoneRule)
    } catch {
      throw RecordRejection(.invalidField, "\(field) \(error.message)")
    }
  }
}

extension Problem {
  init(_ error: StoreError) {
    switch error {
    case .unavailable, .closed:
      self.init(
        status: 503, code: "store_unavailable", title: "The records cannot be reached now", detail: error.message)
    case .corrupt, .refused:
      self.init(status: 500, code: "internal_error", title: "The records cannot answer this", detail: error.message)
    }
  }

  /// What a room has refused.
  init(_ notice: RefusalNotice) {
    let status: UInt =
      switch notice.code {
      case _ where notice.isRetryable: 503
      case "not_owner", "not_member", "not_joined", "not_your_item", "identity_mismatch": 403
      case "item_not_found", "participant_not_found", "order_not_found": 404
      case _ where notice.code.hasPrefix("invalid_"), "wrong_tenant": 422
      default: 409
      }
    self.init(
      status: status, code: notice.code,
      title: "The order has refused this, and nothing has changed",
      detail: notice.message)
  }

  init(_ rejection: RecordRejection) {
    let status: UInt =
      switch rejection.code {
      case .invalidField, .idempotencyConflict: 422
      case .invalidPageToken: 400
      case .customerNotFound, .circleNotFound, .orderNotFound, .menuNotFound, .tenantNotFound, .keyNotFound,
        .webhookNotFound, .deliveryNotFound, .sessionNotFound:
        404
      case .notMember, .notJoined, .notOwner: 403
      case .ownerStays, .orderEnded, .circleClosed, .dishUnavailable, .limitExceeded, .invalidTransition,
        .webhookDisabled:
        409
      case .versionMismatch: 412
      }
    self.init(
      status: status, code: rejection.code.rawValue, title: "The request was refused, and nothing has changed",
      detail: rejection.message)
  }
}
