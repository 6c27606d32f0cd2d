import Foundation
import JSONText
import RoomCore
import TestSupport
import Testing
import Wire

@testable import Ordering

@Suite struct ServerMessageTests {
  private let room = OrderRoom(room: .sample, order: .sample)
  private let online: Set = [asha]

  private func object(_ bytes: [UInt8]) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
  }

  // MARK: - Transcripts

  /// The transcripts in `Golden/` show every message as it goes out. After a change that is meant, run the tests with
  /// STONEPOT_REWRITE_GOLDEN=1 and read the difference.
  ///
  /// - Parameter sync: a message whose `data` is shown only there; where it stands in another, the file says so.
  private func compare(_ file: String, _ lines: [(String, [UInt8]?)], leavingOut sync: [UInt8]? = nil) throws {
    let syncText = String(decoding: sync ?? [], as: UTF8.self)
    let state = syncText.wholeMatch(of: /\{"type":"sync","data":\{(.*)\},"seq":.*\}/)?.1
    var transcript = ""
    for (title, bytes) in lines {
      transcript += "# \(title)\n"
      if let bytes {
        _ = try object(bytes)
        var text = String(decoding: bytes, as: UTF8.self)
        if let state, bytes != sync { text = text.replacing(state, with: "<the fields of sync's data>") }
        transcript += text + "\n\n"
      } else {
        transcript += "(nothing)\n\n"
      }
    }
    let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/\(file).txt")
    if ProcessInfo.processInfo.environment["STONEPOT_REWRITE_GOLDEN"] == "1" {
      try Data(transcript.utf8).write(to: url)
    }
    let golden = try String(contentsOf: url, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
    let found = transcript.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(found.count == golden.count)
    for (found, golden) in zip(found, golden) { #expect(found == golden, "Golden/\(file).txt") }
  }

  @Test func fullTranscript() throws {
    var lines: [(String, [UInt8]?)] = [
      (
        "sync before there is an order",
        ServerMessage.sync(OrderRoom(room: .sample), online: [], head: .zero, history: "h1", at: moment(60))
      ),
      ("sync", ServerMessage.sync(room, online: online, head: SequenceNumber(42), history: "h1", at: moment(60))),
      (
        "sync of an order with everything in it",
        ServerMessage.sync(
          OrderRoom(room: .sample, order: .rich), online: [asha, ravi], head: SequenceNumber(42), history: "h1",
          at: moment(60))
      ),
    ]
    for (name, event) in sampleEvents {
      lines.append(
        (name, ServerMessage.full(Recorded(event), after: room, online: online, history: "h1")))
    }
    lines.append(
      (
        "order_finalized, of an order with everything in it",
        ServerMessage.full(
          Recorded(.finalized(CollaborativeOrder.rich.shares ?? [], .group), by: ravi),
          after: OrderRoom(room: .sample, order: .rich), online: online, history: "h1")
      ))
    lines.append(
      (
        "order_expired, by the room's timer",
        ServerMessage.full(Recorded(.expired(.idle), by: nil), after: room, online: [], history: "h1")
      ))
    try compare("full", lines, leavingOut: lines[1].1)
  }

  @Test func deltaTranscript() throws {
    var lines = sampleEvents.map { name, event in
      (name, ServerMessage.delta(Recorded(event), currency: .inr) as [UInt8]?)
    }
    lines.append(
      ("order_expired, by the room's timer", ServerMessage.delta(Recorded(.expired(.idle), by: nil), currency: .inr)))
    try compare("delta", lines)
  }

  @Test func transientTranscript() throws {
    try compare(
      "transient",
      [
        ("ack", ServerMessage.ack(opId: "op-\"1\"", at: SequenceNumber(42), now: moment(60))),
        (
          "error that a retry may mend",
          ServerMessage.error(
            RefusalNotice(code: "overloaded", message: "the room is busy", isRetryable: true, operation: "op-1"),
            now: moment(60))
        ),
        (
          "error about a message without opId",
          ServerMessage.error(
            RefusalNotice(WireError(.invalidJSON, "the message is no valid JSON")), now: moment(60))
        ),
        ("presence", ServerMessage.presence(asha, isOnline: false, now: moment(60))),
        ("speaking", ServerMessage.speaking(asha, isSpeaking: true, now: moment(60))),
        (
          "resumed",
          ServerMessage.resumed(since: SequenceNumber(40), head: SequenceNumber(42), history: "h1", now: moment(60))
        ),
      ])
  }

  // MARK: - Properties

  /// "Computable from the record and the currency alone, so that a replay from the journal gives the same bytes."
  @Test func aReplayGivesTheSameBytes() throws {
    for (_, event) in sampleEvents {
      let record = Recorded(event)
      let journal = JournalText.write([record])
      let replayed: [Recorded<OrderEvent>] = try JournalText.read(journal, from: record.sequence)
      #expect(ServerMessage.delta(replayed[0], currency: .inr) == ServerMessage.delta(record, currency: .inr))
    }
  }

  @Test func theFirstDialectKnowsOnlyItsOwnTypes() throws {
    let known: Set = [
      "sync", "participant_joined", "participant_left", "item_added", "item_removed", "quantity_updated",
      "split_updated", "order_finalized",
    ]
    for (name, event) in sampleEvents {
      let message = ServerMessage.full(Recorded(event), after: room, online: online, history: "h1")
      guard let message else {
        #expect(["order_created", "undone", "unchanged"].contains(name))
        continue
      }
      let fields = try object(message)
      let type = try #require(fields["type"] as? String)
      #expect(type == (known.contains(name) ? name : "sync"))
      #expect(fields["event"] as? String == (known.contains(name) ? nil : name))
      #expect(fields["seq"] as? Int == 42)
      #expect(fields["opId"] as? String == "op-42")
    }
  }

  @Test func theSecondDialectNeverCarriesTheOrder() throws {
    for (name, event) in sampleEvents {
      let fields = try object(ServerMessage.delta(Recorded(event), currency: .inr))
      #expect(fields["type"] as? String == name)
      #expect(fields["participantName"] == nil)
      let data = try #require(fields["data"] as? [String: Any])
      #expect(data["orderState"] == nil)
    }
  }

  /// "Phone numbers of others are masked to the last two digits."
  @Test func phonesAreMasked() throws {
    let bytes = ServerMessage.sync(room, online: online, head: .zero, history: "h", at: moment(0))
    let data = try #require(try object(bytes)["data"] as? [String: Any])
    let participants = try #require(data["participants"] as? [[String: Any]])
    #expect(participants.map { $0["phone"] as? String } == ["********10", nil])
    #expect(participants.map { $0["isOnline"] as? Bool } == [true, false])
    #expect(participants.map { $0["role"] as? String } == ["owner", "member"])
  }

  @Test func aTextIsCompleteWhateverTheOrderHolds() throws {
    let seed: UInt64 = 17
    var generator = SplitMix64(seed: seed)
    for round in 0..<300 {
      let order = generator.order()
      let room = OrderRoom(room: .sample, order: order)
      let sync = try object(
        ServerMessage.sync(
          room, online: Set(order.participants.prefix(2).map(\.id)), head: SequenceNumber(9), history: generator.text(),
          at: moment(1)))
      let data = try #require(sync["data"] as? [String: Any])
      #expect((data["items"] as? [[String: Any]])?.map { $0["dishName"] as? String } == order.items.map(\.dishName))
      #expect((data["participants"] as? [Any])?.count == order.participants.count, "seed \(seed), round \(round)")
      for event in [
        OrderEvent.itemAdded(generator.item(), index: 0), .splitUpdated(generator.split()),
        .itemRemoved(id: generator.text()),
      ] {
        let record = Recorded(event, by: generator.participantID())
        _ = try object(ServerMessage.delta(record, currency: order.currency))
        let full = try #require(ServerMessage.full(record, after: room, online: [], history: "h"))
        let state = try #require((try object(full)["data"] as? [String: Any])?["orderState"] as? [String: Any])
        #expect(NSDictionary(dictionary: state).count == NSDictionary(dictionary: data).count)
      }
    }
  }
}
