package import Ordering
package import RoomCore

/// The collaborative orders of circles, as the assistant needs them: for members, by their phone numbers.
///
/// Each method throws `RecordRejection`, `RefusalNotice` or `StoreError`.
package protocol OrderDesk: Sendable {
  /// Starts the circle's order, or gives the one that is running.
  func start(_ tenant: String, circle: String, by phone: PhoneNumber) async throws -> OrderPass

  func join(_ tenant: String, order: String, by phone: PhoneNumber) async throws -> OrderPass

  /// Has a participant do something in the room. What has the same `operation` name is done once.
  func perform(
    _ command: OrderCommand, _ tenant: String, order: String, by phone: PhoneNumber, operation: String
  ) async throws -> OrderView

  func view(_ tenant: String, order: String, by phone: PhoneNumber) async throws -> OrderView

  /// Running orders of a circle.
  func activeOrders(_ tenant: String, circle: String, by phone: PhoneNumber) async throws -> [String]
}

/// A participant's way into a collaborative order.
package struct OrderPass: Sendable {
  package let id: String
  package let circle: String
  package let status: String
  package let participant: ParticipantID
  package let roomURL: String

  package init(id: String, circle: String, status: String, participant: ParticipantID, roomURL: String) {
    self.id = id
    self.circle = circle
    self.status = status
    self.participant = participant
    self.roomURL = roomURL
  }
}

/// A collaborative order as it was at one position.
package struct OrderView: Sendable {
  package let id: String
  package let sequence: SequenceNumber
  package let order: CollaborativeOrder

  package init(id: String, sequence: SequenceNumber, order: CollaborativeOrder) {
    self.id = id
    self.sequence = sequence
    self.order = order
  }
}
