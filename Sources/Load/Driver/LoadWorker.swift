import NIOCore

/// One event loop's share of the rooms. A room with all its connections lives on one loop, so that nothing is shared.
///
/// Everything here runs on that loop.
final class LoadWorker: LoadWorking {
  /// Enough to keep a server busy, and few enough for any listen queue.
  private static let maxConnecting = 32
  /// How long a server may take to work off what it owes, even if it does not stop delivering. An open loop that is
  /// faster than the server leaves any amount of it.
  private static let maxDrain = TimeAmount.seconds(30)

  let scenario: LoadScenario
  private(set) var window = LoadWindow(start: .max, end: .max)
  var tally = LoadTally()
  private(set) var isClosing = false

  private let eventLoop: any EventLoop
  private var rooms: [LoadRoom] = []
  private let dialer: LoadDialer
  private var channels: [any Channel] = []
  private let ready: EventLoopPromise<Void>
  /// Who is to be connected, in this order.
  private var unconnected: ArraySlice<any LoadClient> = []
  private var connecting = 0
  private var readyRooms = 0
  /// Of an open loop: whether each operation that was due in the window has begun.
  private var hasBegunAll = true
  private var isReady = false

  init(
    scenario: LoadScenario, dialing: LoadDialing, rooms numbers: [Int], eventLoop: any EventLoop
  ) {
    self.scenario = scenario
    self.eventLoop = eventLoop
    dialer = LoadDialer(dialing, dialect: scenario.dialect, eventLoop: eventLoop)
    ready = eventLoop.makePromise()
    rooms = numbers.map { LoadRoom(number: $0, worker: self) }
  }

  // MARK: Setting up

  var readiness: (ready: Int, all: Int) { (readyRooms, rooms.count) }

