import RoomCore
import TestSupport
import Testing
import Wire

@Suite("Frames between processes")
struct PeerFrameTests {
  /// All frames that are in the bytes.
  private func frames(in pieces: [ArraySlice<UInt8>]) throws(PeerFrameError) -> [PeerFrame] {
    var decoder = PeerFrameDecoder()
    var frames: [PeerFrame] = []
    for piece in pieces {
      decoder.feed(piece)
      while let frame = try decoder.next() { frames.append(frame) }
    }
    return frames
  }

  @Test("every frame comes back as it was", arguments: 0..<RandomFrames.kinds)
  func roundTrip(kind: Int) throws {
    let seed = UInt64(100 + kind)
    var random = RandomFrames(generator: SplitMix64(seed: seed))
    for round in 0..<200 {
      let frame = random.frame(of: kind)
      let bytes = try frame.encoded()
      #expect(try frames(in: [bytes[...]]) == [frame], "seed \(seed), round \(round)")
    }
  }

  @Test("bytes may be cut anywhere")
  func pieces() throws {
    var random = RandomFrames(generator: SplitMix64(seed: 7))
    var expected: [PeerFrame] = []
    var bytes: [UInt8] = []
    for kind in 0..<RandomFrames.kinds {
      let frame = random.frame(of: kind)
      expected.append(frame)
      bytes += try frame.encoded()
    }
    for cut in 0...bytes.count {
      guard try frames(in: [bytes[..<cut], bytes[cut...]]) == expected else {
        Issue.record("cut at \(cut)")
        return
      }
    }
    #expect(try frames(in: bytes.indices.map { bytes[$0...$0] }) == expected)
  }

  @Test("a frame whose content ends too early is an error", arguments: 0..<RandomFrames.kinds)
  func truncated(kind: Int) throws {
    var random = RandomFrames(generator: SplitMix64(seed: 8))
    for _ in 0..<20 {
      var frame = random.frame(of: kind)
      // What a later version says may end anywhere.
      if case .hello(var hello) = frame {
        hello.laterFields = []
        frame = .hello(hello)
      }
      let whole = try frame.encoded()
      for count in 4..<(whole.count - 1) {
        var cut = Array(whole[..<(count + 1)])
        cut.replaceSubrange(..<4, with: length(count + 1 - 4))
        #expect(throws: PeerFrameError.self, "\(frame), \(count)") { try frames(in: [cut[...]]) }
      }
    }
  }

