import JSONText
package import Ordering

/// One parameter of a tool, or one field of what it answers: what agents are told about it, and what it is held to.
package struct Parameter: Sendable {
  package indirect enum Kind: Sendable {
    /// Characters are counted as Unicode scalars.
    case text(most: Int = 200)
    case phone(PhoneRule = .tenDigits)
    /// Exactly as it was written, not through a binary float.
    case number
    case integer(ClosedRange<Int64>)
    case flag
    case word([String])
    /// With no fields: any object.
    case object([Parameter])
    case list(of: Kind, most: Int = 200)
  }

  let name: String
  private(set) var kind: Kind
  private(set) var description: String?
  let isRequired: Bool

  init(_ name: String, _ kind: Kind, _ description: String? = nil, isRequired: Bool = false) {
    self.name = name
    self.kind = kind
    self.description = description
    self.isRequired = isRequired
  }

  /// The same parameter where phone numbers are of another form.
  func following(_ rule: PhoneRule) -> Parameter {
    guard case .phone(let present) = kind else { return self }
    var copy = self
    copy.kind = .phone(rule)
    copy.description = description?.replacing(present.form, with: rule.form)
      .replacing(present.example, with: rule.example)
    return copy
  }

  /// - Throws: `missing_argument`, `invalid_argument`, `invalid_phone`.
  static func check(_ value: JSONTree, against parameters: [Parameter], in path: String = "") throws(ToolFailure) {
    for parameter in parameters {
      let name = path + parameter.name
      if let value = value[parameter.name] {
        try parameter.kind.check(value, name)
      } else if parameter.isRequired {
        throw ToolFailure("missing_argument", "\(name) is missing. Ask the customer for it, and call again.")
      }
    }
  }
}

extension Parameter.Kind {
  fileprivate func check(_ value: JSONTree, _ name: String) throws(ToolFailure) {
    func refuse(_ rule: String) -> ToolFailure { ToolFailure("invalid_argument", "\(name) must be \(rule).") }

    switch (self, value) {
    case (.text(let most), .string(let text)):
      guard text.unicodeScalars.dropFirst(most).isEmpty else { throw refuse("at most \(most) characters long") }
      guard !text.unicodeScalars.contains(where: Self.isStray) else { throw refuse("without control characters") }
    case (.phone, .string): break
    case (.phone(let rule), _):
      throw ToolFailure(
        "invalid_phone",
        "\(name) must not be sent as a number, which loses digits: send it as a \(rule.form), in quotes.")
    case (.number, .number(let number)):
      guard number != .beyondRange else { throw refuse("0 or more, with fewer digits") }
    case (.integer(let range), .number(let number)):
      guard let integer = number.integer, range.contains(integer) else {
        throw refuse("a whole number from \(range.lowerBound) to \(range.upperBound)")
      }
    case (.flag, .bool): break
    case (.word(let words), .string(let word)):
      guard words.contains(word) else { throw refuse("one of " + enumeration(words, "or")) }
    case (.object(let fields), .object): try Parameter.check(value, against: fields, in: name + ".")
    case (.list(let kind, let most), .array(let elements)):
      guard elements.count <= most else { throw refuse("a list of at most \(most)") }
      for (index, element) in elements.enumerated() { try kind.check(element, "\(name)[\(index)]") }
    case (.text, _): throw refuse("a text")
    case (.number, _), (.integer, _): throw refuse("a number, without quotes")
    case (.flag, _): throw refuse("true or false")
    case (.word(let words), _): throw refuse("one of " + enumeration(words, "or"))
    case (.object, _): throw refuse("an object")
    case (.list, _): throw refuse("a list")
    }
  }

  /// Control characters but line breaks and tabs, which notes may have.
  private static func isStray(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.generalCategory == .control && scalar != "\n" && scalar != "\r" && scalar != "\t"
  }
}

extension PhoneRule {
  /// What agents are told of the form of a phone number.
  var form: String {
    switch self {
    case .tenDigits: "string of exactly 10 digits"
    case .e164: "string of a plus sign, the country code and all digits"
    }
  }

  var example: String {
    switch self {
    case .tenDigits: "9876543210"
    case .e164: "+919876543210"
    }
  }
}

// MARK: - As a schema

/// How much of JSON Schema an agent understands.
enum SchemaDialect: Sendable {
  /// The part that Gemini, Vertex and OpenAI have in common.
  case plain
  /// JSON Schema 2020-12.
  case full
}

extension JSONWriter {
  /// `{"type": "object", …, "properties": {…}, "required": […]}`
  mutating func schema(of parameters: [Parameter], _ dialect: SchemaDialect) {
    beginObject()
    objectSchema(parameters, description: nil, dialect)
    endObject()
  }

  private mutating func objectSchema(_ parameters: [Parameter], description: String?, _ dialect: SchemaDialect) {
    field("type", word: "object")
    field("description", description)
    guard !parameters.isEmpty else { return }
    key("properties")
    beginObject()
    for parameter in parameters {
      key(dynamic: parameter.name)
      schema(of: parameter.kind, description: parameter.description, dialect)
    }
    endObject()
    let required = parameters.filter(\.isRequired)
    guard !required.isEmpty else { return }
    key("required")
    beginArray()
    for parameter in required { string(parameter.name) }
    endArray()
  }

  private mutating func schema(of kind: Parameter.Kind, description: String?, _ dialect: SchemaDialect) {
    beginObject()
    switch kind {
    case .text(let most):
      field("type", word: "string")
      field("description", description)
      if dialect == .full { field("maxLength", most) }
    case .phone:
      field("type", word: "string")
      field("description", description)
    case .number:
      field("type", word: "number")
      field("description", description)
    case .integer(let range):
      field("type", word: "integer")
      field("description", description)
      if dialect == .full {
        field("minimum", range.lowerBound)
        field("maximum", range.upperBound)
      }
    case .flag:
      field("type", word: "boolean")
      field("description", description)
    case .word(let words):
      field("type", word: "string")
      field("description", description)
      key("enum")
      beginArray()
      for word in words { string(word) }
      endArray()
    case .object(let fields): objectSchema(fields, description: description, dialect)
    case .list(let kind, let most):
      field("type", word: "array")
      field("description", description)
      key("items")
      schema(of: kind, description: nil, dialect)
      if dialect == .full { field("maxItems", most) }
    }
    endObject()
  }
}
