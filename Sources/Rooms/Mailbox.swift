import DequeModule
import RoomCore
import Synchronization

/// What waits for a room, in order of arrival.
///
/// Filled from any thread, emptied by the room's `run()` alone. Operations and relayed messages are bounded and may be
/// refused; everything else — opening and closing sessions, timers, passivation — is always taken, because losing it
/// would leave the room with a wrong picture of the world. Such requests are bounded by the number of connections.
final class Mailbox<Command: RoomCommand>: Sendable {
  enum Mail: Sendable {
    case request(RoomRequest<Command>, from: any RoomSubscriber)
    case ask(RoomQuestion<Command>, @Sendable (RoomReply) -> Void)
    case read(@Sendable (RoomReading) -> Void)
    case timer
    case passivate
    /// Say who is there: those who came from another owner have had the time to.
    case presence
    /// Finish what came before, and leave.
    case stop(isMove: Bool)
    /// Leave without deciding anything more: the slot is another node's, or what the room knows is not the store's past.
    case depose
  }

  private struct State {
    var waiting: Deque<Mail> = []
    /// Of mails that may be refused.
    var boundedCount = 0
    var boundedBytes = 0
    var isClosed = false
    var reader: UnsafeContinuation<Void, Never>?
    var lastUsed: Timestamp

    mutating func count(_ mails: Int, _ bytes: Int) {
      boundedCount += mails
      boundedBytes += bytes
    }
  }

  enum Offer: Equatable { case taken, full, closed }

  private let state: Mutex<State>
  private let capacity: Int
  private let capacityBytes: Int

  init(capacity: Int, capacityBytes: Int, now: Timestamp) {
    self.capacity = capacity
    self.capacityBytes = capacityBytes
    state = Mutex(State(lastUsed: now))
  }

  func offer(_ mail: Mail, now: Timestamp) -> Offer {
    let (offer, reader) = state.withLock { state -> (Offer, UnsafeContinuation<Void, Never>?) in
      if state.isClosed { return (.closed, nil) }
      if let bytes = mail.boundedBytes {
        guard state.boundedCount < capacity, state.boundedBytes < capacityBytes else { return (.full, nil) }
        state.count(1, bytes)
      }
      if mail.isUse { state.lastUsed = now }
      if case .depose = mail { state.waiting.prepend(mail) } else { state.waiting.append(mail) }
      return (.taken, state.reader.take())
    }
    reader?.resume()
    return offer
  }

  /// Returns as soon as there is a mail. Runs where its caller does: a room does not leave its lane for it.
  nonisolated(nonsending) func wait() async {
    await withUnsafeContinuation { continuation in
      let isEmpty = state.withLock { state in
        guard state.waiting.isEmpty else { return false }
        precondition(state.reader == nil, "two readers of one mailbox")
        state.reader = continuation
        return true
      }
      if !isEmpty { continuation.resume() }
    }
  }

  /// Up to `limit` mails.
  func take(limit: Int) -> [Mail] {
    state.withLock { state in
      var mails: [Mail] = []
      mails.reserveCapacity(min(limit, state.waiting.count))
      while mails.count < limit, let mail = state.waiting.popFirst() {
        if let bytes = mail.boundedBytes { state.count(-1, -bytes) }
        mails.append(mail)
      }
      return mails
    }
  }

  /// Puts requests in front of what is waiting, because the turn that took them did not get to them.
  func putBack(_ mails: some Collection<Mail>) {
    if mails.isEmpty { return }
    state.withLock { state in
      state.waiting.insert(contentsOf: mails, at: 0)
      for mail in mails {
        if let bytes = mail.boundedBytes { state.count(1, bytes) }
      }
    }
  }

  /// Takes nothing any more from now on, and gives what was still waiting.
  func close() -> [Mail] {
    state.withLock { state in
      state.isClosed = true
      defer { state.waiting.removeAll() }
      return Array(state.waiting)
    }
  }

  /// Closes, unless something is waiting.
  func closeIfEmpty() -> Bool {
    state.withLock { state in
      guard state.waiting.isEmpty else { return false }
      state.isClosed = true
      return true
    }
  }

  var lastUsed: Timestamp { state.withLock { $0.lastUsed } }
}

extension Mailbox.Mail {
  /// What it takes while it waits, if a client can send as many as it likes, so that it may be refused. Nil: always taken.
  fileprivate var boundedBytes: Int? {
    switch self {
    case .request(.operation(let operation, _, _), _): operation.command.sizeBytes
    case .request(.relay(let text, _, _), _): text.count
    case .ask(let question, _): question.operation?.command.sizeBytes ?? 0
    case .request, .read, .timer, .passivate, .presence, .stop, .depose: nil
    }
  }

  /// Whether it is decided by what the tenant says.
  var isOperation: Bool {
    switch self {
    case .request(.operation, _): true
    case .ask(let question, _): question.operation != nil
    default: false
    }
  }

  var isTimer: Bool { if case .timer = self { true } else { false } }

  var isDeposition: Bool { if case .depose = self { true } else { false } }

  /// Whether a room that is not in memory is loaded for it. What ends a session is nothing to a room that has none, and
  /// one that wants to be told something was told that the room has gone.
  var isWorthLoading: Bool {
    switch self {
    case .request(.close, _), .request(.relay, _), .request(.resync, _), .passivate, .presence, .stop, .depose: false
    case .request, .ask, .read, .timer: true
    }
  }

  /// Whether it keeps the room in memory. A room that was asked to leave and could not is left alone for as long again.
  fileprivate var isUse: Bool {
    switch self {
    case .request, .ask, .read, .passivate: true
    case .timer, .presence, .stop, .depose: false
    }
  }
}

/// What a room answers to a single question for its state.
public enum RoomReading: Sendable, Equatable {
  case state([UInt8])
  /// Nothing has ever happened there.
  case empty
  /// The room cannot be read from the store, or is not served here any more.
  case unavailable
  /// There is no memory for one more room.
  case crowded
}
