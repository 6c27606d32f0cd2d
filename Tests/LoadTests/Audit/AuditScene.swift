import Load

/// The history of a room with two clients in which all went well, for tests to break.
///
/// Each client joins, adds its item and sets its quantity twice; a millisecond lies between any two observations.
struct AuditScene {
  var views: [[Observation]] = [[], []]
  var outcome = RoomOutcome()
  /// Milliseconds that pass before an observation of a client: by client and index.
  var pauses: [Int: [Int: UInt64]] = [:]

  static let operations = 4

  init() {
    var journal = [event(1, .creation(OperationName(client: 0, number: 0)))]
    for number in 0..<Self.operations {
      for client in 0..<2 {
        journal.append(event(journal.count + 1, .operation(.init(client: client, number: number))))
      }
    }
    for client in 0..<2 {
      views[client] = [.dialed(gateway: 0), .opened, .state(at: 0)]
      for number in 0..<Self.operations { views[client] += [.due(number), .sent(number)] }
      for event in journal {
        views[client].append(.saw(event))
        if case .operation(let name) = event.cause, name.client == client {
          views[client].append(.acknowledged(name.number, at: event.position))
        }
      }
    }
    outcome = RoomOutcome(journal: journal, head: journal.count, quantities: [4, 4])
  }

  /// An event whose content follows from its place and cause.
  func event(_ position: Int, _ cause: RoomEvent.Cause) -> RoomEvent {
    var digest = UInt64(position) * 1000
    if case .operation(let name) = cause { digest += UInt64(name.client * 100 + name.number + 1) }
    return RoomEvent(position: position, cause: cause, digest: digest)
  }

  var history: RoomHistory {
    let clients = views.enumerated().map { number, view in
      var history = ClientHistory()
      var time: UInt64 = 0
      for (index, what) in view.enumerated() {
        time += (pauses[number]?[index] ?? 1) * 1_000_000
        history.note(what, at: time)
      }
      return history
    }
    return RoomHistory(name: "room", clients: clients, outcome: outcome)
  }

  /// What the audit finds, each kind once.
  var findings: Set<RoomAudit.Kind> { Set(RoomAudit(of: history).violations.map(\.kind)) }

  /// Takes an operation out of the journal, as if it had never been.
  mutating func forget(_ name: OperationName) {
    outcome.journal.removeAll { $0.cause == .operation(name) }
    for index in outcome.journal.indices {
      outcome.journal[index] = event(index + 1, outcome.journal[index].cause)
    }
    outcome.head = outcome.journal.count
  }

  /// Has a client see the journal as it is now, and have its acks at the right places.
  mutating func showJournal(to client: Int) {
    views[client].removeAll {
      switch $0 {
      case .saw, .acknowledged: true
      default: false
      }
    }
    for event in outcome.journal {
      views[client].append(.saw(event))
      if case .operation(let name) = event.cause, name.client == client {
        views[client].append(.acknowledged(name.number, at: event.position))
      }
    }
  }
}
