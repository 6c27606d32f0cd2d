import JSONText
import Metrics
import RoomCore

/// What one turn of a room found out: the events to commit, and all that may leave the room once they are.
struct Turn<Logic: RoomLogic> {
  enum Target {
    case everyone
    case one(any RoomSubscriber)
  }

  let now: Timestamp
  /// For whom it was asked what the tenant says before the turn began.
  let tenant: String?
  /// What the tenant says at the operation in hand.
  var context: Logic.Context?
  /// Set if this turn decides a lost one again, to change nothing: the timer is left for the next look at what is due.
  /// What was applied before is acknowledged as ever.
  let lost: Lost?
  var records: [Recorded<Logic.Event>] = []
  /// What is to be reported, with the state right after it. Of what is no end the last one is enough: it shows what became
  /// of all.
  private(set) var reported: [(record: Recorded<Logic.Event>, state: Logic.State)] = []
  /// When the room wants its timer after this turn.
  var timerDue: Timestamp?
  var timerWasDue = false
  var readings: [(@Sendable (RoomReading) -> Void, RoomReading)] = []
  private(set) var replies: [(@Sendable (RoomReply) -> Void, RoomReply)] = []
  var catchUps: [CatchUp<Logic>] = []
  var mayPassivate = false
  /// On whose account the room begins with this turn.
  var creator: CreationLimits.Creator?
  var isLast = false
  /// Whether another node has the room next.
  var isMove = false
  /// The size of what is said to everybody, and of the states that are told to one.
  private(set) var saidBytes = 0
  /// The state as it is told in a dialect, until it changes.
  private var syncs: [Dialect: [UInt8]?] = [:]
  private var outputs: [(target: Target, item: RoomOutput.Item)] = []
  /// Told behind all else: one between two broadcasts would keep these from going out as one piece.
  private var acknowledgements: [(subscriber: any RoomSubscriber, item: RoomOutput.Item)] = []
  /// How many operations of each session have had their answer, of subscribers that keep them.
  private var settled: [(subscriber: any RoomSubscriber, session: SessionNumber, count: Int)] = []
  private(set) var subscribers: [any RoomSubscriber] = []
  /// Whether somebody has seen positions that this room does not have: another node may own it by now.
  var isInDoubt = false

  /// A turn that was not committed.
  struct Lost {
    /// What the senders of its operations are told.
    let notice: RefusalNotice
    /// The operations that it had accepted. None of them is told a reason of its own now, which may only be that
    /// another one of them is missing.
    let operations: Set<OperationID>
  }

  init(now: Timestamp, tenant: String? = nil, lost: Lost? = nil) {
    self.now = now
    self.tenant = tenant
    self.lost = lost
  }

  /// The same turn again, to be decided without changing anything.
  func again(because notice: RefusalNotice, at now: Timestamp) -> Turn {
    let operations = Set(records.compactMap { $0.cause?.operation })
    return Turn(now: now, tenant: tenant, lost: Lost(notice: notice, operations: operations))
  }

  var saysAnything: Bool { !subscribers.isEmpty || !readings.isEmpty || !replies.isEmpty }

  mutating func report(_ record: Recorded<Logic.Event>, _ state: Logic.State) {
    if let last = reported.last, !Logic.hasEnded(last.state) { reported.removeLast() }
    reported.append((record, state))
  }

  var reports: [RoomReport] { reported.map { RoomReport($0.record, $0.state) } }

  mutating func reply(_ reply: RoomReply, through answer: @escaping @Sendable (RoomReply) -> Void) {
    if case .stands(_, let state) = reply { saidBytes += state.count }
    replies.append((answer, reply))
  }

  /// Forgets the texts of a state that has changed.
  mutating func stateChanged() {
    syncs.removeAll(keepingCapacity: true)
  }

  /// The text of the state, made once for all that ask before it changes.
  mutating func sync(in dialect: Dialect, make: () -> [UInt8]?) -> [UInt8]? {
    let text = syncs[dialect] ?? make()
    syncs[dialect] = .some(text)
    saidBytes += text?.count ?? 0
    return text
  }

