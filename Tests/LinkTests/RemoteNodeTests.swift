import Membership
import Ordering
import RoomCore
import Rooms
import Synchronization
import Testing
import Wire

@testable import Link

@Suite("The way to another node's rooms")
struct RemoteNodeTests {
  private let room = RoomID.named("r")
  private let session = SessionNumber(7)

  /// A line whose other end is the test.
  private final class Line: PeerLine {
    let peer = PeerIdentity(cluster: "c", node: NodeID("n/1"), name: "n", kind: .node).hello(nonce: [])
    let direction = PeerConnection.Direction.outgoing(to: PeerAddress(host: "n", port: 1))
    let overload = Atomic<Bool>(false)
    var isOverloaded: Bool { overload.load(ordering: .relaxed) }
    private let frames = Mutex<[PeerFrame]>([])

    func send(_ frame: PeerFrame) -> PeerConnection.Sending {
      frames.withLock { $0.append(frame) }
      return .queued
    }

    func cut(_ reason: PeerDisconnection) {}

    var requests: [PeerRequest] {
      frames.withLock { $0 }.compactMap { if case .request(_, let request) = $0 { request } else { nil } }
    }
  }

  private final class Ear: RoomSubscriber {
    private let items = Mutex<[RoomOutput.Item]>([])
    func deliver(_ output: RoomOutput) { items.withLock { $0 += output.items } }
    var heard: [String] { items.withLock { $0.map { "\($0)" } } }
  }

  private func open(_ remote: RemoteNode<OrderCommand>, _ ear: Ear) {
    _ = remote.send(
      .open(SessionOpening(session: session, participant: nil, dialect: .delta, since: SequenceNumber(3))), to: room,
      from: ear)
  }

  @discardableResult
  private func operate(_ remote: RemoteNode<OrderCommand>, _ ear: Ear) -> Admission {
    let operation = Operation(
      id: OperationID(participant: ParticipantID("asha"), value: "o"), after: .zero,
      command: OrderCommand.leave(removeItems: false))
    return remote.send(.operation(operation, session: session, opId: nil), to: room, from: ear)
  }

  @Test("over a line that is behind nothing more is sent, but for what nobody would send again")
  func overloaded() {
    let (line, ear) = (Line(), Ear())
    let remote = RemoteNode<OrderCommand>(line)
    line.overload.store(true, ordering: .relaxed)
    open(remote, ear)
    #expect(operate(remote, ear) == .full)
    line.overload.store(false, ordering: .relaxed)
    #expect(operate(remote, ear) == .taken)
    guard case .open = line.requests[0], case .operation(let operation) = line.requests[1] else {
      Issue.record("\(line.requests)")
      return
    }
    #expect(operation.number == 1)
  }

  @Test("a line that is lost keeps nothing")
  func lost() {
    let line = Line()
    weak var gone: RemoteNode<OrderCommand>?
    do {
      let remote = RemoteNode<OrderCommand>(line)
      gone = remote
      let ear = Holder(remote)
      remote.lost()
      _ = remote.send(
        .open(SessionOpening(session: session, participant: nil, dialect: .delta, since: nil)), to: room, from: ear)
    }
    #expect(gone == nil)
    #expect(line.requests.isEmpty)
  }

  @Test("whoever opens over a line that is lost hears at once that it leads nowhere")
  func openedTooLate() {
    let (line, ear) = (Line(), Ear())
    let remote = RemoteNode<OrderCommand>(line)
    remote.lost()
    open(remote, ear)
    operate(remote, ear)
    #expect(ear.heard == ["\(RoomOutput.Item.ended(.unavailable))"])
    #expect(line.requests.isEmpty)
  }

  /// An ear that knows the way to its room, as those of links do.
  private final class Holder: RoomSubscriber {
    private let remote: RemoteNode<OrderCommand>
    init(_ remote: RemoteNode<OrderCommand>) { self.remote = remote }
    func deliver(_ output: RoomOutput) {}
  }

  @Test("what is answered to a session's last opening is not taken for an answer to its present one")
  func openedTwice() {
    let (line, first, second) = (Line(), Ear(), Ear())
    let remote = RemoteNode<OrderCommand>(line)
    open(remote, first)
    operate(remote, first)
    open(remote, second)
    operate(remote, second)
    guard case .open(let before) = line.requests[0], case .open(let after) = line.requests[2],
      case .close(let outdated) = line.requests[3], case .operation(let operation) = line.requests[4]
    else {
      Issue.record("\(line.requests)")
      return
    }
    #expect(before.session != after.session && outdated == before.session)
    #expect(operation.session == after.session && operation.number == 1)
    for opening in [before, after] {
      remote.received(
        PeerOutput(
          room: room, epoch: Epoch(1),
          items: [
            .resuming(session: opening.session, head: SequenceNumber(4), nil),
            .settled(session: opening.session, count: 1),
          ]))
      remote.full(opening.session, 1, in: room)
    }
    #expect(first.heard.isEmpty)
    #expect(
      second.heard
        == [
          RoomOutput.Item.resuming(session, head: SequenceNumber(4), nil), .settled(session, count: 1),
          .overflowed(session, ordinal: 1),
        ].map { "\($0)" })
  }

  @Test("where a room has ended, nothing more is sent to it before the session opens again")
  func ended() {
    let (line, ear) = (Line(), Ear())
    let remote = RemoteNode<OrderCommand>(line)
    open(remote, ear)
    remote.received(
      PeerOutput(room: room, epoch: Epoch(1), items: [.sync(session: 1, head: SequenceNumber(4), nil)]))
    remote.received(PeerOutput(room: room, epoch: Epoch(1), items: [.ended(.moved)]))
    operate(remote, ear)
    _ = remote.send(.close(session), to: room, from: ear)
    #expect(line.requests.count == 1)
    open(remote, ear)
    operate(remote, ear)
    #expect(line.requests.count == 3)
  }

  @Test(
    "an opening that may have reached the room's next life, behind the end of the last, is closed there",
    arguments: [true, false])
  func crossed(byOutput: Bool) {
    let (line, ear) = (Line(), Ear())
    let remote = RemoteNode<OrderCommand>(line)
    open(remote, ear)
    if byOutput {
      remote.received(PeerOutput(room: room, epoch: Epoch(1), items: [.ended(.unavailable)]))
    } else {
      remote.notOwner(of: room)
    }
    #expect(ear.heard.count == 1)
    guard case .open(let opening) = line.requests[0], case .close(opening.session) = line.requests.last else {
      Issue.record("\(line.requests)")
      return
    }
  }

  @Test(
    "nothing is kept of a room when its last session has closed, or when the connection is lost",
    arguments: [true, false])
  func forgotten(byClosing: Bool) {
    let line = Line()
    weak var weakEar: Ear?
    let remote = RemoteNode<OrderCommand>(line)
    do {
      let ear = Ear()
      weakEar = ear
      open(remote, ear)
      if byClosing { _ = remote.send(.close(session), to: room, from: ear) } else { remote.lost() }
    }
    #expect(weakEar == nil)
  }
}
