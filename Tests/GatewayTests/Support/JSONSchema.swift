import Foundation

/// Looks whether a value is as a JSON Schema (draft 2020-12) says, as far as the document of the HTTP interface uses it.
struct JSONSchema {
  /// Where references lead.
  let document: JSON

  /// What says something about a value, and what says something to people alone.
  private static let rules: Set<String> = [
    "$ref", "type", "enum", "const", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems",
    "items", "properties", "required", "additionalProperties", "allOf", "anyOf", "oneOf",
  ]
  private static let notes: Set<String> = ["description", "examples", "default", "format"]

  /// - Returns: what is wrong, each with its place in the value.
  func faults(of value: JSON, by schema: JSON, at place: String = "") -> [String] {
    guard case .object(let rules) = schema else { return schema == false ? ["\(place) must not be"] : [] }
    return rules.flatMap { rule, wanted -> [String] in
      if Self.notes.contains(rule) { return [] }
      guard Self.rules.contains(rule) else { return ["\(place): nobody knows the rule \(rule)"] }
      return combined(rule, wanted, value, place) ?? faults(rule, wanted, value, schema, place)
    }
  }

  func resolve(_ schema: JSON) -> JSON {
    guard let reference = schema["$ref"].string else { return schema }
    let found = reference.split(separator: "/").dropFirst().reduce(document) { $0[String($1)] }
    precondition(found != .missing, "\(reference) leads nowhere")
    return resolve(found)
  }

  private func combined(_ rule: String, _ wanted: JSON, _ value: JSON, _ place: String) -> [String]? {
    func right() -> Int { wanted.elements.count { faults(of: value, by: $0, at: place).isEmpty } }
    switch rule {
    case "$ref": return faults(of: value, by: resolve(["$ref": wanted]), at: place)
    case "allOf": return wanted.elements.flatMap { faults(of: value, by: $0, at: place) }
    case "anyOf": return right() > 0 ? [] : ["\(place) is none of those that it may be"]
    case "oneOf": return right() == 1 ? [] : ["\(place) is \(right()) of those of which it must be one"]
    default: return nil
    }
  }

  private func faults(_ rule: String, _ wanted: JSON, _ value: JSON, _ schema: JSON, _ place: String) -> [String] {
    func fault(unless isRight: Bool) -> [String] { isRight ? [] : ["\(place): \(rule) \(wanted), but \(value)"] }
    switch (rule, value) {
    case ("type", _):
      let types = wanted.string.map { [$0] } ?? wanted.elements.compactMap(\.string)
      return fault(unless: types.contains { value.isOf($0) })
    case ("enum", _): return fault(unless: wanted.elements.contains(value))
    case ("const", _): return fault(unless: wanted == value)
    case ("pattern", .string(let text)): return fault(unless: text.matches(wanted.string ?? ""))
    case ("minLength", .string(let text)): return fault(unless: text.unicodeScalars.count >= wanted.int ?? 0)
    case ("maxLength", .string(let text)): return fault(unless: text.unicodeScalars.count <= wanted.int ?? 0)
    case ("minimum", .number(let number)): return fault(unless: number >= wanted.number ?? .nan)
    case ("maximum", .number(let number)): return fault(unless: number <= wanted.number ?? .nan)
    case ("minItems", .array(let elements)): return fault(unless: elements.count >= wanted.int ?? 0)
    case ("maxItems", .array(let elements)): return fault(unless: elements.count <= wanted.int ?? 0)
    case ("items", .array(let elements)):
      return elements.enumerated().flatMap { faults(of: $1, by: wanted, at: "\(place)/\($0)") }
    case ("required", .object(let fields)):
      return wanted.elements.compactMap(\.string).filter { fields[$0] == nil }.map { "\(place)/\($0) is missing" }
    case ("properties", .object(let fields)):
      return fields.flatMap { name, field in
        wanted[name] == .missing ? [] : faults(of: field, by: wanted[name], at: "\(place)/\(name)")
      }
    case ("additionalProperties", .object(let fields)):
      return fields.filter { schema["properties"][$0.key] == .missing }
        .flatMap { faults(of: $1, by: wanted, at: "\(place)/\($0)") }
    default: return []
    }
  }
}

extension JSON {
  fileprivate var number: Double? {
    guard case .number(let number) = self else { return nil }
    return number
  }

  /// A type by its name in JSON Schema.
  fileprivate func isOf(_ type: String) -> Bool {
    switch self {
    case .missing: false
    case .null: type == "null"
    case .bool: type == "boolean"
    case .number(let number): type == "number" || type == "integer" && number == number.rounded()
    case .string: type == "string"
    case .array: type == "array"
    case .object: type == "object"
    }
  }
}

extension String {
  fileprivate func matches(_ pattern: String) -> Bool {
    guard let expression = try? NSRegularExpression(pattern: pattern) else {
      preconditionFailure("\(pattern) is no pattern")
    }
    return expression.firstMatch(in: self, range: NSRange(startIndex..., in: self)) != nil
  }
}