  mutating func say(_ item: RoomOutput.Item, to subscriber: any RoomSubscriber) {
    remember(subscriber)
    outputs.append((.one(subscriber), item))
  }

  mutating func acknowledge(_ item: RoomOutput.Item, to subscriber: any RoomSubscriber) {
    remember(subscriber)
    acknowledgements.append((subscriber, item))
  }

  mutating func settle(_ session: SessionNumber, of subscriber: any RoomSubscriber) {
    guard subscriber.keepsOperations else { return }
    if let index = settled.firstIndex(where: { $0.session == session && $0.subscriber === subscriber }) {
      settled[index].count += 1
    } else {
      remember(subscriber)
      settled.append((subscriber, session, 1))
    }
  }

  mutating func announce(
    _ sequence: SequenceNumber, full: [UInt8]?, delta: [UInt8]?, among table: SessionTable
  ) {
    if full == nil && delta == nil { return }
    saidBytes += (full?.count ?? 0) + (delta?.count ?? 0)
    sayToEveryone(.broadcast(at: sequence, full: full, delta: delta), among: table)
  }

  mutating func sayToEveryone(_ item: RoomOutput.Item, among table: SessionTable) {
    for subscriber in table.subscribers { remember(subscriber) }
    outputs.append((.everyone, item))
  }

  private mutating func remember(_ subscriber: any RoomSubscriber) {
    if !subscribers.contains(where: { $0 === subscriber }) { subscribers.append(subscriber) }
  }

  /// What goes to one subscriber, in order.
  func items(for subscriber: any RoomSubscriber) -> [RoomOutput.Item] {
    var items: [RoomOutput.Item] = []
    items.reserveCapacity(outputs.count + acknowledgements.count)
    for output in outputs {
      switch output.target {
      case .everyone: items.append(output.item)
      case .one(let target): if target === subscriber { items.append(output.item) }
      }
    }
    for acknowledgement in acknowledgements where acknowledgement.subscriber === subscriber {
      items.append(acknowledgement.item)
    }
    for entry in settled where entry.subscriber === subscriber {
      items.append(.settled(entry.session, count: entry.count))
    }
    return items
  }
}

/// A client that resumes: the events after `since` up to `head` are to be read for it.
struct CatchUp<Logic: RoomLogic>: Sendable {
  let session: SessionNumber
  let subscriber: any RoomSubscriber
  let since: SequenceNumber
  let head: SequenceNumber
  /// The state at `head`; announcements of the delta dialect take nothing from it but what never changes.
  let state: Logic.State
}

extension Room {
  /// Decides what was in the mailbox, in order, and applies what follows from it.
  ///
  /// - Returns: the mails that the turn has no room for.
  func decide(_ mails: [Mail], on machine: inout Machine, in turn: inout Turn<Logic>) -> ArraySlice<Mail> {
    var next = mails.startIndex
    while next < mails.endIndex, !turn.isLast, turn.saidBytes < environment.settings.turnBytes {
      if mails[next].isOperation, !hasContext(for: machine, in: &turn) { break }
      switch mails[next] {
      case .request(let request, let subscriber): decide(request, from: subscriber, on: &machine, in: &turn)
      case .ask(let question, let answer):
        turn.reply(reply(to: question, on: &machine, in: &turn), through: answer)
      case .read(let answer): turn.readings.append((answer, reading(of: machine, in: &turn)))
      case .timer where turn.lost != nil: break
      case .timer:
        turn.timerWasDue = true
        apply(machine.decideTimer(now: turn.now), to: &machine, in: &turn)
      case .passivate: turn.mayPassivate = true
      case .presence: tellPresence(on: machine, in: &turn)
      case .stop(let isMove):
        turn.isLast = true
        turn.isMove = isMove
      case .depose: preconditionFailure("a room that lost its slot decides nothing")
      }
      next += 1
    }
    turn.timerDue = Logic.timerDue(machine.state)
    return mails[next...]
  }

  /// - Returns: false if the turn has learned whose room it is, so that the next one asks first what that tenant says.
  private func hasContext(for machine: Machine, in turn: inout Turn<Logic>) -> Bool {
    let tenant = Logic.tenant(of: machine.state)
    turn.context = environment.contexts.known(tenant)
    return turn.context != nil || tenant == turn.tenant
  }

