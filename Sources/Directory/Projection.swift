import JSONText
import Ordering
public import RoomCore
import Store
import Wire

extension Directory {
  /// Draws from what a room has reported what follows for the records: where the order stands, and, when it is finalized,
  /// what is placed with the kitchen.
  ///
  /// All of it is one transaction with taking the reports away, so it happens once, whoever does it and however often.
  ///
  /// - Returns: how many reports there were, at most `mostReportsAtOnce`.
  @discardableResult
  public func project(_ room: RoomID) async throws -> Int {
    try await store.writeRecords { records in
      let reports = try records.reports(of: room, limit: Self.mostReportsAtOnce)
      for report in reports {
        try records.project(report, of: room)
        try records.remove(report)
      }
      return reports.count
    }
  }

  public static let mostReportsAtOnce = 100

  /// Rooms whose reports wait, each with a number to go on behind.
  public func reportingRooms(after: Int64, limit: Int) async throws -> [(room: RoomID, number: Int64)] {
    try await store.readRecords { try $0.reportingRooms(after: after, limit: limit) }
  }
}

extension RecordTransaction {
  fileprivate func project(_ report: StoredReport, of room: RoomID) throws {
    let (event, state) = try read(report, of: room)
    guard var reported = state.order else { throw StoreError.corrupt("room \(room) has reported an event of no order") }
    let first = SharedOrder(room: room, reported)
    let known = try sharedOrder(reported.tenant, first.id)
    if known == nil { try insert(first, isForMembers: reported.isForMembers, isOpen: true) }
    var order = known ?? first
    let people = try people(of: reported, in: order)
    // A room goes on calling by their names those whom the records have forgotten.
    if reported.isForMembers { reported.redact { people[$0] == nil } }
    order.become(reported)
    try update(order, reported)
    if case .finalized = event {
      for placed in PlacedOrder.placed(of: order, reported, person: { people[$0].map { .customer($0) } ?? .unknown }) {
        try insert(placed)
        try enqueueWebhook(WebhookEvent(.orderCreated, of: placed))
      }
    }
    if let type = WebhookEventType(event) {
      try enqueueWebhook(WebhookEvent(type, of: order, reported, at: report.sequence))
    }
  }

  private func read(_ report: StoredReport, of room: RoomID) throws(StoreError) -> (event: OrderEvent, state: OrderRoom)
  {
    do throws(JSONError) {
      return try RoomReport.read(report.text, OrderEvent.self, OrderRoom.self)
    } catch {
      throw .corrupt("what room \(room) reported at \(report.sequence) cannot be read: \(error.reason)")
    }
  }

  /// Whom the records know of those who take part: who was let in, or, where everybody is who they say they are, a
  /// customer under whose id they came.
  private func people(
    of state: CollaborativeOrder, in order: SharedOrder
  ) throws -> [ParticipantID: PhoneNumber] {
    if state.isForMembers {
      return Dictionary(
        try guests(of: order).map { ($0.participant, $0.phone) }, uniquingKeysWith: { first, _ in first })
    }
    var phones: [ParticipantID: PhoneNumber] = [:]
    for participant in Set(state.participants.map(\.id) + [state.owner]) {
      guard let phone = PhoneNumber(customer: participant.value, of: state.tenant) else { continue }
      if try customer(state.tenant, phone) != nil { phones[participant] = phone }
    }
    return phones
  }
}

extension PhoneNumber {
  /// That of a customer's id, `{tenant}_{phone}`; nil if it is none.
  fileprivate init?(customer id: String, of tenant: String) {
    guard id.hasPrefix("\(tenant)_") else { return nil }
    let text = String(id.dropFirst(tenant.count + 1))
    do throws(PhoneNumberFault) {
      self = try PhoneNumber(text, rule: text.hasPrefix("+") ? .e164 : .tenDigits)
    } catch {
      return nil
    }
  }
}

extension WebhookEventType {
  /// How an order has ended; nil if it has not.
  fileprivate init?(_ event: OrderEvent) {
    switch event {
    case .finalized: self = .collaborativeOrderFinalized
    case .cancelled: self = .collaborativeOrderCancelled
    case .expired: self = .collaborativeOrderExpired
    default: return nil
    }
  }
}

extension WebhookEvent {
  /// What has become of a collaborative order. Its position in the room tells the event from all others.
  ///
  /// - Parameter sequence: nil of an order whose room has not begun.
  init(
    _ type: WebhookEventType, of order: SharedOrder, _ state: CollaborativeOrder? = nil,
    at sequence: SequenceNumber? = nil
  ) {
    var writer = JSONWriter()
    writer.sharedOrder(order, state, at: sequence)
    self.init(
      type, tenant: order.tenant, key: "\(order.id)/\(sequence?.number ?? 0)", at: order.updatedAt,
      data: writer.bytes)
  }
}
