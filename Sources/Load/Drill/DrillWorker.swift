import NIOCore

/// All rooms and clients of a drill. Everything here runs on one event loop.
final class DrillWorker {
  /// Enough to keep a server busy, and few enough for any listen queue.
  private static let maxConnecting = 32
  private static let maxReading = 32

  let scenario: DrillScenario
  let gateways: [LoadDialer]
  /// The store's past, as clients were told last.
  var storeHistory: String?
  private(set) var isClosing = false
  /// What should not be, beside what the audit finds.
  private(set) var errors = LoadErrors()

  private let eventLoop: any EventLoop
  private var rooms: [DrillRoom] = []
  private var channels: [any Channel] = []
  private let ready: EventLoopPromise<Void>
  private var isReady = false
  private var unprepared: Int
  private var unconnected: ArraySlice<DrillClient> = []
  private var isIssuing = false
  private var issued = 0
  private var unread: ArraySlice<DrillRoom> = []
  private var reading = 0
  /// Whether nobody changes anything any more.
  private var isFinal = false

  init(scenario: DrillScenario, gateways: [LoadDialing], eventLoop: any EventLoop) {
    self.scenario = scenario
    self.eventLoop = eventLoop
    self.gateways = gateways.map { LoadDialer($0, dialect: .deltas, eventLoop: eventLoop) }
    ready = eventLoop.makePromise()
    unprepared = scenario.clients
    rooms = (0..<scenario.rooms + scenario.quietRooms).map { number in
      DrillRoom(number: number, participants: number < scenario.rooms ? scenario.participantsPerRoom : 1, worker: self)
    }
  }

  func later(_ pause: TimeAmount, _ body: @escaping () -> Void) {
    eventLoop.assumeIsolated().scheduleTask(in: pause, body)
  }

  func opened(_ channel: any Channel) {
    if isClosing { return channel.close(promise: nil) }
    // Those that have ended are of no interest any more.
    if channels.count > 2 * scenario.clients + 1000 { channels.removeAll { !$0.isActive } }
    channels.append(channel)
  }

  func failed(_ text: String) {
    guard !isClosing else { return }
    errors.note(text)
    becomeReady(.failure(LoadFailure.setup(text)))
  }

  // MARK: Setting up

  /// Connects everybody, and has everybody join and add an item.
  func setUp() -> EventLoopFuture<Void> {
    unconnected = ArraySlice(rooms.flatMap(\.clients))
    later(.milliseconds(Int64(scenario.setupTimeoutSeconds * 1000))) {
      self.becomeReady(.failure(LoadFailure.setup("\(self.unprepared) clients were not ready in time")))
    }
    for _ in 0..<Self.maxConnecting { connectNext() }
    return ready.futureResult
  }

  func connectNext() { unconnected.popFirst()?.connect() }

  func prepared() {
    unprepared -= 1
    if unprepared == 0 { becomeReady(.success(())) }
  }

  private func becomeReady(_ result: Result<Void, any Error>) {
    guard !isReady else { return }
    isReady = true
    ready.completeWith(result)
  }

  // MARK: Running

  /// Lets operations be due until `stop`: a room after the other, so that each has one at equal distances.
  func start() {
    isIssuing = true
    var schedule = OpenLoopSchedule(
      start: NIODeadline.now().uptimeNanoseconds, rate: scenario.operationsPerSecond)
    func issue() {
      guard isIssuing else { return }
      let now = NIODeadline.now().uptimeNanoseconds
      while let due = schedule.next(until: now) {
        let room = rooms[due.number % scenario.rooms]
        room.clients[due.number / scenario.rooms % room.clients.count].operationDue(at: due.time)
        issued += 1
      }
      later(.milliseconds(1), issue)
    }
    issue()
  }

  func stop() { isIssuing = false }

  /// How it goes: operations that were due so far, and those that wait for an answer.
  var progress: (issued: Int, unanswered: Int) { (issued, unanswered) }

  private var unanswered: Int { rooms.reduce(0) { $0 + $1.clients.reduce(0) { $0 + $1.unanswered } } }

  /// Waits until everything is answered; not for ever.
  func drain() -> EventLoopFuture<Void> {
    eventLoop.wait(lookingEvery: .milliseconds(20), for: .ofSeconds(scenario.patienceSeconds)) { self.unanswered == 0 }
  }

  // MARK: Reading the journals

  func consider(_ room: DrillRoom) {
    let read = room.reader.outcome.journal.count
    // Rooms grow at the same rate; read at the same time, they would be a load of their own.
    let piece = read == 0 ? scenario.journalPiece * (1 + room.number % 64) / 64 : scenario.journalPiece
    guard room.head - read >= piece, !room.isToBeRead, !isClosing else { return }
    room.isToBeRead = true
    unread.append(room)
    readMore()
  }

  /// Reads all journals to their ends, and the final states.
  func readAll() -> EventLoopFuture<Void> {
    unread = rooms[...]
    isFinal = true
    return eventLoop.wait(lookingEvery: .milliseconds(10)) {
      self.readMore()
      return self.reading == 0 && self.unread.isEmpty
    }
  }

  private func readMore() {
    while reading < Self.maxReading, let room = unread.popFirst() {
      guard room.reader.isIdle else {
        // It reads a piece of it. It comes again.
        unread.append(room)
        return
      }
      reading += 1
      room.reader.read(withState: isFinal) {
        self.reading -= 1
        room.isToBeRead = false
        if !self.isClosing { self.readMore() }
      }
    }
  }

  // MARK: Ending

  var histories: [RoomHistory] {
    rooms.map { RoomHistory(name: $0.name, clients: $0.clients.map(\.history), outcome: $0.reader.outcome) }
  }

  func closeAll() -> EventLoopFuture<Void> {
    isClosing = true
    isIssuing = false
    becomeReady(.failure(LoadFailure.setup("given up")))
    let allClosed = EventLoopFuture<Void>.andAllComplete(channels.closeAll(), on: eventLoop)
    allClosed.assumeIsolated().whenComplete { _ in
      for room in self.rooms { room.takeApart() }
      self.rooms = []
    }
    return allClosed
  }
}
