public import Ordering
public import RoomCore

/// What the room of a collaborative order says.
public struct OrderVoice: RoomVoice {
  public typealias Logic = OrderLogic

  /// The store's history id, which clients give back with `since`.
  public let history: String

  public init(history: String) { self.history = history }

  public func announcement(
    of record: Recorded<OrderEvent>, state: OrderRoom, online: Set<ParticipantID>, in dialect: Dialect
  ) -> [UInt8]? {
    switch dialect {
    case .full: ServerMessage.full(record, after: state, online: online, history: history)
    case .delta: state.order.map { ServerMessage.delta(record, currency: $0.currency) }
    }
  }

  public func sync(
    state: OrderRoom, head: SequenceNumber, online: Set<ParticipantID>, in dialect: Dialect, now: Timestamp
  ) -> [UInt8]? {
    // The original client takes a sync without an order for an order, and fails.
    if state.order == nil, dialect == .full { return nil }
    return ServerMessage.sync(state, online: online, head: head, history: history, at: now)
  }

  public func resumption(since: SequenceNumber, head: SequenceNumber, now: Timestamp) -> [UInt8] {
    ServerMessage.resumed(since: since, head: head, history: history, now: now)
  }

  public func acknowledgement(of operation: String, at sequence: SequenceNumber, now: Timestamp) -> [UInt8] {
    ServerMessage.ack(opId: operation, at: sequence, now: now)
  }

  public func refusal(_ refusal: RefusalNotice, now: Timestamp) -> [UInt8] {
    ServerMessage.error(refusal, now: now)
  }

  public func presence(of participant: ParticipantID, isOnline: Bool, now: Timestamp) -> [UInt8] {
    ServerMessage.presence(participant, isOnline: isOnline, now: now)
  }

  public func asksForState(_ command: OrderCommand) -> Bool {
    if case .join = command { true } else { false }
  }
}
