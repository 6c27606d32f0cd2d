package import RoomCore
package import Rooms
import Synchronization
package import Wire

/// The way to the rooms of another node, over one connection that was dialed there.
package final class RemoteNode<Command: PeerCommand>: RoomCarrier {
  private struct State {
    var ears: [RoomID: any RoomSubscriber] = [:]
    var openings: [SessionNumber: Opening] = [:]
    /// By their openings' names.
    var sessions: [UInt64: SessionNumber] = [:]
    var lastName: UInt64 = 0
    var reader = PeerOutputReader()
    var readings: [UInt64: UnsafeContinuation<RoomReading?, Never>] = [:]
    var lastReading: UInt64 = 0
    var isLost = false

    /// The room has ended there. Its sessions are closed where it is next, and never here.
    mutating func forget(_ room: RoomID) -> (any RoomSubscriber)? {
      for session in openings.filter({ $0.value.room == room }).keys { forget(session) }
      return ears.removeValue(forKey: room)
    }

    /// - Returns: the name under which the session was open.
    @discardableResult
    mutating func forget(_ session: SessionNumber) -> UInt64? {
      guard let opening = openings.removeValue(forKey: session) else { return nil }
      sessions[opening.name] = nil
      reader.forget(session: opening.name)
      return opening.name
    }
  }

  /// One opening of a session here. Each has a name of its own on the connection: a session may open anew while answers to
  /// its last opening are still on their way, and these must not be taken for answers to this one.
  private struct Opening {
    let name: UInt64
    let room: RoomID
    /// How many operations were sent.
    var sent: UInt64 = 0
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
    switch request {
    case .open(let opening):
      let (name, outdated) = state.withLock { state in
        let outdated = state.forget(opening.session)
        state.lastName += 1
        state.openings[opening.session] = Opening(name: state.lastName, room: room)
        state.sessions[state.lastName] = opening.session
        state.ears[room] = subscriber
        return (state.lastName, outdated)
      }
      connection.send(.request(room: room, PeerRequest(request, session: name, number: 0)))
      // Behind it, so that nobody is said to have gone.
      if let outdated { connection.send(.request(room: room, .close(session: outdated))) }
    case .operation(_, let session, _):
      let opening = state.withLock { state in
        state.openings[session]?.sent += 1
        return state.openings[session]
      }
      // The room has ended there, and the session sends its operations again where it is next.
      guard let opening else { break }
      connection.send(.request(room: room, PeerRequest(request, session: opening.name, number: opening.sent)))
    case .relay(_, _, let session), .resync(let session):
      guard let name = state.withLock({ $0.openings[session]?.name }) else { break }
      connection.send(.request(room: room, PeerRequest(request, session: name, number: 0)))
    case .close(let session):
      guard let name = state.withLock({ $0.forget(session) }) else { break }
      connection.send(.request(room: room, .close(session: name)))
    }
    return .taken
  }

  package func read(_ room: RoomID) async -> RoomReading? {
    await withUnsafeContinuation { continuation in
      let number = state.withLock { state -> UInt64? in
        guard !state.isLost else { return nil }
        state.lastReading += 1
        state.readings[state.lastReading] = continuation
        return state.lastReading
      }
      guard let number else { return continuation.resume(returning: nil) }
      guard connection.send(.read(number: number, room: room)) == .queued else {
        return finish(number, nil)
      }
    }
  }

  package func canOpen(_ room: RoomID) -> Bool { true }

  private func finish(_ number: UInt64, _ reading: RoomReading?) {
    state.withLock { $0.readings.removeValue(forKey: number) }?.resume(returning: reading)
  }

  // MARK: - Answers, on the connection's event loop

  package func received(_ output: PeerOutput) {
    let (ear, read) = state.withLock { state in
      let read = state.reader.read(output) { [sessions = state.sessions] in sessions[$0] }
      if case .ended? = read.items.last { return (state.forget(output.room), read) }
      return (state.ears[output.room], read)
    }
    ear?.deliver(read)
  }

  package func full(_ name: UInt64, _ number: UInt64, in room: RoomID) {
    let (ear, session) = state.withLock { ($0.ears[room], $0.sessions[name]) }
    guard let session else { return }
    ear?.deliver(RoomOutput(epoch: .zero, items: [.overflowed(session, ordinal: number)]))
  }

  package func notOwner(of room: RoomID) {
    let ear = state.withLock { $0.forget(room) }
    ear?.deliver(RoomOutput(epoch: .zero, items: [.ended(.moved)]))
  }

  package func reading(_ number: UInt64, _ reading: PeerReading) { finish(number, RoomReading(reading)) }

  /// The connection has ended.
  package func lost() {
    let readings = state.withLock { state in
      state.isLost = true
      defer { state.readings = [:] }
      return state.readings
    }
    for reading in readings.values { reading.resume(returning: nil) }
  }
}
