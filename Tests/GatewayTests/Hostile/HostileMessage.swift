import Load
import Testing

/// A message that must be refused, and how.
struct HostileMessage: CustomTestStringConvertible, Sendable {
  /// Who sends it.
  enum Sender: Sendable {
    /// `asha`, who owns the order if there is one.
    case owner
    /// `mina`, who has joined it.
    case member
    /// Somebody whose connection has not said anything yet.
    case stranger
  }

  let testDescription: String
  var scene = HostileScene.open
  var sender = Sender.owner
  var opcode = FrameOpcode.text
  let text: String
  let code: String
  /// All of the error's text, which names the field and the rule; with `…` at its end, how it begins.
  let message: String
  /// What the error must name as the operation.
  var opId: String?

  func isExpected(_ found: String?) -> Bool {
    guard let found else { return false }
    return message.hasSuffix("…") ? found.hasPrefix(message.dropLast()) : found == message
  }
}

extension HostileMessage {
  /// An operation that is well-formed but for what is wrong with it.
  static func operation(
    _ name: String, _ type: String, _ data: String? = nil, as participant: String? = nil, called given: String? = nil,
    opId: String = "hostile", in scene: HostileScene = .open, by sender: Sender = .owner, _ code: String,
    _ message: String
  ) -> HostileMessage {
    let own =
      switch sender {
      case .owner: "asha"
      case .member: "mina"
      case .stranger: "zoe"
      }
    let text = RoomClient.text(type, as: participant ?? own, data: data, opId: opId, name: given)
    return HostileMessage(
      testDescription: "\(type): \(name)", scene: scene, sender: sender, text: text, code: code, message: message,
      opId: opId)
  }

  /// A text that stands for itself.
  static func text(
    _ name: String, _ text: String, opId: String? = nil, _ code: String, _ message: String
  ) -> HostileMessage {
    HostileMessage(testDescription: name, text: text, code: code, message: message, opId: opId)
  }
}

/// The fields of an object in JSON, of which a test replaces or drops one.
struct JSONFields {
  private var fields: [(name: String, value: String)]

  init(_ fields: [(String, String)]) { self.fields = fields }

  static let dish = JSONFields([("dishName", #""Roti""#), ("dishType", #""veg""#), ("quantity", "1"), ("price", "10")])
  static let envelope = JSONFields([
    ("type", #""add_item""#), ("participantId", #""asha""#), ("opId", #""hostile""#),
    ("data", JSONFields.dish.text),
  ])

  /// With another value for a field, or without it.
  func with(_ name: String, _ value: String?) -> String {
    var changed = self
    changed.fields.removeAll { $0.name == name }
    if let value { changed.fields.append((name, value)) }
    return changed.text
  }

  /// With a field more, whatever is there already.
  func adding(_ field: String) -> String { String(text.dropLast()) + ",\(field)}" }

  var text: String { "{" + fields.map { #""\#($0.name)":\#($0.value)"# }.joined(separator: ",") + "}" }
}
