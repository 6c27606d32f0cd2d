import Membership
import RoomCore
import TestSupport
import Testing

@Suite("Gossip as bytes")
struct GossipCodingTests {
  private static func randomMessage(_ generator: inout SplitMix64) -> GossipMessage {
    let number = generator.next() >> UInt64(generator.below(64))
    let target = NodeID("b/1")
    let body = generator.pick([
      GossipMessage.Body.ping(sequence: number, target: target), .ack(sequence: number, target: target),
      .pingRequest(sequence: number, target: target, address: PeerAddress(host: "::1", port: 65_535)),
      .nack(sequence: number), .pushPull, .pushPullReply, .leave, .gossip,
    ])
    let slots = Set((0..<generator.below(9)).map { _ in generator.below(Slot.count) }).sorted()
    return GossipMessage(
      sender: Scene.randomRecord(&generator), body: body,
      members: (0..<generator.below(5)).map { _ in Scene.randomRecord(&generator) },
      ownership: slots.map { slot in
        SlotRecord(
          slot: Slot(slot), epoch: Epoch(Int64(generator.below(1000))),
          owner: generator.pick([NodeID("a/1"), NodeID("b/1"), nil]))
      })
  }

  @Test("every message comes back", arguments: [1, 2] as [UInt64])
  func roundTrip(seed: UInt64) throws {
    var generator = SplitMix64(seed: seed)
    for _ in 0..<1000 {
      let message = Self.randomMessage(&generator)
      #expect(try GossipMessage.decode(message.encode()[...]) == message, "seed \(seed)")
    }
    let gateway = Member(
      node: NodeID("g"), name: "g", address: PeerAddress(host: "g", port: 0), kind: .gateway, protocols: 2...7)
    let message = GossipMessage(sender: MemberRecord(member: gateway, status: .left, incarnation: 9), body: .leave)
    #expect(try GossipMessage.decode(message.encode()[...]) == message)
  }

  @Test("cut anywhere it is an error, and damaged it is an error or another message", arguments: [1, 2] as [UInt64])
  func hostile(seed: UInt64) {
    var generator = SplitMix64(seed: seed)
    for _ in 0..<60 {
      let bytes = Self.randomMessage(&generator).encode()
      for length in 0..<bytes.count {
        #expect(throws: BinaryError.self) { try GossipMessage.decode(bytes.prefix(length)) }
      }
      for _ in 0..<20 {
        let damaged = generator.damage(bytes, alphabet: [0, 1, 0x7F, 0x80, 0xFF])
        guard let message = try? GossipMessage.decode(damaged[...]) else { continue }
        // Whatever is taken in can be sent on.
        #expect(throws: Never.self) { try GossipMessage.decode(message.encode()[...]) }
      }
    }
  }

  /// A message by hand: `extra` at the end of each record, and of the message.
  private func message(kind: UInt8 = 8, status: UInt8 = 0, memberKind: UInt8 = 1, extra: [UInt8] = []) -> [UInt8] {
    func record(status: UInt8, kind: UInt8, incarnation: UInt64 = 1) -> [UInt8] {
      var writer = BinaryWriter()
      for text in ["b/1", "b", "b"] { writer.write(text) }
      writer.write(count: 7000)
      writer.write(byte: kind)
      for number in [100, 1, 1] { writer.write(count: number) }
      writer.write(byte: status)
      writer.write(incarnation)
      writer.write(count: 0)
      return writer.bytes + extra
    }
    var owners = BinaryWriter()
    owners.write(true)
    owners.write("b/1")
    for number in [2, 5, 1, 3, 1] { owners.write(count: number) }
    var writer = BinaryWriter()
    writer.write(byte: 1)
    writer.write(byte: kind)
    writer.write(bytes: record(status: 0, kind: 1))
    writer.write(bytes: extra)
    writer.write(count: 2)
    writer.write(bytes: record(status: status, kind: memberKind))
    writer.write(bytes: record(status: 0, kind: 2))
    writer.write(count: 1)
    writer.write(bytes: owners.bytes + extra)
    return writer.bytes + extra
  }

  @Test("what a later version adds to a record or a message is skipped")
  func forwardCompatible() throws {
    let plain = try #require(try GossipMessage.decode(message()[...]))
    #expect(plain.members.count == 2)
    #expect(plain.ownership.map(\.slot.number) == [5, 8])
    #expect(try GossipMessage.decode(message(extra: [1, 2, 3])[...]) == plain)
    #expect(try GossipMessage.decode(message(status: 9)[...])?.members.count == 1)
    #expect(try GossipMessage.decode(message(memberKind: 9)[...])?.members.count == 1)
    #expect(try GossipMessage.decode(message(kind: 99)[...]) == nil)
    #expect(try GossipMessage.decode([2, 1, 7]) == nil)
    #expect(throws: BinaryError.self) { try GossipMessage.decode([0, 8]) }
  }

  @Test("the state of a large cluster fits into a message, and more than that is refused")
  func sizes() throws {
    let members = (0..<1000).map { Scene.record("node-\($0).example.org") }
    let owners = Slot.all.map {
      SlotRecord(slot: $0, epoch: Epoch(.max >> 1), owner: members[$0.number % 1000].node)
    }
    let full = GossipMessage(sender: members[0], body: .pushPull, members: members, ownership: owners)
    let bytes = full.encode()
    #expect(bytes.count < GossipMessage.maxBytes / 4)
    #expect(try GossipMessage.decode(bytes[...]) == full)
    let few = Slot.all.map { SlotRecord(slot: $0, epoch: Epoch(7), owner: members[$0.number % 3].node) }
    #expect(GossipMessage(sender: members[0], body: .pushPull, ownership: few).encode().count < 2500)
    #expect(throws: BinaryError.self) {
      try GossipMessage.decode(ArraySlice(repeating: 1, count: GossipMessage.maxBytes + 1))
    }
  }
}
