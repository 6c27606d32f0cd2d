import JSONText
import Ordering
import RoomCore
import Rooms
import TestSupport
import Testing
import Wire

@testable import Link

@Suite("Rooms over a connection between processes")
struct PeerMappingTests {
  private let room = RoomID.named("r")

  private func throughBytes(_ frame: PeerFrame) throws -> PeerFrame {
    var decoder = PeerFrameDecoder()
    decoder.feed(try frame.encoded())
    return try #require(try decoder.next())
  }

  @Test("what a session asks of its room arrives as it was asked")
  func requests() throws {
    let session = SessionNumber(7)
    let asha = ParticipantID("asha")
    let requests: [RoomRequest<OrderCommand>] = [
      .open(
        SessionOpening(
          session: session, participant: asha, dialect: .delta, since: SequenceNumber(3), address: "192.0.2.1")),
      .open(SessionOpening(session: session, participant: nil, dialect: .full, since: nil)),
      .operation(
        Operation(
          id: OperationID(participant: asha, value: "g-1"), after: SequenceNumber(.max),
          command: .updateQuantity(id: "i1", quantity: 3)), session: session, opId: "c-1"),
      .relay([1, 2], by: asha, session: session), .resync(session), .close(session),
    ]
    for request in requests {
      let frame = try throughBytes(.request(room: room, PeerRequest(request, session: 7, number: 5)))
      guard case .request(room, let arrived) = frame else {
        Issue.record("\(frame)")
        return
      }
      #expect(arrived.session == 7)
      if case .operation(let operation) = arrived { #expect(operation.number == 5) }
      let again = try arrived.roomRequest(OrderCommand.self, session: session)
      #expect("\(again)" == "\(request)")
    }
    let unknown = PeerOperation(
      session: 7, number: 1, opId: nil, id: OperationID(participant: asha, value: "o"), after: .zero, command: [99])
    #expect(throws: BinaryError.self) {
      _ = try PeerRequest.operation(unknown).roomRequest(OrderCommand.self, session: session)
    }
  }

  @Test("an output comes in parts of bounded size, and is the same again")
  func outputs() throws {
    let (one, other) = (SessionNumber(1), SessionNumber(2))
    let megabyte = [UInt8](repeating: 7, count: 1 << 20)
    let text = [UInt8](repeating: 8, count: 300_000)
    let items: [RoomOutput.Item] = [
      .broadcast(at: SequenceNumber(4), full: megabyte, delta: nil), .transient([1]), .direct(one, [2]),
      .sync(other, head: SequenceNumber(4), nil), .resuming(one, head: SequenceNumber(4), [3]),
      .history(one, Array(repeating: text, count: 10)), .history(other, []),
      .history(one, Array(repeating: [9], count: 10_000)), .resuming(other, head: SequenceNumber(5), nil),
      .bound(other, ParticipantID("asha")), .settled(one, count: 3), .ended(.moved),
    ]
    let output = RoomOutput(epoch: Epoch(3), items: items)
    let parts = PeerOutput.parts(of: output, of: room) { $0.number + 100 }
    #expect(parts.count > 4)
    var reader = PeerOutputReader()
    var again: [RoomOutput.Item] = []
    for part in parts {
      #expect(part.epoch == Epoch(3))
      #expect(part.items.count == 1 || part.items.reduce(0) { $0 + $1.textBytes } <= 1 << 20)
      guard case .output(let arrived) = try throughBytes(.output(part)) else {
        Issue.record("no output")
        return
      }
      again += reader.read(arrived) { SessionNumber($0 - 100) }.items
    }
    #expect("\(again)" == "\(items)")
    #expect(PeerOutput.parts(of: RoomOutput(epoch: .zero, items: []), of: room) { $0.number }.isEmpty)
  }

  @Test("what is for a session that has ended is passed over")
  func endedSessions() {
    var reader = PeerOutputReader()
    let items: [PeerOutput.Item] = [
      .direct(session: 1, [1]), .direct(session: 2, [2]), .settled(session: 1, count: 5),
      .settled(session: 2, count: 6), .history(session: 1, [[3]], isLast: false),
      .history(session: 2, [[4]], isLast: false),
    ]
    let first = reader.read(PeerOutput(room: room, epoch: .zero, items: items)) { $0 == 1 ? SessionNumber(1) : nil }
    let expected: [RoomOutput.Item] = [.direct(SessionNumber(1), [1]), .settled(SessionNumber(1), count: 5)]
    #expect("\(first.items)" == "\(expected)")
    // A history that was begun goes on, unless its session was forgotten or resumes anew.
    func rest() -> String {
      let part = PeerOutput(room: room, epoch: .zero, items: [.history(session: 1, [[5]], isLast: true)])
      return "\(reader.read(part) { SessionNumber($0) }.items)"
    }
    #expect(rest() == "\([RoomOutput.Item.history(SessionNumber(1), [[3], [5]])])")
    _ = reader.read(
      PeerOutput(room: room, epoch: .zero, items: [.history(session: 1, [[3]], isLast: false)])
    ) { SessionNumber($0) }
    reader.forget(session: 1)
    #expect(rest() == "\([RoomOutput.Item.history(SessionNumber(1), [[5]])])")
  }

  @Test("endings and readings have their words")
  func words() {
    for ending in [RoomEnding.moved, .unavailable, .crowded] { #expect(RoomEnding(PeerEnding(ending)) == ending) }
    for reading in [RoomReading.state([1]), .empty, .unavailable, .crowded] {
      #expect(RoomReading(PeerReading(reading)) == reading)
    }
    #expect(RoomReading(.notOwner(PeerOwner(epoch: nil, node: nil))) == nil)
  }
}
