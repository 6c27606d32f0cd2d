package import RoomCore
package import Rooms
import Synchronization
package import Wire

/// The way to the rooms of another node, over one connection that was dialed there.
package final class RemoteNode<Command: PeerCommand>: RoomCarrier {
  private struct State {
    var visits: [RoomID: Visit] = [:]
    var openings: [SessionNumber: Opening] = [:]
    /// By their openings' names.
    var sessions: [UInt64: SessionNumber] = [:]
    var lastName: UInt64 = 0
    var reader = PeerOutputReader()
    var readings: [UInt64: UnsafeContinuation<RoomReading?, Never>] = [:]
    var replies: [UInt64: UnsafeContinuation<RoomReply?, Never>] = [:]
    /// Of readings and replies.
    var lastNumber: UInt64 = 0
    var isLost = false

    mutating func open(_ session: SessionNumber, in room: RoomID, _ ear: any RoomSubscriber) -> Opening {
      lastName += 1
      let opening = Opening(name: lastName, room: room)
      openings[session] = opening
      sessions[lastName] = session
      visits[room, default: Visit(ear: ear)].ear = ear
      visits[room]?.sessions.insert(session)
      return opening
    }

    /// - Returns: the opening that the session had.
    @discardableResult
    mutating func close(_ session: SessionNumber) -> Opening? {
      guard let opening = openings.removeValue(forKey: session) else { return nil }
      sessions[opening.name] = nil
      reader.forget(session: opening.name)
      visits[opening.room]?.sessions.remove(session)
      if visits[opening.room]?.sessions.isEmpty == true { visits[opening.room] = nil }
      return opening
    }

    /// The room has ended there.
    ///
    /// - Returns: who is to hear of it, and the names of openings that the end may have crossed on its way. They would stay
    ///   open for ever.
    mutating func end(_ room: RoomID) -> (ear: (any RoomSubscriber)?, crossed: [UInt64]) {
      guard let visit = visits[room] else { return (nil, []) }
      let closed = visit.sessions.compactMap { close($0) }
      return (visit.ear, closed.filter { !$0.isAnswered }.map(\.name))
    }
  }

  /// What there is of a room here.
  private struct Visit {
    var ear: any RoomSubscriber
    var sessions: Set<SessionNumber> = []
  }

  /// One opening of a session here. Each has a name of its own on the connection: a session may open anew while answers to
  /// its last opening are still on their way, and these must not be taken for answers to this one.
  private struct Opening {
    let name: UInt64
    let room: RoomID
    /// How many operations were sent.
    var sent: UInt64 = 0
    /// Whether the room has said where it stands.
    var isAnswered = false
  }

  let connection: any PeerLine
  /// A node that finds another history closes its connections, so that each has one.
  package let history: String?
  private let state = Mutex(State())

  package init(_ connection: any PeerLine) {
    self.connection = connection
    history = StoreHistory.named(in: connection.peer.features)
  }

  // MARK: - Requests

  package func send(
    _ request: RoomRequest<Command>, to room: RoomID, from subscriber: any RoomSubscriber
  ) -> Admission {
    // Openings and closings are few, and nobody sends them again.
    switch request {
    case .operation, .relay: if connection.isOverloaded { return .full }
    case .open, .resync, .close: break
    }
    if case .open(let opening) = request {
      let isLost = state.withLock { state in
        guard !state.isLost else { return true }
        open(opening, request, in: room, subscriber, &state)
        return false
      }
      // Whoever found this way found it before it was lost, and would not hear of that any more.
      if isLost { subscriber.deliver(RoomOutput(epoch: .zero, items: [.ended(.unavailable)])) }
      return .taken
    }
    let opening = state.withLock { state -> Opening? in
      // The session is told that it has to look elsewhere.
      guard !state.isLost else { return nil }
      switch request {
      case .open: return nil
      case .operation(_, let session, _):
        state.openings[session]?.sent += 1
        return state.openings[session]
      case .relay(_, _, let session), .resync(let session): return state.openings[session]
      case .close(let session): return state.close(session)
      }
    }
    // The room has ended there, and the session sends its operations again where it is next.
    guard let opening else { return .taken }
    connection.send(.request(room: room, PeerRequest(request, session: opening.name, number: opening.sent)))
    return .taken
  }

  /// Sends while the lock is held: if the room ends there at this moment, the close that its end leads to must come behind
  /// the opening.
  private func open(
    _ opening: SessionOpening, _ request: RoomRequest<Command>, in room: RoomID, _ subscriber: any RoomSubscriber,
    _ state: inout State
  ) {
    let outdated = state.close(opening.session)
    let name = state.open(opening.session, in: room, subscriber).name
    connection.send(.request(room: room, PeerRequest(request, session: name, number: 0)))
    // Behind it, so that nobody is said to have gone.
    if let outdated { connection.send(.request(room: room, .close(session: outdated.name))) }
  }

  package func read(_ room: RoomID) async -> RoomReading? {
    await withUnsafeContinuation { continuation in
      let number = state.withLock { state -> UInt64? in
        guard !state.isLost else { return nil }
        state.lastNumber += 1
        state.readings[state.lastNumber] = continuation
        return state.lastNumber
      }
      guard let number else { return continuation.resume(returning: nil) }
      guard connection.send(.read(number: number, room: room)) == .queued else {
        return finish(number, nil)
      }
    }
  }

  package func ask(_ question: RoomQuestion<Command>, of room: RoomID) async -> RoomReply? {
    await withUnsafeContinuation { continuation in
      let number = state.withLock { state -> UInt64? in
        guard !state.isLost else { return nil }
        state.lastNumber += 1
        state.replies[state.lastNumber] = continuation
        return state.lastNumber
      }
      guard let number else { return continuation.resume(returning: nil) }
      guard connection.send(.ask(number: number, room: room, PeerQuestion(question))) == .queued else {
        return replied(number, nil)
      }
    }
  }

  package func canOpen(_ room: RoomID) -> Bool { true }

  private func finish(_ number: UInt64, _ reading: RoomReading?) {
    state.withLock { $0.readings.removeValue(forKey: number) }?.resume(returning: reading)
  }

  // MARK: - Answers, on the connection's event loop

  package func received(_ output: PeerOutput) {
    let (ear, read, crossed) = state.withLock { state in
      let read = state.reader.read(output) { [sessions = state.sessions] in sessions[$0] }
      if case .ended? = read.items.last {
        let (ear, crossed) = state.end(output.room)
        return (ear, read, crossed)
      }
      for item in read.items {
        if let session = item.openedSession { state.openings[session]?.isAnswered = true }
      }
      return (state.visits[output.room]?.ear, read, [])
    }
    close(crossed, in: output.room)
    ear?.deliver(read)
  }

  private func close(_ names: [UInt64], in room: RoomID) {
    for name in names { connection.send(.request(room: room, .close(session: name))) }
  }

  package func full(_ name: UInt64, _ number: UInt64, in room: RoomID) {
    let (ear, session) = state.withLock { ($0.visits[room]?.ear, $0.sessions[name]) }
    guard let session else { return }
    ear?.deliver(RoomOutput(epoch: .zero, items: [.overflowed(session, ordinal: number)]))
  }

  package func notOwner(of room: RoomID) {
    let (ear, crossed) = state.withLock { $0.end(room) }
    close(crossed, in: room)
    ear?.deliver(RoomOutput(epoch: .zero, items: [.ended(.moved)]))
  }

  package func reading(_ number: UInt64, _ reading: PeerReading) { finish(number, RoomReading(reading)) }

  package func reply(_ number: UInt64, _ reply: PeerReply) { replied(number, RoomReply(reply)) }

  private func replied(_ number: UInt64, _ reply: RoomReply?) {
    state.withLock { $0.replies.removeValue(forKey: number) }?.resume(returning: reply)
  }

  /// The connection has ended.
  package func lost() {
    let (readings, replies) = state.withLock { state in
      let (readings, replies) = (state.readings, state.replies)
      // Ears hold on to this way, too.
      state = State()
      state.isLost = true
      return (readings, replies)
    }
    for reading in readings.values { reading.resume(returning: nil) }
    for reply in replies.values { reply.resume(returning: nil) }
  }
}

extension RoomOutput.Item {
  /// The session that the room tells where it stands, if it tells one.
  var openedSession: SessionNumber? {
    switch self {
    case .sync(let session, _, _), .resuming(let session, _, _): session
    default: nil
    }
  }
}
