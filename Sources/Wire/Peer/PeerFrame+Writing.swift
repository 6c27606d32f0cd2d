import RoomCore

/// The first byte of a frame behind its length. A released number is never given to another frame.
enum PeerFrameType: UInt8, CaseIterable {
  case hello = 1
  case authenticate = 2
  case refused = 3
  case gossip = 4
  case ping = 5
  case pong = 6
  case goodbye = 7
  case move = 8

  case open = 16
  case operation = 17
  case relay = 18
  case resync = 19
  case close = 20
  case read = 21
  case ask = 22

  case output = 32
  case full = 33
  case reading = 34
  case notOwner = 35
  case reply = 36
}

/// The first byte of an item of an output.
enum PeerItemType: UInt8, CaseIterable {
  case broadcast = 1
  case transient = 2
  case direct = 3
  case sync = 4
  case resuming = 5
  case history = 6
  case settled = 7
  case ended = 8
  case bound = 9
}

/// The first byte of a reading's result.
enum PeerReadingType: UInt8, CaseIterable {
  case state = 1
  case empty = 2
  case unavailable = 3
  case crowded = 4
  case notOwner = 5
}

/// The first byte of a reply's result.
enum PeerReplyType: UInt8, CaseIterable {
  case stands = 1
  case refused = 2
  case unavailable = 3
  case notOwner = 4
}

extension PeerFrame {
  /// The frame as it is sent: the length of what follows in four bytes, the highest first, then type and body.
  ///
  /// - Throws: if it breaks a bound of `PeerLimits`, so that no peer would take it.
  public func encoded() throws(PeerFrameError) -> [UInt8] {
    var bounds = PeerBounds()
    var writer = BinaryWriter(reservingBytes: 128)
    // The length's place.
    for _ in 0..<4 { writer.write(byte: 0) }
    write(to: &writer, &bounds)
    let count = writer.bytes.count - 4
    guard count <= PeerLimits.maxFrameBytes else {
      throw PeerFrameError("a frame of \(count) bytes is longer than \(PeerLimits.maxFrameBytes)")
    }
    if let fault = bounds.fault { throw PeerFrameError(fault) }
    writer.overwrite(at: 0, bigEndian: UInt32(count))
    return writer.bytes
  }

  private func write(to writer: inout BinaryWriter, _ bounds: inout PeerBounds) {
    switch self {
    case .hello(let hello):
      writer.write(type: .hello)
      hello.write(to: &writer, &bounds)
    case .authenticate(let mac):
      writer.write(type: .authenticate)
      bounds.check(mac.count, is: PeerLimits.macBytes, "a proof")
      writer.write(bytes: mac)
    case .refused(let refusal):
      writer.write(type: .refused)
      writer.write(refusal.code.rawValue)
      writer.write(name: refusal.message, &bounds)
    case .gossip(let bytes):
      writer.write(type: .gossip)
      writer.write(bytes: bytes)
    case .ping(let number):
      writer.write(type: .ping)
      writer.write(number)
    case .pong(let number):
      writer.write(type: .pong)
      writer.write(number)
    case .goodbye(let reason):
      writer.write(type: .goodbye)
      writer.write(name: reason, &bounds)
    case .move(let slot, let node):
      writer.write(type: .move)
      writer.write(UInt64(slot.number))
      writer.write(name: node.name, &bounds)
    case .request(let room, let request):
      request.write(to: &writer, room, &bounds)
    case .read(let number, let room):
      writer.write(type: .read)
      writer.write(number)
      writer.write(room.name)
    case .ask(let number, let room, let question):
      writer.write(type: .ask)
      writer.write(number)
      writer.write(room.name)
      question.write(to: &writer, &bounds)
    case .output(let output):
      writer.write(type: .output)
      output.write(to: &writer, &bounds)
    case .full(let room, let session, let number):
      writer.write(type: .full)
      writer.write(room.name)
      writer.write(session)
      writer.write(number)
    case .reading(let number, let reading):
      writer.write(type: .reading)
      writer.write(number)
      reading.write(to: &writer, &bounds)
    case .reply(let number, let reply):
      writer.write(type: .reply)
      writer.write(number)
      reply.write(to: &writer, &bounds)
    case .notOwner(let room, let owner):
      writer.write(type: .notOwner)
      writer.write(room.name)
      owner.write(to: &writer, &bounds)
    }
  }
}

