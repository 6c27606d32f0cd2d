import JSONText

/// How an agent's platform is told of the tools, and how it calls them.
package enum ToolDialect: String, Sendable, CaseIterable {
  /// Gemini and Vertex AI Live.
  case gemini
  /// OpenAI Realtime.
  case openai
  /// The Model Context Protocol, which has an endpoint of its own for calls.
  case mcp
}

extension ToolRegistry {
  /// The tools and the instructions, as a session of the platform is set up with them.
  package func declarations(_ dialect: ToolDialect) -> [UInt8] {
    var writer = JSONWriter(reservingCapacity: 16 << 10)
    writer.beginObject()
    switch dialect {
    case .gemini: geminiSetup(&writer)
    case .openai: openAISession(&writer)
    case .mcp:
      writer.field("instructions", instructions)
      writer.key("tools")
      writer.beginArray()
      for tool in tools { writer.mcp(tool) }
      writer.endArray()
    }
    writer.endObject()
    return writer.bytes
  }

  /// The fields `tools` and `systemInstruction` of a `setup` message.
  private func geminiSetup(_ writer: inout JSONWriter) {
    writer.key("systemInstruction")
    writer.beginObject()
    writer.key("parts")
    writer.beginArray()
    writer.beginObject()
    writer.field("text", instructions)
    writer.endObject()
    writer.endArray()
    writer.endObject()
    writer.key("tools")
    writer.beginArray()
    writer.beginObject()
    writer.key("functionDeclarations")
    writer.beginArray()
    for tool in tools {
      writer.beginObject()
      writer.function(tool)
      writer.endObject()
    }
    writer.endArray()
    writer.endObject()
    writer.endArray()
  }

  /// A `session.update` event.
  private func openAISession(_ writer: inout JSONWriter) {
    writer.field("type", word: "session.update")
    writer.key("session")
    writer.beginObject()
    writer.field("type", word: "realtime")
    writer.field("instructions", instructions)
    writer.key("tools")
    writer.beginArray()
    for tool in tools {
      writer.beginObject()
      writer.field("type", word: "function")
      writer.function(tool)
      writer.endObject()
    }
    writer.endArray()
    writer.field("tool_choice", word: "auto")
    writer.endObject()
  }
}

extension JSONWriter {
  fileprivate mutating func function(_ tool: Tool) {
    field("name", tool.name)
    field("description", tool.description)
    // An object without properties is refused by some.
    guard !tool.parameters.isEmpty else { return }
    key("parameters")
    schema(of: tool.parameters, .plain)
  }

  /// A tool as `tools/list` has it.
  mutating func mcp(_ tool: Tool) {
    beginObject()
    field("name", tool.name)
    field("title", tool.title)
    field("description", tool.description)
    key("inputSchema")
    schema(of: tool.parameters, .full)
    key("outputSchema")
    schema(of: Tool.commonAnswers + tool.answers, .full)
    key("annotations")
    beginObject()
    field("title", tool.title)
    field("readOnlyHint", tool.effect == .reads)
    if tool.effect != .reads { field("destructiveHint", tool.effect == .changes) }
    field("openWorldHint", false)
    endObject()
    endObject()
  }
}
