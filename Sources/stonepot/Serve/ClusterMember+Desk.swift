import Gateway
import JSONText
import Link
import RoomCore

extension ClusterMember: ClusterDesk {
  func report(sessions: Int) -> [UInt8] {
    let report = agent.report
    var writer = JSONWriter()
    writer.beginObject()
    writer.field("node", report.me.name)
    writer.key("members")
    writer.beginArray()
    for member in report.members {
      writer.beginObject()
      writer.field("node", member.node.name)
      writer.field("name", member.name)
      writer.field("address", member.address)
      writer.field("kind", member.isNode ? "node" : "gateway")
      writer.field("status", member.status)
      writer.field("weight", member.weight)
      writer.field("slots", member.slots)
      if let ago = member.heardAgo { writer.field("heardMillisAgo", ago.millis) }
      if let ago = member.wroteAgo { writer.field("wroteMillisAgo", ago.millis) }
      writer.endObject()
    }
    writer.endArray()
    writer.field("unownedSlots", report.unowned)
    writer.field("claims", report.claimsMade)
    writer.field("rooms", agent.link.routeCount)
    writer.field("sessions", sessions)
    if let node = report.node {
      writer.field("fresh", node.isFresh)
      writer.field("draining", node.isDraining)
      if let ago = node.readAgo { writer.field("storeReadMillisAgo", ago.millis) }
      writer.field("warmRooms", node.warmRooms)
      writer.field("remoteSessions", node.remoteSessions)
    }
    writer.endObject()
    return writer.bytes
  }

  func slots() -> [UInt8] {
    let names = Dictionary(
      agent.report.members.map { ($0.node, $0.name) }, uniquingKeysWith: { first, _ in first })
    var writer = JSONWriter(reservingCapacity: Slot.count * 96)
    writer.beginObject()
    writer.field("node", agent.me.name)
    writer.key("slots")
    writer.beginArray()
    for slot in agent.slots {
      writer.beginObject()
      writer.field("slot", slot.record.slot.number)
      writer.field("epoch", slot.record.epoch.number)
      if let owner = slot.record.owner {
        writer.field("owner", owner.name)
        writer.field("name", names[owner] ?? owner.stableName)
      }
      if slot.isPinned { writer.field("pinned", true) }
      writer.endObject()
    }
    writer.endArray()
    writer.endObject()
    return writer.bytes
  }

  func drain() throws(OperatorRefusal) { try agent.beginDrain() }
  func endDrain() throws(OperatorRefusal) { try agent.takeSlotsAgain() }
  func move(_ slot: Slot, to name: String) throws(OperatorRefusal) { try agent.move(slot, to: name) }
}

extension Duration {
  /// In whole milliseconds.
  fileprivate var millis: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
