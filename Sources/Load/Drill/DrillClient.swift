import NIOCore

/// A participant of a drill. It names its operations, comes back when it loses its connection, at the next gateway, goes
/// on from where it was, and sends again what was not answered.
///
/// It lives on the event loop of its worker.
final class DrillClient: DialedClient {
  private struct Pending {
    let number: Int
    /// The position that it had seen when it first sent the operation. A retry says the same.
    var after: Int?
  }

  private enum Phase {
    case connecting
    /// There is a connection, and the server has not yet said where it stands.
    case opened
    case live
    case ended
  }

  let number: Int
  let room: DrillRoom
  let worker: DrillWorker
  var handler: WebSocketChannelHandler<DrillClient>?
  private(set) var history = ClientHistory()
  /// The last position that it has seen.
  private(set) var position: Int?

  private var phase = Phase.connecting
  private var pending: [Pending] = []
  private var made = 0
  private var wasLive = false
  private var gateway: Int
  private var attempts = 0
  /// A bit less than the others and a bit more: all at once would be a storm.
  private var pause: TimeAmount {
    let most = min(2000, 50 << min(attempts, 6))
    return .milliseconds(Int64(most / 2 + (room.number * 31 + number * 17) % (most / 2 + 1)))
  }

  init(number: Int, room: DrillRoom, worker: DrillWorker) {
    self.number = number
    self.room = room
    self.worker = worker
    gateway = (room.number + number) % worker.gateways.count
  }

  var id: String { room.names.id(number) }
  var participant: String { id }
  var unanswered: Int { pending.count }

  // MARK: Connections

  func connect() {
    phase = .connecting
    note(.dialed(gateway: gateway))
    var query = ""
    if let position { query = "&since=\(position)" + (worker.storeHistory.map { "&history=\($0)" } ?? "") }
    worker.gateways[gateway].connect(self, to: room.name, query: query) { [worker] channel in worker.opened(channel) }
  }

  func webSocketOpened(_ response: UpgradeResponse) {
    phase = .opened
    note(.opened)
  }

  func webSocketFailed(_ error: any Error) {
    handler = nil
    note(.failed("\(error)"))
    comeBack()
  }

  func webSocketClosed(_ closure: WebSocketClosure) {
    handler = nil
    guard !worker.isClosing else { return }
    note(.closed(code: closure.code.map(Int.init)))
    comeBack()
  }

  private func comeBack() {
    guard phase != .ended, !worker.isClosing else { return }
    phase = .connecting
    gateway = (gateway + 1) % worker.gateways.count
    worker.later(pause) {
      guard self.phase == .connecting, self.handler == nil, !self.worker.isClosing else { return }
      self.connect()
    }
    attempts += 1
  }

  private func becomeLive() {
    guard phase == .opened else { return }
    phase = .live
    attempts = 0
    for index in pending.indices { send(index) }
    guard !wasLive else { return }
    wasLive = true
    worker.connectNext()
    room.connected(self)
  }

  // MARK: Operations

  /// One more operation is due. Without a connection it waits for the next.
  func operationDue(at time: UInt64) {
    history.note(.due(made), at: time)
    pending.append(Pending(number: made, after: nil))
    made += 1
    if phase == .live { send(pending.count - 1) }
  }

  private func send(_ index: Int) {
    let after = pending[index].after ?? position ?? 0
    pending[index].after = after
    let number = pending[index].number
    note(.sent(number))
    let text = DrillOperation.text(number, of: self.number, as: id, after: after)
    handler?.send(ClientFrameEncoder().encode(.text, payload: text.utf8))
  }

  private func sendAgain(_ number: Int) {
    worker.later(.milliseconds(200)) {
      guard self.phase == .live, let index = self.pending.firstIndex(where: { $0.number == number }) else { return }
      self.send(index)
    }
  }

  // MARK: What comes

  func webSocketReceived(_ event: WebSocketDecoder.Event) {
    guard phase == .opened || phase == .live, case .text(let payload) = event else { return }
    let reply = payload.withUnsafeReadableBytes { DrillReply(scanning: $0, names: room.names) }
    guard let reply else { return worker.failed("a message makes no sense: \(String(buffer: payload).prefix(300))") }
    if let name = reply.history { worker.storeHistory = name }
    switch reply.kind {
    case .event(let event):
      note(.saw(event))
      position = event.position
      room.reached(event.position)
    case .state(let head):
      note(.state(at: head))
      position = head
      becomeLive()
    case .resumed(let since, let head):
      note(.resumed(since: since, head: head))
      becomeLive()
    case .acknowledged(let number, let position):
      note(.acknowledged(number, at: position))
      guard let index = pending.firstIndex(where: { $0.number == number }) else { return }
      pending.remove(at: index)
      if number < DrillOperation.preparations { room.prepared(self, number) }
    case .refused(let number, let code, let isRetryable):
      refused(number, code, isRetryable)
    case .other: break
    }
  }

  private func refused(_ number: Int?, _ code: String, _ isRetryable: Bool) {
    note(.refused(number, code: code, isFinal: !isRetryable))
    guard let number else { return }
    if isRetryable { return sendAgain(number) }
    pending.removeAll { $0.number == number }
    if number < DrillOperation.preparations { worker.failed("the rooms' preparation was refused: \(code)") }
  }

  private func note(_ what: Observation) {
    history.note(what, at: NIODeadline.now().uptimeNanoseconds)
  }

  func end() {
    phase = .ended
    handler?.disconnect()
    handler = nil
  }
}

/// One room of a drill.
final class DrillRoom {
  let number: Int
  let name: String
  let names = ParticipantNames(prefix: "drill-")
  private(set) var clients: [DrillClient] = []
  /// The furthest that any of its clients has seen.
  private(set) var head = 0
  let reader: JournalReader
  var isToBeRead = false
  private let worker: DrillWorker
  private var waiting: [DrillClient] = []
  private var hasBegun = false

  init(number: Int, participants: Int, worker: DrillWorker) {
    self.number = number
    self.worker = worker
    name = "\(worker.scenario.roomPrefix)-\(number)"
    reader = JournalReader(room: name, names: names, participants: participants, worker: worker)
    clients = (0..<participants).map { DrillClient(number: $0, room: self, worker: worker) }
  }

  /// The first client begins the order, and the others join it.
  func connected(_ client: DrillClient) {
    if client.number == 0 || hasBegun {
      client.operationDue(at: NIODeadline.now().uptimeNanoseconds)
    } else {
      waiting.append(client)
    }
  }

  func prepared(_ client: DrillClient, _ operation: Int) {
    if operation + 1 < DrillOperation.preparations {
      client.operationDue(at: NIODeadline.now().uptimeNanoseconds)
    } else {
      worker.prepared()
    }
    guard operation == 0, client.number == 0 else { return }
    hasBegun = true
    for other in waiting { other.operationDue(at: NIODeadline.now().uptimeNanoseconds) }
    waiting = []
  }

  func reached(_ position: Int) {
    head = max(head, position)
    worker.consider(self)
  }

  func takeApart() {
    for client in clients { client.end() }
    reader.end()
    clients = []
  }
}
