import CoreMetrics
import DequeModule
import Link
import NIOCore
import NIOWebSocket
import Ordering
import RoomCore
import Rooms
import Wire

/// One client in one room: its messages become requests, what the room says becomes frames, in order.
final class RoomSession: WebSocketApplication {
  /// What the client gets of the room's changes.
  private enum Feed {
    /// Nothing, until the room has told it where it stands.
    case waiting
    case live
    /// Changes wait until the client has what it missed.
    case resuming(Backlog)
    /// The client is too slow: changes are left out until it has drained and gets the state instead.
    case lagging(since: NIODeadline)
  }

  private struct Unsettled {
    let ordinal: UInt64
    let operation: Operation<OrderCommand>
    let opId: String?

    var sizeBytes: Int { operation.command.sizeBytes }
  }

  private struct Backlog {
    enum Piece {
      case changes(FramedChanges.Run)
      /// An answer to the client's own operation. It comes behind the change that it is about.
      case direct(ByteBuffer)
    }

    private(set) var pieces: [Piece] = []
    /// Of frames with changes.
    private(set) var count = 0

    mutating func append(_ run: FramedChanges.Run) {
      pieces.append(.changes(run))
      count += run.count
    }

    mutating func append(direct frame: ByteBuffer) { pieces.append(.direct(frame)) }

    /// Changes that wait are left out where the client gets them otherwise; answers never are.
    var answers: [ByteBuffer] {
      pieces.compactMap { if case .direct(let frame) = $0 { frame } else { nil } }
    }
  }

  let room: RoomID
  let number: SessionNumber
  private let entry: RoomEntry
  private let hub: SessionHub
  private var audience: Audience?
  private let loopIndex: Int
  private var connection: (any ClientSocket)?
  private var feed = Feed.waiting
  /// Answers that have come while the client waited. They go out behind what it is told next, which has the changes that
  /// they are about. Their number is bounded by what it sends.
  private var heldAnswers: [ByteBuffer] = []
  /// The last position that went out to the client.
  private var seen = SequenceNumber.zero
  /// The last position that goes out when the missed changes do.
  private var backlogSeen = SequenceNumber.zero
  private var operationCount = 0
  /// Where rooms move: what waits for its answer, in order, to be sent again to the room's next owner.
  private var unsettled: Deque<Unsettled> = []
  private var unsettledBytes = 0
  /// How many operations were sent to the present owner.
  private var sentToOwner: UInt64 = 0
  /// At which of the room's owners the session was opened last.
  private var owner = 0
  /// Whom the room says that this session acts for.
  private var participant: ParticipantID?
  /// Whether the client has been told where the room stands, so that it can go on from `seen`.
  private var hasBegun = false
  private var bucket: TokenBucket
  private var strikes = 0
  /// Of its tenant, once that is known.
  private var account: TenantLimits.Account?

  init(entry: RoomEntry, hub: SessionHub, loopIndex: Int) {
    self.entry = entry
    self.hub = hub
    self.loopIndex = loopIndex
    room = entry.room
    number = hub.newSession()
    bucket = TokenBucket(
      burst: hub.settings.messageBurst, perSecond: Double(hub.settings.messagesPerSecond),
      now: NIODeadline.now().uptimeNanoseconds)
  }

  private var loopContext: LoopContext { hub.loops[loopIndex].onLoop }

  // MARK: - Socket

  func opened(_ connection: any ClientSocket) {
    self.connection = connection
    audience = hub.enter(room, loopAt: loopIndex)
    hub.metrics.sessions.increment()
    loopContext.add(self)
    if let tenant = entry.identity?.tenant, !enter(tenant) {
      return connection.close(.tryAgainLater, reason: RefusalNotice.tenantFull.message)
    }
    participant = entry.identity?.participant
    open(rehomedAt: nil)
  }

  private func open(rehomedAt seen: SequenceNumber?) {
    guard let audience else { return }
    owner = hub.link.open(opening(rehomedAt: seen), in: room, from: audience)
  }

