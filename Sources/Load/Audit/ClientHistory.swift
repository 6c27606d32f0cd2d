/// What one client of a drill did and saw, in its order.
package struct ClientHistory: Sendable, Equatable {
  package struct Entry: Sendable, Equatable {
    /// Nanoseconds of a clock that all clients share and that never goes back.
    package var time: UInt64
    package var what: Observation
  }

  package private(set) var entries: [Entry] = []

  package init() {}

  package mutating func note(_ what: Observation, at time: UInt64) {
    entries.append(Entry(time: time, what: what))
  }
}

/// One thing that a client did or saw. Operations go by their number, which begins at 0 for each client.
package enum Observation: Sendable, Equatable {
  /// An operation should be sent now, whether or not there is a connection.
  case due(Int)
  /// It was sent, for the first time or again.
  case sent(Int)
  case acknowledged(Int, at: Int)
  /// It was refused; nil: the refusal does not say which. `isFinal`: it will not be sent again.
  case refused(Int?, code: String, isFinal: Bool)
  case saw(RoomEvent)
  /// The whole state came, as it is at a position.
  case state(at: Int)
  /// The events after `since`, up to `head`, will follow.
  case resumed(since: Int, head: Int)
  /// A connection was asked for, at the gateway of that number.
  case dialed(gateway: Int)
  case opened
  case closed(code: Int?)
  /// No connection came about.
  case failed(String)
}

/// One event of a room, as a client is told of it.
package struct RoomEvent: Sendable, Equatable {
  /// Its `seq`.
  package var position: Int
  package var cause: Cause
  /// Of the whole message. Two that differ are not the same event.
  package var digest: UInt64

  package enum Cause: Sendable, Equatable {
    case operation(OperationName)
    /// The first join makes the order, in an event of its own before the joining.
    case creation(OperationName)
    /// Nothing that a client of a drill could have sent.
    case unknown
  }

  package init(position: Int, cause: Cause, digest: UInt64) {
    self.position = position
    self.cause = cause
    self.digest = digest
  }

  var operation: OperationName? {
    switch cause {
    case .operation(let name), .creation(let name): name
    case .unknown: nil
    }
  }
}

/// Which operation of which client of a room; both are counted from 0.
package struct OperationName: Sendable, Hashable, CustomStringConvertible {
  package var client: Int
  package var number: Int

  package init(client: Int, number: Int) {
    self.client = client
    self.number = number
  }

  package var description: String { "operation \(number) of client \(client)" }
}

/// What became of a room in the end, as somebody is told who was not there before.
package struct RoomOutcome: Sendable, Equatable {
  /// All events, the first one first.
  package var journal: [RoomEvent]
  /// The position of the final state; nil if it could not be read.
  package var head: Int?
  /// Of each client's item in the final state; nil where there is none.
  package var quantities: [Int?]
  /// Why it could not be read to its end.
  package var complaint: String?

  package init(journal: [RoomEvent] = [], head: Int? = nil, quantities: [Int?] = [], complaint: String? = nil) {
    self.journal = journal
    self.head = head
    self.quantities = quantities
    self.complaint = complaint
  }
}

/// All that is known of a room of a drill.
package struct RoomHistory: Sendable {
  package var name: String
  package var clients: [ClientHistory]
  package var outcome: RoomOutcome

  package init(name: String, clients: [ClientHistory], outcome: RoomOutcome) {
    self.name = name
    self.clients = clients
    self.outcome = outcome
  }
}
