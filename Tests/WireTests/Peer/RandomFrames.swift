import RoomCore
import TestSupport
import Wire

/// Makes up frames of every kind, within the bounds.
struct RandomFrames {
  var generator: SplitMix64

  /// How many kinds `frame` makes.
  static let kinds = 21

  mutating func frame() -> PeerFrame { frame(of: generator.below(Self.kinds)) }

  mutating func frame(of kind: Int) -> PeerFrame {
    switch kind {
    case 0: .hello(hello())
    case 1: .authenticate(mac: bytes(PeerLimits.macBytes))
    case 2: .refused(PeerRefusal(.init(rawValue: number()), generator.text()))
    case 3: .gossip(text())
    case 4: .ping(number())
    case 5: .pong(number())
    case 6: .goodbye(reason: generator.text())
    case 7: .request(room: room(), .open(opening()))
    case 8: .request(room: room(), .operation(operation()))
    case 9: .request(room: room(), .relay(session: number(), participant: generator.participantID(), text: text()))
    case 10: .request(room: room(), .resync(session: number()))
    case 11: .request(room: room(), .close(session: number()))
    case 12: .read(number: number(), room: room())
    case 13: .output(output())
    case 14: .full(room: room(), session: number(), number: number())
    case 15: .reading(number: number(), reading())
    case 16: .notOwner(room: room(), owner())
    case 17: .move(Slot(generator.below(Slot.count)), to: NodeID(generator.text()))
    case 18: .ask(number: number(), room: room(), question())
    case 19: .reply(number: number(), reply())
    default: .output(PeerOutput(room: room(), epoch: Epoch(position().number), items: []))
    }
  }

  private mutating func hello() -> PeerHello {
    let lowest = number() >> 1
    return PeerHello(
      versions: lowest...(lowest + UInt64(generator.below(3))), cluster: generator.text(), slotCount: number(),
      node: NodeID(generator.text()), name: generator.text(), kind: generator.pick([.node, .gateway]),
      address: generator.text(), nonce: bytes(PeerLimits.nonceBytes),
      features: (0..<generator.below(4)).map { _ in generator.text() }, laterFields: bytes(generator.below(5)))
  }

  private mutating func opening() -> PeerOpening {
    PeerOpening(
      session: number(), participant: generator.optional { $0.participantID() },
      dialect: generator.pick(Dialect.allCases), since: optionalPosition(), address: generator.optional { $0.text() },
      isRehomed: generator.once(in: 2), lastSeen: optionalPosition())
  }

  private mutating func operation() -> PeerOperation {
    PeerOperation(
      session: number(), number: number(), opId: generator.optional { $0.text() },
      id: OperationID(participant: generator.participantID(), value: generator.text()), after: position(),
      command: text())
  }

  private mutating func output() -> PeerOutput {
    PeerOutput(
      room: room(), epoch: Epoch(position().number), items: (0..<(1 + generator.below(6))).map { _ in item() })
  }

  private mutating func item() -> PeerOutput.Item {
    switch generator.below(9) {
    case 0: .broadcast(at: position(), full: optionalText(), delta: optionalText())
    case 1: .transient(text())
    case 2: .direct(session: number(), text())
    case 3: .sync(session: number(), head: position(), optionalText())
    case 4: .resuming(session: number(), head: position(), optionalText())
    case 5:
      .history(
        session: number(), (0..<generator.below(4)).map { _ in text() }, isLast: generator.once(in: 2))
    case 6: .settled(session: number(), count: number())
    case 7: .bound(session: number(), generator.participantID())
    default: .ended(generator.pick([.moved, .unavailable, .crowded]))
    }
  }

  private mutating func reading() -> PeerReading {
    switch generator.below(5) {
    case 0: .state(text())
    case 1: .empty
    case 2: .unavailable
    case 3: .crowded
    default: .notOwner(owner())
    }
  }

  private mutating func question() -> PeerQuestion {
    guard generator.once(in: 2) else { return PeerQuestion(nil) }
    let id = OperationID(participant: generator.participantID(), value: generator.text())
    return PeerQuestion(PeerQuestion.Operation(id: id, after: position(), command: text()))
  }

  private mutating func reply() -> PeerReply {
    switch generator.below(4) {
    case 0: .stands(at: position(), state: text())
    case 1: .refused(code: generator.text(), message: generator.text(), isRetryable: generator.once(in: 2))
    case 2: .unavailable
    default: .notOwner(owner())
    }
  }

  private mutating func owner() -> PeerOwner {
    PeerOwner(
      epoch: generator.once(in: 2) ? Epoch(position().number) : nil,
      node: generator.optional { NodeID($0.text()) })
  }

  private mutating func room() -> RoomID {
    let names = ["a", "order_1234", "Z-9.~:", String(repeating: "x", count: 128)]
    guard let room = RoomID(generator.pick(names)) else { preconditionFailure("a sample's name is well-formed") }
    return room
  }

  private mutating func number() -> UInt64 {
    generator.pick([0, 1, 127, 128, .max, generator.next(), generator.next() >> 40])
  }

  private mutating func position() -> SequenceNumber {
    SequenceNumber(generator.pick([0, 1, -1, 63, 64, .max, .min, Int64(generator.below(1_000_000))]))
  }

  private mutating func optionalPosition() -> SequenceNumber? { generator.once(in: 2) ? position() : nil }
  private mutating func optionalText() -> [UInt8]? { generator.once(in: 2) ? text() : nil }
  private mutating func text() -> [UInt8] { bytes(generator.pick([0, 1, 5, 127, 128, 300])) }

  private mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
  }
}