  private func opening(rehomedAt seen: SequenceNumber?) -> SessionOpening {
    SessionOpening(
      session: number, participant: participant, dialect: entry.dialect, since: hasBegun ? nil : entry.since,
      history: entry.history, address: entry.address, rehomedAt: seen)
  }

  /// - Returns: false if the tenant has as many connections as it may have.
  private func enter(_ tenant: String) -> Bool {
    guard let tenants = hub.tenants else { return true }
    account = account ?? tenants.enter(tenant, now: .now())
    if account == nil { hub.metrics.refusedTenantConnections.increment() }
    return account != nil
  }

  func received(_ opcode: Opcode, _ message: UnsafeRawBufferPointer, at now: NIODeadline) {
    hub.metrics.messagesReceived.increment()
    guard bucket.take(now: now.uptimeNanoseconds) else {
      return strike()
    }
    if let account, !account.takeMessage(now: now) {
      hub.metrics.limitedTenantMessages.increment()
      // No strike: the client may have sent nothing but this.
      return refuse(
        RefusalNotice(
          code: "rate_limited", message: "the tenant's clients send too many messages together", isRetryable: true))
    }
    guard opcode == .text else {
      return refuse(RefusalNotice(code: "invalid_json", message: "messages are text, not binary"))
    }
    do throws(WireError) {
      handle(try ClientMessage.decode(message))
    } catch {
      if error.code == .invalidJSON, String(validating: message, as: UTF8.self) == nil {
        connection?.close(.dataInconsistentWithMessage, reason: "text must be UTF-8")
      } else {
        refuse(RefusalNotice(error))
      }
    }
  }

  func drained() {
    guard case .lagging = feed, audience != nil else { return }
    feed = .waiting
    send(.resync(number))
  }

  func sweep(now: NIODeadline) {
    if case .lagging(let since) = feed, now >= since + TimeAmount(hub.settings.lagLimit) {
      hub.metrics.slowConsumers.increment()
      connection?.close(.tryAgainLater, reason: "the client does not keep up")
    }
  }

  func closed() {
    connection = nil
    loopContext.remove(self)
    send(.close(number))
    if let audience { hub.leave(room, audience, loopAt: loopIndex) }
    audience = nil
    if let account { hub.tenants?.leave(account) }
    account = nil
    hub.metrics.sessions.decrement()
  }

  // MARK: - Client to room

  private func handle(_ message: ClientMessage) {
    switch message.body {
    case .operation(let command):
      guard let command = admitted(command) else {
        return refuse(
          RefusalNotice(code: "wrong_tenant", message: "the token is for another tenant", operation: message.opId))
      }
      if let identity = entry.identity, identity.participant != message.participant {
        let refusal = Refusal<OrderRejection>.identityMismatch
        return refuse(RefusalNotice(code: refusal.code, message: refusal.message, operation: message.opId))
      }
      if case .join(let join) = command, let tenant = join.tenant, !enter(tenant) {
        return refuse(.tenantFull.naming(message.opId))
      }
      operationCount += 1
      let name = message.opId ?? "\(hub.operationPrefix).\(number.number).\(operationCount)"
      let operation = Operation(
        id: OperationID(participant: message.participant, value: name), after: after(of: message), command: command)
      submit(operation, named: message.opId)
    case .speaking(let isSpeaking):
      let text = ServerMessage.speaking(message.participant, isSpeaking: isSpeaking, now: hub.time.now())
      send(.relay(text, by: message.participant, session: number))
    }
  }

