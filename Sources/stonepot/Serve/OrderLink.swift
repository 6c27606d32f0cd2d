import Link
import Ordering
import RoomCore
import Rooms
import Wire

/// The link to the orders of this process.
///
/// It names the types that the rooms' code is generic over. Called from here, that code is compiled for them; called by
/// way of a generic type's conformance it would look up each type while it runs.
struct OrderLink: RoomLink {
  let rooms: LocalLink<OrderVoice>

  var movesRooms: Bool { rooms.movesRooms }

  func open(_ opening: SessionOpening, in room: RoomID, from subscriber: any RoomSubscriber) -> Int {
    rooms.open(opening, in: room, from: subscriber)
  }

  func send(_ request: RoomRequest<OrderCommand>, to room: RoomID, from subscriber: any RoomSubscriber) -> Admission {
    rooms.send(request, to: room, from: subscriber)
  }

  func ask(_ question: RoomQuestion<OrderCommand>, of room: RoomID) async -> RoomReply {
    await rooms.ask(question, of: room)
  }

  func read(_ room: RoomID) async -> RoomReading { await rooms.read(room) }

  func canOpen(_ room: RoomID) -> Bool { rooms.canOpen(room) }
}
