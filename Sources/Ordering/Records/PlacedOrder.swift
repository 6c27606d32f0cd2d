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

    /// Whether nothing comes next.
    public var isEnd: Bool { next.isEmpty }
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
  public private(set) var orderer: Person
  /// Where it was ordered: a voice session, or a room.
  public private(set) var session: String?
  /// Which collaborative order it was placed by; nil: none.
  public let collaborativeOrder: String?
  /// Which order it repeats; nil: none.
  public let repeats: String?
  public let kind: Kind
  public let currency: Currency
  public private(set) var items: [Item]
  public let total: Money
  public private(set) var status: Status
  /// Ends with the present status.
  public private(set) var timeline: [Moment]
  public let createdAt: Timestamp
  public private(set) var updatedAt: Timestamp
  /// Counts the changes, from 1.
  public private(set) var version: Int64

  public init(
    id: String, tenant: String, orderer: Person, session: String?, collaborativeOrder: String? = nil,
    repeats: String? = nil, kind: Kind, currency: Currency, items: [Item], total: Money, status: Status,
    timeline: [Moment], createdAt: Timestamp,
    updatedAt: Timestamp, version: Int64
  ) {
    self.id = id
    self.tenant = tenant
    self.orderer = orderer
    self.session = session
    self.collaborativeOrder = collaborativeOrder
    self.repeats = repeats
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
    id: String, tenant: String, phone: PhoneNumber, session: String?, repeating earlier: String? = nil, kind: Kind,
    currency: Currency, items: [Item], at now: Timestamp
  ) throws(RecordRejection) -> PlacedOrder {
    guard (1...maxItems).contains(items.count) else {
      throw RecordRejection(.invalidField, "items must have 1 to \(maxItems) entries")
    }
    for (index, item) in items.enumerated() { try item.check("items[\(index)]", currency) }
    if let session { try TextRule.identifier.require(session, "sessionId") }
    // At most 500 × 99 × ten million major units: it fits.
    let total = items.reduce(0) { $0 + $1.price.minorUnits * Int64($1.quantity) }
    return PlacedOrder(
      id: id, tenant: tenant, orderer: .customer(phone), session: session, repeats: earlier, kind: kind,
      currency: currency,
      items: items, total: Money(minorUnits: total), status: .pending, timeline: [Moment(status: .pending, at: now)],
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
    if case .erased = orderer, next.isEnd { dropWords() }
    version += 1
    return true
  }

  // MARK: Erasing

  /// Keeps what the kitchen's books need, and nothing of who ordered. What is free text may say anything, so it goes when
  /// nobody cooks by it any more.
  ///
  /// - Parameter customer: who has ordered.
  public mutating func erase(_ customer: Customer, as pseudonym: Pseudonym, at now: Timestamp) {
    orderer = .erased(pseudonym)
    session = nil
    redact(customer.phone.text, as: pseudonym)
    if status.isEnd {
      dropWords()
    } else {
      for index in items.indices {
        items[index].customization = items[index].customization?.replacing(word: customer.name, with: pseudonym.text)
        items[index].addedBy = items[index].addedBy?.replacing(word: customer.name, with: pseudonym.text)
      }
    }
    updatedAt = max(updatedAt, now)
    version += 1
  }

  /// Takes somebody out of an order of another's, in which they took part.
  public mutating func erase(participant phone: PhoneNumber, as pseudonym: Pseudonym, at now: Timestamp) {
    session = session?.replacing(phone.text, with: pseudonym.text)
    redact(phone.text, as: pseudonym)
    updatedAt = max(updatedAt, now)
    version += 1
  }

  /// Takes the name of somebody out who took part in the collaborative order that placed this one.
  public mutating func erase(guestCalled name: String, as pseudonym: Pseudonym) {
    for index in items.indices where items[index].addedBy == name { items[index].addedBy = pseudonym.text }
    version += 1
  }

  private mutating func redact(_ phone: String, as pseudonym: Pseudonym) {
    for index in items.indices {
      items[index].dishName = items[index].dishName.replacing(phone, with: pseudonym.text)
      items[index].customization = items[index].customization?.replacing(phone, with: pseudonym.text)
      items[index].addedBy = items[index].addedBy?.replacing(phone, with: pseudonym.text)
    }
  }

  private mutating func dropWords() {
    for index in items.indices {
      items[index].customization = nil
      items[index].addedBy = nil
    }
  }
}

extension String {
  /// Where it is no part of a longer word.
  fileprivate func replacing(word: String, with other: String) -> String {
    var result = ""
    var rest = self[...]
    while let range = rest.firstRange(of: word) {
      let isLetter = { (character: Character?) in character.map { $0.isLetter || $0.isNumber } ?? false }
      let before = range.lowerBound > startIndex ? self[index(before: range.lowerBound)] : nil
      let isPart = isLetter(before) || isLetter(self[range.upperBound...].first)
      result += rest[..<range.lowerBound] + (isPart ? word : other)
      rest = rest[range.upperBound...]
    }
    return result + rest
  }
}

extension Menu {
  /// An item as it is to be had now.
  ///
  /// - Throws: `dish_unavailable`.
  public func renewed(_ item: PlacedOrder.Item) throws(RecordRejection) -> PlacedOrder.Item {
    guard let dish = dish(named: item.dishName), dish.isAvailable else {
      throw RecordRejection(.dishUnavailable, "\(item.dishName) is not to be had now")
    }
    var item = item
    item.dishName = dish.name
    item.dishType = dish.type
    item.price = dish.price(with: item.customization)
    return item
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