  private func submit(_ operation: Operation<OrderCommand>, named opId: String?) {
    let sizeBytes = operation.command.sizeBytes
    if hub.link.movesRooms {
      // A client that sends on and on while its room is nowhere must not fill memory, nor the way to the next owner.
      guard unsettled.count < hub.settings.unsettledOperations,
        unsettledBytes + sizeBytes <= hub.settings.unsettledBytes
      else { return refuse(RefusalNotice.overloaded.naming(opId)) }
      sentToOwner += 1
      // When it is sent again, the room may have forgotten that it was taken: then it matters when it was sent first.
      let after = operation.after == SequenceNumber(.max) ? seen : operation.after
      let copy = Operation(id: operation.id, after: after, command: operation.command)
      unsettled.append(Unsettled(ordinal: sentToOwner, operation: copy, opId: opId))
      unsettledBytes += sizeBytes
    }
    if send(.operation(operation, session: number, opId: opId)) == .full {
      if hub.link.movesRooms {
        sentToOwner -= 1
        unsettled.removeLast()
        unsettledBytes -= sizeBytes
      }
      refuse(RefusalNotice.overloaded.naming(opId))
    }
  }

  /// A name that was made here a moment ago has never been used: such an operation cannot be too old.
  private func after(of message: ClientMessage) -> SequenceNumber {
    message.after ?? (message.opId == nil ? SequenceNumber(.max) : seen)
  }

  private func admitted(_ command: OrderCommand) -> OrderCommand? {
    guard let identity = entry.identity else { return command }
    return identity.admit(command)
  }

  @discardableResult
  private func send(_ request: RoomRequest<OrderCommand>) -> Admission {
    guard let audience else { preconditionFailure("\(number) has a request before it was opened or after its end") }
    return hub.link.send(request, to: room, from: audience)
  }

  /// A message over the rate limit. It is told a while, then cut.
  private func strike() {
    strikes += 1
    hub.metrics.rateLimited.increment()
    if strikes > hub.settings.rateStrikes {
      connection?.close(.policyViolation, reason: "too many messages")
    } else {
      refuse(
        RefusalNotice(
          code: "rate_limited", message: "at most \(hub.settings.messagesPerSecond) messages a second",
          isRetryable: true))
    }
  }

  private func refuse(_ notice: RefusalNotice) {
    guard let connection else { return }
    let text = ServerMessage.error(notice, now: hub.time.now())
    connection.send(Frames.text(text, allocator: connection.allocator))
  }

  // MARK: - Room to client

  /// - Parameter owner: who says it. Loops are told at different times that a room has moved: what another owner than the
  ///   session's says is either too late, or too early.
  func deliver(_ items: [FramedItem], by owner: Int) {
    guard let connection, owner == 0 || owner == self.owner else { return }
    connection.withOneFlush {
      for item in items { deliver(item) }
    }
  }

  private func deliver(_ item: FramedItem) {
    switch item {
    case .changes(let changes): deliver(changes)
    case .transient(let frame): deliverTransient(frame)
    case .direct(let addressee, let frame): if addressee == number { deliverDirect(frame) }
    case .sync(let addressee, let head, let frame): if addressee == number { deliverState(frame, at: head) }
    case .resuming(let addressee, let head, let frame): if addressee == number { beginResuming(frame, through: head) }
    case .history(let addressee, let frames): if addressee == number { finishResuming(frames) }
    case .settled(let addressee, let count):
      if addressee == number { settle(count) }
    case .bound(let addressee, let participant): if addressee == number { self.participant = participant }
    case .overflowed(let addressee, let ordinal): if addressee == number { overflow(ordinal) }
    case .rehoming(let owner): if owner > self.owner { goToNextOwner() }
    case .ended(let ending): end(ending)
    }
  }

  /// The room is served elsewhere: opens the session there, where it was, and sends again what had no answer. What had one
  /// that did not arrive gets it once more.
  private func goToNextOwner() {
    guard audience != nil else { return }
    switch feed {
    case .lagging: open(rehomedAt: nil)
    case .waiting, .live, .resuming:
      if case .resuming(let backlog) = feed { heldAnswers += backlog.answers }
      feed = .waiting
      open(rehomedAt: hasBegun ? seen : nil)
    }
    sentToOwner = 0
    let again = unsettled
    unsettled = []
    unsettledBytes = 0
    for entry in again { submit(entry.operation, named: entry.opId) }
  }