/// Remembers the first bound that was broken.
struct PeerBounds {
  private(set) var fault: String?

  mutating func check(_ count: Int, atMost limit: Int, _ what: String) {
    if count > limit, fault == nil { fault = "\(what) has \(count) of at most \(limit)" }
  }

  mutating func check(_ count: Int, is expected: Int, _ what: String) {
    if count != expected, fault == nil { fault = "\(what) has \(count) bytes and not \(expected)" }
  }
}

extension BinaryWriter {
  fileprivate mutating func write(type: PeerFrameType) { write(byte: type.rawValue) }

  fileprivate mutating func write(name: String, _ bounds: inout PeerBounds) {
    bounds.check(name.utf8.count, atMost: PeerLimits.maxNameBytes, "a name")
    write(name)
  }

  fileprivate mutating func write(name: String?, _ bounds: inout PeerBounds) {
    write(name != nil)
    if let name { write(name: name, &bounds) }
  }

  fileprivate mutating func write(_ position: SequenceNumber?) {
    write(optional: position) { $0.write(signed: $1.number) }
  }

  fileprivate mutating func write(text: [UInt8]?) {
    write(optional: text) { $0.write(bytes: $1) }
  }
}

extension PeerHello {
  /// The frame's body, which the proof is made of.
  public var body: [UInt8] {
    var bounds = PeerBounds()
    var writer = BinaryWriter(reservingBytes: 256)
    write(to: &writer, &bounds)
    return writer.bytes
  }

  fileprivate func write(to writer: inout BinaryWriter, _ bounds: inout PeerBounds) {
    writer.write(PeerHello.magic)
    writer.write(versions.lowerBound)
    writer.write(versions.upperBound)
    writer.write(name: cluster, &bounds)
    writer.write(slotCount)
    writer.write(name: node.name, &bounds)
    writer.write(name: name, &bounds)
    writer.write(byte: kind.rawValue)
    writer.write(name: address, &bounds)
    bounds.check(nonce.count, is: PeerLimits.nonceBytes, "a nonce")
    writer.write(bytes: nonce)
    bounds.check(features.count, atMost: PeerLimits.maxFeatures, "a list of features")
    writer.write(count: features.count)
    for feature in features { writer.write(name: feature, &bounds) }
    writer.append(laterFields)
  }
}

extension PeerRequest {
  fileprivate func write(to writer: inout BinaryWriter, _ room: RoomID, _ bounds: inout PeerBounds) {
    let type: PeerFrameType =
      switch self {
      case .open: .open
      case .operation: .operation
      case .relay: .relay
      case .resync: .resync
      case .close: .close
      }
    writer.write(type: type)
    writer.write(room.name)
    writer.write(session)
    switch self {
    case .open(let opening):
      writer.write(name: opening.participant?.value, &bounds)
      writer.write(byte: UInt8(opening.dialect.rawValue))
      writer.write(opening.since)
      writer.write(name: opening.address, &bounds)
      writer.write(opening.isRehomed)
      writer.write(opening.lastSeen)
    case .operation(let operation):
      writer.write(operation.number)
      writer.write(name: operation.opId, &bounds)
      writer.write(name: operation.id.participant.value, &bounds)
      writer.write(name: operation.id.value, &bounds)
      writer.write(signed: operation.after.number)
      writer.write(bytes: operation.command)
    case .relay(_, let participant, let text):
      writer.write(name: participant.value, &bounds)
      writer.write(bytes: text)
    case .resync, .close: break
    }
  }
}

extension PeerOutput {
  fileprivate func write(to writer: inout BinaryWriter, _ bounds: inout PeerBounds) {
    writer.write(room.name)
    writer.write(signed: epoch.number)
    bounds.check(items.count, atMost: PeerLimits.maxItems, "an output")
    writer.write(count: items.count)
    for item in items {
      var record = BinaryWriter(reservingBytes: item.textBytes + 32)
      item.write(to: &record, &bounds)
      writer.write(bytes: record.bytes)
    }
  }
}