  private func decide(
    _ request: RoomRequest<Logic.Command>, from subscriber: any RoomSubscriber, on machine: inout Machine,
    in turn: inout Turn<Logic>
  ) {
    switch request {
    case .open(let opening): open(opening, for: subscriber, on: machine, in: &turn)
    case .operation(let operation, let session, let opId):
      decide(operation, Sender(session: session, opId: opId, subscriber: subscriber), on: &machine, in: &turn)
    case .relay(let text, let participant, let session):
      guard let entry = sessions[session], entry.participant == participant else { return }
      turn.sayToEveryone(.transient(text), among: sessions)
    case .resync(let session):
      guard let entry = sessions[session] else { return }
      turn.say(sync(for: session, in: entry.dialect, of: machine, in: &turn), to: subscriber)
    case .close(let session):
      announce(sessions.close(session), of: machine, in: &turn)
    }
  }

  private func open(
    _ opening: SessionOpening, for subscriber: any RoomSubscriber, on machine: Machine, in turn: inout Turn<Logic>
  ) {
    let change = sessions.open(opening, for: subscriber)
    if change != nil { turn.stateChanged() }
    let head = machine.head
    if let seen = opening.rehomedAt ?? opening.since, seen > head { turn.isInDoubt = true }
    if let seen = opening.rehomedAt {
      goOn(from: seen, opening, for: subscriber, on: machine, in: &turn)
      return
    }
    if let since = opening.since, opening.dialect == .delta, .zero <= since, since <= head,
      head.number - since.number <= Int64(environment.settings.replayLimit)
    {
      let text = environment.voice.resumption(since: since, head: head, now: turn.now)
      turn.say(.resuming(opening.session, head: head, text), to: subscriber)
      for participant in sessions.online where Logic.includes(participant, in: machine.state) {
        let text = environment.voice.presence(of: participant, isOnline: true, now: turn.now)
        turn.say(.direct(opening.session, text), to: subscriber)
      }
      turn.catchUps.append(
        CatchUp(session: opening.session, subscriber: subscriber, since: since, head: head, state: machine.state))
    } else {
      turn.say(sync(for: opening.session, in: opening.dialect, of: machine, in: &turn), to: subscriber)
    }
    announce(change, of: machine, in: &turn)
  }

  /// Lets a session that was open at another owner go on where it was. Who is online is told to all when the others have
  /// had the time to come back, too.
  private func goOn(
    from seen: SequenceNumber, _ opening: SessionOpening, for subscriber: any RoomSubscriber, on machine: Machine,
    in turn: inout Turn<Logic>
  ) {
    let head = machine.head
    presenceIsDue()
    if seen == head {
      turn.say(.resuming(opening.session, head: head, nil), to: subscriber)
      turn.say(.history(opening.session, []), to: subscriber)
    } else if opening.dialect == .delta, seen < head,
      head.number - seen.number <= Int64(environment.settings.replayLimit)
    {
      turn.say(.resuming(opening.session, head: head, nil), to: subscriber)
      turn.catchUps.append(
        CatchUp(session: opening.session, subscriber: subscriber, since: seen, head: head, state: machine.state))
    } else {
      turn.say(sync(for: opening.session, in: opening.dialect, of: machine, in: &turn), to: subscriber)
    }
  }

  /// Tells who is not there, once: sessions that came from another owner have not been announced one by one.
  func tellPresence(on machine: Machine, in turn: inout Turn<Logic>) {
    guard sessions.hasSessions(in: .delta) else { return }
    for participant in Logic.participants(in: machine.state) {
      let text = environment.voice.presence(
        of: participant, isOnline: sessions.online.contains(participant), now: turn.now)
      turn.sayToEveryone(.transient(text), among: sessions)
    }
  }

  private struct Sender {
    let session: SessionNumber
    /// The operation's name, if the client itself gave it and so expects an answer under it.
    let opId: String?
    let subscriber: any RoomSubscriber
  }

