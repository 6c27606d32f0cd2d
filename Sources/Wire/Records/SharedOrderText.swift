public import JSONText
public import Ordering
public import RoomCore

/// Collaborative orders as answers.
extension JSONWriter {
  /// With the fields that clients get in a `sync`.
  ///
  /// - Parameters:
  ///   - state: the room's, or what it has last reported; nil: the room has not reported yet.
  ///   - sequence: the position up to which the room's events are in `state`, if the room itself was asked.
  public mutating func sharedOrder(_ order: SharedOrder, _ state: CollaborativeOrder?, at sequence: SequenceNumber?) {
    beginObject()
    field("id", order.id)
    field("orderType", order.kind.rawValue)
    if let sequence { field("seq", sequence.number) }
    if let state {
      stateFields(of: state, in: order.room, online: nil)
    } else {
      field("circleId", order.circle)
      field("tenantId", order.tenant)
      field("sessionId", order.room.name)
      field("initiatedBy", order.initiatedBy.value)
      field("status", order.status.rawValue)
      field("createdAt", order.createdAt.millis)
      field("updatedAt", order.updatedAt.millis)
    }
    endObject()
  }

  /// What everybody owes as things stand.
  public mutating func preview(_ shares: [Share], of state: CollaborativeOrder) {
    beginObject()
    money("total", state.total, state.currency)
    split(state.split, state.currency)
    self.shares(shares, state.currency)
    endObject()
  }
}
