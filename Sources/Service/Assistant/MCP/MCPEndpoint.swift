import Directory
import Ordering
import Store

/// Carries out what the protocol says, for all clients of a tenant.
///
/// The protocol's sessions are the assistant's own: they are kept, so that any process may serve them.
package struct MCPEndpoint: Sendable {
  private let assistant: Assistant
  private let mcp: MCPProtocol

  package init(_ assistant: Assistant, server: MCPServerInfo) {
    self.assistant = assistant
    mcp = MCPProtocol(registry: assistant.registry, server: server)
  }

  package func answer(_ request: MCPRequest, _ tenant: String) async -> MCPAnswer {
    let step = mcp.step(for: request)
    do {
      return try await carryOut(step, tenant)
    } catch {
      return Self.answer(to: error, reply(to: step))
    }
  }

  /// How what goes wrong with a step is answered.
  private func reply(to step: MCPStep) -> MCPReply {
    switch step {
    case .begin(_, _, let reply), .within(_, _, let reply), .call(_, _, let reply): reply
    case .answer, .end: MCPReply(id: nil, era: .sessions, server: mcp.server)
    }
  }

  private static func answer(to error: any Error, _ reply: MCPReply) -> MCPAnswer {
    switch error {
    case let rejection as RecordRejection where rejection.code == .sessionNotFound:
      reply.error(.invalidRequest, "there is no such session; begin with initialize", status: 404)
    case StoreError.unavailable:
      reply.error(.internalError, "the records cannot be reached now; try again", status: 503)
    default: reply.error(.internalError, "the request cannot be answered", status: 500)
    }
  }

  private func carryOut(_ step: MCPStep, _ tenant: String) async throws -> MCPAnswer {
    switch step {
    case .answer(let answer): return answer
    case .begin(var answer, let conversation, _):
      if let conversation {
        answer.session = try await assistant.session(tenant, conversation).record.id
      } else {
        answer.session = try await assistant.begin(tenant).record.id
      }
      return answer
    case .within(let session, let answer, _):
      _ = try await assistant.session(tenant, session)
      return answer
    case .end(let session):
      try await assistant.end(tenant, session)
      return MCPAnswer(status: 204)
    case .call(let request, .session(let session), let reply):
      return reply.called(try await assistant.run(request, tenant, session: session))
    case .call(let request, .named(let session), let reply):
      do {
        return reply.called(try await assistant.run(request, tenant, session: session))
      } catch let rejection as RecordRejection where rejection.code == .sessionNotFound {
        return reply.called(
          ToolResult(ToolFailure(rejection.code.rawValue, sentence(rejection.message) + " Begin a new one.")))
      }
    }
  }
}
