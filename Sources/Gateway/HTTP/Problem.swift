import JSONText
import NIOHTTP1
import RoomCore

/// An error as `application/problem+json` (RFC 9457).
struct Problem: Error, Sendable, Equatable {
  let status: UInt
  /// A stable word for programs.
  let code: String
  let title: String
  let detail: String?

  init(status: UInt, code: String, title: String, detail: String? = nil) {
    self.status = status
    self.code = code
    self.title = title
    self.detail = detail
  }

  init(status: UInt, _ notice: RefusalNotice) {
    self.init(status: status, code: notice.code, title: notice.message)
  }

  init(_ refusal: TokenRefusal) {
    self.init(
      status: refusal.status, code: refusal == .otherRoom ? "forbidden" : "unauthorized",
      title: "A valid token is required",
      detail: refusal.message)
  }

  /// A request that the parser gave up.
  static func unparsed(_ error: any Error) -> Problem {
    guard error as? HTTPParserError == .headerOverflow else {
      return Problem(status: 400, code: "bad_request", title: "The request is malformed")
    }
    let (bytes, count) = (HTTP2Connection.maxHeaderBytes, RequestRules.maxFields)
    return Problem(
      status: 431, code: "header_fields_too_large", title: "The request's header fields are too large",
      detail: "the target and the header fields have at most \(bytes) bytes, in at most \(count) fields")
  }

  var json: [UInt8] {
    var writer = JSONWriter(reservingCapacity: 256)
    writer.beginObject()
    writer.field("type", "urn:stonepot:problem:\(code)")
    writer.field("title", title)
    writer.field("status", Int(status))
    writer.field("code", code)
    if let detail {
      writer.field("detail", detail)
    }
    writer.endObject()
    return writer.bytes
  }
}
