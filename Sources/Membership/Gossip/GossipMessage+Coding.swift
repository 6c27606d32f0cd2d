public import RoomCore

// The layout, after the frame's own length:
//
//     message    version:byte kind:byte record(sender) record(body) count record(member)* count record(owner)* …
//     record     length and content
//     member     node name host port kind:byte weight minVersion maxVersion status:byte incarnation count accuser* …
//     owner      flag node? count (slot epoch)* …
//
// At each … a later version may write more: a reader skips what it does not know, as it does with members whose status
// or kind it does not know. Of a message of a version or kind that it does not know, no more than that message is lost.
// Slots are grouped by owner, in order, each as its distance from the one before: a full table is a few kilobytes.
extension GossipMessage {
  /// A frame that is longer is not a message.
  public static let maxBytes = 1 << 20
  public static let maxMembers = 4096

  private static let version: UInt8 = 1

  private enum Kind: UInt8 {
    case ping = 1
    case ack
    case pingRequest
    case nack
    case pushPull
    case pushPullReply
    case leave
    case gossip
  }

  public func encode() -> [UInt8] {
    var writer = BinaryWriter(reservingBytes: 256)
    writer.write(byte: Self.version)
    var content = BinaryWriter()
    let kind: Kind
    switch body {
    case .ping(let sequence, let target):
      kind = .ping
      content.write(sequence)
      content.write(target.name)
    case .ack(let sequence, let target):
      kind = .ack
      content.write(sequence)
      content.write(target.name)
    case .pingRequest(let sequence, let target, let address):
      kind = .pingRequest
      content.write(sequence)
      content.write(target.name)
      content.write(address)
    case .nack(let sequence):
      kind = .nack
      content.write(sequence)
    case .pushPull: kind = .pushPull
    case .pushPullReply: kind = .pushPullReply
    case .leave: kind = .leave
    case .gossip: kind = .gossip
    }
    writer.write(byte: kind.rawValue)
    writer.write(bytes: sender.encode())
    writer.write(bytes: content.bytes)
    writer.write(count: members.count)
    for member in members { writer.write(bytes: member.encode()) }
    let groups = Self.groups(of: ownership)
    writer.write(count: groups.count)
    for group in groups { writer.write(bytes: group.encode()) }
    return writer.bytes
  }

  /// - Returns: nil for a message of a later version or of a kind that is not known, or from a sender whose kind or status
  ///   is not known.
  /// - Throws: if the bytes are not a message.
  public static func decode(_ bytes: ArraySlice<UInt8>) throws(BinaryError) -> GossipMessage? {
    guard bytes.count <= maxBytes else { throw BinaryError("a message of \(bytes.count) bytes is too long") }
    var reader = BinaryReader(bytes)
    let version = try reader.byte()
    guard version >= Self.version else { throw BinaryError("\(version) is no version of gossip") }
    guard version == Self.version, let kind = Kind(rawValue: try reader.byte()),
      let sender = try MemberRecord(encoded: reader.content())
    else { return nil }
    let body = try decodeBody(kind, try reader.content())
    var members: [MemberRecord] = []
    for _ in 0..<(try reader.count(atMost: maxMembers)) {
      if let member = try MemberRecord(encoded: reader.content()) { members.append(member) }
    }
    var ownership: [SlotRecord] = []
    var slots = 0
    for _ in 0..<(try reader.count(atMost: Slot.count)) {
      let group = try OwnerGroup(encoded: reader.content())
      slots += group.slots.count
      guard slots <= Slot.count else { throw BinaryError("more slots than there are") }
      ownership += group.records
    }
    ownership.sort { $0.slot < $1.slot }
    return GossipMessage(sender: sender, body: body, members: members, ownership: ownership)
  }

  private static func decodeBody(_ kind: Kind, _ content: ArraySlice<UInt8>) throws(BinaryError) -> Body {
    var reader = BinaryReader(content)
    switch kind {
    case .ping: return .ping(sequence: try reader.unsigned(), target: try reader.node())
    case .ack: return .ack(sequence: try reader.unsigned(), target: try reader.node())
    case .pingRequest:
      return .pingRequest(
        sequence: try reader.unsigned(), target: try reader.node(), address: try reader.address())
    case .nack: return .nack(sequence: try reader.unsigned())
    case .pushPull: return .pushPull
    case .pushPullReply: return .pushPullReply
    case .leave: return .leave
    case .gossip: return .gossip
    }
  }

