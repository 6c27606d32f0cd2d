package import RoomCore
package import Rooms
import Synchronization
package import Wire

/// The way to the rooms of another node, over one connection that was dialed there.
package final class RemoteNode<Command: PeerCommand>: RoomCarrier {
  private struct State {
    var ears: [RoomID: any RoomSubscriber] = [:]
    /// How many operations each session has sent since it opened here, in which room.
    var sent: [SessionNumber: (room: RoomID, count: UInt64)] = [:]
    var reader = PeerOutputReader()
    var readings: [UInt64: UnsafeContinuation<RoomReading?, Never>] = [:]
    var lastReading: UInt64 = 0
    var isLost = false

    /// The room has ended there. Its sessions are closed where it is next, and never here.
    mutating func forget(_ room: RoomID) -> (any RoomSubscriber)? {
      for (session, entry) in sent where entry.room == room { reader.forget(session: session.number) }
      sent = sent.filter { $0.value.room != room }
      return ears.removeValue(forKey: room)
    }
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
    let number = state.withLock { state -> UInt64 in
      switch request {
      case .open(let opening):
        state.ears[room] = subscriber
        state.sent[opening.session] = (room, 0)
      case .operation(_, let session, _):
        state.sent[session, default: (room, 0)].count += 1
        return state.sent[session]?.count ?? 0
      case .close(let session):
        state.sent[session] = nil
        state.reader.forget(session: session.number)
      case .relay, .resync: break
      }
      return 0
    }
    connection.send(.request(room: room, PeerRequest(request, number: number)))
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
      let read = state.reader.read(output) { $0 == 0 ? nil : SessionNumber($0) }
      if case .ended? = read.items.last { return (state.forget(output.room), read) }
      return (state.ears[output.room], read)
    }
    ear?.deliver(read)
  }

  package func full(_ session: UInt64, _ number: UInt64, in room: RoomID) {
    let ear = state.withLock { $0.ears[room] }
    ear?.deliver(RoomOutput(epoch: .zero, items: [.overflowed(SessionNumber(session), ordinal: number)]))
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
