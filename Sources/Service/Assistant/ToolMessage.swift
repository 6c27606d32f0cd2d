import JSONText

/// The calls in one message of an agent's platform, and how they are answered.
///
/// - Gemini, Vertex: `{"toolCall": {"functionCalls": [{"id", "name", "args"}]}}`, answered by one `toolResponse`.
/// - OpenAI: an item of the type `function_call`, by itself or in an event; answered by one event. The calls of a
///   `response.done` are answered by an array of events.
package struct ToolMessage: Sendable {
  private enum Shape {
    case gemini, openAIItem, openAIResponse
  }

  /// Why a message was not understood.
  package struct Fault: Error, Equatable {
    package let message: String
  }

  /// Calls in one message.
  package static let mostCalls = 32

  package let calls: [Call]
  private let shape: Shape

  package struct Call: Sendable {
    package let id: String?
    package let name: String
    /// Nil: what was given is no JSON.
    package let arguments: JSONTree?
  }

  /// - Parameter dialect: nil: the one that the message looks like.
  package init(_ message: JSONTree, dialect: ToolDialect? = nil) throws(Fault) {
    let looksLikeGemini = (message["toolCall"] ?? message)["functionCalls"] != nil
    switch dialect ?? (looksLikeGemini ? .gemini : .openai) {
    case .gemini:
      shape = .gemini
      calls = try Self.geminiCalls(message)
    case .openai:
      if message["type"]?.text == "response.done" {
        shape = .openAIResponse
        let items = message["response"]?["output"]?.elements ?? []
        calls = try items.filter { $0["type"]?.text == "function_call" }.map(Self.openAICall)
      } else {
        shape = .openAIItem
        calls = [try Self.openAICall(message["item"] ?? message)]
      }
    case .mcp: throw Fault(message: "tools are called at /mcp in this dialect")
    }
    guard calls.count <= Self.mostCalls else {
      throw Fault(message: "a message has at most \(Self.mostCalls) calls")
    }
  }

  private static func geminiCalls(_ message: JSONTree) throws(Fault) -> [Call] {
    guard let calls = (message["toolCall"] ?? message)["functionCalls"]?.elements else {
      throw Fault(message: #"the body must be as {"toolCall": {"functionCalls": [{"id": …, "name": …, "args": {…}}]}}"#)
    }
    var found: [Call] = []
    for call in calls {
      guard let name = call["name"]?.text else { throw Fault(message: "each of functionCalls must have a name") }
      found.append(Call(id: call["id"]?.text, name: name, arguments: call["args"] ?? .object([:])))
    }
    return found
  }

  private static func openAICall(_ item: JSONTree) throws(Fault) -> Call {
    let types = ["function_call", "response.function_call_arguments.done"]
    guard let type = item["type"]?.text, types.contains(type), let name = item["name"]?.text,
      let id = item["call_id"]?.text
    else {
      throw Fault(
        message:
          #"the body must have an item as {"type": "function_call", "call_id": …, "name": …, "arguments": "{…}"}"#)
    }
    return Call(id: id, name: name, arguments: arguments(item["arguments"] ?? .object([:])))
  }

  /// A text that is to be JSON. The model has written it, so the model must hear of it if it is none: that is a result,
  /// and no fault of the message.
  private static func arguments(_ given: JSONTree) -> JSONTree? {
    guard let text = given.text else { return given }
    guard !text.isEmpty else { return .object([:]) }
    do throws(JSONError) {
      return try JSONTree(parsing: Array(text.utf8))
    } catch {
      return nil
    }
  }

  /// - Parameter results: one for each of the calls.
  package func answer(_ results: [ToolResult]) -> [UInt8] {
    precondition(results.count == calls.count, "\(results.count) results of \(calls.count) calls")
    var writer = JSONWriter()
    switch shape {
    case .gemini:
      writer.beginObject()
      writer.key("toolResponse")
      writer.beginObject()
      writer.key("functionResponses")
      writer.beginArray()
      for (call, result) in zip(calls, results) {
        writer.beginObject()
        writer.field("id", call.id)
        writer.field("name", call.name)
        writer.key("response")
        writer.verbatim(result.json)
        writer.endObject()
      }
      writer.endArray()
      writer.endObject()
      writer.endObject()
    case .openAIItem: writer.functionCallOutput(calls[0], results[0])
    case .openAIResponse:
      writer.beginArray()
      for (call, result) in zip(calls, results) { writer.functionCallOutput(call, result) }
      writer.endArray()
    }
    return writer.bytes
  }
}

extension JSONWriter {
  fileprivate mutating func functionCallOutput(_ call: ToolMessage.Call, _ result: ToolResult) {
    beginObject()
    field("type", word: "conversation.item.create")
    key("item")
    beginObject()
    field("type", word: "function_call_output")
    field("call_id", call.id)
    field("output", String(decoding: result.json, as: UTF8.self))
    endObject()
    endObject()
  }
}

extension Assistant {
  /// Runs the calls of a message, one after the other.
  ///
  /// - Throws: `session_not_found`.
  package func answer(_ message: ToolMessage, _ tenant: String, session: String) async throws -> [UInt8] {
    // Also where a message has no calls.
    if message.calls.isEmpty { _ = try await self.session(tenant, session) }
    var results: [ToolResult] = []
    for call in message.calls {
      guard let arguments = call.arguments else {
        results.append(
          ToolResult(ToolFailure("invalid_json", "The arguments are no valid JSON. Write them again, as an object.")))
        continue
      }
      results.append(
        try await run(Request(id: call.id, tool: call.name, arguments: arguments), tenant, session: session))
    }
    return message.answer(results)
  }
}