  private func decide(
    _ operation: Operation<Logic.Command>, _ sender: Sender, on machine: inout Machine, in turn: inout Turn<Logic>
  ) {
    let participant = operation.id.participant
    guard let entry = sessions[sender.session] else {
      // The room was another one when the session was opened; its gateway is told so at this moment.
      if !sender.subscriber.keepsOperations { refuse(.storeUnavailable, sender, in: &turn) }
      return
    }
    defer { turn.settle(sender.session, of: sender.subscriber) }
    if let bound = entry.participant, bound != participant {
      refuse(.identityMismatch, sender, in: &turn)
      return
    }
    guard let context = turn.context else { return refuse(.storeUnavailable, sender, in: &turn) }
    switch machine.decide(operation, context: context, now: turn.now) {
    case .accepted(let records):
      if let lost = turn.lost { return refuse(lost.notice, sender, in: &turn) }
      if machine.head == .zero, let limit = admitBeginning(with: records, on: machine, by: entry.address, in: &turn) {
        environment.metrics.refusedRoom(because: limit)
        return refuse(.tooManyRooms(because: limit), sender, in: &turn)
      }
      let wasIncluded = Logic.includes(participant, in: machine.state)
      var change = bind(sender, to: participant, in: &turn)
      apply(records, to: &machine, in: &turn)
      if !wasIncluded, sessions.online.contains(participant) {
        change = PresenceChange(participant: participant, isOnline: true)
      }
      announce(change, of: machine, in: &turn)
      acknowledge(sender, at: records.last?.sequence ?? machine.head, in: &turn)
      if records.allSatisfy({ Logic.changesNothing($0.event) }) {
        tellStateIfAsked(operation, sender, of: machine, in: &turn)
      }
    case .settled(let sequence):
      if Logic.includes(participant, in: machine.state) {
        announce(bind(sender, to: participant, in: &turn), of: machine, in: &turn)
      }
      acknowledge(sender, at: sequence, in: &turn)
      tellStateIfAsked(operation, sender, of: machine, in: &turn)
    case .rejected(let refusal):
      if let lost = turn.lost, lost.operations.contains(operation.id) {
        refuse(lost.notice, sender, in: &turn)
      } else {
        refuse(refusal, sender, in: &turn)
      }
    }
  }

  /// Does what somebody asks who has no session here, for a participant whom he vouches for.
  private func reply(
    to question: RoomQuestion<Logic.Command>, on machine: inout Machine, in turn: inout Turn<Logic>
  ) -> RoomReply {
    func stands(_ sequence: SequenceNumber) -> RoomReply {
      var writer = JSONWriter(reservingCapacity: 1024)
      machine.state.write(to: &writer)
      return .stands(at: sequence, state: writer.bytes)
    }
    guard let operation = question.operation else { return stands(machine.head) }
    guard let context = turn.context else { return .refused(.storeUnavailable) }
    switch machine.decide(operation, context: context, now: turn.now) {
    case .accepted(let records):
      if let lost = turn.lost { return .refused(lost.notice) }
      apply(records, to: &machine, in: &turn)
      return stands(records.last?.sequence ?? machine.head)
    case .settled(let sequence): return stands(sequence)
    case .rejected(let refusal):
      environment.metrics.refusals.increment()
      if let lost = turn.lost, lost.operations.contains(operation.id) { return .refused(lost.notice) }
      return .refused(RefusalNotice(code: refusal.code, message: refusal.message))
    }
  }

  private func bind(
    _ sender: Sender, to participant: ParticipantID, in turn: inout Turn<Logic>
  ) -> PresenceChange? {
    if sender.subscriber.keepsOperations, sessions[sender.session]?.participant == nil {
      turn.say(.bound(sender.session, participant), to: sender.subscriber)
    }
    return sessions.bind(sender.session, to: participant)
  }

  /// - Returns: the limit that the room would exceed with its first events.
  private func admitBeginning(
    with records: [Recorded<Logic.Event>], on machine: Machine, by address: String?, in turn: inout Turn<Logic>
  ) -> RoomLimit? {
    var begun = machine.state
    for record in records { Logic.evolve(&begun, applying: record) }
    let creator = CreationLimits.Creator(address: address, tenant: Logic.tenant(of: begun))
    if let limit = environment.creations.admit(creator, at: turn.now) { return limit }
    turn.creator = creator
    return nil
  }

