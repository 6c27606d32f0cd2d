import Membership
import RoomCore

/// Any bytes are a message of gossip, one of a later kind, or an error. What was read is written and read as the same. A
/// member that takes it in survives, and whatever it says then can be read.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = bytes(start, count)
  let decoded: GossipMessage?
  do {
    decoded = try GossipMessage.decode(input[...])
  } catch {
    promise(!error.reason.isEmpty, "an error without a reason")
    return 0
  }
  guard let message = decoded else { return 0 }
  check(message)
  hear(message)
  return 0
}

private func check(_ message: GossipMessage) {
  let again = must("reading what was written") { try GossipMessage.decode(message.encode()[...]) }
  promise(again == message, "a message that was written is read as another")
}

private func hear(_ message: GossipMessage) {
  let own = Member(
    node: NodeID("a/1"), name: "a", address: PeerAddress(host: "a", port: 7000), kind: .node(weight: 100),
    protocols: 1...1)
  var swim = Swim(own: own, incarnation: 1, seeds: [], seed: 1)
  var now = MonotonicTime.zero
  var directives = swim.start(now: now)
  directives += swim.receive(message, now: now)
  directives += swim.receive(message, now: now)
  for _ in 0..<20 {
    now = max(now, swim.nextWake)
    directives += swim.tick(now: now)
  }
  for case .send(let message, _, _) in directives { check(message) }
}
