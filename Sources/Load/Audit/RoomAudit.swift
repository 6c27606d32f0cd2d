/// Judges the history of one room.
///
/// The room's journal, read in the end by somebody who was not there, is the one sequence. Everything else is held
/// against it: what a client saw must be a piece of it, without gap or repetition, so that all clients agree; what a client
/// was told is done must be in it, once; and it must have nothing that no client sent.
package struct RoomAudit: Sendable {
  package enum Kind: String, Sendable, CaseIterable, Codable {
    /// Somebody was told of it, and it is not in the journal.
    case lost
    /// The journal has it more than once.
    case doubled
    /// Others saw something else at its place, or saw it elsewhere.
    case reordered
    /// A client missed something between two events that it saw.
    case gap
    /// A client was told of it again.
    case repeated
    /// Nobody sent it.
    case phantom
    /// A client connected, and saw a state that others had seen surpassed more than a second before.
    case stale
    /// A client was told that it was not done, and would not be, and it is in the journal.
    case refusedYetDone
    /// The state in the end is not what the journal makes of it.
    case wrongState
    /// The journal could not be read to its end.
    case unreadable
  }

  package struct Violation: Sendable, Equatable {
    package var kind: Kind
    package var text: String
  }

  /// How long the owner of a room may show its state without knowing that it is deposed.
  static let staleLimit: UInt64 = 1_000_000_000

  package private(set) var violations: [Violation] = []
  private let room: RoomHistory
  /// Where each operation stands in the journal.
  private var positions: [OperationName: [Int]] = [:]

  package init(of room: RoomHistory) {
    self.room = room
    // Against half a journal everything would be wrong.
    if let complaint = room.outcome.complaint {
      note(.unreadable, complaint)
      return
    }
    checkJournal()
    checkState()
    for (client, history) in room.clients.enumerated() {
      checkView(of: client, history)
      checkAnswers(to: client, history)
    }
    checkFreshness()
  }

  private var journal: [RoomEvent] { room.outcome.journal }

  private mutating func note(_ kind: Kind, _ text: String) {
    violations.append(Violation(kind: kind, text: "\(room.name): \(text)"))
  }

  // MARK: The one sequence

  private mutating func checkJournal() {
    let sent = room.clients.map(\.sent)
    for (index, event) in journal.enumerated() {
      if event.position != index + 1 { note(.gap, "the journal has \(event.position) as number \(index + 1)") }
      guard let name = event.operation, sent.indices.contains(name.client), sent[name.client].contains(name.number)
      else {
        note(.phantom, "nobody sent what is at \(event.position)")
        continue
      }
      if case .creation = event.cause, event.position == 1 { continue }
      positions[name, default: []].append(event.position)
    }
    for (name, found) in positions where found.count > 1 { note(.doubled, "\(name) is at \(found)") }
  }

  /// Each client changes one item over and over: the last change in the journal is what the state shows.
  private mutating func checkState() {
    guard let head = room.outcome.head else { return }
    if head != journal.count {
      return note(.wrongState, "the state is at \(head), and the journal ends at \(journal.count)")
    }
    var last: [Int: Int] = [:]
    for event in journal {
      if case .operation(let name) = event.cause, DrillOperation.setsQuantity(name.number) {
        last[name.client] = name.number
      }
    }
    for (client, quantity) in room.outcome.quantities.enumerated() {
      let expected = last[client].map(DrillOperation.quantity)
      if quantity != expected {
        note(.wrongState, "client \(client)'s item shows \(quantity ?? 0) where \(expected ?? 0) was set last")
      }
    }
  }

  // MARK: What a client saw

  private mutating func checkView(of client: Int, _ history: ClientHistory) {
    var last: Int?
    for entry in history.entries {
      switch entry.what {
      case .state(let position):
        if let last, position < last { note(.lost, "client \(client) was put back from \(last) to \(position)") }
        if position > journal.count {
          note(.lost, "client \(client) got a state at \(position), and the journal ends at \(journal.count)")
        }
        last = position
      case .resumed(let since, _):
        if since != last { note(.gap, "client \(client) resumed at \(since) and not at \(last ?? 0)") }
        last = since
      case .saw(let event):
        checkPlace(of: event, after: last, seenBy: client)
        last = max(last ?? 0, event.position)
      case .acknowledged(let number, let position):
        // The change comes before its ack.
        if position > last ?? 0 {
          note(
            .gap, "client \(client) had the ack of operation \(number) at \(position) before it saw beyond \(last ?? 0)"
          )
        }
      case .due, .sent, .refused, .dialed, .opened, .closed, .failed: break
      }
    }
  }

  private mutating func checkPlace(of event: RoomEvent, after last: Int?, seenBy client: Int) {
    if event.position <= last ?? 0 {
      note(.repeated, "client \(client) saw \(event.position) after \(last ?? 0)")
    } else if event.position != (last ?? 0) + 1 {
      note(.gap, "client \(client) saw \(event.position) after \(last ?? 0)")
    }
    guard (1...max(1, journal.count)).contains(event.position), !journal.isEmpty else {
      return note(.lost, "client \(client) saw \(event.position), and the journal ends at \(journal.count)")
    }
    if journal[event.position - 1].digest != event.digest {
      note(.reordered, "client \(client) saw something else at \(event.position) than the journal has")
    }
  }

  // MARK: What a client was told of its operations

  private mutating func checkAnswers(to client: Int, _ history: ClientHistory) {
    for entry in history.entries {
      switch entry.what {
      case .acknowledged(let number, let position):
        let name = OperationName(client: client, number: number)
        let found = positions[name] ?? []
        if found.isEmpty {
          note(.lost, "\(name) was acknowledged at \(position), and the journal does not have it")
        } else if !found.contains(position) {
          note(.reordered, "\(name) was acknowledged at \(position) and is at \(found)")
        }
      case .refused(let number?, let code, isFinal: true):
        let name = OperationName(client: client, number: number)
        if let found = positions[name] { note(.refusedYetDone, "\(name) was refused as \(code) and is at \(found)") }
      default: break
      }
    }
  }

  // MARK: What the room showed

  /// Whoever connects after another was told of something is shown that, or more.
  private mutating func checkFreshness() {
    // The furthest that anybody had been told of, and since when.
    var told: [(time: UInt64, position: Int)] = []
    let acks = room.clients.flatMap { history in
      history.entries.compactMap { entry -> (time: UInt64, position: Int)? in
        if case .acknowledged(_, let position) = entry.what { (entry.time, position) } else { nil }
      }
    }
    for ack in acks.sorted(by: { $0.time < $1.time }) where ack.position > told.last?.position ?? 0 {
      told.append(ack)
    }
    for (client, history) in room.clients.enumerated() {
      var opened: UInt64?
      for entry in history.entries {
        switch entry.what {
        case .opened: opened = entry.time
        case .state(let position), .resumed(_, let position):
          // Only what a connection begins with: what comes later may have been on its way.
          guard let asked = opened else { continue }
          opened = nil
          let first = told.first { $0.position > position }
          if let first, first.time + Self.staleLimit < asked {
            note(
              .stale,
              "client \(client) was shown \(position), \((asked - first.time) / 1_000_000) ms after \(first.position)")
          }
        default: break
        }
      }
    }
  }
}

extension ClientHistory {
  fileprivate var sent: Set<Int> {
    var sent: Set<Int> = []
    for entry in entries {
      if case .sent(let number) = entry.what { sent.insert(number) }
    }
    return sent
  }
}