  /// Applies the events of one operation and calls them out.
  private func apply(
    _ records: [Recorded<Logic.Event>], to machine: inout Machine, in turn: inout Turn<Logic>
  ) {
    if records.isEmpty { return }
    turn.stateChanged()
    let isSummedUp = records.count > environment.settings.announcedSingly
    for record in records {
      machine.apply(record)
      turn.records.append(record)
      if Logic.isReported(record.event, in: machine.state) { turn.report(record, machine.state) }
      let full = isSummedUp ? nil : announcement(of: record, state: machine.state, in: .full)
      let delta = announcement(of: record, state: machine.state, in: .delta)
      turn.announce(record.sequence, full: full, delta: delta, among: sessions)
    }
    if isSummedUp, sessions.hasSessions(in: .full) {
      let state = environment.voice.sync(
        state: machine.state, head: machine.head, online: sessions.online, in: .full, now: turn.now)
      turn.announce(machine.head, full: state, delta: nil, among: sessions)
    }
  }

  private func announcement(
    of record: Recorded<Logic.Event>, state: Logic.State, in dialect: Dialect
  ) -> [UInt8]? {
    guard sessions.hasSessions(in: dialect) else { return nil }
    return environment.voice.announcement(of: record, state: state, online: sessions.online, in: dialect)
  }

  private func announce(_ change: PresenceChange?, of machine: Machine, in turn: inout Turn<Logic>) {
    guard let change else { return }
    turn.stateChanged()
    guard sessions.hasSessions(in: .delta), Logic.includes(change.participant, in: machine.state) else {
      return
    }
    let text = environment.voice.presence(of: change.participant, isOnline: change.isOnline, now: turn.now)
    turn.sayToEveryone(.transient(text), among: sessions)
  }

  /// A client that named its operation gets its name back. One that did not learns the outcome from the broadcast, or
  /// from the state where there is none.
  private func acknowledge(_ sender: Sender, at sequence: SequenceNumber, in turn: inout Turn<Logic>) {
    guard let opId = sender.opId else { return }
    let text = environment.voice.acknowledgement(of: opId, at: sequence, now: turn.now)
    turn.acknowledge(.direct(sender.session, text), to: sender.subscriber)
  }

  /// Nothing new happened, and so nothing tells a sender that gave no name, or asked for the state, but the state.
  private func tellStateIfAsked(
    _ operation: Operation<Logic.Command>, _ sender: Sender, of machine: Machine, in turn: inout Turn<Logic>
  ) {
    guard let entry = sessions[sender.session],
      sender.opId == nil || environment.voice.asksForState(operation.command)
    else { return }
    turn.say(sync(for: sender.session, in: entry.dialect, of: machine, in: &turn), to: sender.subscriber)
  }

  private func refuse(_ refusal: Refusal<Logic.Rejection>, _ sender: Sender, in turn: inout Turn<Logic>) {
    refuse(RefusalNotice(code: refusal.code, message: refusal.message), sender, in: &turn)
  }

  private func refuse(_ notice: RefusalNotice, _ sender: Sender, in turn: inout Turn<Logic>) {
    let text = environment.voice.refusal(notice.naming(sender.opId), now: turn.now)
    turn.say(.direct(sender.session, text), to: sender.subscriber)
    environment.metrics.refusals.increment()
  }

  func sync(
    for session: SessionNumber, in dialect: Dialect, of machine: Machine, in turn: inout Turn<Logic>
  ) -> RoomOutput.Item {
    .sync(session, head: machine.head, stateText(of: machine, in: dialect, in: &turn))
  }

  private func reading(of machine: Machine, in turn: inout Turn<Logic>) -> RoomReading {
    stateText(of: machine, in: .full, in: &turn).map { .state($0) } ?? .empty
  }

  private func stateText(of machine: Machine, in dialect: Dialect, in turn: inout Turn<Logic>) -> [UInt8]? {
    let now = turn.now
    return turn.sync(in: dialect) {
      environment.voice.sync(
        state: machine.state, head: machine.head, online: sessions.online, in: dialect, now: now)
    }
  }
}