  /// Connects everybody and fills the rooms.
  func setUp() -> EventLoopFuture<Void> {
    unconnected = ArraySlice(rooms.flatMap(\.participants) as [any LoadClient])
    if unconnected.isEmpty { becomeReady(.success(())) }
    let expiry = eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(scenario.setupTimeoutSeconds * 1000)))
    {
      let message = "only \(self.readyRooms) of \(self.rooms.count) rooms were ready in time"
      self.becomeReady(.failure(LoadFailure.setup(message)))
    }
    ready.futureResult.assumeIsolated().whenComplete { _ in expiry.cancel() }
    connectMore()
    return ready.futureResult
  }

  func connect(_ listeners: [LoadListener]) {
    unconnected += listeners as [any LoadClient]
    connectMore()
  }

  private func connectMore() {
    while connecting < Self.maxConnecting, let client = unconnected.popFirst() {
      connecting += 1
      connect(client)
    }
  }

  private func connect(_ client: some LoadClient) {
    dialer.connect(client, to: client.room.name) { channel in
      self.channels.append(channel)
      if self.isClosing { channel.close(promise: nil) }
    }
  }

  func joined(_ participant: LoadParticipant) {
    connecting -= 1
    participant.room.participantJoined()
    connectMore()
  }

  func listening(_ listener: LoadListener) {
    connecting -= 1
    listener.room.listenerReady()
    connectMore()
  }

  func roomReady() {
    readyRooms += 1
    if readyRooms == rooms.count { becomeReady(.success(())) }
  }

  private func becomeReady(_ result: Result<Void, any Error>) {
    guard !isReady else { return }
    isReady = true
    ready.completeWith(result)
  }

  func failed(_ text: String) {
    guard !isClosing else { return }
    tally.errors.note(text)
    becomeReady(.failure(LoadFailure.setup(text)))
  }

  // MARK: Running

  func run(_ window: LoadWindow) {
    self.window = window
    let participants = rooms.flatMap(\.participants)
    switch scenario.kind {
    case .closedLoop:
      for participant in participants {
        for _ in 0..<scenario.operationsInFlight { participant.operationDue(at: NIODeadline.now().uptimeNanoseconds) }
      }
    case .openLoop:
      let share = scenario.operationsPerSecond * Double(rooms.count) / Double(scenario.rooms)
      guard !participants.isEmpty else { return }
      hasBegunAll = false
      OpenLoopSchedule(start: NIODeadline.now().uptimeNanoseconds, rate: share)
        .run(on: eventLoop, until: window.end) { number, due in
          participants[number % participants.count].operationDue(at: due)
        }.assumeIsolated().whenComplete { _ in self.hasBegunAll = true }
    case .idle: break
    }
  }

  /// A broadcast has come. What began in the window counts for latency, what came in it for throughput.
  func delivered(size: Int, isOwn: Bool, began: UInt64, now: UInt64) {
    if window.contains(now) {
      tally.deliveries += 1
      tally.deliveredBytes += size
      if isOwn { tally.operations += 1 }
    }
    guard window.contains(began) else { return }
    tally.record(isOwn ? .ownEcho : .others, nanoseconds: now - began, isMain: isOwn)
  }

  // MARK: Ending

  /// Waits for what is on its way. What does not come is an error.
  func drain() -> EventLoopFuture<Void> {
    let drained = eventLoop.makePromise(of: Void.self)
    let patience = TimeAmount.milliseconds(Int64(scenario.patienceSeconds * 1000))
    let start = NIODeadline.now()
    var lastProgress = start
    var lastMissing = missing
    eventLoop.repeatedly(every: .milliseconds(10)) {
      let missing = self.missing
      if missing != lastMissing {
        lastMissing = missing
        lastProgress = .now()
      }
      let now = NIODeadline.now()
      guard self.hasBegunAll && missing == 0 || lastProgress + patience < now || start + Self.maxDrain < now else {
        return true
      }
      if missing > 0 { self.tally.errors.note("\(missing) broadcasts or acks never came") }
      drained.succeed()
      return false
    }
    return drained.futureResult
  }

  private var missing: Int {
    rooms.reduce(0) { sum, room in
      let sent = room.participants.reduce(0) { $0 + $1.times.count }
      let received =
        room.participants.reduce(0) { $0 + $1.broadcasts.total } + room.listeners.reduce(0) { $0 + $1.broadcasts.total }
      let acknowledged = room.participants.reduce(0) { $0 + $1.acknowledged }
      let acksMissing = scenario.dialect == .deltas ? sent - acknowledged : 0
      return sum + sent * (room.participants.count + room.listeners.count) - received + acksMissing
    }
  }

  func closeAll() -> EventLoopFuture<Void> {
    isClosing = true
    becomeReady(.failure(LoadFailure.setup("given up")))
    let allClosed = EventLoopFuture<Void>.andAllComplete(channels.closeAll(), on: eventLoop)
    allClosed.assumeIsolated().whenComplete { _ in self.rooms = [] }
    return allClosed
  }
}

/// When the operations of an open loop are due: one after the other, at equal distances.
package struct OpenLoopSchedule: Sendable {
  private let start: UInt64
  private let nanosecondsApart: Double
  private var issued = 0

  /// - Parameters:
  ///   - start: nanoseconds.
  ///   - rate: operations per second.
  package init(start: UInt64, rate: Double) {
    self.start = start
    nanosecondsApart = 1_000_000_000 / rate
  }

  /// The next operation, if it is due by `time`.
  package mutating func next(until time: UInt64) -> (number: Int, time: UInt64)? {
    let due = start + UInt64(Double(issued) * nanosecondsApart)
    guard due <= time else { return nil }
    defer { issued += 1 }
    return (issued, due)
  }

  /// Tells each that is due, a millisecond late at most. On the loop only.
  ///
  /// - Parameters:
  ///   - end: the last time, in nanoseconds.
  ///   - isWanted: asked after each look.
  /// - Returns: done when all have been told. On a loop that is busy this is later than `end`.
  func run(
    on eventLoop: any EventLoop, until end: UInt64, while isWanted: @escaping () -> Bool = { true },
    _ begin: @escaping (_ number: Int, _ due: UInt64) -> Void
  ) -> EventLoopFuture<Void> {
    var schedule = self
    func beginDue() -> Bool {
      let now = NIODeadline.now().uptimeNanoseconds
      while let due = schedule.next(until: min(now, end)) { begin(due.number, due.time) }
      return now < end && isWanted()
    }
    return eventLoop.wait(lookingEvery: .milliseconds(1)) { !beginDue() }
  }
}
