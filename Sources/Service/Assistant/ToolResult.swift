import JSONText

/// What a tool says to the agent that called it: always whether it was done, a sentence to say aloud, a stable word,
/// and whether the same call may succeed later; then what the tool has to tell.
package struct ToolResult: Sendable, Equatable {
  package let isSuccess: Bool
  package let isRetryable: Bool
  /// A JSON object.
  package let json: [UInt8]

  init(
    isSuccess: Bool, status: String, message: String, isRetryable: Bool = false,
    _ fields: (inout JSONWriter) -> Void = { _ in }
  ) {
    var writer = JSONWriter()
    writer.beginObject()
    writer.field("success", isSuccess)
    writer.field("message", message)
    writer.field("status", status)
    writer.field("retryable", isRetryable)
    fields(&writer)
    writer.endObject()
    self.isSuccess = isSuccess
    self.isRetryable = isRetryable
    json = writer.bytes
  }

  static func done(
    _ status: String, _ message: String, _ fields: (inout JSONWriter) -> Void = { _ in }
  ) -> ToolResult {
    ToolResult(isSuccess: true, status: status, message: message, fields)
  }

  init(_ failure: ToolFailure) {
    self.init(
      isSuccess: false, status: failure.code, message: failure.advice, isRetryable: failure.isRetryable)
  }

  /// A result as it was kept.
  init(kept text: String) throws(JSONError) {
    let json = Array(text.utf8)
    (isSuccess, isRetryable) = try JSONReader.read(json) { reader throws(JSONError) in
      var (isSuccess, isRetryable) = (false, false)
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "success": isSuccess = try reader.bool()
        case "retryable": isRetryable = try reader.bool()
        default: try reader.skip()
        }
      }
      return (isSuccess, isRetryable)
    }
    self.json = json
  }
}