  private static func groups(of records: [SlotRecord]) -> [OwnerGroup] {
    var groups: [OwnerGroup] = []
    var positions: [NodeID?: Int] = [:]
    for record in records.sorted(by: { $0.slot < $1.slot }) {
      if let position = positions[record.owner] {
        groups[position].slots.append((record.slot, record.epoch))
      } else {
        positions[record.owner] = groups.count
        groups.append(OwnerGroup(owner: record.owner, slots: [(record.slot, record.epoch)]))
      }
    }
    return groups
  }
}

/// The slots of one owner, in order.
private struct OwnerGroup {
  let owner: NodeID?
  var slots: [(slot: Slot, epoch: Epoch)]

  var records: [SlotRecord] {
    slots.map { SlotRecord(slot: $0.slot, epoch: $0.epoch, owner: owner) }
  }

  func encode() -> [UInt8] {
    var writer = BinaryWriter(reservingBytes: 32 + slots.count * 3)
    writer.write(optional: owner) { $0.write($1.name) }
    writer.write(count: slots.count)
    var previous = 0
    for (slot, epoch) in slots {
      writer.write(count: slot.number - previous)
      writer.write(UInt64(max(0, epoch.number)))
      previous = slot.number
    }
    return writer.bytes
  }
}

extension OwnerGroup {
  init(encoded: ArraySlice<UInt8>) throws(BinaryError) {
    var reader = BinaryReader(encoded)
    owner = try reader.optional { (reader) throws(BinaryError) in try reader.node() }
    slots = []
    var number = 0
    for _ in 0..<(try reader.count(atMost: Slot.count)) {
      number += try reader.int(in: 0...(Slot.count - 1 - number))
      // A little below the highest number: whoever claims the slot next can still count on.
      let epoch = try reader.int(in: 0...(Int.max >> 1))
      slots.append((Slot(number), Epoch(Int64(epoch))))
    }
  }
}

extension MemberRecord {
  fileprivate func encode() -> [UInt8] {
    var writer = BinaryWriter(reservingBytes: 96)
    writer.write(node.name)
    writer.write(member.name)
    writer.write(member.address)
    writer.write(byte: member.isNode ? 1 : 2)
    writer.write(count: member.weight)
    writer.write(count: max(0, member.protocols.lowerBound))
    writer.write(count: max(0, member.protocols.upperBound))
    writer.write(byte: status.rawValue)
    writer.write(incarnation)
    writer.write(count: accusers.count)
    for accuser in accusers { writer.write(accuser.name) }
    return writer.bytes
  }

  /// - Returns: nil if it is of a kind or status that a later version has brought.
  fileprivate init?(encoded: ArraySlice<UInt8>) throws(BinaryError) {
    var reader = BinaryReader(encoded)
    let node = try reader.node()
    let name = try reader.name()
    let address = try reader.address()
    let kindCode = try reader.byte()
    let weight = try reader.int(in: 0...Member.maxWeight)
    let lowest = try reader.int(in: 0...Int(Int32.max))
    let highest = try reader.int(in: 0...Int(Int32.max))
    guard lowest <= highest else { throw BinaryError("versions from \(lowest) to \(highest)") }
    let statusCode = try reader.byte()
    // A little below the highest number: whoever is lied about can still raise it.
    let incarnation = try reader.unsigned()
    guard incarnation <= .max >> 1 else { throw BinaryError("\(incarnation) is too high an incarnation") }
    var accusers: [NodeID] = []
    for _ in 0..<(try reader.count(atMost: Self.maxAccusers)) { accusers.append(try reader.node()) }
    let kind: Member.Kind
    switch kindCode {
    case 1: kind = .node(weight: weight)
    case 2: kind = .gateway
    default: return nil
    }
    guard let status = MemberStatus(rawValue: statusCode) else { return nil }
    self.init(
      member: Member(node: node, name: name, address: address, kind: kind, protocols: lowest...highest),
      status: status, incarnation: incarnation, accusers: accusers)
  }
}

extension BinaryWriter {
  fileprivate mutating func write(_ address: PeerAddress) {
    write(address.host)
    write(count: address.port)
  }
}

extension BinaryReader {
  fileprivate mutating func name() throws(BinaryError) -> String {
    let text = try text(maxBytes: 200)
    guard text.isName(maxBytes: 200) else { throw BinaryError("a name is empty or has control characters") }
    return text
  }

  fileprivate mutating func node() throws(BinaryError) -> NodeID { NodeID(try name()) }

  fileprivate mutating func address() throws(BinaryError) -> PeerAddress {
    let host = try text(maxBytes: 255)
    guard host.isName(maxBytes: 255) else { throw BinaryError("a host is empty or has control characters") }
    return PeerAddress(host: host, port: try int(in: 0...65_535))
  }
}
