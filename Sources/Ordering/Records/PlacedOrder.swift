public import RoomCore

/// An order that a kitchen works on.
public struct PlacedOrder: Equatable, Sendable {
  public enum Kind: String, Sendable, CaseIterable {
    case dineIn = "dine-in"
    case takeaway, delivery
  }

  public enum Status: String, Sendable, CaseIterable {
    case pending, confirmed, preparing, ready, delivered, cancelled

    /// What may come next.
    public var next: Set<Status> {
      switch self {
      case .pending: [.confirmed, .cancelled]
      case .confirmed: [.preparing, .cancelled]
      case .preparing: [.ready, .cancelled]
      case .ready: [.delivered]
      case .delivered, .cancelled: []
      }
    }
  }

  public struct Item: Equatable, Sendable {
    public var dishName: String
    public var dishType: DishType?
    public var quantity: Int
    public var price: Money
    public var customization: String?
    /// Who added it, in an order of several.
    public var addedBy: String?

    public init(
      dishName: String, dishType: DishType? = nil, quantity: Int, price: Money, customization: String? = nil,
      addedBy: String? = nil
    ) {
      self.dishName = dishName
      self.dishType = dishType
      self.quantity = quantity
      self.price = price
      self.customization = customization
      self.addedBy = addedBy
    }
  }

  /// When it came to a status.
  public struct Moment: Equatable, Sendable {
    public let status: Status
    public let at: Timestamp

    public init(status: Status, at: Timestamp) {
      self.status = status
      self.at = at
    }
  }

  public static let maxItems = 500

  public let id: String
  public let tenant: String
  /// Of the customer; nil if nobody knows it, or the customer wanted to be forgotten.
  public let phone: PhoneNumber?
  /// Where it was ordered: a voice session, or a room.
  public let session: String?
  /// Which collaborative order it was placed by; nil: none.
  public let collaborativeOrder: String?
  public let kind: Kind
  public let currency: Currency
  public let items: [Item]
  public let total: Money
  public private(set) var status: Status
  /// Ends with the present status.
  public private(set) var timeline: [Moment]
  public let createdAt: Timestamp
  public private(set) var updatedAt: Timestamp
  /// Counts the changes, from 1.
  public private(set) var version: Int64

  public init(
    id: String, tenant: String, phone: PhoneNumber?, session: String?, collaborativeOrder: String? = nil, kind: Kind,
    currency: Currency, items: [Item], total: Money, status: Status, timeline: [Moment], createdAt: Timestamp,
    updatedAt: Timestamp, version: Int64
  ) {
    self.id = id
    self.tenant = tenant
    self.phone = phone
    self.session = session
    self.collaborativeOrder = collaborativeOrder
    self.kind = kind
    self.currency = currency
    self.items = items
    self.total = total
    self.status = status
    self.timeline = timeline
    self.createdAt = createdAt
    self.updatedAt = updatedAt
    self.version = version
  }

  /// A new one. Its total is that of its items.
  public static func place(
    id: String, tenant: String, phone: PhoneNumber, session: String?, kind: Kind, currency: Currency, items: [Item],
    at now: Timestamp
  ) throws(RecordRejection) -> PlacedOrder {
    guard (1...maxItems).contains(items.count) else {
      throw RecordRejection(.invalidField, "items must have 1 to \(maxItems) entries")
    }
    for (index, item) in items.enumerated() { try item.check("items[\(index)]", currency) }
    if let session { try TextRule.identifier.require(session, "sessionId") }
    // At most 500 × 99 × ten million major units: it fits.
    let total = items.reduce(0) { $0 + $1.price.minorUnits * Int64($1.quantity) }
    return PlacedOrder(
      id: id, tenant: tenant, phone: phone, session: session, kind: kind, currency: currency, items: items,
      total: Money(minorUnits: total), status: .pending, timeline: [Moment(status: .pending, at: now)],
      createdAt: now, updatedAt: now, version: 1)
  }

  /// - Returns: whether it is another status than before.
  public mutating func become(_ next: Status, at now: Timestamp) throws(RecordRejection) -> Bool {
    guard next != status else { return false }
    guard status.next.contains(next) else {
      let choices = status.next.map(\.rawValue).sorted().joined(separator: " or ")
      throw RecordRejection(
        .invalidTransition,
        "an order that is \(status.rawValue) \(choices.isEmpty ? "stays so" : "becomes \(choices)"), not \(next.rawValue)"
      )
    }
    status = next
    updatedAt = max(updatedAt, now)
    timeline.append(Moment(status: next, at: updatedAt))
    version += 1
    return true
  }
}

extension PlacedOrder.Item {
  fileprivate func check(_ field: String, _ currency: Currency) throws(RecordRejection) {
    try TextRule.name.require(dishName, "\(field).dishName")
    guard quantityRange.contains(Int64(quantity)) else {
      throw RecordRejection(
        .invalidField, "\(field).quantity must be from \(quantityRange.lowerBound) to \(quantityRange.upperBound)")
    }
    try currency.require(price, "\(field).price")
    if let customization { try TextRule.note.require(customization, "\(field).customization") }
    if let addedBy { try TextRule.identifier.require(addedBy, "\(field).addedBy") }
  }
}
