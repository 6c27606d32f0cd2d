import RoomCore

extension PeerFrame {
  /// Reads type and body of a frame. What follows the fields that this version knows is passed over.
  ///
  /// - Returns: nil if the type is not known.
  static func read(_ content: ArraySlice<UInt8>) throws(PeerFrameError) -> PeerFrame? {
    guard let first = content.first else { throw PeerFrameError("a frame is empty") }
    guard let type = PeerFrameType(rawValue: first) else { return nil }
    var reader = BinaryReader(content.dropFirst())
    do throws(BinaryError) {
      return try body(of: type, from: &reader)
    } catch {
      throw PeerFrameError("a frame of type \(type) cannot be read: \(error.reason)")
    }
  }

  private static func body(
    of type: PeerFrameType, from reader: inout BinaryReader
  ) throws(BinaryError) -> PeerFrame {
    switch type {
    case .hello: return .hello(try PeerHello(from: &reader))
    case .authenticate: return .authenticate(mac: try reader.bytes(PeerLimits.macBytes))
    case .refused: return .refused(PeerRefusal(.init(rawValue: try reader.unsigned()), try reader.name()))
    case .gossip: return .gossip(Array(try reader.content()))
    case .ping: return .ping(try reader.unsigned())
    case .pong: return .pong(try reader.unsigned())
    case .goodbye: return .goodbye(reason: try reader.name())
    case .move:
      let slot = Slot(try reader.int(in: 0...(Slot.count - 1)))
      return .move(slot, to: NodeID(try reader.name()))
    case .open:
      let room = try reader.room()
      return .request(room: room, .open(try PeerOpening(from: &reader)))
    case .operation:
      let room = try reader.room()
      return .request(room: room, .operation(try PeerOperation(from: &reader)))
    case .relay:
      let room = try reader.room()
      let session = try reader.unsigned()
      let participant = ParticipantID(try reader.name())
      return .request(
        room: room, .relay(session: session, participant: participant, text: Array(try reader.content())))
    case .resync:
      let room = try reader.room()
      return .request(room: room, .resync(session: try reader.unsigned()))
    case .close:
      let room = try reader.room()
      return .request(room: room, .close(session: try reader.unsigned()))
    case .read:
      let number = try reader.unsigned()
      return .read(number: number, room: try reader.room())
    case .ask:
      let number = try reader.unsigned()
      let room = try reader.room()
      return .ask(number: number, room: room, try PeerQuestion(from: &reader))
    case .output: return .output(try PeerOutput(from: &reader))
    case .full:
      let room = try reader.room()
      let session = try reader.unsigned()
      return .full(room: room, session: session, number: try reader.unsigned())
    case .reading:
      let number = try reader.unsigned()
      return .reading(number: number, try PeerReading(from: &reader))
    case .reply:
      let number = try reader.unsigned()
      return .reply(number: number, try PeerReply(from: &reader))
    case .notOwner:
      let room = try reader.room()
      return .notOwner(room: room, try PeerOwner(from: &reader))
    }
  }
}

extension BinaryReader {
  fileprivate mutating func name() throws(BinaryError) -> String { try text(maxBytes: PeerLimits.maxNameBytes) }

  fileprivate mutating func optionalName() throws(BinaryError) -> String? {
    try optional { (reader) throws(BinaryError) in try reader.name() }
  }

  fileprivate mutating func room() throws(BinaryError) -> RoomID {
    guard let room = RoomID(try text(maxBytes: 128)) else { throw BinaryError("a room's name is not well-formed") }
    return room
  }

  fileprivate mutating func position() throws(BinaryError) -> SequenceNumber { SequenceNumber(try signed()) }

  fileprivate mutating func optionalPosition() throws(BinaryError) -> SequenceNumber? {
    try optional { (reader) throws(BinaryError) in try reader.position() }
  }

  fileprivate mutating func optionalText() throws(BinaryError) -> [UInt8]? {
    try optional { (reader) throws(BinaryError) in Array(try reader.content()) }
  }

  fileprivate mutating func bytes(_ count: Int) throws(BinaryError) -> [UInt8] {
    let bytes = try content(maxBytes: count)
    guard bytes.count == count else { throw BinaryError("\(bytes.count) bytes are not \(count)") }
    return Array(bytes)
  }

  /// One of the cases that this version knows.
  fileprivate mutating func known<Case: RawRepresentable<UInt8>>(_: Case.Type) throws(BinaryError) -> Case {
    let byte = try byte()
    guard let known = Case(rawValue: byte) else { throw BinaryError("\(byte) is no \(Case.self)") }
    return known
  }
}

extension PeerHello {
  fileprivate init(from reader: inout BinaryReader) throws(BinaryError) {
    guard try reader.text(maxBytes: PeerHello.magic.utf8.count) == PeerHello.magic else {
      throw BinaryError("it does not begin with '\(PeerHello.magic)'")
    }
    let lowest = try reader.unsigned()
    let highest = try reader.unsigned()
    guard lowest <= highest else { throw BinaryError("versions from \(lowest) to \(highest) are none") }
    let cluster = try reader.name()
    let slotCount = try reader.unsigned()
    let node = NodeID(try reader.name())
    let name = try reader.name()
    let kind = try reader.known(Kind.self)
    let address = try reader.name()
    let nonce = try reader.bytes(PeerLimits.nonceBytes)
    var features: [String] = []
    for _ in 0..<(try reader.count(atMost: PeerLimits.maxFeatures)) { features.append(try reader.name()) }
    self.init(
      versions: lowest...highest, cluster: cluster, slotCount: slotCount, node: node, name: name, kind: kind,
      address: address, nonce: nonce, features: features, laterFields: reader.remainder())
  }
}

