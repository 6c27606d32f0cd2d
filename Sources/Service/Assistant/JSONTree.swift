package import JSONText

/// JSON text as a tree, for what is not known before it is read: a tool's arguments, a message of one of many shapes.
package enum JSONTree: Sendable, Equatable {
  case null
  case bool(Bool)
  case number(DecimalNumber)
  case string(String)
  case array([JSONTree])
  case object([String: JSONTree])

  package init(parsing text: [UInt8]) throws(JSONError) {
    self = try JSONReader.read(text) { reader throws(JSONError) in try Self.read(from: &reader) }
  }

  package static func read(from reader: inout JSONReader) throws(JSONError) -> JSONTree {
    switch try reader.peek() {
    case .null:
      _ = try reader.null()
      return .null
    case .bool: return .bool(try reader.bool())
    case .number:
      var text = reader
      let number = try reader.number()
      guard number == 0 else { return .number(number) }
      // `-0` is within no range, here as in the messages of clients.
      return .number(try text.verbatim().first == UInt8(ascii: "-") ? .beyondRange : number)
    case .string: return .string(try reader.string())
    case .array:
      var elements: [JSONTree] = []
      try reader.beginArray()
      while try reader.nextElement() { elements.append(try read(from: &reader)) }
      return .array(elements)
    case .object:
      var fields: [String: JSONTree] = [:]
      try reader.beginObject()
      while let key = try reader.nextKey() {
        let name = try key.string()
        guard fields.updateValue(try read(from: &reader), forKey: name) == nil else {
          throw reader.failure("a field is given twice")
        }
      }
      return .object(fields)
    }
  }

  /// The field of an object; nil if there is none, or it is `null`, or this is no object.
  package subscript(name: String) -> JSONTree? {
    guard case .object(let fields) = self, let field = fields[name], field != .null else { return nil }
    return field
  }

  package var text: String? { if case .string(let text) = self { text } else { nil } }
  package var elements: [JSONTree]? { if case .array(let elements) = self { elements } else { nil } }
  package var isObject: Bool { if case .object = self { true } else { false } }

  /// Writes it so that equal trees have equal texts: fields in the order of their names' bytes.
  func write(to writer: inout JSONWriter) {
    switch self {
    case .null: writer.null()
    case .bool(let flag): writer.bool(flag)
    case .number(let number):
      if let integer = number.integer {
        writer.integer(integer)
      } else {
        writer.verbatim("\(number.significand)e\(number.exponent)".utf8)
      }
    case .string(let text): writer.string(text)
    case .array(let elements):
      writer.beginArray()
      for element in elements { element.write(to: &writer) }
      writer.endArray()
    case .object(let fields):
      writer.beginObject()
      for (name, value) in fields.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
        writer.key(dynamic: name)
        value.write(to: &writer)
      }
      writer.endObject()
    }
  }
}
