import Metrics
import RoomCore

/// What one turn of a room found out: the events to commit, and all that may leave the room once they are.
struct Turn<Logic: RoomLogic> {
  enum Target {
    case everyone
    case one(any RoomSubscriber)
  }

  let now: Timestamp
  var records: [Recorded<Logic.Event>] = []
  /// When the room wants its timer after this turn.
  var timerDue: Timestamp?
  var timerWasDue = false
  var readings: [(@Sendable (RoomReading) -> Void, RoomReading)] = []
  var catchUps: [CatchUp<Logic>] = []
  var mayPassivate = false
  var isLast = false
  private var outputs: [(target: Target, item: RoomOutput.Item)] = []
  private(set) var subscribers: [any RoomSubscriber] = []

  init(now: Timestamp) { self.now = now }

  mutating func say(_ item: RoomOutput.Item, to subscriber: any RoomSubscriber) {
    remember(subscriber)
    outputs.append((.one(subscriber), item))
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
    outputs.compactMap { output in
      switch output.target {
      case .everyone: output.item
      case .one(let target): target === subscriber ? output.item : nil
      }
    }
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
  /// Decides everything that was in the mailbox, in order, and applies what follows from it.
  func decide(_ mails: [Mail], on machine: inout Machine) -> Turn<Logic> {
    var turn = Turn<Logic>(now: environment.time.now())
    for mail in mails {
      switch mail {
      case .request(let request, let subscriber): decide(request, from: subscriber, on: &machine, in: &turn)
      case .read(let answer): turn.readings.append((answer, reading(of: machine, at: turn.now)))
      case .timer:
        turn.timerWasDue = true
        if case .accepted(let records) = machine.decideTimer(context: environment.context(), now: turn.now) {
          apply(records, to: &machine, in: &turn)
        }
      case .passivate: turn.mayPassivate = true
      case .stop: turn.isLast = true
      }
    }
    turn.timerDue = Logic.timerDue(machine.state)
    return turn
  }

  private func decide(
    _ request: RoomRequest<Logic.Command>, from subscriber: any RoomSubscriber, on machine: inout Machine,
    in turn: inout Turn<Logic>
  ) {
    switch request {
    case .open(let opening): open(opening, for: subscriber, on: machine, in: &turn)
    case .operation(let operation, let session, let isNamed):
      decide(operation, Sender(session: session, isNamed: isNamed, subscriber: subscriber), on: &machine, in: &turn)
    case .relay(let text, let participant, let session):
      guard let entry = sessions[session], entry.participant == participant else { return }
      turn.sayToEveryone(.transient(text), among: sessions)
    case .resync(let session):
      guard let entry = sessions[session] else { return }
      turn.say(sync(for: session, in: entry.dialect, of: machine, at: turn.now), to: subscriber)
    case .close(let session):
      announce(sessions.close(session), of: machine, in: &turn)
    }
  }

  private func open(
    _ opening: SessionOpening, for subscriber: any RoomSubscriber, on machine: Machine, in turn: inout Turn<Logic>
  ) {
    let change = sessions.open(opening, for: subscriber)
    let head = machine.head
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
      turn.say(sync(for: opening.session, in: opening.dialect, of: machine, at: turn.now), to: subscriber)
    }
    announce(change, of: machine, in: &turn)
  }

  private struct Sender {
    let session: SessionNumber
    /// Whether the client itself gave the operation its name, and so expects an acknowledgement under it.
    let isNamed: Bool
    let subscriber: any RoomSubscriber
  }

