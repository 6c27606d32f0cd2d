import Membership
import RoomCore
import Rooms
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Link

/// What a room has to say crosses the link to a gateway once, however many of its clients are there.
@Suite("What goes to gateways elsewhere")
struct FanOutTests {
  /// A gateway's line to the node, whose other end is the test.
  private final class GatewayLine: PeerLine {
    let peer: PeerHello
    let direction = PeerConnection.Direction.incoming
    let isOverloaded = false
    private let frames = Mutex<[PeerFrame]>([])

    init(_ name: String) {
      peer = PeerIdentity(cluster: "c", node: NodeID("\(name)/1"), name: name, kind: .gateway).hello(nonce: [])
    }

    func send(_ frame: PeerFrame) -> PeerConnection.Sending {
      frames.withLock { $0.append(frame) }
      return .queued
    }

    func cut(_ reason: PeerDisconnection) {}

    private var items: [PeerOutput.Item] {
      frames.withLock { $0 }.flatMap { frame -> [PeerOutput.Item] in
        if case .output(let output) = frame { output.items } else { [] }
      }
    }

    /// How many of the sessions are live.
    var liveCount: Int { items.count { if case .sync = $0 { true } else { false } } }

    /// What was said to all, with both dialects' texts.
    var broadcasts: [(full: String, delta: String)] {
      items.compactMap { item in
        guard case .broadcast(_, let full, let delta) = item else { return nil }
        return (String(decoding: full ?? [], as: UTF8.self), String(decoding: delta ?? [], as: UTF8.self))
      }
    }
  }

  @Test("one change goes to each gateway once, with one text for each dialect that is spoken there")
  func once() async throws {
    try await withServer { server async throws in
      let asha = try await RoomClient.joined(server.port, as: "asha")
      let rooms = RoomServer(registry: server.registry, numbers: server.numbers) { _ in
        PeerOwner(epoch: nil, node: nil)
      }
      let (both, delta) = (GatewayLine("both"), GatewayLine("delta"))
      for line in [both, delta] { rooms.connected(line) }
      let room = try #require(RoomID("room"))
      for session in UInt64(1)...40 {
        let line = session % 2 == 0 ? both : delta
        let dialect: Dialect = line === both && session % 4 == 0 ? .full : .delta
        let opening = PeerOpening(session: session, participant: nil, dialect: dialect, since: nil, address: nil)
        rooms.received(.open(opening), for: room, on: line)
      }
      try await eventually("all to be live") { both.liveCount == 20 && delta.liveCount == 20 }
      asha.add("Dal", as: "asha")
      _ = try await asha.next("item_added")
      try await eventually("both to hear of it") { !both.broadcasts.isEmpty && !delta.broadcasts.isEmpty }
      // A second one, behind which nothing of the first can be on its way any more.
      asha.add("Naan", as: "asha")
      _ = try await asha.next("item_added")
      try await eventually("both to hear of the next") { both.broadcasts.count > 1 && delta.broadcasts.count > 1 }
      for line in [both, delta] {
        #expect(line.broadcasts.count == 2)
        #expect(line.broadcasts.map { $0.delta.contains("Dal") } == [true, false])
      }
      #expect(both.broadcasts.allSatisfy { $0.full.contains("orderState") })
    }
  }
}
