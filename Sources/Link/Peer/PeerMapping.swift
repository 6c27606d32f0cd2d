package import RoomCore
package import Rooms
package import Wire

// How what is said to a room, and what a room says, goes over a connection between processes. A session has a name on the
// connection, and a number on either side; who calls knows both.

extension PeerRequest {
  /// - Parameters:
  ///   - session: the session's name on the connection.
  ///   - number: how many operations the session has sent, this one included.
  package init<Command: PeerCommand>(_ request: RoomRequest<Command>, session: UInt64, number: UInt64) {
    self =
      switch request {
      case .open(let opening): .open(PeerOpening(opening, session: session))
      case .operation(let operation, _, let opId):
        .operation(PeerOperation(operation, session: session, number: number, opId: opId))
      case .relay(let text, let participant, _): .relay(session: session, participant: participant, text: text)
      case .resync: .resync(session: session)
      case .close: .close(session: session)
      }
  }

  /// - Parameter session: the session's number here.
  /// - Throws: if the command cannot be understood.
  package func roomRequest<Command: PeerCommand>(
    _: Command.Type, session: SessionNumber
  ) throws(BinaryError) -> RoomRequest<Command> {
    switch self {
    case .open(let opening):
      return .open(
        SessionOpening(
          session: session, participant: opening.participant, dialect: opening.dialect, since: opening.since,
          address: opening.address, rehomedAt: opening.isRehomed ? opening.lastSeen ?? .zero : nil))
    case .operation(let operation):
      let command = try Command(peerBytes: operation.command)
      return .operation(
        Operation(id: operation.id, after: operation.after, command: command), session: session, opId: operation.opId)
    case .relay(_, let participant, let text): return .relay(text, by: participant, session: session)
    case .resync: return .resync(session)
    case .close: return .close(session)
    }
  }
}

extension PeerOpening {
  package init(_ opening: SessionOpening, session: UInt64) {
    self.init(
      session: session, participant: opening.participant, dialect: opening.dialect,
      since: opening.since, address: opening.address, isRehomed: opening.rehomedAt != nil, lastSeen: opening.rehomedAt)
  }
}

extension PeerOperation {
  package init<Command: PeerCommand>(
    _ operation: Operation<Command>, session: UInt64, number: UInt64, opId: String?
  ) {
    self.init(
      session: session, number: number, opId: opId, id: operation.id, after: operation.after,
      command: operation.command.peerBytes)
  }
}

// MARK: - Outputs

extension PeerOutput {
  /// Texts of this many bytes go into one frame, unless one alone has more: so a long output does not keep everything
  /// else waiting.
  static let partBytes = 1 << 20
  static let partItems = 1 << 12

  /// An output as one or more, in order.
  ///
  /// - Parameter session: gives a session's name on the connection.
  package static func parts(
    of output: RoomOutput, of room: RoomID, session: (SessionNumber) -> UInt64
  ) -> [PeerOutput] {
    var parts: [PeerOutput] = []
    var items: [Item] = []
    var bytes = 0
    func add(_ item: Item) {
      let itemBytes = item.textBytes
      if !items.isEmpty, bytes + itemBytes > partBytes || items.count == partItems {
        parts.append(PeerOutput(room: room, epoch: output.epoch, items: items))
        items = []
        bytes = 0
      }
      items.append(item)
      bytes += itemBytes
    }
    for item in output.items {
      switch item {
      case .broadcast(let position, let full, let delta): add(.broadcast(at: position, full: full, delta: delta))
      case .transient(let text): add(.transient(text))
      case .direct(let addressee, let text): add(.direct(session: session(addressee), text))
      case .sync(let addressee, let head, let text): add(.sync(session: session(addressee), head: head, text))
      case .resuming(let addressee, let head, let text):
        add(.resuming(session: session(addressee), head: head, text))
      case .history(let addressee, let texts):
        let addressee = session(addressee)
        var rest = texts[...]
        repeat {
          let some = rest.prefix(upTo: end(of: rest))
          rest = rest.dropFirst(some.count)
          add(.history(session: addressee, Array(some), isLast: rest.isEmpty))
        } while !rest.isEmpty
      case .settled(let addressee, let count): add(.settled(session: session(addressee), count: UInt64(count)))
      case .bound(let addressee, let participant): add(.bound(session: session(addressee), participant))
      case .rehoming, .overflowed: preconditionFailure("no room says what only links say")
      case .ended(let ending): add(.ended(PeerEnding(ending)))
      }
    }
    if !items.isEmpty { parts.append(PeerOutput(room: room, epoch: output.epoch, items: items)) }
    return parts
  }