  private func settle(_ count: Int) {
    let settled = min(count, unsettled.count)
    for entry in unsettled.prefix(settled) { unsettledBytes -= entry.sizeBytes }
    unsettled.removeFirst(settled)
  }

  /// The room's mailbox, over there, had no place for an operation.
  private func overflow(_ ordinal: UInt64) {
    guard let index = unsettled.firstIndex(where: { $0.ordinal == ordinal }) else { return }
    let entry = unsettled.remove(at: index)
    unsettledBytes -= entry.sizeBytes
    refuse(RefusalNotice.overloaded.naming(entry.opId))
  }

  private func deliver(_ changes: FramedChanges) {
    guard let connection else { return }
    guard let run = changes[entry.dialect] else {
      if case .live = feed { seen = changes.last }
      return
    }
    switch feed {
    case .waiting, .lagging: return
    case .resuming(var backlog):
      feed = .waiting
      guard backlog.count < hub.settings.resumeBacklog else {
        heldAnswers += backlog.answers
        send(.resync(number))
        return
      }
      backlog.append(run)
      feed = .resuming(backlog)
      backlogSeen = changes.last
    case .live:
      guard connection.isWritable else {
        lag()
        return
      }
      connection.send(run.bytes, count: run.count)
      seen = changes.last
    }
  }

  /// From here on the client gets nothing but the state, once it has drained.
  private func lag() {
    if case .lagging = feed { return }
    feed = .lagging(since: .now())
    hub.metrics.lags.increment()
  }

  private func deliverTransient(_ frame: ByteBuffer) {
    guard entry.dialect == .delta, let connection else { return }
    switch feed {
    case .waiting, .lagging: return
    case .resuming(var backlog):
      guard backlog.count < hub.settings.resumeBacklog else { return }
      feed = .waiting
      backlog.append(FramedChanges.Run(bytes: frame, count: 1))
      feed = .resuming(backlog)
    case .live: if connection.isWritable { connection.send(frame) } else { lag() }
    }
  }

  /// Answers to the client's own operations are not left out: their number is bounded by what it sends.
  private func deliverDirect(_ frame: ByteBuffer) {
    switch feed {
    case .waiting: heldAnswers.append(frame)
    case .resuming(var backlog):
      feed = .waiting
      backlog.append(direct: frame)
      feed = .resuming(backlog)
    case .live, .lagging: connection?.send(frame)
    }
  }

  private func deliverState(_ frame: ByteBuffer?, at head: SequenceNumber) {
    guard let connection else { return }
    if case .resuming(let backlog) = feed { heldAnswers += backlog.answers }
    let answers = heldAnswers
    heldAnswers = []
    // Behind the state, as it has the changes that they are about.
    defer { for frame in answers { connection.send(frame) } }
    guard connection.isWritable else { return lag() }
    if let frame { connection.send(frame) }
    seen = head
    feed = .live
    hasBegun = true
  }

  private func beginResuming(_ frame: ByteBuffer?, through head: SequenceNumber) {
    if let frame {
      connection?.send(frame)
      seen = entry.since ?? .zero
      hasBegun = true
    }
    backlogSeen = head
    var backlog = Backlog()
    for frame in heldAnswers { backlog.append(direct: frame) }
    heldAnswers = []
    feed = .resuming(backlog)
  }

  private func finishResuming(_ missed: [ByteBuffer]) {
    guard case .resuming(let backlog) = feed else { return }
    for frame in missed { connection?.send(frame) }
    for piece in backlog.pieces {
      switch piece {
      case .changes(let run): connection?.send(run.bytes, count: run.count)
      case .direct(let frame): connection?.send(frame)
      }
    }
    seen = max(seen, backlogSeen)
    feed = .live
  }

  private func end(_ ending: RoomEnding) {
    switch ending {
    case .moved: connection?.close(.serviceRestart, reason: "the room moves; reconnect")
    case .unavailable: connection?.close(.tryAgainLater, reason: "the room cannot be read now")
    case .crowded: connection?.close(.tryAgainLater, reason: RefusalNotice.crowded.message)
    }
  }
}