extension PeerOutput.Item {
  /// The bytes of its texts.
  public var textBytes: Int {
    switch self {
    case .broadcast(_, let full, let delta): (full?.count ?? 0) + (delta?.count ?? 0)
    case .transient(let text), .direct(_, let text): text.count
    case .sync(_, _, let text), .resuming(_, _, let text): text?.count ?? 0
    case .history(_, let texts, _): texts.reduce(0) { $0 + $1.count }
    case .settled, .bound, .ended: 0
    }
  }

  fileprivate func write(to writer: inout BinaryWriter, _ bounds: inout PeerBounds) {
    switch self {
    case .broadcast(let position, let full, let delta):
      writer.write(byte: PeerItemType.broadcast.rawValue)
      writer.write(signed: position.number)
      writer.write(text: full)
      writer.write(text: delta)
    case .transient(let text):
      writer.write(byte: PeerItemType.transient.rawValue)
      writer.write(bytes: text)
    case .direct(let session, let text):
      writer.write(byte: PeerItemType.direct.rawValue)
      writer.write(session)
      writer.write(bytes: text)
    case .sync(let session, let head, let text):
      writer.write(byte: PeerItemType.sync.rawValue)
      writer.write(session)
      writer.write(signed: head.number)
      writer.write(text: text)
    case .resuming(let session, let head, let text):
      writer.write(byte: PeerItemType.resuming.rawValue)
      writer.write(session)
      writer.write(signed: head.number)
      writer.write(text: text)
    case .history(let session, let texts, let isLast):
      writer.write(byte: PeerItemType.history.rawValue)
      writer.write(session)
      writer.write(isLast)
      bounds.check(texts.count, atMost: PeerLimits.maxTexts, "a history")
      writer.write(count: texts.count)
      for text in texts { writer.write(bytes: text) }
    case .settled(let session, let count):
      writer.write(byte: PeerItemType.settled.rawValue)
      writer.write(session)
      writer.write(count)
    case .bound(let session, let participant):
      writer.write(byte: PeerItemType.bound.rawValue)
      writer.write(session)
      writer.write(name: participant.value, &bounds)
    case .ended(let ending):
      writer.write(byte: PeerItemType.ended.rawValue)
      writer.write(byte: ending.rawValue)
    }
  }
}

extension PeerReading {
  fileprivate func write(to writer: inout BinaryWriter, _ bounds: inout PeerBounds) {
    switch self {
    case .state(let text):
      writer.write(byte: PeerReadingType.state.rawValue)
      writer.write(bytes: text)
    case .empty: writer.write(byte: PeerReadingType.empty.rawValue)
    case .unavailable: writer.write(byte: PeerReadingType.unavailable.rawValue)
    case .crowded: writer.write(byte: PeerReadingType.crowded.rawValue)
    case .notOwner(let owner):
      writer.write(byte: PeerReadingType.notOwner.rawValue)
      owner.write(to: &writer, &bounds)
    }
  }
}

extension PeerQuestion {
  fileprivate func write(to writer: inout BinaryWriter, _ bounds: inout PeerBounds) {
    writer.write(operation != nil)
    guard let operation else { return }
    writer.write(name: operation.id.participant.value, &bounds)
    writer.write(name: operation.id.value, &bounds)
    writer.write(signed: operation.after.number)
    writer.write(bytes: operation.command)
  }
}

extension PeerReply {
  fileprivate func write(to writer: inout BinaryWriter, _ bounds: inout PeerBounds) {
    switch self {
    case .stands(let sequence, let state):
      writer.write(byte: PeerReplyType.stands.rawValue)
      writer.write(signed: sequence.number)
      writer.write(bytes: state)
    case .refused(let code, let message, let isRetryable):
      writer.write(byte: PeerReplyType.refused.rawValue)
      writer.write(name: code, &bounds)
      writer.write(name: message, &bounds)
      writer.write(isRetryable)
    case .unavailable: writer.write(byte: PeerReplyType.unavailable.rawValue)
    case .notOwner(let owner):
      writer.write(byte: PeerReplyType.notOwner.rawValue)
      owner.write(to: &writer, &bounds)
    }
  }
}

extension PeerOwner {
  fileprivate func write(to writer: inout BinaryWriter, _ bounds: inout PeerBounds) {
    writer.write(optional: epoch) { $0.write(signed: $1.number) }
    writer.write(name: node?.name, &bounds)
  }
}
