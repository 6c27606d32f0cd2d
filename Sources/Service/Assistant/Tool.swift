import JSONText
package import Ordering

/// Something that a voice agent may have done: what it is told about it, and what runs.
package struct Tool: Sendable {
  /// What a call changes, so that a program knows whether to ask a person first.
  enum Effect: Sendable {
    case reads
    case adds
    case changes
  }

  package let name: String
  let title: String
  let description: String
  private(set) var parameters: [Parameter]
  /// What a result may have beyond what every result has.
  let answers: [Parameter]
  let effect: Effect
  let run: @Sendable (ToolCall) async throws -> ToolOutcome

  init(
    _ name: String, title: String, _ description: String, parameters: [Parameter], answers: [Parameter],
    effect: Effect, run: @escaping @Sendable (ToolCall) async throws -> ToolOutcome
  ) {
    self.name = name
    self.title = title
    self.description = description
    self.parameters = parameters
    self.answers = answers
    self.effect = effect
    self.run = run
  }

  /// The same tool where phone numbers are of another form.
  fileprivate func following(_ rule: PhoneRule) -> Tool {
    var copy = self
    copy.parameters = parameters.map { $0.following(rule) }
    return copy
  }

  /// What every result has.
  static let commonAnswers = [
    Parameter("success", .flag, isRequired: true),
    Parameter(
      "message", .text(most: 10_000), "A sentence to say aloud, or what to do about a failure", isRequired: true),
    Parameter("status", .text(), "A stable word", isRequired: true),
    Parameter("retryable", .flag, "Whether the same call may succeed later", isRequired: true),
  ]
}

/// What a tool answers, and what is kept of it for the rest of the conversation.
struct ToolOutcome: Sendable {
  let result: ToolResult
  let changes: [OrderState.Change]

  init(_ result: ToolResult, _ changes: OrderState.Change...) {
    self.result = result
    self.changes = changes
  }
}

/// All tools, in the order in which agents are told of them, and what agents are told beside.
package struct ToolRegistry: Sendable {
  package let tools: [Tool]
  package let instructions: String

  package static func standard(_ rule: PhoneRule = .tenDigits) -> ToolRegistry {
    ToolRegistry(tools: all.map { $0.following(rule) }, instructions: Instructions.text(for: rule))
  }

  private static let all: [Tool] =
    [.captureCustomerInfo]
    + [.getMyCircles, .createCircle, .inviteToCircle, .getCircleMembers]
    + [.startCollaborativeOrder, .joinCollaborativeOrder]
    + [.addItem, .removeItem, .updateQuantity, .updateSplit, .getOrder, .previewSplit, .finalizeCollaborativeOrder]
    + [.getOrderHistory, .reorder, .getMenu]

  init(tools: [Tool], instructions: String) {
    precondition(Set(tools.map(\.name)).count == tools.count, "tools are told apart by their names")
    self.tools = tools
    self.instructions = instructions
  }

  package subscript(name: String) -> Tool? { tools.first { $0.name == name } }
}
