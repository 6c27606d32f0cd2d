/// `GET /v1/cluster`
struct ClusterAnswer: Decodable {
  struct Member: Decodable {
    let node: String
    let name: String
    let address: String
    let kind: String
    let status: String
    let weight: Int
    let slots: Int
    let heardMillisAgo: Int?
    let wroteMillisAgo: Int?
  }

  let node: String
  let members: [Member]
  let unownedSlots: Int
  let rooms: Int
  let sessions: Int
  let fresh: Bool?
  let draining: Bool?
  let storeReadMillisAgo: Int?
  let warmRooms: Int?
  let remoteSessions: Int?

  /// The process that has answered.
  var own: Member? { members.first { $0.node == node } }
  var ownName: String { own?.name ?? node }

  var lines: [String] {
    var table = TextTable(
      ("NAME", .left), ("KIND", .left), ("STATUS", .left), ("WEIGHT", .right), ("SLOTS", .right), ("HEARD", .right),
      ("WROTE", .right), ("ADDRESS", .left))
    for member in members {
      let isOwn = member.node == node
      let isNode = member.kind == "node"
      table.add(
        member.name + (isOwn ? " *" : ""), member.kind, member.status, isNode ? "\(member.weight)" : "-",
        isNode ? "\(member.slots)" : "-", Self.ago(member.heardMillisAgo), Self.ago(member.wroteMillisAgo),
        member.address)
    }
    var words = ["* \(ownName): sessions \(sessions)", "rooms with sessions \(rooms)"]
    if let warmRooms { words.append("rooms in memory \(warmRooms)") }
    if let remoteSessions { words.append("sessions of others \(remoteSessions)") }
    if let storeReadMillisAgo { words.append("store read \(Self.ago(storeReadMillisAgo)) ago") }
    if fresh == false { words.append("serves no reads") }
    if draining == true { words.append("draining") }
    return table.lines + ["slots without an owner: \(unownedSlots)", words.joined(separator: ", ")]
  }

  private static func ago(_ millis: Int?) -> String {
    guard let millis else { return "-" }
    return "\(millis / 1000).\(millis / 100 % 10) s"
  }
}

/// `GET /v1/cluster/slots`
struct SlotsAnswer: Decodable {
  struct Slot: Decodable {
    let slot: Int
    let epoch: Int
    let owner: String?
    let name: String?
    let pinned: Bool?
  }

  let node: String
  let slots: [Slot]

  /// - Parameter owner: whose slots; nil for all.
  func lines(of owner: String?) -> [String] {
    var table = TextTable(("SLOT", .right), ("EPOCH", .right), ("OWNER", .left), ("", .left))
    for slot in slots where owner == nil || slot.name == owner {
      table.add("\(slot.slot)", "\(slot.epoch)", slot.name ?? "-", slot.pinned == true ? "pinned" : "")
    }
    return table.lines
  }
}
