import JSONText

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

  init(_ refusal: TokenRefusal) {
    self.init(
      status: refusal.status, code: refusal == .otherRoom ? "forbidden" : "unauthorized",
      title: "A valid token is required",
      detail: refusal.message)
  }

  var json: [UInt8] {
    var writer = JSONWriter(reservingCapacity: 256)
    writer.beginObject()
    writer.key("type")
    writer.string("urn:stonepot:problem:\(code)")
    writer.key("title")
    writer.string(title)
    writer.key("status")
    writer.integer(Int(status))
    writer.key("code")
    writer.string(code)
    if let detail {
      writer.key("detail")
      writer.string(detail)
    }
    writer.endObject()
    return writer.bytes
  }
}
