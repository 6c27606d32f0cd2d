public import RoomCore

/// A collaborative order as the records know it: which circle's it is, who takes part, and how it ended. What is in the
/// cart while it runs only its room knows.
public struct SharedOrder: Equatable, Sendable {
  /// Somebody whom the records have let in.
  public struct Guest: Equatable, Sendable {
    public let phone: PhoneNumber
    /// Whom the room knows them as; says nothing about who they are.
    public let participant: ParticipantID
    public let name: String
    public let joinedAt: Timestamp

    public init(phone: PhoneNumber, participant: ParticipantID, name: String, joinedAt: Timestamp) {
      self.phone = phone
      self.participant = participant
      self.name = name
      self.joinedAt = joinedAt
    }
  }

  public let id: String
  public let tenant: String
  public let circle: String
  public let room: RoomID
  public let initiatedBy: ParticipantID
  /// Of the orders that are placed in the end.
  public let kind: PlacedOrder.Kind
  public internal(set) var status: OrderStatus
  /// The room's state when it last reported one; nil: it has not yet.
  public internal(set) var state: CollaborativeOrder?
  public let createdAt: Timestamp
  public internal(set) var updatedAt: Timestamp
  /// Counts the changes, from 1.
  public internal(set) var version: Int64

  public init(
    id: String, tenant: String, circle: String, room: RoomID, initiatedBy: ParticipantID, kind: PlacedOrder.Kind,
    status: OrderStatus = .active, state: CollaborativeOrder? = nil, createdAt: Timestamp, updatedAt: Timestamp,
    version: Int64 = 1
  ) {
    self.id = id
    self.tenant = tenant
    self.circle = circle
    self.room = room
    self.initiatedBy = initiatedBy
    self.kind = kind
    self.status = status
    self.state = state
    self.createdAt = createdAt
    self.updatedAt = updatedAt
    self.version = version
  }

  /// The order of a room that began without the records, as it is first reported. Rooms may have the names of others that
  /// are long gone.
  public init(room: RoomID, _ state: CollaborativeOrder) {
    self.init(
      id: state.isForMembers ? room.name : "\(room)~\(state.createdAt.millis)", tenant: state.tenant,
      circle: state.circle, room: room, initiatedBy: state.initiatedBy, kind: .dineIn, status: state.status,
      state: state, createdAt: state.createdAt, updatedAt: state.updatedAt)
  }

  /// Takes over what the room has reported.
  public mutating func become(_ state: CollaborativeOrder) {
    status = state.status
    updatedAt = max(updatedAt, state.updatedAt)
    self.state = state
    version += 1
  }
}

extension CollaborativeOrder {
  /// Forgets what participants are called; their ids say nothing.
  public mutating func redact(_ isErased: (ParticipantID) -> Bool) {
    let name = "Guest"
    for index in participants.indices where isErased(participants[index].id) {
      participants[index].name = name
      participants[index].phoneEnding = nil
    }
    for index in items.indices where isErased(items[index].addedBy) { items[index].addedByName = name }
    shares = shares?.map { share in
      isErased(share.participant) ? Share(participant: share.participant, name: name, amount: share.amount) : share
    }
    // What has been taken out of the cart has names, too.
    undoable = [:]
  }
}

extension PlacedOrder {
  /// What is placed with the kitchen when a collaborative order is finalized: one order of all, or one for each
  /// participant who pays or has added something, over their share. Items of somebody who is no longer there are the
  /// owner's.
  ///
  /// - Parameter person: who a participant is.
  public static func placed(
    of order: SharedOrder, _ state: CollaborativeOrder, person: (ParticipantID) -> Person
  ) -> [PlacedOrder] {
    guard let shares = state.shares, let at = state.finalizedAt else { return [] }
    func place(_ index: Int, _ payer: ParticipantID, _ items: [OrderItem], _ total: Money) -> PlacedOrder {
      PlacedOrder(
        id: "\(order.id)-\(index)", tenant: order.tenant, orderer: person(payer), session: order.room.name,
        collaborativeOrder: order.id, kind: order.kind, currency: state.currency, items: items.map { Item($0) },
        total: total, status: .pending, timeline: [Moment(status: .pending, at: at)], createdAt: at, updatedAt: at,
        version: 1)
    }
    switch state.placement {
    case .group: return [place(0, state.owner, state.items, state.total)]
    case .individual:
      let present = Set(shares.map(\.participant))
      return shares.enumerated().compactMap { index, share in
        let items = state.items.filter { item in
          item.addedBy == share.participant || share.participant == state.owner && !present.contains(item.addedBy)
        }
        guard share.amount > .zero || !items.isEmpty else { return nil }
        return place(index, share.participant, items, share.amount)
      }
    }
  }
}

extension PlacedOrder.Item {
  fileprivate init(_ item: OrderItem) {
    self.init(
      dishName: item.dishName, dishType: item.dishType, quantity: item.quantity, price: item.price,
      customization: item.customization, addedBy: item.addedByName)
  }
}