  private func decide(
    _ operation: Operation<Logic.Command>, _ sender: Sender, on machine: inout Machine, in turn: inout Turn<Logic>
  ) {
    let participant = operation.id.participant
    if let bound = sessions[sender.session]?.participant, bound != participant {
      refuse(.identityMismatch, operation, sender, in: &turn)
      return
    }
    switch machine.decide(operation, context: environment.context(), now: turn.now) {
    case .accepted(let records):
      let wasIncluded = Logic.includes(participant, in: machine.state)
      var change = sessions.bind(sender.session, to: participant)
      apply(records, to: &machine, in: &turn)
      if !wasIncluded, sessions.online.contains(participant) {
        change = PresenceChange(participant: participant, isOnline: true)
      }
      announce(change, of: machine, in: &turn)
      acknowledge(operation, sender, at: records.last?.sequence ?? machine.head, in: &turn)
      if records.allSatisfy({ Logic.changesNothing($0.event) }) {
        tellStateIfAsked(operation, sender, of: machine, in: &turn)
      }
    case .settled(let sequence):
      if Logic.includes(participant, in: machine.state) {
        announce(sessions.bind(sender.session, to: participant), of: machine, in: &turn)
      }
      acknowledge(operation, sender, at: sequence, in: &turn)
      tellStateIfAsked(operation, sender, of: machine, in: &turn)
    case .rejected(let refusal): refuse(refusal, operation, sender, in: &turn)
    }
  }

  /// Applies events and calls them out.
  private func apply(
    _ records: [Recorded<Logic.Event>], to machine: inout Machine, in turn: inout Turn<Logic>
  ) {
    for record in records {
      machine.apply(record)
      turn.records.append(record)
      let full = announcement(of: record, state: machine.state, in: .full)
      let delta = announcement(of: record, state: machine.state, in: .delta)
      if full != nil || delta != nil {
        turn.sayToEveryone(.broadcast(at: record.sequence, full: full, delta: delta), among: sessions)
      }
    }
  }

  private func announcement(
    of record: Recorded<Logic.Event>, state: Logic.State, in dialect: Dialect
  ) -> [UInt8]? {
    guard sessions.hasSessions(in: dialect) else { return nil }
    return environment.voice.announcement(of: record, state: state, online: sessions.online, in: dialect)
  }

  private func announce(_ change: PresenceChange?, of machine: Machine, in turn: inout Turn<Logic>) {
    guard let change, sessions.hasSessions(in: .delta), Logic.includes(change.participant, in: machine.state) else {
      return
    }
    let text = environment.voice.presence(of: change.participant, isOnline: change.isOnline, now: turn.now)
    turn.sayToEveryone(.transient(text), among: sessions)
  }

  /// A client that named its operation gets its name back. One that did not learns the outcome from the broadcast, or
  /// from the state where there is none.
  private func acknowledge(
    _ operation: Operation<Logic.Command>, _ sender: Sender, at sequence: SequenceNumber, in turn: inout Turn<Logic>
  ) {
    guard sender.isNamed else { return }
    let text = environment.voice.acknowledgement(of: operation.id.value, at: sequence, now: turn.now)
    turn.say(.direct(sender.session, text), to: sender.subscriber)
  }

  /// Nothing new happened, and so nothing tells a sender that gave no name, or asked for the state, but the state.
  private func tellStateIfAsked(
    _ operation: Operation<Logic.Command>, _ sender: Sender, of machine: Machine, in turn: inout Turn<Logic>
  ) {
    guard let entry = sessions[sender.session],
      !sender.isNamed || environment.voice.asksForState(operation.command)
    else { return }
    turn.say(sync(for: sender.session, in: entry.dialect, of: machine, at: turn.now), to: sender.subscriber)
  }

  private func refuse(
    _ refusal: Refusal<Logic.Rejection>, _ operation: Operation<Logic.Command>, _ sender: Sender,
    in turn: inout Turn<Logic>
  ) {
    let notice = RefusalNotice(
      code: refusal.code, message: refusal.message, operation: sender.isNamed ? operation.id.value : nil)
    turn.say(.direct(sender.session, environment.voice.refusal(notice, now: turn.now)), to: sender.subscriber)
    environment.metrics.refusals.increment()
  }

  func sync(
    for session: SessionNumber, in dialect: Dialect, of machine: Machine, at now: Timestamp
  ) -> RoomOutput.Item {
    let text = environment.voice.sync(
      state: machine.state, head: machine.head, online: sessions.online, in: dialect, now: now)
    return .sync(session, head: machine.head, text)
  }

  private func reading(of machine: Machine, at now: Timestamp) -> RoomReading {
    let text = environment.voice.reading(
      state: machine.state, head: machine.head, online: sessions.online, now: now)
    return text.map { .state($0) } ?? .empty
  }
}