  /// Where a part of a history ends: before the text that would be too much, but behind the first.
  private static func end(of texts: ArraySlice<[UInt8]>) -> Int {
    var bytes = 0
    for index in texts.indices {
      bytes += texts[index].count
      if index > texts.startIndex, bytes > partBytes || index - texts.startIndex == partItems { return index }
    }
    return texts.endIndex
  }
}

/// Makes a room's outputs again out of those that came over one connection, and puts histories together that came in
/// parts.
package struct PeerOutputReader {
  private var histories: [UInt64: [[UInt8]]] = [:]

  package init() {}

  /// - Parameter session: gives the session of this name; nil if it has ended, or opened again since.
  package mutating func read(
    _ output: PeerOutput, session: (UInt64) -> SessionNumber?
  ) -> RoomOutput {
    var items: [RoomOutput.Item] = []
    items.reserveCapacity(output.items.count)
    for item in output.items {
      switch item {
      case .broadcast(let position, let full, let delta):
        items.append(.broadcast(at: position, full: full, delta: delta))
      case .transient(let text): items.append(.transient(text))
      case .direct(let number, let text):
        if let addressee = session(number) { items.append(.direct(addressee, text)) }
      case .sync(let number, let head, let text):
        if let addressee = session(number) { items.append(.sync(addressee, head: head, text)) }
      case .resuming(let number, let head, let text):
        histories[number] = nil
        if let addressee = session(number) { items.append(.resuming(addressee, head: head, text)) }
      case .history(let number, let texts, let isLast):
        guard let addressee = session(number) else {
          histories[number] = nil
          continue
        }
        let all = (histories.removeValue(forKey: number) ?? []) + texts
        if isLast { items.append(.history(addressee, all)) } else { histories[number] = all }
      case .settled(let number, let count):
        if let addressee = session(number) { items.append(.settled(addressee, count: Int(clamping: count))) }
      case .bound(let number, let participant):
        if let addressee = session(number) { items.append(.bound(addressee, participant)) }
      case .ended(let ending): items.append(.ended(RoomEnding(ending)))
      }
    }
    return RoomOutput(epoch: output.epoch, items: items)
  }

  /// The session has ended: no rest of its history is waited for.
  package mutating func forget(session: UInt64) { histories[session] = nil }
}

extension PeerEnding {
  package init(_ ending: RoomEnding) {
    self =
      switch ending {
      case .moved: .moved
      case .unavailable: .unavailable
      case .crowded: .crowded
      }
  }
}

extension RoomEnding {
  package init(_ ending: PeerEnding) {
    self =
      switch ending {
      case .moved: .moved
      case .unavailable: .unavailable
      case .crowded: .crowded
      }
  }
}

extension PeerReading {
  package init(_ reading: RoomReading) {
    self =
      switch reading {
      case .state(let text): .state(text)
      case .empty: .empty
      case .unavailable: .unavailable
      case .crowded: .crowded
      }
  }
}

extension RoomReading {
  /// Nil: the room is to be asked for at its owner.
  package init?(_ reading: PeerReading) {
    switch reading {
    case .state(let text): self = .state(text)
    case .empty: self = .empty
    case .unavailable: self = .unavailable
    case .crowded: self = .crowded
    case .notOwner: return nil
    }
  }
}

extension PeerQuestion {
  package init<Command: PeerCommand>(_ question: RoomQuestion<Command>) {
    self.init(
      question.operation.map { Operation(id: $0.id, after: $0.after, command: $0.command.peerBytes) })
  }
}

extension RoomQuestion where Command: PeerCommand {
  package init(_ question: PeerQuestion) throws(BinaryError) {
    guard let asked = question.operation else {
      self.init()
      return
    }
    self.init(
      RoomCore.Operation(id: asked.id, after: asked.after, command: try Command(peerBytes: asked.command)))
  }
}

extension PeerReply {
  package init(_ reply: RoomReply) {
    self =
      switch reply {
      case .stands(let sequence, let state): .stands(at: sequence, state: state)
      case .refused(let notice):
        .refused(code: notice.code, message: notice.message, isRetryable: notice.isRetryable)
      case .unavailable: .unavailable
      }
  }
}

extension RoomReply {
  /// Nil: the room is to be asked for at its owner.
  package init?(_ reply: PeerReply) {
    switch reply {
    case .stands(let sequence, let state): self = .stands(at: sequence, state: state)
    case .refused(let code, let message, let isRetryable):
      self = .refused(RefusalNotice(code: code, message: message, isRetryable: isRetryable))
    case .unavailable: self = .unavailable
    case .notOwner: return nil
    }
  }
}
