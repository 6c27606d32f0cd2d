import Load

extension HostileMessage {
  /// What is no JSON, is no message, or does not say what it is.
  static let envelopes: [HostileMessage] = malformed + misshapen + misnamed + repeated

  private static let malformed: [HostileMessage] = [
    text("nothing", "", "invalid_json", "the message is no valid JSON: a value was expected at byte 0"),
    text("white space", " \r\n\t", "invalid_json", "the message is no valid JSON: a value was expected at byte 4"),
    text("words", "hello", "invalid_json", "the message is no valid JSON: a value was expected at byte 0"),
    text("XML", "<join/>", "invalid_json", "the message is no valid JSON: a value was expected at byte 0"),
    text("an HTTP request", "GET / HTTP/1.1\r\n\r\n", "invalid_json", "the message is no valid JSON: a value…"),
    text(
      "half an object", #"{"type":"join""#, "invalid_json", "the message is no valid JSON: ',' or '}' was expected…"),
    text("half a string", #"{"type":"jo"#, "invalid_json", "the message is no valid JSON: the string does not end…"),
    text("half an escape", #"{"type":"\u00"#, "invalid_json", "the message is no valid JSON: the string does not end…"),
    text("no colon", #"{"type" "join"}"#, "invalid_json", "the message is no valid JSON: ':' was expected at byte 8"),
    text("no quotes", "{type:1}", "invalid_json", "the message is no valid JSON: a key was expected at byte 1"),
    text("single quotes", "{'type':1}", "invalid_json", "the message is no valid JSON: a key was expected at byte 1"),
    text("a trailing comma", #"{"type":"join",}"#, "invalid_json", "the message is no valid JSON: a key was expected…"),
    text("a comment", "/**/{}", "invalid_json", "the message is no valid JSON: a value was expected at byte 0"),
    text("a byte order mark", "\u{FEFF}{}", "invalid_json", "the message is no valid JSON: a value was expected…"),
    text("two messages", "{}{}", "invalid_json", "the message is no valid JSON: text after the value at byte 2"),
    text("a NUL behind it", "{}\0", "invalid_json", "the message is no valid JSON: text after the value at byte 2"),
    text(
      "a raw control character", "{\"type\":\"a\u{1}\"}", "invalid_json", "the message is no valid JSON: a control…"),
    text(
      "a raw line break", "{\"type\":\"a\nb\"}", "invalid_json", "the message is no valid JSON: a control character…"),
    text("an unknown escape", #"{"type":"\x41"}"#, "invalid_json", "the message is no valid JSON: an unknown escape…"),
    text("a lone surrogate", #"{"type":"\ud800"}"#, "invalid_json", "the message is no valid JSON: a lone surrogate…"),
    text(
      "surrogates the wrong way round", #"{"x":"\udc00\ud800"}"#, "invalid_json",
      "the message is no valid JSON: a lone…"),
    text(
      "33 brackets", nested(33, "[", "]"), "invalid_json", "the message is no valid JSON: more than 32 nested brackets…"
    ),
    text("33 braces", nested(33, #"{"a":"#, "}"), "invalid_json", "the message is no valid JSON: more than 32 nested…"),
    text(
      "30 000 brackets", nested(30_000, "[", "]"), "invalid_json", "the message is no valid JSON: more than 32 nested…"),
    text(
      "30 000 open brackets", nested(60_000, "[", ""), "invalid_json", "the message is no valid JSON: more than 32…"),
    text(
      "brackets in a field that nobody reads", JSONFields.envelope.adding(#""x":\#(nested(40, "[", "]"))"#),
      opId: "hostile", "invalid_json", "the message is no valid JSON: more than 32 nested brackets…"),
    text(
      "brackets inside a dish", inside(JSONFields.dish.adding(#""x":\#(nested(40, "[", "]"))"#)), opId: "hostile",
      "invalid_json", "the message is no valid JSON: more than 32 nested brackets…"),
    text(
      "an error behind another", #"{"type":"dance","participantId":7,"opId":"hostile","data":nil}"#, opId: "hostile",
      "invalid_json", "the message is no valid JSON: null was expected…"),
    HostileMessage(
      testDescription: "a message in binary", opcode: .binary, text: JSONFields.envelope.text, code: "invalid_json",
      message: "messages are text, not binary"),
    HostileMessage(
      testDescription: "bytes in binary", opcode: .binary, text: "\u{0}\u{1}\u{2}", code: "invalid_json",
      message: "messages are text, not binary"),
  ]

  private static let misshapen: [HostileMessage] =
    ["[]", #"["join"]"#, #""join""#, "1", "-0", "1e309", "true", "null"].map { value in
      text("\(value) for a message", value, "invalid_message", "a message must be an object")
    } + [
      text("an empty object", "{}", "invalid_message", "type is missing"),
      text("a list of messages", "[\(JSONFields.envelope.text)]", "invalid_message", "a message must be an object"),
    ]

  private static func envelope(_ name: String, _ value: String?, _ code: String, _ message: String) -> HostileMessage {
    let opId = name == "opId" ? nil : "hostile"
    let shown = value.map { $0.count > 30 ? "\($0.prefix(30))…" : $0 } ?? "absent"
    return text("\(name) is \(shown)", JSONFields.envelope.with(name, value), opId: opId, code, message)
  }

  private static let types =
    "type must be one of 'join', 'leave', 'add_item', 'remove_item', 'update_quantity', 'update_item', 'update_split', "
    + "'finalize', 'lock', 'unlock', 'cancel', 'ready', 'remove_participant', 'transfer_ownership', 'set_deadline', "
    + "'set_limits', 'set_charges', 'undo', 'speaking'"

  private static let misnamed: [HostileMessage] =
    [#""dance""#, #""""#, #""JOIN""#, #""join ""#, #""add_item\u0000""#, #""sync""#, #""ack""#, quoted(60_000)].map {
      envelope("type", $0, "unknown_type", types)
    } + ["1", "true", "{}", #"["join"]"#].map { envelope("type", $0, "invalid_message", "type must be a string") }
    + [nil, "null"].map { envelope("type", $0, "invalid_message", "type is missing") }
    + [#""""#, "1", "{}", #""a\u0000b""#, #""a\nb""#, #""\u007f""#, #""\u0085""#, quoted(201), quoted(60_000)].map {
      envelope(
        "participantId", $0, "invalid_message",
        "participantId must be a string of 1 to 200 bytes without control characters")
    } + [nil, "null"].map { envelope("participantId", $0, "invalid_message", "participantId is missing") }
    + [#""""#, "7", "[]", #""a\u0007""#, quoted(65)].map {
      envelope("opId", $0, "invalid_message", "opId must be a string of 1 to 64 bytes without control characters")
    }
    + [#""3""#, "-1", "1.5", "-0", "1e309", "9223372036854775808", "true"].map {
      envelope("after", $0, "invalid_message", "after must be an integer from 0 to 9223372036854775807")
    }
    + ["1", "{}", "false"].map {
      envelope("participantName", $0, "invalid_message", "participantName must be a string")
    }
    + ["1", "[]", #""{}""#, "false"].map { envelope("data", $0, "invalid_item", "data must be an object") }
    + [nil, "null"].map { envelope("data", $0, "invalid_item", "data is missing") }

  private static let repeated: [HostileMessage] =
    [
      ("type", #""type":"add_item""#), ("participantId", #""participantId":"asha""#),
      ("participantId", #""participantId":"ravi""#), ("data", #""data":{}"#), ("opId", #""opId":"hostile""#),
    ].map { name, field in
      text(
        "\(field) once more", JSONFields.envelope.adding(field), opId: "hostile", "invalid_message",
        "\(name) is given twice")
    } + [
      text(
        "type once more, escaped", JSONFields.envelope.adding(#""\u0074ype":"leave""#), opId: "hostile",
        "invalid_message", "type is given twice"),
      text(
        "dishName once more", inside(JSONFields.dish.adding(#""dishName":"Naan""#)), opId: "hostile", "invalid_item",
        "data.dishName is given twice"),
      text(
        "price once more", inside(JSONFields.dish.adding(#""price":1"#)), opId: "hostile", "invalid_price",
        "data.price is given twice"),
      text(
        "quantity once more, though null", inside(JSONFields.dish.adding(#""quantity":null"#)), opId: "hostile",
        "invalid_quantity", "data.quantity is given twice"),
    ]

  private static func inside(_ data: String) -> String { JSONFields.envelope.with("data", data) }

  private static func nested(_ depth: Int, _ open: String, _ close: String) -> String {
    String(repeating: open, count: depth) + (close.isEmpty ? "" : "1" + String(repeating: close, count: depth))
  }

  static func quoted(_ count: Int) -> String { "\"" + String(repeating: "x", count: count) + "\"" }
}
