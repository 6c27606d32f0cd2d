package import Directory
import JSONText
package import Logging
package import Ordering
package import RoomCore
import Store

/// Runs the tools that voice agents call.
///
/// A call that an agent names runs once in its session, however often it arrives: its result is kept with what it
/// changed in the session, in one transaction, and given again. What a call makes beside that is named by session and
/// call, so that a call whose result was lost on the way to the store can be made again and makes nothing twice.
package struct Assistant: Sendable {
  package let registry: ToolRegistry
  private var services: ToolServices
  private let makeID: @Sendable () -> String
  private let queue = CallQueue()
  private let logger: Logger

  package struct WeakSecret: Error, CustomStringConvertible {
    package var description: String { "the assistant's secret must have at least 32 bytes" }
  }

  /// - Parameters:
  ///   - secret: signs confirmations. The same in all processes of a cluster: a summary may be read out by one and
  ///     agreed to at another.
  ///   - makeID: a string that is nobody else's, and cannot be guessed.
  package init(
    directory: Directory, desk: any OrderDesk, context: TenantContext, secret: String,
    registry: ToolRegistry? = nil,
    now: @escaping @Sendable () -> Timestamp, makeID: @escaping @Sendable () -> String, logger: Logger
  ) throws(WeakSecret) {
    guard secret.utf8.count >= 32 else { throw WeakSecret() }
    self.registry = registry ?? .standard(context.phoneRule)
    services = ToolServices(
      directory: directory, desk: desk, context: context, confirmations: ConfirmationTokens(secret: secret), now: now)
    self.makeID = makeID
    self.logger = logger
  }

  /// The same assistant where orders are dealt with at another desk. Its conversations are the same.
  package func at(_ desk: any OrderDesk) -> Assistant {
    var copy = self
    copy.services.desk = desk
    return copy
  }

  // MARK: Sessions

  /// Begins a conversation.
  ///
  /// - Parameter phone: the customer's, if it is known already, as people say it.
  /// - Throws: `RecordRejection`, `StoreError`.
  package func begin(_ tenant: String, phone: String? = nil) async throws -> Session {
    var state = OrderState()
    var number: PhoneNumber?
    if let phone {
      do throws(SpokenPhoneFault) {
        number = try SpokenPhone.read(phone, rule: services.context.phoneRule)
      } catch {
        throw RecordRejection(.invalidField, "phone: \(error.advice)")
      }
    }
    if let number { state.customer = try await customer(tenant, number) }
    let record = try await services.directory.beginSession(tenant, phone: number, orderState: state.text)
    return Session(record: record, state: state)
  }

  /// What is known of a customer who has confirmed nothing yet.
  private func customer(_ tenant: String, _ phone: PhoneNumber) async throws -> OrderState.Customer {
    do {
      let known = try await services.directory.customer(tenant, phone)
      return OrderState.Customer(
        name: known.name, phone: phone, email: known.email, deliveryAddress: known.deliveryAddress)
    } catch let rejection as RecordRejection where rejection.code == .customerNotFound {
      return OrderState.Customer(phone: phone)
    }
  }

  /// - Throws: `session_not_found`, `StoreError`.
  package func session(_ tenant: String, _ id: String) async throws -> Session {
    let record = try await services.directory.session(tenant, Self.name(id))
    return Session(record: record, state: try Self.state(of: record))
  }

  /// - Throws: `session_not_found`, `StoreError`.
  package func end(_ tenant: String, _ id: String) async throws {
    try await services.directory.endSession(tenant, Self.name(id))
  }

  package struct Session: Sendable {
    package let record: AssistantSession
    package let state: OrderState
  }

  /// Empty, which nothing is called, if it is no name.
  private static func name(_ id: String) -> String { id.isName(maxBytes: 200) ? id : "" }

  private static func state(of record: AssistantSession) throws(StoreError) -> OrderState {
    try state(record.orderState, record.phone)
  }

  private static func state(_ text: String, _ phone: PhoneNumber?) throws(StoreError) -> OrderState {
    do throws(JSONError) {
      return try OrderState(text: text, phone: phone)
    } catch {
      throw .corrupt("a session's order state is no JSON: \(error.reason)")
    }
  }

  // MARK: Calls

  /// A call as it came: what the agent calls it, and what it wants.
  package struct Request: Sendable, Equatable {
    /// Nil: the agent gives no names, and a repeated call runs again.
    package let id: String?
    package let tool: String
    package let arguments: JSONTree

    package init(id: String?, tool: String, arguments: JSONTree) {
      self.id = id
      self.tool = tool
      self.arguments = arguments
    }

    /// Tells a repetition from another call.
    var fingerprint: String {
      var writer = JSONWriter()
      arguments.write(to: &writer)
      return shortDigest("\(tool)\n" + String(decoding: writer.bytes, as: UTF8.self))
    }
  }

  /// Runs a call, or gives the result that it had before. Whatever goes wrong is a result as well.
  ///
  /// - Parameter session: nil: the call belongs to none, and is made each time.
  /// - Throws: `session_not_found`.
  package func run(_ request: Request, _ tenant: String, session: String?) async throws -> ToolResult {
    guard let tool = registry[request.tool] else {
      return ToolResult(
        ToolFailure("unknown_tool", "There is no tool of this name. Use those that were declared."))
    }
    guard request.id?.isName(maxBytes: 300) ?? true else {
      return ToolResult(ToolFailure("invalid_call_id", "A call's id has 1 to 300 bytes without control characters."))
    }
    guard let session else {
      return await outcome(of: request, tool, tenant, session: nil, OrderState()).result
    }
    let key = "\(tenant)/\(session)"
    guard await queue.enter(key) else { return ToolResult(.overloaded) }
    let result: Result<ToolResult, any Error>
    do {
      result = .success(try await answer(request, tool, tenant, Self.name(session)))
    } catch {
      result = .failure(error)
    }
    await queue.leave(key)
    do {
      return try result.get()
    } catch let rejection as RecordRejection where rejection.code == .sessionNotFound {
      throw rejection
    } catch {
      return ToolResult(failure(error, request.tool))
    }
  }

  /// No other call of the session runs in this process meanwhile.
  private func answer(
    _ request: Request, _ tool: Tool, _ tenant: String, _ session: String
  ) async throws -> ToolResult {
    let (record, known) = try await services.directory.session(tenant, session, answering: request.id)
    if let known { return try given(known, to: request) }
    let outcome = await outcome(of: request, tool, tenant, session: session, try Self.state(of: record))
    // What may succeed later is not settled: the same call is made anew.
    if outcome.result.isRetryable { return outcome.result }
    let answered = request.id.map { id in
      AnsweredCall(
        id: id, fingerprint: request.fingerprint, result: String(decoding: outcome.result.json, as: UTF8.self))
    }
    let kept = try await services.directory.answer(answered, in: session, tenant) { text, phone in
      var state = try Self.state(text, phone)
      for change in outcome.changes { state.apply(change) }
      return (state.text, state.customer?.phone)
    }
    guard let kept, kept != answered else { return outcome.result }
    return try given(kept, to: request)
  }

  private func given(_ known: AnsweredCall, to request: Request) throws -> ToolResult {
    guard known.fingerprint == request.fingerprint else {
      return ToolResult(
        ToolFailure("call_conflict", "This call id was another call's in this conversation. Give each call its own."))
    }
    do throws(JSONError) {
      return try ToolResult(kept: known.result)
    } catch {
      throw StoreError.corrupt("a kept result is no JSON: \(error.reason)")
    }
  }

  private func outcome(
    of request: Request, _ tool: Tool, _ tenant: String, session: String?, _ state: OrderState
  ) async -> ToolOutcome {
    do {
      let arguments = request.arguments.withoutBlanks
      guard arguments.isObject else { throw ToolFailure("invalid_argument", "The arguments must be an object.") }
      try Parameter.check(arguments, against: tool.parameters)
      let name = if let session, let id = request.id { "\(tenant)\n\(session)\n\(id)" } else { makeID() }
      return try await tool.run(
        ToolCall(
          services: services, tenant: tenant, session: session, name: name, state: state, arguments: arguments))
    } catch {
      return ToolOutcome(ToolResult(failure(error, request.tool)))
    }
  }

  private func failure(_ error: any Error, _ tool: String) -> ToolFailure {
    if let failure = ToolFailure(error) { return failure }
    logger.error("a tool has failed", metadata: ["tool": "\(tool)", "error": "\(error)"])
    return .unforeseen
  }
}

extension JSONTree {
  /// Without what agents fill in where they have nothing to say: fields that are null, or texts of white space.
  var withoutBlanks: JSONTree {
    switch self {
    case .object(let fields):
      .object(
        fields.compactMapValues { value in
          switch value {
          case .null: nil
          case .string(let text) where text.allSatisfy(\.isWhitespace): nil
          default: value.withoutBlanks
          }
        })
    case .array(let elements): .array(elements.map(\.withoutBlanks))
    case .null, .bool, .number, .string: self
    }
  }
}
