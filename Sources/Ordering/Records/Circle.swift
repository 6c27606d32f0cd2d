public import RoomCore

/// A family or a group of friends who order together.
public struct Circle: Equatable, Sendable {
  public enum Kind: String, Sendable, CaseIterable { case family, friends }
  public enum Status: String, Sendable { case active, closed }
  public enum Role: String, Sendable { case owner, member }
  /// Whether somebody has said yes. Who was added by another is invited, and may order all the same.
  public enum Membership: String, Sendable { case invited, accepted }

  public struct Member: Equatable, Sendable {
    public let phone: PhoneNumber
    public var role: Role
    public var status: Membership
    public let joinedAt: Timestamp

    public init(phone: PhoneNumber, role: Role, status: Membership, joinedAt: Timestamp) {
      self.phone = phone
      self.role = role
      self.status = status
      self.joinedAt = joinedAt
    }
  }

  public static let maxMembers = 100

  public let id: String
  public let tenant: String
  public var name: String
  public let kind: Kind
  public private(set) var createdBy: Person
  public var status: Status
  /// The owner is one of them. In the order in which they came.
  public var members: [Member]
  /// The collaborative orders of it that run, the newest first.
  public var activeOrders: [String]
  public let createdAt: Timestamp
  public var updatedAt: Timestamp
  /// Counts the changes, from 1.
  public var version: Int64

  public init(
    id: String, tenant: String, name: String, kind: Kind, createdBy: Person, status: Status = .active,
    members: [Member], activeOrders: [String] = [], createdAt: Timestamp, updatedAt: Timestamp, version: Int64
  ) {
    self.id = id
    self.tenant = tenant
    self.name = name
    self.kind = kind
    self.createdBy = createdBy
    self.status = status
    self.members = members
    self.activeOrders = activeOrders
    self.createdAt = createdAt
    self.updatedAt = updatedAt
    self.version = version
  }

  /// A new one, with its owner in it.
  public static func make(
    id: String, tenant: String, name: String, kind: Kind, owner: PhoneNumber, at now: Timestamp
  ) throws(RecordRejection) -> Circle {
    try TextRule.name.require(name, "name")
    return Circle(
      id: id, tenant: tenant, name: name, kind: kind, createdBy: .customer(owner),
      members: [Member(phone: owner, role: .owner, status: .accepted, joinedAt: now)], createdAt: now, updatedAt: now,
      version: 1)
  }

  public subscript(_ phone: PhoneNumber) -> Member? { members.first { $0.phone == phone } }

  public var owner: PhoneNumber? { members.first { $0.role == .owner }?.phone }

  // MARK: Changes; each tells whether anything is another than before

  /// Any member may invite. Who is in it already stays as they are.
  public mutating func invite(
    _ phone: PhoneNumber, by inviter: PhoneNumber, at now: Timestamp
  ) throws(RecordRejection) -> Bool {
    try requireMember(inviter)
    guard self[phone] == nil else { return false }
    guard members.count < Self.maxMembers else {
      throw RecordRejection(.limitExceeded, "a circle has at most \(Self.maxMembers) members")
    }
    members.append(Member(phone: phone, role: .member, status: .invited, joinedAt: now))
    touch(at: now)
    return true
  }

  public mutating func accept(_ phone: PhoneNumber, at now: Timestamp) throws(RecordRejection) -> Bool {
    try requireMember(phone)
    guard let place = members.firstIndex(where: { $0.phone == phone && $0.status == .invited }) else { return false }
    members[place].status = .accepted
    touch(at: now)
    return true
  }

  /// The owner may remove others, and everybody themselves, but for the owner.
  public mutating func remove(
    _ phone: PhoneNumber, by remover: PhoneNumber, at now: Timestamp
  ) throws(RecordRejection) -> Bool {
    try requireMember(remover)
    guard phone != owner else {
      throw RecordRejection(.ownerStays, "the owner cannot be removed; the circle can be handed over first")
    }
    guard remover == phone || remover == owner else {
      throw RecordRejection(.notOwner, "only the circle's owner may remove others")
    }
    guard self[phone] != nil else { return false }
    members.removeAll { $0.phone == phone }
    touch(at: now)
    return true
  }

  public mutating func transfer(
    to phone: PhoneNumber, by giver: PhoneNumber, at now: Timestamp
  ) throws(RecordRejection) -> Bool {
    guard giver == owner else { throw RecordRejection(.notOwner, "only the circle's owner may hand it over") }
    try requireMember(phone)
    guard phone != giver else { return false }
    for index in members.indices {
      if members[index].phone == giver { members[index].role = .member }
      if members[index].phone == phone { members[index].role = .owner }
    }
    touch(at: now)
    return true
  }

  /// Takes somebody out of all that the circle says, the owner as well: then it is the longest member's, those first who
  /// have accepted. With nobody left it closes, and its name, which was theirs, goes.
  public mutating func erase(_ phone: PhoneNumber, as pseudonym: Pseudonym, at now: Timestamp) {
    let wasOwner = phone == owner
    members.removeAll { $0.phone == phone }
    if createdBy == .customer(phone) { createdBy = .erased(pseudonym) }
    if members.isEmpty {
      status = .closed
      name = Self.closedName
    } else if wasOwner {
      members[members.firstIndex { $0.status == .accepted } ?? 0].role = .owner
    }
    touch(at: now)
  }

  public static let closedName = "closed"

  public func requireMember(_ phone: PhoneNumber) throws(RecordRejection) {
    guard self[phone] != nil else { throw RecordRejection(.notMember, "only members of the circle may do this") }
  }

  private mutating func touch(at now: Timestamp) {
    updatedAt = max(updatedAt, now)
    version += 1
  }
}