extension PeerOpening {
  fileprivate init(from reader: inout BinaryReader) throws(BinaryError) {
    let session = try reader.unsigned()
    let participant = try reader.optionalName().map { ParticipantID($0) }
    let number = try reader.byte()
    guard let dialect = Dialect(rawValue: Int(number)) else { throw BinaryError("\(number) is no dialect") }
    let since = try reader.optionalPosition()
    let address = try reader.optionalName()
    let isRehomed = try reader.flag()
    self.init(
      session: session, participant: participant, dialect: dialect, since: since, address: address,
      isRehomed: isRehomed, lastSeen: try reader.optionalPosition())
  }
}

extension PeerOperation {
  fileprivate init(from reader: inout BinaryReader) throws(BinaryError) {
    let session = try reader.unsigned()
    let number = try reader.unsigned()
    let opId = try reader.optionalName()
    let participant = ParticipantID(try reader.name())
    let id = OperationID(participant: participant, value: try reader.name())
    let after = try reader.position()
    self.init(
      session: session, number: number, opId: opId, id: id, after: after, command: Array(try reader.content()))
  }
}

extension PeerOutput {
  fileprivate init(from reader: inout BinaryReader) throws(BinaryError) {
    let room = try reader.room()
    let epoch = Epoch(try reader.signed())
    let count = try reader.count(atMost: PeerLimits.maxItems)
    var items: [Item] = []
    items.reserveCapacity(min(count, 256))
    for _ in 0..<count {
      var record = BinaryReader(try reader.content())
      if let item = try Item.read(from: &record) { items.append(item) }
    }
    self.init(room: room, epoch: epoch, items: items)
  }
}

extension PeerOutput.Item {
  /// - Returns: nil if its type is not known.
  fileprivate static func read(from reader: inout BinaryReader) throws(BinaryError) -> Self? {
    guard let type = PeerItemType(rawValue: try reader.byte()) else { return nil }
    switch type {
    case .broadcast:
      let position = try reader.position()
      let full = try reader.optionalText()
      return .broadcast(at: position, full: full, delta: try reader.optionalText())
    case .transient: return .transient(Array(try reader.content()))
    case .direct:
      let session = try reader.unsigned()
      return .direct(session: session, Array(try reader.content()))
    case .sync:
      let session = try reader.unsigned()
      let head = try reader.position()
      return .sync(session: session, head: head, try reader.optionalText())
    case .resuming:
      let session = try reader.unsigned()
      let head = try reader.position()
      return .resuming(session: session, head: head, try reader.optionalText())
    case .history:
      let session = try reader.unsigned()
      let isLast = try reader.flag()
      var texts: [[UInt8]] = []
      for _ in 0..<(try reader.count(atMost: PeerLimits.maxTexts)) { texts.append(Array(try reader.content())) }
      return .history(session: session, texts, isLast: isLast)
    case .settled:
      let session = try reader.unsigned()
      return .settled(session: session, count: try reader.unsigned())
    case .bound:
      let session = try reader.unsigned()
      return .bound(session: session, ParticipantID(try reader.name()))
    case .ended: return .ended(try reader.known(PeerEnding.self))
    }
  }
}

extension PeerReading {
  fileprivate init(from reader: inout BinaryReader) throws(BinaryError) {
    switch try reader.known(PeerReadingType.self) {
    case .state: self = .state(Array(try reader.content()))
    case .empty: self = .empty
    case .unavailable: self = .unavailable
    case .crowded: self = .crowded
    case .notOwner: self = .notOwner(try PeerOwner(from: &reader))
    }
  }
}

extension PeerQuestion {
  fileprivate init(from reader: inout BinaryReader) throws(BinaryError) {
    guard try reader.flag() else {
      self.init(nil)
      return
    }
    let participant = ParticipantID(try reader.name())
    let id = OperationID(participant: participant, value: try reader.name())
    let after = try reader.position()
    self.init(Operation(id: id, after: after, command: Array(try reader.content())))
  }
}

extension PeerReply {
  fileprivate init(from reader: inout BinaryReader) throws(BinaryError) {
    switch try reader.known(PeerReplyType.self) {
    case .stands:
      let sequence = try reader.position()
      self = .stands(at: sequence, state: Array(try reader.content()))
    case .refused:
      let code = try reader.name()
      let message = try reader.name()
      self = .refused(code: code, message: message, isRetryable: try reader.flag())
    case .unavailable: self = .unavailable
    case .notOwner: self = .notOwner(try PeerOwner(from: &reader))
    }
  }
}

extension PeerOwner {
  fileprivate init(from reader: inout BinaryReader) throws(BinaryError) {
    let epoch = try reader.optional { (reader) throws(BinaryError) in Epoch(try reader.signed()) }
    self.init(epoch: epoch, node: try reader.optionalName().map { NodeID($0) })
  }
}