  @Test("what a later version adds is passed over")
  func later() throws {
    var random = RandomFrames(generator: SplitMix64(seed: 9))
    for kind in 1..<RandomFrames.kinds {
      let frame = random.frame(of: kind)
      var bytes = try frame.encoded() + [1, 2, 3]
      bytes.replaceSubrange(..<4, with: length(bytes.count - 4))
      #expect(try frames(in: [bytes[...]]) == [frame])
    }
    // A type that is not known, between two that are.
    let ping = try PeerFrame.ping(7).encoded()
    var decoder = PeerFrameDecoder()
    decoder.feed(ping + [0, 0, 0, 3, 200, 1, 2] + ping)
    #expect(try decoder.next() == .ping(7))
    #expect(try decoder.next() == .ping(7))
    #expect(try decoder.next() == nil)
    #expect(decoder.skippedFrames == 1)
    // An item of a later version, and a field behind one that is known.
    let body: [UInt8] = [32, 1, 0x61, 4, 3, 2, 99, 0, 3, 2, 1, 0x62, 4, 2, 1, 0x63, 77]
    #expect(
      try frames(in: [(length(body.count) + body)[...]])
        == [
          .output(
            PeerOutput(room: .named("a"), epoch: Epoch(2), items: [.transient([0x62]), .transient([0x63])]))
        ])
  }

  @Test(
    "what no peer writes is an error",
    arguments: [
      [0, 0, 0, 0],
      [0xFF, 0xFF, 0xFF, 0xFF],
      [0x01, 0x00, 0x00, 0x01],
      // Another service's first words.
      Array("GET / HTTP/1.1\r\n\r\n".utf8),
      [0x16, 0x03, 0x01, 0x02, 0x00, 0x01],
      // A number of 2^64, a room without a name, a flag of 2, a dialect of 3, more items than bytes.
      [0, 0, 0, 11, 5, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02],
      [0, 0, 0, 3, 19, 0, 1],
      [0, 0, 0, 6, 16, 1, 0x61, 0, 2, 1],
      [0, 0, 0, 6, 16, 1, 0x61, 0, 0, 3],
      [0, 0, 0, 6, 32, 1, 0x61, 2, 0x80, 1],
      // A proof of one byte, an ending that is none.
      [0, 0, 0, 3, 2, 1, 0],
      [0, 0, 0, 8, 32, 1, 0x61, 2, 1, 2, 8, 9],
    ] as [[UInt8]])
  func hostile(bytes: [UInt8]) {
    var decoder = PeerFrameDecoder()
    decoder.feed(bytes)
    #expect(throws: PeerFrameError.self) { _ = try decoder.next() }
    // And stays one.
    decoder.feed([0, 0, 0, 2, 5, 7])
    #expect(throws: PeerFrameError.self) { _ = try decoder.next() }
  }

  @Test("any damage is an error or another frame")
  func damage() throws {
    var random = RandomFrames(generator: SplitMix64(seed: 11))
    var refused = 0
    for _ in 0..<20_000 {
      let bytes = random.generator.damage(try random.frame().encoded(), alphabet: [0, 1, 2, 0x7F, 0x80, 0xFF])
      do {
        _ = try frames(in: [bytes[...]])
      } catch {
        refused += 1
      }
    }
    #expect(refused > 1000)
  }

  @Test("a long length is refused before its bytes are there")
  func bounds() throws {
    var decoder = PeerFrameDecoder(maxFrameBytes: 100)
    decoder.feed([0, 0, 0, 101])
    #expect(throws: PeerFrameError.self) { _ = try decoder.next() }

    let largest = PeerFrame.gossip(Array(repeating: 7, count: PeerLimits.maxFrameBytes - 5))
    let bytes = try largest.encoded()
    #expect(bytes.count == PeerLimits.maxFrameBytes + 4)
    #expect(try frames(in: [bytes[..<70_000], bytes[70_000...]]) == [largest])
    let tooLong = PeerFrame.gossip(Array(repeating: 7, count: PeerLimits.maxFrameBytes - 4))
    #expect(throws: PeerFrameError.self) { try tooLong.encoded() }
  }

  @Test("what no peer would take is not written")
  func unwritable() {
    let room = RoomID.named("a")
    let longName = String(repeating: "x", count: PeerLimits.maxNameBytes + 1)
    let texts = Array(repeating: [UInt8](), count: PeerLimits.maxTexts + 1)
    let items = Array(repeating: PeerOutput.Item.settled(session: 1, count: 1), count: PeerLimits.maxItems + 1)
    for frame in [
      .authenticate(mac: [1]), .goodbye(reason: longName),
      .request(room: room, .relay(session: 1, participant: ParticipantID(longName), text: [])),
      .output(PeerOutput(room: room, epoch: .zero, items: items)),
      .output(PeerOutput(room: room, epoch: .zero, items: [.history(session: 1, texts, isLast: true)])),
    ] as [PeerFrame] {
      #expect(throws: PeerFrameError.self) { try frame.encoded() }
    }
  }

  /// "A released number is never given to another frame."
  @Test(
    "the bytes of a frame stand",
    arguments: [
      (.ping(300), [0, 0, 0, 3, 5, 0xAC, 0x02]),
      (.goodbye(reason: "bye"), [0, 0, 0, 5, 7, 3, 0x62, 0x79, 0x65]),
      (
        .request(
          room: .named("a"),
          .open(
            PeerOpening(
              session: 7, participant: ParticipantID("p"), dialect: .delta, since: SequenceNumber(3), address: nil,
              isRehomed: true, lastSeen: SequenceNumber(4)))),
        [0, 0, 0, 14, 16, 1, 0x61, 7, 1, 1, 0x70, 2, 1, 6, 0, 1, 1, 8]
      ),
      (
        .request(
          room: .named("a"),
          .operation(
            PeerOperation(
              session: 7, number: 2, opId: nil, id: OperationID(participant: ParticipantID("p"), value: "o"),
              after: SequenceNumber(-1), command: [18]))),
        [0, 0, 0, 13, 17, 1, 0x61, 7, 2, 0, 1, 0x70, 1, 0x6F, 1, 1, 18]
      ),
      (
        .output(
          PeerOutput(
            room: .named("a"), epoch: Epoch(2),
            items: [
              .broadcast(at: SequenceNumber(1), full: nil, delta: [0x62]), .settled(session: 7, count: 2),
              .ended(.moved),
            ])),
        [0, 0, 0, 20, 32, 1, 0x61, 4, 3, 6, 1, 2, 0, 1, 1, 0x62, 3, 7, 7, 2, 2, 8, 1]
      ),
      (
        .notOwner(room: .named("a"), PeerOwner(epoch: Epoch(5), node: NodeID("n"))),
        [0, 0, 0, 8, 35, 1, 0x61, 1, 10, 1, 1, 0x6E]
      ),
    ] as [(PeerFrame, [UInt8])])
  func golden(frame: PeerFrame, bytes: [UInt8]) throws {
    var bytes = bytes
    // The lengths above are for readers; what counts is that they are right.
    bytes.replaceSubrange(..<4, with: length(bytes.count - 4))
    #expect(try frame.encoded() == bytes)
    #expect(try frames(in: [bytes[...]]) == [frame])
  }

  @Test("a hello comes back byte by byte, so that it can be proved")
  func helloBody() throws {
    var random = RandomFrames(generator: SplitMix64(seed: 12))
    for _ in 0..<100 {
      guard case .hello(let hello) = random.frame(of: 0) else { continue }
      let bytes = try PeerFrame.hello(hello).encoded()
      #expect(hello.body == Array(bytes[5...]))
      guard case .hello(let read) = try frames(in: [bytes[...]]).first else {
        Issue.record("no hello")
        return
      }
      #expect(read.body == hello.body)
    }
  }

  private func length(_ count: Int) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) }
  }
}

extension RoomID {
  static func named(_ name: String) -> RoomID {
    guard let room = RoomID(name) else { preconditionFailure("'\(name)' is no room's name") }
    return room
  }
}
