public import RoomCore

/// Somebody who orders from a tenant, known by their phone number.
public struct Customer: Equatable, Sendable {
  public static let maxAddresses = 20

  public let tenant: String
  public let phone: PhoneNumber
  public var name: String
  public var email: String?
  public var addresses: [SavedAddress]
  /// False for who was invited and has never given their name themselves.
  public var isVerified: Bool
  public let createdAt: Timestamp
  public var updatedAt: Timestamp
  /// Counts the changes, from 1.
  public var version: Int64

  public init(
    tenant: String, phone: PhoneNumber, name: String, email: String? = nil, addresses: [SavedAddress] = [],
    isVerified: Bool, createdAt: Timestamp, updatedAt: Timestamp? = nil, version: Int64 = 1
  ) {
    self.tenant = tenant
    self.phone = phone
    self.name = name
    self.email = email
    self.addresses = addresses
    self.isVerified = isVerified
    self.createdAt = createdAt
    self.updatedAt = updatedAt ?? createdAt
    self.version = version
  }

  public var id: String { "\(tenant)_\(phone.text)" }

  /// Where to deliver if nothing else is said.
  public var deliveryAddress: Address? { addresses.first(where: \.isDefault)?.address }

  /// Takes what a customer says of themselves; what they leave out stays as it is.
  ///
  /// - Returns: whether anything is another than before.
  public mutating func apply(_ change: CustomerChange, at now: Timestamp) throws(RecordRejection) -> Bool {
    try change.check()
    let before = self
    name = change.name ?? name
    email = change.email ?? email
    isVerified = true
    if let address = change.deliveryAddress {
      try save(SavedAddress(label: change.addressLabel, address: address, isDefault: true))
    }
    guard self != before else { return false }
    touch(at: now)
    return true
  }

  /// Saves an address under its label, home and work once each. The first one is the default.
  public mutating func save(_ saved: SavedAddress) throws(RecordRejection) {
    var saved = saved
    if let place = addresses.firstIndex(where: { $0.replaces(saved) }) {
      saved.isDefault = saved.isDefault || addresses[place].isDefault
      addresses[place] = saved
    } else {
      guard addresses.count < Self.maxAddresses else {
        throw RecordRejection(.limitExceeded, "a customer has at most \(Self.maxAddresses) addresses")
      }
      saved.isDefault = saved.isDefault || addresses.isEmpty
      addresses.append(saved)
    }
    guard saved.isDefault else { return }
    for index in addresses.indices { addresses[index].isDefault = addresses[index] == saved }
  }

  mutating func touch(at now: Timestamp) {
    updatedAt = max(updatedAt, now)
    version += 1
  }
}

/// What a customer says of themselves. Nil: nothing, and what is known stays.
public struct CustomerChange: Equatable, Sendable {
  public var name: String?
  public var email: String?
  public var deliveryAddress: Address?
  public var addressLabel = SavedAddress.Label.home

  public init(
    name: String? = nil, email: String? = nil, deliveryAddress: Address? = nil,
    addressLabel: SavedAddress.Label = .home
  ) {
    self.name = name
    self.email = email
    self.deliveryAddress = deliveryAddress
    self.addressLabel = addressLabel
  }

  public func check() throws(RecordRejection) {
    if let name { try TextRule.name.require(name, "name") }
    if let email {
      try TextRule.email.require(email, "email")
      // By scalars: a mark that combines with the @ would hide it.
      let parts = email.unicodeScalars.split(separator: "@", omittingEmptySubsequences: false)
      guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty && !$0.contains(where: \.properties.isWhitespace) }) else {
        throw RecordRejection(.invalidField, "email must be of the form name@host")
      }
    }
    try deliveryAddress?.check("deliveryAddress")
  }
}

/// Where food is brought.
public struct Address: Equatable, Sendable {
  public var street: String?
  public var apartment: String?
  public var city: String?
  public var state: String?
  public var pincode: String?
  public var landmark: String?

  public init(
    street: String? = nil, apartment: String? = nil, city: String? = nil, state: String? = nil,
    pincode: String? = nil, landmark: String? = nil
  ) {
    self.street = street
    self.apartment = apartment
    self.city = city
    self.state = state
    self.pincode = pincode
    self.landmark = landmark
  }

  /// By the names that they have everywhere.
  public var parts: [(name: StaticString, value: String?)] {
    [
      ("street", street), ("apartment", apartment), ("city", city), ("state", state), ("pincode", pincode),
      ("landmark", landmark),
    ]
  }

  func check(_ field: String) throws(RecordRejection) {
    guard parts.contains(where: { $0.value != nil }) else {
      throw RecordRejection(.invalidField, "\(field) must have at least one part")
    }
    for (name, value) in parts {
      if let value { try TextRule.name.require(value, "\(field).\(name)") }
    }
  }
}

public struct SavedAddress: Equatable, Sendable {
  public enum Label: String, Sendable, CaseIterable { case home, work, other }

  public var label: Label
  public var address: Address
  public var isDefault: Bool

  public init(label: Label, address: Address, isDefault: Bool = false) {
    self.label = label
    self.address = address
    self.isDefault = isDefault
  }

  /// There is one home and one workplace, and other places as often as they differ.
  fileprivate func replaces(_ other: SavedAddress) -> Bool {
    label == other.label && (label != .other || address == other.address)
  }
}
