/// What a room says to its clients, as finished message texts. The room itself knows no message.
///
/// Every text is encoded once, however many sockets it goes to.
public protocol RoomVoice: Sendable {
  associatedtype Logic: RoomLogic

  /// The store's history id, as the messages name it: a client's `since` is good only within one history.
  var history: String { get }

  /// What an event is called out as; nil if the dialect is silent about it.
  ///
  /// - Parameters:
  ///   - state: the state right after the event.
  ///   - online: who is connected.
  func announcement(
    of record: Recorded<Logic.Event>, state: Logic.State, online: Set<ParticipantID>, in dialect: Dialect
  ) -> [UInt8]?

  /// The whole state; nil if there is nothing to tell yet in this dialect. Whoever asks once gets it in the full one.
  func sync(
    state: Logic.State, head: SequenceNumber, online: Set<ParticipantID>, in dialect: Dialect, now: Timestamp
  ) -> [UInt8]?

  /// Says that the events after `since`, up to `head`, follow.
  func resumption(since: SequenceNumber, head: SequenceNumber, now: Timestamp) -> [UInt8]

  /// Tells the sender that its operation stands at `sequence`.
  func acknowledgement(of operation: String, at sequence: SequenceNumber, now: Timestamp) -> [UInt8]

  /// Tells the sender that its operation was not applied.
  func refusal(_ refusal: RefusalNotice, now: Timestamp) -> [UInt8]

  func presence(of participant: ParticipantID, isOnline: Bool, now: Timestamp) -> [UInt8]

  /// Whether the sender of this command expects the whole state where nothing new happened (a repeated join).
  func asksForState(_ command: Logic.Command) -> Bool
}

extension RoomVoice {
  /// Of a store whose past does not change.
  public var history: String { "" }
}

/// Why an operation was not applied, in the words of the wire.
public struct RefusalNotice: Error, Sendable, Equatable {
  public let code: String
  public let message: String
  /// Whether the same operation may succeed when sent again under the same `opId`.
  public let isRetryable: Bool
  public let operation: String?

  public init(code: String, message: String, isRetryable: Bool = false, operation: String? = nil) {
    self.code = code
    self.message = message
    self.isRetryable = isRetryable
    self.operation = operation
  }

  public func naming(_ operation: String?) -> RefusalNotice {
    RefusalNotice(code: code, message: message, isRetryable: isRetryable, operation: operation)
  }

  public static let overloaded = RefusalNotice(
    code: "overloaded", message: "the room has too many operations waiting; try again", isRetryable: true)
  public static let crowded = RefusalNotice(
    code: "overloaded", message: "there is no memory for one more room now; try again later", isRetryable: true)
  public static let tenantFull = RefusalNotice(
    code: "limit_exceeded", message: "the tenant has as many connections as it may have; try again later",
    isRetryable: true)
  public static let storeUnavailable = RefusalNotice(
    code: "store_unavailable", message: "the operation could not be saved and was not applied; try again",
    isRetryable: true)
  public static let unstorable = RefusalNotice(
    code: "unstorable", message: "the store cannot take this operation; it was not applied")
  public static let outcomeUnknown = RefusalNotice(
    code: "outcome_unknown", message: "whether the operation was saved is not known; send it again under the same opId",
    isRetryable: true)
}
