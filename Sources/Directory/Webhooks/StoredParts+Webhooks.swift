import JSONText
import Ordering
import RoomCore
import Store

extension StoredParts {
  static func text(_ words: [String]) -> String {
    text { writer in
      writer.beginArray()
      for word in words { writer.string(word) }
      writer.endArray()
    }
  }

  static func words(_ text: String) throws(StoreError) -> [String] {
    try array(text) { reader throws(JSONError) in try reader.string() }
  }

  static func text(_ secrets: [WebhookEndpoint.OldSecret]) -> String {
    objects(secrets) { writer, old in
      writer.field("secret", old.secret.text)
      writer.field("until", old.until.millis)
    }
  }

  static func oldSecrets(_ text: String) throws(StoreError) -> [WebhookEndpoint.OldSecret] {
    try array(text) { reader throws(JSONError) in
      var (secret, until) = ("", Timestamp(millis: 0))
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "secret": secret = try reader.string()
        case "until": until = Timestamp(millis: try reader.integer())
        default: try reader.skip()
        }
      }
      do throws(RecordRejection) {
        return WebhookEndpoint.OldSecret(secret: try WebhookSecret(secret), until: until)
      } catch {
        throw reader.failure(error.message)
      }
    }
  }

  static func text(_ attempts: [WebhookAttempt]) -> String {
    objects(attempts) { writer, attempt in
      writer.field("at", attempt.at.millis)
      writer.field("durationMillis", attempt.durationMillis)
      if let status = attempt.status { writer.field("status", status) }
      writer.field("error", attempt.error)
      writer.field("response", attempt.response)
    }
  }

  static func attempts(_ text: String) throws(StoreError) -> [WebhookAttempt] {
    try array(text) { reader throws(JSONError) in
      var attempt = WebhookAttempt(at: Timestamp(millis: 0))
      try reader.beginObject()
      while let key = try reader.nextKey() {
        switch key {
        case "at": attempt.at = Timestamp(millis: try reader.integer())
        case "durationMillis": attempt.durationMillis = try reader.integer()
        case "status": attempt.status = Int(try reader.integer())
        case "error": attempt.error = try reader.string()
        case "response": attempt.response = try reader.string()
        default: try reader.skip()
        }
      }
      return attempt
    }
  }
}
