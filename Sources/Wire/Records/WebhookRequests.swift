import JSONText
public import Ordering
import RoomCore

/// `{url, events?, secret?}`; no events are all of them.
public struct WebhookRequest: Equatable, Sendable {
  public let url: String
  public let events: [WebhookEventType]
  public let secret: String?

  public init(_ body: [UInt8]) throws(WireError) {
    self = try readObject(body) { reader throws(WireError) in try WebhookRequest(from: &reader) }
  }

  private init(from reader: inout JSONReader) throws(WireError) {
    var url = Field<String>("url")
    var events = Field<EventTypes>("events")
    var secret = Field<String>("secret")
    while let key = try reader.nextField() {
      switch key {
      case url: try url.read(from: &reader)
      case events: try events.read(from: &reader)
      case secret: try secret.read(from: &reader)
      default: try reader.skipValue()
      }
    }
    self.url = try url.required()
    self.events = events.value?.types ?? []
    self.secret = secret.value
  }
}

/// `{url?, events?, enabled?}`; what is left out stays.
public struct WebhookChangeRequest: Equatable, Sendable {
  public let url: String?
  public let events: [WebhookEventType]?
  public let isEnabled: Bool?

  public init(_ body: [UInt8]) throws(WireError) {
    self = try readObject(body) { reader throws(WireError) in try WebhookChangeRequest(from: &reader) }
  }

  private init(from reader: inout JSONReader) throws(WireError) {
    var url = Field<String>("url")
    var events = Field<EventTypes>("events")
    var isEnabled = Field<Bool>("enabled")
    while let key = try reader.nextField() {
      switch key {
      case url: try url.read(from: &reader)
      case events: try events.read(from: &reader)
      case isEnabled: try isEnabled.read(from: &reader)
      default: try reader.skipValue()
      }
    }
    self.url = url.value
    self.events = events.value?.types
    self.isEnabled = isEnabled.value
  }
}

/// An array of types, each once however often it is named.
private struct EventTypes: FieldValue {
  let types: [WebhookEventType]

  static var rule: String {
    "an array of " + WebhookEventType.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
  }

  static func read(_ kind: JSONReader.Kind, from reader: inout JSONReader) throws(WireError) -> EventTypes? {
    guard case .array = kind else { return nil }
    var types: [WebhookEventType] = []
    try reader.strictly { reader throws(JSONError) in try reader.beginArray() }
    while try reader.strictly({ reader throws(JSONError) in try reader.nextElement() }) {
      let word = try String.read(try reader.kind(), from: &reader)
      guard let type = word.flatMap({ WebhookEventType(rawValue: $0) }) else { return nil }
      if !types.contains(type) { types.append(type) }
    }
    return EventTypes(types: types)
  }
}
