import NIOCore
import NIOPosix

/// Asks for the state of rooms over HTTP/2.
final class RequestWorker: LoadWorking {
  private let eventLoop: any EventLoop
  /// Makes the rooms.
  private let maker: LoadWorker
  private let sender: RequestSender
  /// One for each room.
  private let requests: [LoadRequest]
  private var sent = 0

  /// - Parameter rooms: the way by which rooms are made, over WebSockets.
  init(scenario: RequestScenario, dialing: LoadDialing, makingRoomsBy rooms: LoadDialing, eventLoop: any EventLoop) {
    self.eventLoop = eventLoop
    var made = LoadScenario(.idle, roomPrefix: scenario.roomPrefix)
    made.rooms = scenario.rooms
    made.participantsPerRoom = 1
    made.itemsPerRoom = scenario.itemsPerRoom
    made.setupTimeoutSeconds = scenario.setupTimeoutSeconds
    maker = LoadWorker(scenario: made, dialing: rooms, rooms: Array(0..<scenario.rooms), eventLoop: eventLoop)
    let pace = RequestPace(
      connections: scenario.connections, inFlight: scenario.requestsInFlight, perSecond: scenario.requestsPerSecond,
      patienceSeconds: scenario.patienceSeconds)
    sender = RequestSender(dialing, pace: pace, eventLoop: eventLoop)
    let target = dialing.target
    requests = (0..<scenario.rooms).map { number in
      let room = "\(scenario.roomPrefix)-\(number)"
      let token = target.tokens?.token(for: "onlooker", in: room)
      let headers = token.map { [(name: "authorization", value: "Bearer \($0)")] } ?? []
      return LoadRequest(request: HTTP2Request("GET", target.path + room, headers: headers)) { response in
        response.status == 200 ? nil : response.inShort
      }
    }
  }

  var tally: LoadTally {
    get { sender.tally }
    set { sender.tally = newValue }
  }

  var readiness: (ready: Int, all: Int) { maker.readiness }

  func setUp() -> EventLoopFuture<Void> {
    let bound = NIOLoopBound(self, eventLoop: eventLoop)
    return maker.setUp().flatMap { bound.value.maker.closeAll() }.flatMap { bound.value.sender.connect() }
  }

  func run(_ window: LoadWindow) {
    sender.run(window) {
      defer { self.sent += 1 }
      return self.requests[self.sent % self.requests.count]
    }
  }

  func drain() -> EventLoopFuture<Void> { sender.drain() }

  func closeAll() -> EventLoopFuture<Void> {
    EventLoopFuture.andAllComplete(sender.closeAll() + [maker.closeAll()], on: eventLoop)
  }
}
