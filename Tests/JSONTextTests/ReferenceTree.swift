import Foundation
import JSONText
import Testing

/// A JSON value, to compare what two readers made of the same text. Numbers are left out: Foundation reads them as
/// binary floats here, and they are compared on their own.
indirect enum Tree: Equatable {
  case object([String: Tree])
  case array([Tree])
  case string(String)
  case number
  case bool(Bool)
  case null

  static func read(_ bytes: [UInt8]) throws(JSONError) -> Tree {
    try JSONReader.read(bytes) { reader throws(JSONError) in try Tree(&reader) }
  }

  private init(_ reader: inout JSONReader) throws(JSONError) {
    switch try reader.peek() {
    case .object:
      var fields: [String: Tree] = [:]
      try reader.beginObject()
      while let key = try reader.nextKey() { fields[try key.string()] = try Tree(&reader) }
      self = .object(fields)
    case .array:
      var elements: [Tree] = []
      try reader.beginArray()
      while try reader.nextElement() { elements.append(try Tree(&reader)) }
      self = .array(elements)
    case .string: self = .string(try reader.string())
    case .number:
      _ = try reader.number()
      self = .number
    case .bool: self = .bool(try reader.bool())
    case .null:
      #expect(try reader.null())
      self = .null
    }
  }

  /// What Foundation reads.
  init?(foundation object: Any) {
    switch object {
    case let fields as [String: Any]:
      var trees: [String: Tree] = [:]
      for (key, value) in fields { trees[key] = Tree(foundation: value) }
      self = .object(trees)
    case let elements as [Any]: self = .array(elements.compactMap { Tree(foundation: $0) })
    case let string as String: self = .string(string)
    case let number as NSNumber:
      // In this Foundation a boolean is an NSNumber of its own Objective-C type.
      self = String(cString: number.objCType) == "c" ? .bool(number.boolValue) : .number
    case is NSNull: self = .null
    default: return nil
    }
  }
}

/// Foundation's verdict on a text; nil if it refuses it.
func foundation(_ bytes: [UInt8]) -> Tree? {
  guard let object = try? JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed]) else {
    return nil
  }
  return Tree(foundation: object)
}
