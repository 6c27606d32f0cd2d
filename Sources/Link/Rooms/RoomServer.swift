package import RoomCore
package import Rooms
import Synchronization
package import Wire

/// Serves the rooms of this node to gateways elsewhere: each connection's requests go to the registry, and what a room has
/// to say to all sessions of one gateway goes out once.
package final class RoomServer<Voice: RoomVoice>: Sendable where Voice.Logic.Command: PeerCommand {
  package typealias Command = Voice.Logic.Command

  private let registry: RoomRegistry<Voice>
  private let numbers: SessionNumbers
  /// Who owns a room, as far as this node has heard.
  private let owner: @Sendable (RoomID) -> PeerOwner
  private let visitors = Mutex<[ObjectIdentifier: Visitor]>([:])

  package init(
    registry: RoomRegistry<Voice>, numbers: SessionNumbers, owner: @escaping @Sendable (RoomID) -> PeerOwner
  ) {
    self.registry = registry
    self.numbers = numbers
    self.owner = owner
  }

  /// What one connection has open here. Each opening has a name there, which no other has, and is a session here.
  private final class Visitor: Sendable {
    struct State {
      var sessions: [UInt64: (number: SessionNumber, room: RoomID)] = [:]
      var ears: [RoomID: RemoteEar] = [:]
    }

    let connection: any PeerLine
    let state = Mutex(State())

    init(_ connection: any PeerLine) { self.connection = connection }
  }

  /// Sessions that other processes have open here.
  package var sessionCount: Int {
    visitors.withLock { $0.values.reduce(0) { $0 + $1.state.withLock { $0.sessions.count } } }
  }

  // MARK: - What a connection brings

  package func connected(_ connection: any PeerLine) {
    visitors.withLock { $0[ObjectIdentifier(connection)] = Visitor(connection) }
  }

  package func disconnected(_ connection: any PeerLine) {
    guard let visitor = visitors.withLock({ $0.removeValue(forKey: ObjectIdentifier(connection)) }) else { return }
    let (sessions, ears) = visitor.state.withLock { state in
      defer { state = Visitor.State() }
      return (state.sessions, state.ears)
    }
    for (_, session) in sessions {
      guard let ear = ears[session.room] else { continue }
      _ = registry.send(.close(session.number), to: session.room, from: ear)
    }
  }

  package func received(_ request: PeerRequest, for room: RoomID, on connection: any PeerLine) {
    guard let visitor = visitors.withLock({ $0[ObjectIdentifier(connection)] }) else { return }
    if case .open = request {
      open(request, room, visitor)
      return
    }
    let found = visitor.state.withLock { state -> (SessionNumber, RemoteEar)? in
      guard let session = state.sessions[request.session], session.room == room, let ear = state.ears[room] else {
        return nil
      }
      if case .close = request {
        state.sessions[request.session] = nil
        if ear.forget(session.number) { state.ears[room] = nil }
      }
      return (session.number, ear)
    }
    // The room has ended here, and its gateway has not heard yet.
    guard let (number, ear) = found else { return }
    do throws(BinaryError) {
      let admission = registry.send(try request.roomRequest(Command.self, session: number), to: room, from: ear)
      if admission == .full, case .operation(let operation) = request {
        connection.send(.full(room: room, session: operation.session, number: operation.number))
      }
    } catch {
      connection.cut(.violation("a command cannot be read: \(error.reason)"))
    }
  }

  private func open(_ request: PeerRequest, _ room: RoomID, _ visitor: Visitor) {
    guard registry.serves(room) else {
      visitor.connection.send(.notOwner(room: room, owner(room)))
      return
    }
    let number = numbers.next()
    let ear = visitor.state.withLock { state -> RemoteEar? in
      guard state.sessions[request.session] == nil else { return nil }
      var ear = state.ears[room]
      if ear?.learn(number, as: request.session) != true {
        ear = RemoteEar(room: room, connection: visitor.connection) { [weak visitor] ended, names in
          visitor?.state.withLock { state in
            // Their gateway closes them where the room is next, and says nothing here any more.
            for name in names { state.sessions[name] = nil }
            if state.ears[room] === ended { state.ears[room] = nil }
          }
        }
        _ = ear?.learn(number, as: request.session)
      }
      state.ears[room] = ear
      state.sessions[request.session] = (number, room)
      return ear
    }
    guard let ear else { return visitor.connection.cut(.violation("a session's number is used twice")) }
    do throws(BinaryError) {
      _ = registry.send(try request.roomRequest(Command.self, session: number), to: room, from: ear)
      // The room ended meanwhile, and the next one must not keep a session for which nobody listens.
      if ear.hasEnded { _ = registry.send(.close(number), to: room, from: ear) }
    } catch {
      visitor.connection.cut(.violation("an opening cannot be read: \(error.reason)"))
    }
  }

  package func ask(_ question: PeerQuestion, of room: RoomID, number: UInt64, on connection: any PeerLine) {
    guard registry.serves(room) else {
      connection.send(.reply(number: number, .notOwner(owner(room))))
      return
    }
    do throws(BinaryError) {
      registry.ask(try RoomQuestion(question), of: room) { reply in
        connection.send(.reply(number: number, PeerReply(reply)))
      }
    } catch {
      connection.cut(.violation("a command cannot be read: \(error.reason)"))
    }
  }

  package func read(_ room: RoomID, number: UInt64, on connection: any PeerLine) {
    guard registry.serves(room) else {
      connection.send(.reading(number: number, .notOwner(owner(room))))
      return
    }
    registry.read(room) { reading in
      connection.send(.reading(number: number, PeerReading(reading)))
    }
  }
}

/// A gateway's ear in one room, at the end of a connection.
private final class RemoteEar: RoomSubscriber {
  private let room: RoomID
  private let connection: any PeerLine
  private let onEnd: @Sendable (RemoteEar, [UInt64]) -> Void
  private let state = Mutex(State())

  private struct State {
    /// Of the sessions' openings at their gateway.
    var names: [SessionNumber: UInt64] = [:]
    /// Nothing is said any more: the gateway may have the room from elsewhere by now.
    var hasEnded = false
  }

  init(room: RoomID, connection: any PeerLine, onEnd: @escaping @Sendable (RemoteEar, [UInt64]) -> Void) {
    self.room = room
    self.connection = connection
    self.onEnd = onEnd
  }

  var keepsOperations: Bool { true }
  var hasEnded: Bool { state.withLock { $0.hasEnded } }

  /// - Returns: false if the room has ended for this ear.
  func learn(_ number: SessionNumber, as name: UInt64) -> Bool {
    state.withLock { state in
      if !state.hasEnded { state.names[number] = name }
      return !state.hasEnded
    }
  }

  /// - Returns: whether nobody is left.
  func forget(_ number: SessionNumber) -> Bool {
    state.withLock { state in
      state.names[number] = nil
      return state.names.isEmpty
    }
  }

  func deliver(_ output: RoomOutput) {
    let isEnd = if case .ended? = output.items.last { true } else { false }
    let names: [SessionNumber: UInt64]? = state.withLock { state in
      if state.hasEnded { return nil }
      state.hasEnded = isEnd
      return state.names
    }
    guard let names else { return }
    if isEnd { onEnd(self, Array(names.values)) }
    // What is for a session that has closed meanwhile is for nobody: 0 is no opening's name.
    for part in PeerOutput.parts(of: output, of: room, session: { names[$0] ?? 0 }) {
      connection.send(.output(part))
    }
  }
}
