import NIOCore

/// Has orders begin at a steady rate, fills and finalizes them.
final class RushWorker: LoadWorking {
  let scenario: RushScenario
  private let eventLoop: any EventLoop
  private let dialer: LoadDialer
  private let arriving: ArrivingWork
  /// Those whose guests have not all gone.
  private var orders: [Int: RushOrder] = [:]
  var tally = LoadTally()

  init(scenario: RushScenario, dialing: LoadDialing, eventLoop: any EventLoop) {
    self.scenario = scenario
    self.eventLoop = eventLoop
    dialer = LoadDialer(dialing, dialect: scenario.dialect, eventLoop: eventLoop)
    arriving = ArrivingWork(
      on: eventLoop, atOnce: scenario.ordersAtOnce, patience: .milliseconds(Int64(scenario.patienceSeconds * 1000)))
  }

  var readiness: (ready: Int, all: Int) { (0, 0) }

  func setUp() -> EventLoopFuture<Void> { eventLoop.makeSucceededVoidFuture() }

  func run(_ window: LoadWindow) {
    arriving.arrive(in: window, perSecond: scenario.ordersPerSecond) { number, due in
      let order = RushOrder(number, due: due, worker: self)
      self.orders[number] = order
      order.begin()
    } leftOut: {
      self.tally.errors.note("\(self.scenario.ordersAtOnce) orders were open at once; another was left out")
    }
  }

  func drain() -> EventLoopFuture<Void> {
    arriving.drained().assumeIsolated().map { count in
      if count > 0 { self.tally.errors.note("\(count) orders were not final in time") }
    }.nonisolated()
  }

  func closeAll() -> EventLoopFuture<Void> {
    for order in orders.values { order.end() }
    orders = [:]
    return eventLoop.makeSucceededVoidFuture()
  }

  fileprivate func connect(_ guest: RushGuest, to room: String) { dialer.connect(guest, to: room) { _ in } }

  fileprivate func received(_ size: Int) {
    tally.deliveries += 1
    tally.deliveredBytes += size
  }

  fileprivate func isFinal(_ order: RushOrder) {
    ended(order)
    guard !arriving.isOver else { return }
    tally.operations += 1
    tally.record(.order, nanoseconds: NIODeadline.now().uptimeNanoseconds - order.due, isMain: true)
    arriving.done()
  }

  fileprivate func failed(_ order: RushOrder, _ text: String) {
    ended(order)
    guard !arriving.isOver else { return }
    tally.errors.note(text)
    arriving.done()
  }

  private func ended(_ order: RushOrder) {
    order.end()
    orders[order.number] = nil
  }
}

/// One order of a rush.
private final class RushOrder {
  let number: Int
  let due: UInt64
  let names: ParticipantNames
  private let worker: RushWorker
  private let room: String
  private var guests: [RushGuest] = []
  private var hasEnded = false
  private var itemsAdded = 0
  private var guestsTold = 0

  init(_ number: Int, due: UInt64, worker: RushWorker) {
    self.number = number
    self.due = due
    self.worker = worker
    room = "\(worker.scenario.roomPrefix)-\(number)"
    names = ParticipantNames(prefix: "rush-\(number)-")
  }

  private var scenario: RushScenario { worker.scenario }

  /// The first to come begins the order, and is its owner.
  func begin() { admit() }

  private func admit() {
    let guest = RushGuest(guests.count, in: self)
    guests.append(guest)
    worker.connect(guest, to: room)
  }

  func joined(_ guest: RushGuest) {
    if guest.index == 0 { for _ in 1..<max(1, scenario.participantsPerOrder) { admit() } }
    addItem(guest)
  }

  private func addItem(_ guest: RushGuest) {
    guest.send(
      "add_item", #"{"dishName":"Chicken Biryani","dishType":"non-veg","quantity":\#(1 + guest.items),"price":299}"#)
  }

  /// A guest has seen its own item come.
  func added(by guest: RushGuest) {
    itemsAdded += 1
    guest.items += 1
    if guest.items < scenario.itemsPerParticipant { addItem(guest) }
    if itemsAdded == scenario.itemsPerParticipant * scenario.participantsPerOrder { guests[0].send("finalize", "{}") }
  }

  func told(_ size: Int) { worker.received(size) }

  func heardFinal() {
    guestsTold += 1
    if guestsTold == guests.count { worker.isFinal(self) }
  }

  func failed(_ text: String) {
    if !hasEnded { worker.failed(self, text) }
  }

  /// All leave.
  func end() {
    hasEnded = true
    for guest in guests { guest.hangUp() }
    guests = []
  }
}

private final class RushGuest: DialedClient {
  let index: Int
  var items = 0
  var handler: WebSocketChannelHandler<RushGuest>?
  private let order: RushOrder
  private var hasJoined = false
  private var isDone = false

  init(_ index: Int, in order: RushOrder) {
    self.index = index
    self.order = order
  }

  private var id: String { order.names.id(index) }
  var participant: String { id }

  func send(_ type: String, _ data: String) {
    let text = #"{"type":"\#(type)","participantId":"\#(id)","participantName":"\#(id)","data":\#(data)}"#
    handler?.send(ClientFrameEncoder().encode(.text, payload: text.utf8))
  }

  func webSocketOpened(_ response: UpgradeResponse) {
    send("join", #"{"circleId":"rush","tenantId":"load","phone":"9876543210"}"#)
  }

  func webSocketReceived(_ event: WebSocketDecoder.Event) {
    guard !isDone, case .text(let payload) = event else { return }
    order.told(payload.readableBytes)
    payload.withUnsafeReadableBytes { bytes in
      guard let reply = Reply(scanning: bytes) else { return order.failed("a message has no type") }
      let isOwn = order.names.index(of: reply.participantID) == index
      switch reply.kind {
      case .participantJoined where isOwn && !hasJoined:
        hasJoined = true
        order.joined(self)
      case .itemAdded where isOwn: order.added(by: self)
      case .orderFinalized: order.heardFinal()
      case .error: order.failed("the server refused: \(String(decoding: bytes.prefix(300), as: UTF8.self))")
      case .participantJoined, .itemAdded, .quantityUpdated, .sync, .ack, .other: break
      }
    }
  }

  func webSocketFailed(_ error: any Error) { order.failed("\(error)") }

  func webSocketClosed(_ closure: WebSocketClosure) {
    handler = nil
    if !isDone { order.failed("the server closed a connection: \(closure)") }
  }

  func hangUp() {
    isDone = true
    handler?.disconnect()
    handler = nil
  }
}
