import Link
import Ordering
import RoomCore
import Rooms

/// The way from sessions to rooms, with a bug in it.
final class MutantLink: RoomLink, @unchecked Sendable {
  // Unchecked: touched by the scheduler's thread only.
  private let link: ClusterLink<OrderCommand>
  private let mutant: Mutant
  private var sent: [OperationID: Int] = [:]
  private var ears: [ObjectIdentifier: DeafEar] = [:]

  init(_ link: ClusterLink<OrderCommand>, _ mutant: Mutant) {
    self.link = link
    self.mutant = mutant
  }

  var movesRooms: Bool { link.movesRooms }
  func ask(_ question: RoomQuestion<OrderCommand>, of room: RoomID) async -> RoomReply {
    await link.ask(question, of: room)
  }
  func read(_ room: RoomID) async -> RoomReading { await link.read(room) }
  func canOpen(_ room: RoomID) -> Bool { link.canOpen(room) }

  func open(_ opening: SessionOpening, in room: RoomID, from subscriber: any RoomSubscriber) -> Int {
    var opening = opening
    if mutant == .staleResume, let seen = opening.rehomedAt {
      opening = SessionOpening(
        session: opening.session, participant: opening.participant, dialect: opening.dialect, since: opening.since,
        history: opening.history, address: opening.address, rehomedAt: seen.next)
    }
    return link.open(opening, in: room, from: ear(of: subscriber))
  }

  func send(
    _ request: RoomRequest<OrderCommand>, to room: RoomID, from subscriber: any RoomSubscriber
  ) -> Admission {
    guard case .operation(let operation, let session, let opId) = request else {
      return link.send(request, to: room, from: ear(of: subscriber))
    }
    let times = sent[operation.id, default: 0]
    sent[operation.id] = times + 1
    switch mutant {
    case .replayWithoutDedup where times > 0:
      let name = OperationID(participant: operation.id.participant, value: "\(operation.id.value)/\(times)")
      let renamed = Operation(id: name, after: operation.after, command: operation.command)
      return link.send(.operation(renamed, session: session, opId: opId), to: room, from: subscriber)
    case .noReplay where times > 0: return .taken
    default: return link.send(request, to: room, from: ear(of: subscriber))
    }
  }

  private func ear(of subscriber: any RoomSubscriber) -> any RoomSubscriber {
    guard mutant == .deafSessions else { return subscriber }
    let ear = ears[ObjectIdentifier(subscriber)] ?? DeafEar(subscriber)
    ears[ObjectIdentifier(subscriber)] = ear
    return ear
  }
}

/// Hears of a room's first owner only.
private final class DeafEar: RoomSubscriber {
  private let ear: any RoomSubscriber

  init(_ ear: any RoomSubscriber) { self.ear = ear }

  func deliver(_ output: RoomOutput) {
    if case .rehoming(let number)? = output.items.first, number > 1 { return }
    ear.deliver(output)
  }
}
