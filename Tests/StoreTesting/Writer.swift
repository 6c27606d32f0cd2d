package import RoomCore
package import Store

/// A node as the store sees one: a handle onto the data, a name, and the epochs it has claimed.
package struct Writer: Sendable {
  package let store: any RoomStore
  package let node: NodeID
  package let lane: TestLane
  package var epochs: [Slot: Epoch] = [:]

  package init(_ store: any RoomStore, _ name: String = "a", lane: TestLane = TestLane()) {
    self.store = store
    node = NodeID(name)
    self.lane = lane
  }

  /// Claims the slots of rooms from whoever has them.
  package mutating func claim(_ rooms: RoomID...) async throws { try await claim(Set(rooms.map(Slot.init(of:)))) }

  package mutating func claim(_ slots: some Collection<Slot>) async throws {
    let records = try await store.slots()
    let won = try await store.claim(
      slots.map { SlotClaim(slot: $0, expected: records[$0.number].epoch) }, for: node)
    epochs.merge(won) { $1 }
  }

  package func epoch(_ room: RoomID) -> Epoch { epochs[Slot(of: room)] ?? .zero }

  /// A commit whose text names the room and its positions, so that it can be told from any other.
  package func makeCommit(
    _ room: RoomID, _ first: Int64, count: Int = 1, text: String? = nil, at millis: Int64? = nil,
    timer: TimerChange = .keep, reports: [RoomReport] = [], epoch: Epoch? = nil, lane: TestLane? = nil
  ) -> RoomCommit {
    RoomCommit(
      room: room, slot: Slot(of: room), epoch: epoch ?? self.epoch(room), first: SequenceNumber(first), count: count,
      text: Array((text ?? Self.text(room, first, count: count)).utf8), at: Timestamp(millis: millis ?? first * 1000),
      timer: timer, reports: reports, lane: lane ?? self.lane)
  }

  package static func text(_ room: RoomID, _ first: Int64, count: Int = 1) -> String {
    "[" + (0..<Int64(count)).map { "{\"room\":\"\(room)\",\"n\":\(first + $0)}" }.joined(separator: ",") + "]"
  }

  @discardableResult
  package func commit(
    _ room: RoomID, _ first: Int64, count: Int = 1, text: String? = nil, at millis: Int64? = nil,
    timer: TimerChange = .keep, epoch: Epoch? = nil
  ) async -> CommitOutcome {
    await store.commit(
      makeCommit(room, first, count: count, text: text, at: millis, timer: timer, epoch: epoch))
  }

  package func save(_ room: RoomID, at sequence: Int64, text: String? = nil) async throws -> Bool {
    try await store.saveSnapshot(
      RoomSnapshot(
        room: room, sequence: SequenceNumber(sequence), text: Array((text ?? "{\"upTo\":\(sequence)}").utf8)),
      slot: Slot(of: room), epoch: epoch(room))
  }
}

extension RoomStore {
  /// `commit`, for a caller that waits.
  package func commit(_ commit: RoomCommit) async -> CommitOutcome {
    await withUnsafeContinuation { continuation in
      self.commit(commit) { continuation.resume(returning: $0) }
    }
  }
}

extension StoredRoom {
  package var journalTexts: [String] { journal.map(\.string) }
}

extension JournalRow {
  package var string: String { String(decoding: text, as: UTF8.self) }
}

/// The name of a room in tests.
package func room(_ name: String) -> RoomID {
  guard let room = RoomID(name) else { preconditionFailure("\"\(name)\" is no name of a room") }
  return room
}

/// Rooms no two of which share a slot.
package func roomsInSlotsOfTheirOwn(_ count: Int) -> [RoomID] {
  var rooms: [Slot: RoomID] = [:]
  var number = 0
  while rooms.count < count {
    let next = room("room-\(number)")
    rooms[Slot(of: next)] = next
    number += 1
  }
  return rooms.values.sorted()
}
